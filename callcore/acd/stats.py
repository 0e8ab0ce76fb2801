"""The live counters: those of the present interval, and the day's before it.

What happens is counted in the present interval alone. When it ends its counters are taken away as
they are, added to the day's, and go to the database; so the day is the sum of its intervals to the
contact, and an event costs no more than one counter.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from callcore.acd.agent import LiveAgent, State
from callcore.acd.counts import AgentStats, Counts, QueueStats
from callcore.types import QueueId

#: Length of an interval. Every time zone is whole quarters of an hour off UTC, so intervals that
#: begin at multiples of this begin at quarters on any wall clock.
INTERVAL_SECONDS = 900.0


def interval_begin(now: float) -> float:
    """When the interval began that `now` (seconds since the epoch) lies in."""
    return now // INTERVAL_SECONDS * INTERVAL_SECONDS


class Stats(Counts, kw_only=True, omit_defaults=True):
    """The counters of the present interval, and the day before it; part of the snapshot.

    Nobody keeps an entry: the end of the interval takes all of them away.
    """

    #: When the interval began; None: none was begun yet.
    since: float | None = None
    #: The intervals of today that are over.
    day: Counts = msgspec.field(default_factory=Counts)
    #: The present interval is the last one of its day.
    day_ends: bool = False

    def spent(self, agent: LiveAgent, until: float) -> float:
        """Seconds of this interval in the state that the agent is shown in; logged out: none."""
        since, began = agent.since, self.since
        if began is not None and began > since:
            since = began
        return until - since if until > since and agent.state is not State.LOGGED_OUT else 0.0

    def spend(self, agent: LiveAgent, until: float) -> None:
        """Count them: the state changes, or the interval ends."""
        spent = self.spent(agent, until)
        if spent > 0:
            self.agent(agent.id).spend(agent.state, spent)

    def begin_interval(self, at: float, agents: Iterable[LiveAgent]) -> Counts | None:
        """End the present interval and begin one; what the former counted, None if there was none.

        Who waits is carried over. Time between an interval's end and a later `at` is nobody's:
        callcore was away.
        """
        began = self.since
        end = at if began is None else min(at, began + INTERVAL_SECONDS)
        for agent in agents:
            self.spend(agent, end)
        closed = Counts(queues=self.queues, agents=self.agents, skills=self.skills)
        self.queues, self.agents, self.skills = _carried(self.queues), {}, _carried(self.skills)
        self.since = at
        self.day.merge(closed)
        if self.day_ends:
            self.begin_day(at)
        return None if began is None else closed

    def present(self, agents: Iterable[LiveAgent], now: float) -> Counts:
        """What was counted in the present interval so far; a copy."""
        counts = Counts()
        counts.merge(self)
        for agent in agents:
            spent = self.spent(agent, now)
            if spent > 0:
                counts.agent(agent.id).spend(agent.state, spent)
        return counts

    def begin_day(self, now: float) -> None:
        """The intervals that are over were yesterday's; so is the present one, where the clock
        that tells midnight runs a little ahead of ours."""
        self.day_ends = self.since is not None and now - self.since > INTERVAL_SECONDS / 2
        if not self.day_ends:
            self.day = Counts()

    def today(self, agents: Iterable[LiveAgent], now: float) -> Counts:
        """The day so far, the present interval included; a copy."""
        sums = Counts()
        sums.merge(self.day)
        sums.merge(self.present(agents, now))
        return sums

    def queue_today(self, queue: QueueId) -> QueueStats:
        return _today(self.day.queues.get(queue), self.queues.get(queue))

    def agent_today(self, agent: LiveAgent, now: float) -> AgentStats:
        """With the time in the present state."""
        sums = AgentStats()
        for counted in (self.day.agents.get(agent.id), self.agents.get(agent.id)):
            if counted is not None:
                sums.merge(counted)
        sums.spend(agent.state, self.spent(agent, now))
        return sums


def _carried(counted: dict[str, QueueStats]) -> dict[str, QueueStats]:
    return {
        name: QueueStats(carried=each.waiting) for name, each in counted.items() if each.waiting
    }


def _today(day: QueueStats | None, present: QueueStats | None) -> QueueStats:
    first = day or present or QueueStats()
    sums = QueueStats(carried=first.carried)
    for counted in (day, present):
        if counted is not None:
            sums.merge(counted)
    return sums
