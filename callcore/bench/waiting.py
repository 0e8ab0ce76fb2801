"""Estimated waiting times against what came: callcore's, app_queue's average, and an oracle's.

Counted are the contacts that had to wait (nobody idle could take them) and were answered; for the
others there is nothing to announce, or nothing to compare with.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from callcore.acd import events as ev
from callcore.acd.distributor import Distributor
from callcore.acd.estimate import Neighbour, WaitEstimator, estimated_wait, wait_quantile
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


@dataclass
class WatchedLine:
    """A queue as the estimate sees it (see `acd.estimate.Line`), kept from the actions alone."""

    members: frozenset[str]
    estimator: WaitEstimator = field(default_factory=WaitEstimator)
    average: AverageHold = field(default_factory=AverageHold)
    neighbours: list[Neighbour] = field(default_factory=list)
    #: Contacts in line, oldest first.
    line: dict[str, float] = field(default_factory=dict)
    occupied: int = 0
    staffed: int = 0

    @property
    def waiting(self) -> int:
        return len(self.line)

    @property
    def waiting_since(self) -> float | None:
        return next(iter(self.line.values()), None)


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
        self._told_at_join: dict[str, float] = {}
        self.present: set[str] = set()
        self.lines = {
            name: WatchedLine(frozenset(member.agent for member in queue.members))
            for name, queue in day.queues.items()
        }
        for line in self.lines.values():
            line.neighbours = [
                (other, len(line.members & other.members) / len(other.members))
                for other in self.lines.values()
                if other is not line and line.members & other.members
            ]

    # --- what the estimators are told -----------------------------------------------------------

    def staffed(self, agent: str, present: bool) -> None:
        if present != (agent in self.present):
            (self.present.add if present else self.present.remove)(agent)
            for line in self.lines.values():
                line.staffed += (agent in line.members) * (1 if present else -1)

    def ring(self, offer: ev.Offer) -> None:
        super().ring(offer)
        line = self.lines[offer.queue]
        line.line.pop(offer.contact, None)
        line.occupied += 1

    def answered(self, fate: Fate) -> None:
        line = self._line(fate)
        line.average.answered(fate.wait)
        told = self._told_at_join.pop(fate.caller.contact, None)
        line.estimator.answered(fate.wait, self.now - (fate.offered or 0.0), told)

    def abandoned(self, fate: Fate) -> None:
        line = self._line(fate)
        line.estimator.abandoned(fate.wait)
        if line.line.pop(fate.caller.contact, None) is None:
            line.occupied -= 1  # a phone rang for it

    def handled(self, fate: Fate) -> None:
        line = self._line(fate)
        line.occupied -= 1
        line.estimator.finished(self.now - (fate.offered or 0.0))

    def _line(self, fate: Fate) -> WatchedLine:
        return self.lines[fate.caller.queue]

    # --- what they tell -------------------------------------------------------------------------

    def feed(self, event: ev.AnyAcdEvent) -> None:
        super().feed(event)
        if isinstance(event, ev.ContactQueued) and self.fates[event.contact].offered is None:
            fate = self.fates[event.contact]
            told = Told(fate, self._ask(fate))
            self.told.append(told)
            self._told_at_join[event.contact] = told.seconds["callcore"]
            self._line(fate).line[event.contact] = self.now

    def _ask(self, fate: Fate) -> dict[str, float]:
        line, truth = self._line(fate), self.truth[fate.caller.queue]
        ahead, now = line.waiting, self.now
        agents = max(truth.agents(self.present, now), 0.5)
        rate, hazard = agents / truth.handling_seconds, 1.0 / truth.patience_seconds
        exact = sum(1.0 / (rate + i * hazard) for i in range(ahead + 1))

        def callcore(quantile: float) -> float:
            return estimated_wait(
                line, line.neighbours, ahead=ahead, since=now, now=now, quantile=quantile
            )

        return {
            "callcore": callcore(0.5),
            "callcore_p90": callcore(0.9),
            "average_hold": float(line.average.seconds or 0),
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
