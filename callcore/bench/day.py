"""A day at a call centre as a plan: who calls when, how long, with what patience; who works.

The plan is drawn once, by seed, before anything is played, so that every rule compared on it meets
the same callers with the same talk times and the same patience (common random numbers).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random

from callcore.directory import Agent, Queue

HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Caller:
    """One contact as it would come whatever the routing: times in seconds."""

    contact: str
    queue: str
    arrives: float
    talk: float
    #: Hangs up after waiting so long; infinite for one who never does.
    patience: float = math.inf
    skills: Mapping[str, int] = field(default_factory=dict)
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Shift:
    """When an agent is logged in, and the pauses (from, to) in between."""

    agent: str
    begins: float
    ends: float
    breaks: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Day:
    """Everything that happens from outside."""

    queues: dict[str, Queue]
    agents: dict[str, Agent]
    callers: list[Caller]
    shifts: list[Shift]
    #: Seconds an agent's phone rings before it is answered.
    ring_seconds: float = 0.0


@dataclass(frozen=True)
class Load:
    """The traffic of one queue."""

    queue: str
    #: Contacts an hour at moments of the day (seconds); linear in between, 0 outside.
    rate: tuple[tuple[float, float], ...]
    talk_seconds: float
    #: Mean patience; infinite where nobody hangs up.
    patience_seconds: float = math.inf
    #: Standard deviation of the logarithm of talk times; None: exponential. Measured talk times
    #: are near lognormal (Brown et al. 2005, "Statistical analysis of a telephone call center").
    spread: float | None = 0.8
    skills: Mapping[str, int] = field(default_factory=dict)

    def rate_at(self, when: float) -> float:
        """Contacts an hour."""
        for (begins, low), (ends, high) in zip(self.rate, self.rate[1:], strict=False):
            if begins <= when < ends:
                return low + (high - low) * (when - begins) / (ends - begins)
        return 0.0


def draw_callers(loads: Iterable[Load], seed: int) -> list[Caller]:
    """Everybody who calls, in order of arrival; each queue has random numbers of its own."""
    callers = [caller for load in loads for caller in _callers_of(load, seed)]
    return sorted(callers, key=lambda caller: (caller.arrives, caller.contact))


def _callers_of(load: Load, seed: int) -> Iterator[Caller]:
    draw = Random(f"{seed} {load.queue}")
    for number, arrives in enumerate(_arrivals(load, draw)):
        yield Caller(
            contact=f"{load.queue}.{number}",
            queue=load.queue,
            arrives=arrives,
            talk=_talk(load, draw),
            patience=_patience(load, draw),
            skills=load.skills,
        )


def _arrivals(load: Load, draw: Random) -> Iterator[float]:
    """A Poisson process whose rate changes, by thinning (Lewis and Shedler 1979)."""
    highest = max(rate for _, rate in load.rate) / HOUR
    when, ends = load.rate[0][0], load.rate[-1][0]
    while (when := when + draw.expovariate(highest)) < ends:
        if draw.random() * highest * HOUR < load.rate_at(when):
            yield when


def _talk(load: Load, draw: Random) -> float:
    if load.spread is None:
        return draw.expovariate(1.0 / load.talk_seconds)
    middle = math.log(load.talk_seconds) - load.spread**2 / 2
    return draw.lognormvariate(middle, load.spread)


def _patience(load: Load, draw: Random) -> float:
    if math.isinf(load.patience_seconds):
        return math.inf
    return draw.expovariate(1.0 / load.patience_seconds)
