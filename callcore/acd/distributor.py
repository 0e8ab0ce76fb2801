"""The distributor: told what happened and what time it is, it returns what is to be done.

A pure machine: `handle(event, now)`, `next_timer()`, `handle_timer(now)`. An event that does not
fit (late, duplicate, about somebody unknown) changes nothing and is counted in `ignored` under a
code; a contradiction between our own tables raises `InvalidTransition`. Time never runs backwards
here: an earlier `now` counts as the latest one seen.

Who gets whom is in `choosing`. Around it:
- ring_all offers to everyone free, whatever the penalty, and to everyone who frees while it rings.
- A contact that wants an agent waits for that one alone until `wanted_until`, or until that agent
  logs out or does not take it; then it stands in its queue's line with the wait it has.
- An unanswered offer costs the contact nothing: it keeps its place and the next agent rings at
  once. The agent rests for the queue's `retry_seconds` (at least `SHORTEST_REST` after an offer
  that failed at once), for all contacts, even when nobody else is free. `rona_limit` offers in a
  row that were not answered, rejected or met a busy phone pause the agent with reason "rona".
- Who may enter, and where contacts overflow to, is in `admission`; waiting counts from `since`, and
  a queue that gives up ends a ringing offer too.
- Wrap-up is ended by its timer, or by the agent: ready, logging out, taking another contact.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from callcore.acd import events as ev
from callcore.acd.agent import State, Work
from callcore.acd.attendance import Attendance
from callcore.acd.counts import Counts
from callcore.acd.events import AnyAcdAction, AnyAcdEvent, OfferResult, OverflowReason
from callcore.acd.floor import DistributorState, Floor
from callcore.acd.handling import Handling
from callcore.acd.prospects import newcomer, prospect
from callcore.acd.queue import Seat
from callcore.acd.reconfigure import reconfigure, refusal
from callcore.acd.routing import Router, end_wish
from callcore.acd.views import (
    AgentView,
    QueueView,
    WaitingView,
    agent_views,
    position_of,
    queue_views,
    waiting_views,
)
from callcore.acd.why import Explanation, Reason, why_agent, why_contact
from callcore.types import AgentId, QueueId


class Distributor:
    """Queues and agents of one site."""

    def __init__(self, state: DistributorState | None = None) -> None:
        self.restore(state if state is not None else DistributorState())

    def restore(self, state: DistributorState) -> None:
        """Go on from a snapshot (and own it); indexes and timers are built anew."""
        self.floor = Floor(state)
        self._router = Router(self.floor)
        attendance, handling = Attendance(self._router), Handling(self._router)
        self._handlers: dict[type[ev.AcdEvent], Callable[[Any], None]] = {
            ev.Configured: self._configured,
            ev.LoggedIn: attendance.logged_in,
            ev.LoggedOut: attendance.logged_out,
            ev.Paused: attendance.paused,
            ev.Ready: attendance.ready,
            ev.StatusChosen: attendance.status_chosen,
            ev.WrapUpAsked: attendance.wrap_up_asked,
            ev.WrapUpExtended: attendance.wrap_up_extended,
            ev.ReachableChanged: attendance.reachable_changed,
            ev.BusyChanged: attendance.busy_changed,
            ev.ContactQueued: handling.contact_queued,
            ev.PriorityChanged: handling.priority_changed,
            ev.ContactLeft: handling.contact_left,
            ev.OfferReserved: handling.offer_reserved,
            ev.OfferAnswered: handling.offer_answered,
            ev.OfferFailed: handling.offer_failed,
            ev.ContactAssigned: handling.contact_assigned,
            ev.HoldChanged: handling.hold_changed,
            ev.ContactReleased: handling.contact_released,
            ev.IntervalBegan: self._interval_began,
            ev.DayBegan: self._day_began,
        }

    # --- the door -----------------------------------------------------------------------------

    def handle(self, event: AnyAcdEvent, now: float) -> list[AnyAcdAction]:
        """Take one event; the actions are in the order they must be carried out."""
        out = self._router.begin(event, now)
        self._handlers[type(event)](event)
        return out

    def next_timer(self) -> float | None:
        """When `handle_timer` wants to be called."""
        agents, contacts = self.floor.agent_timers.next(), self.floor.contact_timers.next()
        if agents is None or contacts is None:
            return contacts if agents is None else agents
        return min(agents, contacts)

    def handle_timer(self, now: float) -> list[AnyAcdAction]:
        """Everything due, earliest first; what becomes due meanwhile waits for the next call."""
        out = self._router.begin(None, now)
        now = self._router.now
        due = [(when, ident, self._agent_due) for when, ident in self.floor.agent_timers.due(now)]
        due += [
            (when, ident, self._contact_due) for when, ident in self.floor.contact_timers.due(now)
        ]
        for when, ident, act in sorted(due, key=lambda entry: entry[:2]):
            act(ident, when)
        return out

    def snapshot(self) -> DistributorState:
        """The live tables: encode them before the next event."""
        return self.floor.state

    @property
    def now(self) -> float:
        return self._router.now

    @property
    def ignored(self) -> dict[str, int]:
        """Events that did not fit, by code."""
        return self.floor.state.ignored

    def take_refused(self) -> list[tuple[str, AnyAcdEvent | None]]:
        """Events that did not fit since the last look, each with its code."""
        refused = list(self._router.refused)
        self._router.refused.clear()
        return refused

    # --- reading ------------------------------------------------------------------------------

    def agents(self, now: float) -> list[AgentView]:
        return agent_views(self.floor, max(now, self.now))

    def queues(self, now: float) -> list[QueueView]:
        return queue_views(self.floor, max(now, self.now))

    def waiting(self, now: float, queue: QueueId | None = None) -> list[WaitingView]:
        """Contacts of one queue, or of all, in order of service."""
        return waiting_views(self.floor, max(now, self.now), queue)

    def position(self, contact: ev.ContactId) -> int | None:
        """What a waiting customer is told of the place in line (1 is next); None: not waiting."""
        found = self.floor.contacts.get(contact)
        return None if found is None else position_of(self.floor, found)

    def estimate(self, contact: ev.ContactId, now: float, quantile: float = 0.5) -> float | None:
        """Seconds a contact in a queue will still wait; None: unknown (see `prospects`)."""
        found = self.floor.contacts.get(contact)
        if found is None:
            return None
        return prospect(self.floor, found, max(now, self.now), quantile=quantile)

    def estimate_new(self, queue: QueueId, now: float) -> float | None:
        """Seconds a contact without needs will wait that enters a queue now."""
        now = max(now, self.now)
        found = self.floor.queues.get(queue)
        return None if found is None else prospect(self.floor, newcomer(queue, now), now)

    def interval(self, now: float) -> tuple[float, Counts]:
        """When the present interval began, and what was counted in it so far."""
        stats = self.floor.state.stats
        agents = [seat.agent for seat in self.floor.seats.values()]
        now = max(now, self.now)
        since = stats.since if stats.since is not None else now
        return since, stats.present(agents, now)

    def today(self, now: float) -> Counts:
        """What was counted since midnight."""
        agents = [seat.agent for seat in self.floor.seats.values()]
        return self.floor.state.stats.today(agents, max(now, self.now))

    def why_contact(self, contact: ev.ContactId, now: float = 0.0) -> Explanation:
        return why_contact(self.floor, contact, max(now, self.now))

    def why_agent(self, agent: AgentId) -> tuple[Reason, ...]:
        return why_agent(self.floor, agent)

    # --- timers -------------------------------------------------------------------------------

    def _agent_due(self, ident: str, when: float) -> None:
        seat = self.floor.seats.get(ident)
        if seat is None or seat.agent.deadline != when:
            return  # something due at the same moment came first
        agent = seat.agent
        if agent.resting_until == when:
            agent.resting_until = None
            self.floor.arm(agent)
            self._router.settle([seat])
            return
        work = next(work for work in agent.works.values() if work.deadline == when)
        if work.state is State.WRAPPING_UP:
            self._router.finish(seat, work, "wrap_up_over")
        else:
            self._offer_timed_out(seat, work)

    def _offer_timed_out(self, seat: Seat, work: Work) -> None:
        retry = self.floor.queues[work.queue].config.retry_seconds
        self._router.unanswered(
            seat, work, OfferResult.NO_ANSWER, ev.WithdrawReason.NO_ANSWER, counts=True, rest=retry
        )

    def _contact_due(self, ident: str, when: float) -> None:
        contact = self.floor.contacts.get(ident)
        if contact is None or contact.due != when:
            return
        if contact.deadline == when:
            reason = OverflowReason.MAX_WAIT
            self._router.settle(self._router.overflow(contact, reason, contact.overflow_to))
        elif contact.wanted_until == when:
            self._router.move(contact, end_wish)
        else:
            self._router.move(contact, self.floor.require)

    # --- all of it ----------------------------------------------------------------------------

    def _day_began(self, event: ev.DayBegan) -> None:
        self.floor.state.stats.begin_day(self.now)
        for seat in self.floor.seats.values():
            seat.agent.answered_today = 0
            self.floor.unlist(seat)
            self.floor.list_idle(seat)

    def _interval_began(self, event: ev.IntervalBegan) -> None:
        begin = self.floor.state.stats.since
        closed = self.floor.begin_interval(event.at)
        if begin is not None and closed is not None:
            self._router.out.append(ev.IntervalEnded(begin=begin, counts=closed))

    def _configured(self, event: ev.Configured) -> None:
        code = refusal(event)
        if code:
            self._router.ignore(code)
        else:
            reconfigure(self._router, event)
