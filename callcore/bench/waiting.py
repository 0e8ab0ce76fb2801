"""Estimated waiting times against what came: callcore's, app_queue's average, and an oracle's.

Counted are the contacts that had to wait (nobody idle could take them) and were answered; for the
others there is nothing to announce, or nothing to compare with.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from callcore.acd import events as ev
from callcore.acd.distributor import Distributor
from callcore.acd.estimate import wait_quantile
from callcore.bench.day import Day
from callcore.bench.simulation import Fate, Simulation


@dataclass(frozen=True)
class Truth:
    """What the oracle knows of a queue: exact means, and the agents that serve it at a moment."""

    handling_seconds: float
    patience_seconds: float
    #: Of the agents present, as many as serve this queue (those shared by their part).
    agents: Callable[[set[str], float], float]


@dataclass
class AverageHold:
    """app_queue's `recalc_holdtime`: ¾ old and ¼ new, whole seconds, of each answered call."""

    seconds: int | None = None

    def answered(self, waited: float) -> None:
        new = int(waited)
        self.seconds = new if self.seconds is None else (self.seconds * 3 + new) >> 2


@dataclass(frozen=True, slots=True)
class Told:
    """What was told at join, by estimator, to a contact that had to wait."""

    fate: Fate
    seconds: dict[str, float]


class Announced(Simulation):
    """Plays a day and notes what each estimator would have told."""

    def __init__(
        self, day: Day, truth: dict[str, Truth], distributor: Distributor | None = None
    ) -> None:
        super().__init__(day, distributor)
        self.truth = truth
        self.told: list[Told] = []
        self.present: set[str] = set()
        self.averages = {name: AverageHold() for name in day.queues}

    def staffed(self, agent: str, present: bool) -> None:
        (self.present.add if present else self.present.discard)(agent)

    def answered(self, fate: Fate) -> None:
        self.averages[fate.caller.queue].answered(fate.wait)

    def feed(self, event: ev.AnyAcdEvent) -> None:
        super().feed(event)
        if isinstance(event, ev.ContactQueued) and self.fates[event.contact].offered is None:
            fate = self.fates[event.contact]
            self.told.append(Told(fate, self._ask(fate)))

    def _ask(self, fate: Fate) -> dict[str, float]:
        contact, queue, now = fate.caller.contact, fate.caller.queue, self.now
        truth = self.truth[queue]
        agents = max(truth.agents(self.present, now), 0.5)
        rate, hazard = agents / truth.handling_seconds, 1.0 / truth.patience_seconds
        ahead = self.distributor.floor.queues[queue].waiting - 1
        exact = sum(1.0 / (rate + i * hazard) for i in range(ahead + 1))

        def callcore(quantile: float) -> float:
            told = self.distributor.estimate(contact, now, quantile)
            return math.inf if told is None else told

        return {
            "callcore": callcore(0.5),
            "callcore_p90": callcore(0.9),
            "average_hold": float(self.averages[queue].seconds or 0),
            "oracle": self.day.ring_seconds + exact,
            "oracle_median": self.day.ring_seconds + wait_quantile(ahead, rate, hazard, 0.5),
        }


@dataclass(frozen=True, slots=True)
class Errors:
    """How far off an estimator was, in seconds, and how many waits it covered."""

    median: float
    p90: float
    covered: float


def errors(told: list[Told]) -> dict[str, Errors]:
    """By estimator."""
    found: dict[str, list[tuple[float, float]]] = {}
    for each in told:
        if each.fate.answered is not None:
            for name, seconds in each.seconds.items():
                found.setdefault(name, []).append((seconds, each.fate.wait))
    return {name: _errors(pairs) for name, pairs in found.items()}


def _errors(pairs: list[tuple[float, float]]) -> Errors:
    off = sorted(abs(seconds - wait) for seconds, wait in pairs if math.isfinite(seconds))
    return Errors(
        median=off[len(off) // 2],
        p90=off[int(len(off) * 0.9)],
        covered=sum(wait <= seconds for seconds, wait in pairs) / len(pairs),
    )
