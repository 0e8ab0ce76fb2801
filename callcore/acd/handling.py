"""What happens to contacts: entering a queue, being offered and answered, talking, ending.

An event that does not fit is ignored under a code, see `Router.ignore`.
"""

from __future__ import annotations

import msgspec

from callcore.acd import admission
from callcore.acd import events as ev
from callcore.acd.agent import LiveAgent, State, Step, Work
from callcore.acd.attendance import TALKS
from callcore.acd.contact import Contact
from callcore.acd.events import Direction, OfferResult, OverflowReason
from callcore.acd.prospects import prospect
from callcore.acd.queue import Seat
from callcore.acd.routing import SHORTEST_REST, Router
from callcore.acd.rule import readable
from callcore.directory_queue import VOICE
from callcore.types import QueueId

#: Results that count as the agent's doing (many phones send 486 for the reject key).
COUNTED = (OfferResult.NO_ANSWER, OfferResult.BUSY, OfferResult.REJECTED)


class Handling:
    """The rules about contacts."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._floor = router.floor

    def contact_queued(self, event: ev.ContactQueued) -> None:
        queue = self._floor.queues.get(event.queue)
        if event.contact in self._floor.contacts:
            self._router.ignore("already_queued")
            return
        if queue is None:
            self._refuse(event, OverflowReason.NO_SUCH_QUEUE)
            return
        if event.rule and not readable(event.rule):
            self._router.ignore("unreadable_rule")
            event = msgspec.structs.replace(event, rule="")
        contact = admission.contact_of(event, queue, self._floor, self._router.now)
        refused = admission.refusal(self._floor, queue, contact, self._router.now)
        if refused is not None:
            for each in self._floor.counters(event.queue, event.skills):
                each.refused += 1
            self._refuse(event, refused.reason, refused.to)
            return
        for each in self._floor.counters(event.queue, event.skills):
            each.entered += 1
            each.transferred_in += event.transferred
        self._floor.enter(contact)
        self._router.match_contact(contact, queue)
        if not contact.offers and queue.limits.tells_waits:
            contact.told = prospect(self._floor, contact, self._router.now)

    def _refuse(self, event: ev.ContactQueued, reason: OverflowReason, to: str = "") -> None:
        self._router.out.append(
            ev.Overflow(contact=event.contact, queue=event.queue, reason=reason, to=to)
        )

    def priority_changed(self, event: ev.PriorityChanged) -> None:
        contact = self._floor.contacts.get(event.contact)
        if contact is None:
            self._router.ignore("unknown_contact")
        elif contact.priority == event.priority:
            self._router.ignore("no_change")
        else:

            def change(moved: Contact) -> None:
                moved.priority = event.priority
                self._floor.require(moved)

            self._router.move(contact, change)

    def contact_left(self, event: ev.ContactLeft) -> None:
        contact = self._floor.contacts.get(event.contact)
        if contact is None:
            self._router.ignore(
                "unknown_contact"
            )  # or answered in the same instant: it is released
            return
        freed = self._router.withdraw_all(contact, ev.WithdrawReason.CONTACT_LEFT)
        self._floor.leave(contact)
        self._count_left(contact, abandoned=event.abandoned)
        self._router.settle(freed)

    def _count_left(self, contact: Contact, *, abandoned: bool) -> None:
        config = self._floor.queues[contact.queue].config
        wait = self._router.now - contact.since
        self._learn_left(contact, abandoned=abandoned)
        for each in self._floor.counters(contact.queue, contact.skills):
            if not abandoned:
                each.taken_out += 1
            elif contact.direction is not Direction.INBOUND:
                each.count_dropped(wait)
            else:
                each.count_abandoned(wait, config)

    def _learn_left(self, contact: Contact, *, abandoned: bool) -> None:
        estimator = self._floor.queues[contact.queue].estimator
        waited = self._router.now - contact.entered
        if abandoned:
            estimator.abandoned(waited)
        else:
            estimator.left(waited)

    # --- offers and talks ---------------------------------------------------------------------

    def offer_reserved(self, event: ev.OfferReserved) -> None:
        found = self._ringing(event.agent, event.contact)
        if found is None:
            return
        seat, work = found
        contact = self._floor.contacts[event.contact]
        if contact.reserved:
            self._router.ignore("already_reserved")
            return
        freed = self._router.withdraw_all(
            contact, ev.WithdrawReason.ANSWERED_ELSEWHERE, winner=event.agent
        )
        contact.offers.append(event.agent)
        contact.reserved = True
        if contact.shared:
            self._floor.step_out(contact)
        work.deadline = None
        self._floor.arm(seat.agent)
        self._router.settle(freed)

    def offer_answered(self, event: ev.OfferAnswered) -> None:
        seat = self._router.seat(event.agent)
        if seat is None:
            return
        work = seat.agent.works.get(event.contact)
        if work is None:
            self._router.ignore("late_answer")
        elif work.state is not State.OFFERED:
            self._router.ignore("duplicate_answer")
        else:
            work.step(Step.ANSWER, self._router.now)
            self._won(seat, self._floor.contacts[event.contact], work, "answer")

    def _won(self, seat: Seat, contact: Contact, work: Work | None, reason: str) -> None:
        """A contact of a queue has found its agent; whoever else rings is stopped."""
        agent = seat.agent
        freed = self._router.withdraw_all(
            contact, ev.WithdrawReason.ANSWERED_ELSEWHERE, winner=agent.id
        )
        self._floor.leave(contact)
        self._count_answered(contact, agent)
        agent.answered_today += 1
        rang = 0.0 if work is None else self._router.now - work.began
        waited = self._router.now - contact.entered
        self._floor.queues[contact.queue].estimator.answered(waited, rang, contact.told)
        if work is None:
            self._router.assign(seat, contact.id, contact.queue, tuple(contact.skills))
        else:
            self._router.connect(seat, work, reason)
        self._router.settle(freed)

    def _count_answered(self, contact: Contact, agent: LiveAgent) -> None:
        config = self._floor.queues[contact.queue].config
        wait = self._router.now - contact.since
        for each in self._floor.counters(contact.queue, contact.skills):
            each.count_answered(wait, config)
        self._floor.state.stats.agent(agent.id).answered += 1

    def offer_failed(self, event: ev.OfferFailed) -> None:
        found = self._ringing(event.agent, event.contact)
        if found is None:
            return
        seat, work = found
        rest = self._floor.queues[work.queue].config.retry_seconds
        self._router.unanswered(
            seat,
            work,
            event.result,
            None,
            counts=event.result in COUNTED,
            rest=max(rest, SHORTEST_REST),
        )

    def contact_assigned(self, event: ev.ContactAssigned) -> None:
        seat = self._router.seat(event.agent)
        if seat is None:
            return
        agent = seat.agent
        contact = self._floor.contacts.get(event.contact)
        queue = contact.queue if contact is not None else event.queue
        present = self._exchanged(seat, self._kind_of(queue))
        if event.contact in agent.works and agent.works[event.contact].state in TALKS:
            self._router.ignore("duplicate_assignment")
        elif present is not None:
            if contact is not None:
                # It waits in a queue: another will take it.
                self._router.ignore("agent_holds_contact")
            else:
                self._floor.state.stats.agent(agent.id).transferred_in += 1
                self._router.exchange(seat, present, event.contact, event.queue)
        elif agent.removed:
            self._router.ignore("agent_removed")
        else:
            self._assign(seat, event, contact)

    def _kind_of(self, queue: QueueId) -> str:
        found = self._floor.queues.get(queue)
        return VOICE if found is None else found.config.kind

    def _exchanged(self, seat: Seat, kind: str) -> Work | None:
        """The talk that another contact of this kind has to take the place of."""
        talks = [work for work in seat.agent.working(TALKS) if work.kind == kind]
        full = len(talks) >= seat.agent.capacity.get(kind, 1)
        return talks[0] if talks and full else None

    def _assign(self, seat: Seat, event: ev.ContactAssigned, contact: Contact | None) -> None:
        work = seat.agent.works.get(event.contact)
        if contact is not None and work is not None and work.state is State.OFFERED:
            work.step(Step.ANSWER, self._router.now)
            self._won(seat, contact, work, "answer")
            return
        lost = self._clear_for_assignment(seat)
        if contact is not None:
            self._won(seat, contact, None, "assigned")
        else:
            self._floor.state.stats.agent(seat.agent.id).transferred_in += 1
            self._router.assign(seat, event.contact, event.queue)
        if lost is not None:
            self._router.rematch(lost)

    def _clear_for_assignment(self, seat: Seat) -> Contact | None:
        """End wrap-up or ringing of an agent who took another contact by hand."""
        self._router.finish_wrap_ups(seat, "assigned", match=False)
        offered = seat.agent.offered
        if offered is None:
            return None
        lost = self._floor.contacts[offered.contact]
        self._router.lose_offer(seat, lost, "assigned", ev.WithdrawReason.AGENT_GONE)
        self._router.keep_place(lost)
        return lost

    def hold_changed(self, event: ev.HoldChanged) -> None:
        found = self._talk(event.agent, event.contact)
        if found is None:
            return
        seat, work = found
        if (work.state is State.ON_HOLD) == event.on_hold:
            self._router.ignore("no_change")
            return
        work.step(Step.HOLD if event.on_hold else Step.RESUME, self._router.now)
        self._router.show(seat.agent, "hold" if event.on_hold else "resume")

    def contact_released(self, event: ev.ContactReleased) -> None:
        found = self._talk(event.agent, event.contact)
        if found is not None:
            seat, work = found
            if event.transferred:
                self._count_transfer(seat, work)
            self._router.release(seat, work)

    def _count_transfer(self, seat: Seat, work: Work) -> None:
        stats = self._floor.state.stats
        stats.agent(seat.agent.id).transferred_out += 1
        if work.queue:
            for each in self._floor.counters(work.queue, work.skills):
                each.transferred_out += 1

    def _ringing(self, ident: str, contact: str) -> tuple[Seat, Work] | None:
        """The agent who is offered this contact, else None and the event is ignored."""
        seat = self._router.seat(ident)
        if seat is None:
            return None
        work = seat.agent.works.get(contact)
        if work is not None and work.state is State.OFFERED:
            return seat, work
        self._router.ignore("no_such_offer")
        return None

    def _talk(self, ident: str, contact: str) -> tuple[Seat, Work] | None:
        """The agent who talks to this contact, else None and the event is ignored."""
        seat = self._router.seat(ident)
        if seat is None:
            return None
        work = seat.agent.works.get(contact)
        if work is not None and work.state in TALKS:
            return seat, work
        self._router.ignore("not_connected")
        return None
