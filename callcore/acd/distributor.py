"""The distributor: told what happened and what time it is, it returns what is to be done.

A pure machine: `handle(event, now)`, `next_timer()`, `handle_timer(now)`. An event that does not
fit (late, duplicate, about somebody unknown) changes nothing and is counted in `ignored` under a
code; a contradiction between our own tables raises `InvalidTransition`. Time never runs backwards
here: an earlier `now` counts as the latest one seen.

Who gets whom
- A contact that opens goes to the idle agent with the lowest (penalty, rank by strategy, id).
- An agent who frees takes the contact with the lowest (-priority, since, id) in all queues served.
- ring_all offers to everyone free, whatever the penalty, and to everyone who frees while it rings.
- An unanswered offer costs the contact nothing: it keeps its place and the next agent rings at
  once. The agent rests for the queue's `retry_seconds` (at least `SHORTEST_REST` after an offer
  that failed at once), for all contacts, even when nobody else is free. `rona_limit` offers in a
  row that were not answered, rejected or met a busy phone pause the agent with reason "rona".
- `max_size` refuses only contacts that no agent is free for; `max_wait` counts from `since`, and
  ends a ringing offer too.
- Wrap-up is ended by its timer, or by the agent: ready, logging out, taking another contact.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from callcore.acd import events as ev
from callcore.acd.agent import LiveAgent, State, Status, Step
from callcore.acd.contact import Contact
from callcore.acd.counts import Counts
from callcore.acd.events import (
    AnyAcdAction,
    AnyAcdEvent,
    Direction,
    OfferResult,
    OverflowReason,
)
from callcore.acd.floor import DistributorState, Floor
from callcore.acd.queue import Seat
from callcore.acd.reconfigure import reconfigure, refusal
from callcore.acd.routing import SHORTEST_REST, Router
from callcore.acd.skills import needs_of
from callcore.acd.views import (
    AgentView,
    QueueView,
    WaitingView,
    agent_views,
    queue_views,
    waiting_views,
)
from callcore.acd.why import Explanation, Reason, why_agent, why_contact
from callcore.types import AgentId, QueueId

#: Results that count as the agent's doing (many phones send 486 for the reject key).
COUNTED = (OfferResult.NO_ANSWER, OfferResult.BUSY, OfferResult.REJECTED)


class Distributor:
    """Queues and agents of one site."""

    def __init__(self, state: DistributorState | None = None) -> None:
        self.restore(state if state is not None else DistributorState())
        self._handlers: dict[type[ev.AcdEvent], Callable[[Any], None]] = {
            ev.Configured: self._configured,
            ev.LoggedIn: self._logged_in,
            ev.LoggedOut: self._logged_out,
            ev.Paused: self._paused,
            ev.Ready: self._ready,
            ev.ReachableChanged: self._reachable_changed,
            ev.BusyChanged: self._busy_changed,
            ev.ContactQueued: self._contact_queued,
            ev.ContactLeft: self._contact_left,
            ev.OfferAnswered: self._offer_answered,
            ev.OfferFailed: self._offer_failed,
            ev.ContactAssigned: self._contact_assigned,
            ev.HoldChanged: self._hold_changed,
            ev.ContactReleased: self._contact_released,
            ev.IntervalBegan: self._interval_began,
            ev.DayBegan: self._day_began,
        }

    # --- the door -----------------------------------------------------------------------------

    def handle(self, event: AnyAcdEvent, now: float) -> list[AnyAcdAction]:
        """Take one event; the actions are in the order they must be carried out."""
        out = self._begin(now)
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
        out = self._begin(now)
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

    def restore(self, state: DistributorState) -> None:
        """Go on from a snapshot (and own it); indexes and timers are built anew."""
        self.floor = Floor(state)
        self._router = Router(self.floor)

    @property
    def now(self) -> float:
        return self._router.now

    @property
    def ignored(self) -> dict[str, int]:
        """Events that did not fit, by code."""
        return self.floor.state.ignored

    # --- reading ------------------------------------------------------------------------------

    def agents(self, now: float) -> list[AgentView]:
        return agent_views(self.floor, max(now, self.now))

    def queues(self, now: float) -> list[QueueView]:
        return queue_views(self.floor, max(now, self.now))

    def waiting(self, now: float, queue: QueueId | None = None) -> list[WaitingView]:
        """Contacts of one queue, or of all, in order of service."""
        return waiting_views(self.floor, max(now, self.now), queue)

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

    def why_contact(self, contact: ev.ContactId) -> Explanation:
        return why_contact(self.floor, contact)

    def why_agent(self, agent: AgentId) -> tuple[Reason, ...]:
        return why_agent(self.floor, agent)

    # --- inside -------------------------------------------------------------------------------

    def _begin(self, now: float) -> list[AnyAcdAction]:
        router = self._router
        if now > router.now:
            router.now = self.floor.state.now = now
        router.out = []
        return router.out

    def _ignore(self, code: str) -> None:
        self.ignored[code] = self.ignored.get(code, 0) + 1

    def _seat(self, agent: str) -> Seat | None:
        seat = self.floor.seats.get(agent)
        if seat is None:
            self._ignore("unknown_agent")
        return seat

    # --- timers -------------------------------------------------------------------------------

    def _agent_due(self, ident: str, when: float) -> None:
        seat = self.floor.seats.get(ident)
        if seat is None or seat.agent.deadline != when:
            return  # something due at the same moment came first
        agent = seat.agent
        agent.deadline = None
        if agent.work is State.OFFERED:
            retry = self.floor.queues[agent.queue].config.retry_seconds
            self._router.unanswered(
                seat, OfferResult.NO_ANSWER, ev.WithdrawReason.NO_ANSWER, counts=True, rest=retry
            )
        elif agent.work is State.WRAPPING_UP:
            self._router.finish(seat, "wrap_up_over")
        else:
            self._router.settle([seat])

    def _contact_due(self, ident: str, when: float) -> None:
        contact = self.floor.contacts.get(ident)
        if contact is not None and contact.deadline == when:
            self._router.settle(self._router.overflow(contact, OverflowReason.MAX_WAIT))

    # --- configuration and agents -------------------------------------------------------------

    def _day_began(self, event: ev.DayBegan) -> None:
        self.floor.state.stats.begin_day(self.now)

    def _interval_began(self, event: ev.IntervalBegan) -> None:
        agents = (seat.agent for seat in self.floor.seats.values())
        stats = self.floor.state.stats
        begin = stats.since
        closed = stats.begin_interval(event.at, agents)
        if begin is not None and closed is not None:
            self._router.out.append(ev.IntervalEnded(begin=begin, counts=closed))

    def _configured(self, event: ev.Configured) -> None:
        code = refusal(event)
        if code:
            self._ignore(code)
        else:
            reconfigure(self._router, event)

    def _logged_in(self, event: ev.LoggedIn) -> None:
        seat = self._seat(event.agent)
        if seat is None:
            return
        agent = seat.agent
        if agent.removed:
            self._ignore("agent_removed")
        elif agent.status is not Status.LOGGED_OUT:
            self._ignore("already_logged_in")
            self._set_reachable(seat, event.reachable)
        else:
            agent.reachable, agent.busy = event.reachable, event.busy
            agent.missed = 0
            agent.idle_since = self.now
            agent.status = Status.READY if event.ready else Status.PAUSED
            agent.pause_reason = "" if event.ready else "login"
            self._router.show(agent, "login", agent.deadline, chosen=True)
            self._router.settle([seat])

    def _logged_out(self, event: ev.LoggedOut) -> None:
        seat = self._seat(event.agent)
        if seat is None:
            return
        if seat.agent.status is Status.LOGGED_OUT:
            self._ignore("not_logged_in")
            return
        self._choose(seat, Status.LOGGED_OUT, "")
        self._router.agent_gone(seat, "logout", chosen=True)
        if seat.agent.work is State.WRAPPING_UP:
            self._router.finish(seat, "logout")

    def _paused(self, event: ev.Paused) -> None:
        seat = self._seat(event.agent)
        if seat is None:
            return
        agent = seat.agent
        if agent.status is Status.LOGGED_OUT:
            self._ignore("not_logged_in")
        elif agent.status is Status.PAUSED and agent.pause_reason == event.reason:
            self._ignore("already_paused")
        else:
            self._choose(seat, Status.PAUSED, event.reason)
            self._router.agent_gone(seat, event.reason, chosen=True)

    def _choose(self, seat: Seat, status: Status, pause_reason: str) -> None:
        agent = seat.agent
        agent.status, agent.pause_reason = status, pause_reason
        if agent.work is State.IDLE:
            self.floor.set_deadline(agent, None)  # the rest after an unanswered offer

    def _ready(self, event: ev.Ready) -> None:
        seat = self._seat(event.agent)
        if seat is None:
            return
        agent = seat.agent
        if agent.status is Status.LOGGED_OUT:
            self._ignore("not_logged_in")
            return
        was_paused = agent.status is Status.PAUSED
        if was_paused:
            agent.status, agent.pause_reason, agent.missed = Status.READY, "", 0
        if agent.work is State.WRAPPING_UP:
            self._router.finish(seat, "ready")
        elif not was_paused:
            self._ignore("already_ready")
        else:
            if agent.work is State.IDLE:
                agent.idle_since = self.now
            self._router.show(agent, "ready", chosen=True)
            self._router.settle([seat])

    def _reachable_changed(self, event: ev.ReachableChanged) -> None:
        seat = self._seat(event.agent)
        if seat is not None and not self._set_reachable(seat, event.reachable):
            self._ignore("no_change")

    def _set_reachable(self, seat: Seat, reachable: bool) -> bool:
        agent = seat.agent
        if agent.reachable == reachable:
            return False
        agent.reachable = reachable
        if reachable:
            self._router.show(agent, "reachable")
            self._router.settle([seat])
        else:
            self._router.agent_gone(seat, "unreachable")
        return True

    def _busy_changed(self, event: ev.BusyChanged) -> None:
        seat = self._seat(event.agent)
        if seat is None:
            return
        agent = seat.agent
        if agent.busy == event.busy:
            self._ignore("no_change")
            return
        agent.busy = event.busy
        if event.busy:
            self._router.agent_gone(seat, "outside_call")
            return
        if agent.work is State.IDLE:
            agent.idle_since = self.now
        self._router.show(agent, "outside_call_over")
        self._router.settle([seat])

    # --- contacts -----------------------------------------------------------------------------

    def _contact_queued(self, event: ev.ContactQueued) -> None:
        queue = self.floor.queues.get(event.queue)
        if event.contact in self.floor.contacts:
            self._ignore("already_queued")
            return
        if queue is None:
            self._refuse(event, OverflowReason.NO_SUCH_QUEUE)
            return
        config, needs, now = queue.config, needs_of(event.skills), self.now
        stats = self.floor.state.stats.of(event.queue, event.skills)
        if 0 < config.max_size <= queue.size and self.floor.best_idle(queue, needs) is None:
            for each in stats:
                each.refused += 1
            self._refuse(event, OverflowReason.QUEUE_FULL)
            return
        since = event.since if event.since is not None and event.since <= now else now
        contact = Contact(
            id=event.contact,
            queue=event.queue,
            since=since,
            entered=now,
            priority=event.priority,
            needs=needs,
            skills=event.skills,
            direction=event.direction,
            deadline=since + config.max_wait_seconds if config.max_wait_seconds > 0 else None,
        )
        for each in stats:
            each.entered += 1
            each.transferred_in += event.transferred
        self.floor.enter(contact)
        self._router.match_contact(contact, queue)

    def _refuse(self, event: ev.ContactQueued, reason: OverflowReason) -> None:
        self._router.out.append(
            ev.Overflow(contact=event.contact, queue=event.queue, reason=reason)
        )

    def _contact_left(self, event: ev.ContactLeft) -> None:
        contact = self.floor.contacts.get(event.contact)
        if contact is None:
            self._ignore("unknown_contact")  # or answered in the same instant: it is released
            return
        freed = self._router.withdraw_all(contact, ev.WithdrawReason.CONTACT_LEFT)
        self.floor.leave(contact)
        config, wait = self.floor.queues[contact.queue].config, self.now - contact.since
        for each in self.floor.state.stats.of(contact.queue, contact.skills):
            if not event.abandoned:
                each.taken_out += 1
            elif contact.direction is Direction.OUTBOUND:
                each.count_dropped(wait)
            else:
                each.count_abandoned(wait, config)
        self._router.settle(freed)

    # --- offers and talks ---------------------------------------------------------------------

    def _offer_answered(self, event: ev.OfferAnswered) -> None:
        seat = self._seat(event.agent)
        if seat is None:
            return
        agent = seat.agent
        if agent.contact != event.contact:
            self._ignore("late_answer")
        elif agent.work is not State.OFFERED:
            self._ignore("duplicate_answer")
        else:
            self._won(seat, self.floor.contacts[event.contact], Step.ANSWER)

    def _won(self, seat: Seat, contact: Contact, step: Step) -> None:
        """A contact of a queue has found its agent; whoever else rings is stopped."""
        agent = seat.agent
        freed = self._router.withdraw_all(
            contact, ev.WithdrawReason.ANSWERED_ELSEWHERE, winner=agent.id
        )
        self.floor.leave(contact)
        stats = self.floor.state.stats
        config, wait = self.floor.queues[contact.queue].config, self.now - contact.since
        for each in stats.of(contact.queue, contact.skills):
            each.count_answered(wait, config)
        stats.agent(agent.id).answered += 1
        agent.needed = tuple(contact.skills)
        self._router.connect(seat, contact.id, contact.queue, step)
        self._router.settle(freed)

    def _offer_failed(self, event: ev.OfferFailed) -> None:
        seat = self._seat(event.agent)
        if seat is None:
            return
        agent = seat.agent
        if agent.work is not State.OFFERED or agent.contact != event.contact:
            self._ignore("no_such_offer")
            return
        rest = self.floor.queues[agent.queue].config.retry_seconds
        self._router.unanswered(
            seat,
            event.result,
            None,
            counts=event.result in COUNTED,
            rest=max(rest, SHORTEST_REST),
        )

    def _contact_assigned(self, event: ev.ContactAssigned) -> None:
        seat = self._seat(event.agent)
        if seat is None:
            return
        agent = seat.agent
        contact = self.floor.contacts.get(event.contact)
        if agent.work in (State.TALKING, State.ON_HOLD):
            if agent.contact == event.contact:
                self._ignore("duplicate_assignment")
            elif contact is not None:
                self._ignore("agent_holds_contact")  # it waits in a queue: another will take it
            else:
                self.floor.state.stats.agent(agent.id).transferred_in += 1
                self._router.exchange(seat, event.contact, event.queue)
            return
        if agent.removed:
            self._ignore("agent_removed")
            return
        if contact is not None and agent.work is State.OFFERED and agent.contact == contact.id:
            self._won(seat, contact, Step.ANSWER)
            return
        lost = self._clear_for_assignment(seat)
        if contact is not None:
            self._won(seat, contact, Step.ASSIGN)
        else:
            self.floor.state.stats.agent(agent.id).transferred_in += 1
            self._router.connect(seat, event.contact, event.queue, Step.ASSIGN)
        if lost is not None:
            self._router.rematch(lost)

    def _clear_for_assignment(self, seat: Seat) -> Contact | None:
        """End wrap-up or ringing of an agent who took another contact by hand."""
        if seat.agent.work is State.WRAPPING_UP:
            self._router.finish(seat, "assigned", match=False)
        elif seat.agent.work is State.OFFERED:
            lost = self._router.lose_offer(seat, "assigned", ev.WithdrawReason.AGENT_GONE)
            self._router.keep_place(lost)
            return lost
        return None

    def _hold_changed(self, event: ev.HoldChanged) -> None:
        agent = self._talking(event.agent, event.contact)
        if agent is None:
            return
        if (agent.work is State.ON_HOLD) == event.on_hold:
            self._ignore("no_change")
            return
        agent.step(Step.HOLD if event.on_hold else Step.RESUME, self.now)
        self._router.show(agent, "hold" if event.on_hold else "resume")

    def _contact_released(self, event: ev.ContactReleased) -> None:
        agent = self._talking(event.agent, event.contact)
        if agent is not None:
            if event.transferred:
                self._count_transfer(agent)
            self._router.release(self.floor.seats[agent.id])

    def _count_transfer(self, agent: LiveAgent) -> None:
        stats = self.floor.state.stats
        stats.agent(agent.id).transferred_out += 1
        if agent.queue:
            for each in stats.of(agent.queue, agent.needed):
                each.transferred_out += 1

    def _talking(self, ident: str, contact: str) -> LiveAgent | None:
        """The agent who holds this contact, else None and the event is ignored."""
        seat = self._seat(ident)
        if seat is None:
            return None
        agent = seat.agent
        if agent.contact == contact and agent.work in (State.TALKING, State.ON_HOLD):
            return agent
        self._ignore("not_connected")
        return None
