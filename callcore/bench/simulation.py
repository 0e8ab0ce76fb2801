"""A day played through the real distributor on the virtual clock, a few thousand times faster.

Nothing here decides: callers, talk times, patience and shifts come from the plan (`day.Day`), who
gets whom comes from `Distributor.handle`. Subclasses listen (`joined`, `answered` …) or add faults.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

from callcore.acd import events as ev
from callcore.acd.distributor import Distributor
from callcore.bench.day import Caller, Day


@dataclass(slots=True)
class Fate:
    """What became of one contact; times of the day in seconds."""

    caller: Caller
    #: The last offer's beginning, and the agent who answered it.
    offered: float | None = None
    answered: float | None = None
    agent: str = ""
    abandoned: float | None = None
    overflowed: float | None = None

    @property
    def over(self) -> bool:
        """Not in the queue any more."""
        return not (self.answered is self.abandoned is self.overflowed is None)

    @property
    def wait(self) -> float:
        """Seconds in the queue."""
        ended = self.answered if self.answered is not None else self.abandoned
        ended = ended if ended is not None else self.overflowed
        return math.nan if ended is None else ended - self.caller.arrives


#: Moment, number (so that ties keep their order), what to call, with what.
_Entry = tuple[float, int, Callable[..., None], tuple[Any, ...]]


class Simulation:
    """Plays one day; `fates` by contact when it is over."""

    def __init__(self, day: Day, distributor: Distributor | None = None) -> None:
        self.day = day
        self.distributor = Distributor() if distributor is None else distributor
        self.now = 0.0
        self.fates: dict[str, Fate] = {}
        #: Whose phone rings for what.
        self.ringing: dict[str, str] = {}
        self.events = 0
        self._agenda: list[_Entry] = []
        self._number = 0

    # --- for those who listen ------------------------------------------------------------------

    def joined(self, fate: Fate) -> None:
        """About to enter its queue."""

    def answered(self, fate: Fate) -> None:
        """An agent took it."""

    def abandoned(self, fate: Fate) -> None:
        """The caller hung up in the queue."""

    def handled(self, fate: Fate) -> None:
        """Its wrap-up is over: the agent is free again."""

    def staffed(self, agent: str, present: bool) -> None:
        """An agent came (logged in, back from a break) or went."""

    # --- the clock -----------------------------------------------------------------------------

    def play(self) -> dict[str, Fate]:
        """Everything, until the last contact has ended."""
        day = self.day
        self.now = min(
            [shift.begins for shift in day.shifts] + [c.arrives for c in day.callers[:1]]
        )
        self.feed(ev.Configured(queues=day.queues, agents=day.agents))
        self._plan_shifts()
        for caller in day.callers:
            self._until(caller.arrives)
            self.now = caller.arrives
            self._arrive(caller)
        self._until(math.inf)
        return self.fates

    def at(self, when: float, act: Callable[..., None], *args: Any) -> None:
        """Call `act` at that moment."""
        self._number += 1
        heappush(self._agenda, (when, self._number, act, args))

    def feed(self, event: ev.AnyAcdEvent) -> None:
        """One event for the distributor; its actions are carried out."""
        self.events += 1
        self.carry_out(self.distributor.handle(event, self.now))

    def _until(self, limit: float) -> None:
        """Timers and what is on the agenda, in order of time; timers first when at once."""
        agenda = self._agenda
        while True:
            due = self.distributor.next_timer()
            first = agenda[0][0] if agenda else math.inf
            if due is not None and due <= first:
                if due > limit:
                    return
                self.now = max(self.now, due)
                self.events += 1
                self.carry_out(self.distributor.handle_timer(self.now))
            elif first <= limit and agenda:
                self.now, _, act, args = heappop(agenda)
                act(*args)
            else:
                return

    # --- what happens --------------------------------------------------------------------------

    def _plan_shifts(self) -> None:
        for shift in self.day.shifts:
            agent = shift.agent
            self.at(shift.begins, self._work, ev.LoggedIn(agent=agent), agent, True)
            for begins, ends in shift.breaks:
                self.at(begins, self._work, ev.Paused(agent=agent, reason="break"), agent, False)
                self.at(ends, self._work, ev.Ready(agent=agent), agent, True)
            self.at(shift.ends, self._work, ev.LoggedOut(agent=agent), agent, False)

    def _work(self, event: ev.AnyAcdEvent, agent: str, present: bool) -> None:
        self.staffed(agent, present)
        self.feed(event)

    def _arrive(self, caller: Caller) -> None:
        fate = self.fates[caller.contact] = Fate(caller)
        self.joined(fate)
        if caller.patience < math.inf:
            self.at(caller.arrives + caller.patience, self.hang_up, fate)
        self.feed(
            ev.ContactQueued(
                contact=caller.contact,
                queue=caller.queue,
                priority=caller.priority,
                skills=dict(caller.skills),
            )
        )

    def hang_up(self, fate: Fate) -> None:
        """Out of patience, if still in the queue."""
        if not fate.over:
            fate.abandoned = self.now
            self.abandoned(fate)
            self.feed(ev.ContactLeft(contact=fate.caller.contact))

    def answer(self, agent: str, contact: str, offered: float) -> None:
        """The agent takes the phone, if it still rings for that offer."""
        fate = self.fates[contact]
        if self.ringing.get(agent) != contact or fate.offered != offered:
            return
        del self.ringing[agent]
        fate.answered, fate.agent = self.now, agent
        self.answered(fate)
        self.at(self.now + fate.caller.talk, self.release, agent, contact)
        self.feed(ev.OfferAnswered(contact=contact, agent=agent))

    def release(self, agent: str, contact: str) -> None:
        """The talk is over."""
        self.feed(ev.ContactReleased(contact=contact, agent=agent))

    def carry_out(self, actions: list[ev.AnyAcdAction]) -> None:
        for action in actions:
            if isinstance(action, ev.Offer):
                self.ring(action)
            elif isinstance(action, ev.Withdraw):
                self.ringing.pop(action.agent, None)
            elif isinstance(action, ev.WrapUpEnded):
                self.handled(self.fates[action.contact])
            elif isinstance(action, ev.Overflow):
                self.fates[action.contact].overflowed = self.now

    def ring(self, offer: ev.Offer) -> None:
        """The phone rings; it is answered after the day's ring time."""
        self.ringing[offer.agent] = offer.contact
        self.fates[offer.contact].offered = self.now
        when = self.now + self.day.ring_seconds
        self.at(when, self.answer, offer.agent, offer.contact, self.now)


@dataclass(frozen=True, slots=True)
class Result:
    """Per-queue figures of a day; waits in seconds."""

    contacts: int
    answered: int
    within: int
    abandoned: int
    mean_wait: float
    longest_wait: float

    @property
    def service_level(self) -> float:
        """Answered within the target, of all contacts."""
        return self.within / self.contacts if self.contacts else math.nan


def results(day: Day, fates: dict[str, Fate]) -> dict[str, Result]:
    """By queue; the service level's target is the queue's `service_level_seconds`."""
    by_queue: dict[str, list[Fate]] = {name: [] for name in day.queues}
    for fate in fates.values():
        by_queue[fate.caller.queue].append(fate)
    return {
        name: _result(fates_here, day.queues[name].service_level_seconds)
        for name, fates_here in by_queue.items()
    }


def _result(fates: list[Fate], target: float) -> Result:
    waits = [fate.wait for fate in fates if fate.answered is not None]
    return Result(
        contacts=len(fates),
        answered=len(waits),
        within=sum(wait <= target for wait in waits),
        abandoned=sum(fate.abandoned is not None for fate in fates),
        mean_wait=sum(waits) / len(waits) if waits else math.nan,
        longest_wait=max(waits, default=math.nan),
    )
