"""Making, withdrawing and losing offers, and matching whoever became free with whoever waits.

Two rules keep the floor right at every moment, without polling: a contact that opens is matched
with the best idle agent, an agent who frees is matched with the best waiting contact, both before
the event that caused it has been dealt with. So an idle agent and a contact the agent could take
never exist together, and whoever opens or frees needs to be looked at alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from heapq import heapify, heappop, heappush

from callcore.acd.admission import unstaffed
from callcore.acd.agent import LiveAgent, State, Status, Step, Work
from callcore.acd.choosing import Turn, all_idle, best_contact, best_idle, turn_of, wishes
from callcore.acd.contact import Contact, PlaceInLine, Stand
from callcore.acd.events import (
    AgentChanged,
    AnyAcdAction,
    AnyAcdEvent,
    Direction,
    Offer,
    Overflow,
    OverflowReason,
    Withdraw,
    WithdrawReason,
    WrapUpEnded,
)
from callcore.acd.floor import Floor
from callcore.acd.limits import target
from callcore.acd.order import Order
from callcore.acd.queue import LiveQueue, Seat
from callcore.acd.wrapup import wrap_up_of
from callcore.directory_queue import VOICE, OverflowOn
from callcore.types import AgentId

#: Rest after an offer that failed at once (busy, rejected …) where a queue sets less: without it
#: a refusing phone and a waiting contact would chase each other.
SHORTEST_REST = 1.0

RONA = "rona"
#: Refused events that wait for whoever logs them; older ones are only counted.
REFUSALS_KEPT = 100
#: Of a contact that stands in no line.
_ALONE = -1
#: Why a freed agent got this contact; why a contact got this agent is in `LiveQueue.reasons`.
FREED = ("freed_agent", "most_urgent")
FREED_WANTED = ("freed_agent", "wanted_agent")
WANTED = ("idle_agent", "wanted_agent")


def end_wish(contact: Contact) -> None:
    """The agent wanted was not to be had: anyone now."""
    contact.wanted_until = None


class Router:
    """Changes the floor and collects what has to be done about it in `out`."""

    def __init__(self, floor: Floor) -> None:
        self.floor = floor
        self.now = floor.state.now
        self.out: list[AnyAcdAction] = []
        #: What is being handled (None: a timer), and what did not fit lately, for the log.
        self.event: AnyAcdEvent | None = None
        self.refused: deque[tuple[str, AnyAcdEvent | None]] = deque(maxlen=REFUSALS_KEPT)

    def begin(self, event: AnyAcdEvent | None, now: float) -> list[AnyAcdAction]:
        """What follows is about this event (None: a timer); its actions come into the list."""
        if now > self.now:
            self.now = self.floor.state.now = now
        self.event = event
        self.out = []
        return self.out

    def ignore(self, code: str) -> None:
        """The present event does not fit: count it, note it for the log, change nothing."""
        ignored = self.floor.state.ignored
        ignored[code] = ignored.get(code, 0) + 1
        self.refused.append((code, self.event))

    def seat(self, agent: str) -> Seat | None:
        """The agent an event is about; None: nobody knows of one, and the event is ignored."""
        seat = self.floor.seats.get(agent)
        if seat is None:
            self.ignore("unknown_agent")
        return seat

    # --- showing ------------------------------------------------------------------------------

    def show(
        self,
        agent: LiveAgent,
        reason: str,
        until: float | None = None,
        *,
        chosen: bool = False,
        about: Work | None = None,
    ) -> None:
        """Tell a change of state, or (`chosen`) of the status alone; quiet when nothing changed.

        `about` is work that has just ended, where none is left to speak of.
        """
        work = agent.foremost
        before, state = agent.state, agent.without_work() if work is None else work.state
        if state is before and not chosen:
            return
        if state is not before:
            self.floor.state.stats.spend(agent, self.now)
            agent.state = state
            agent.since = self.now
        work = work or about
        self.out.append(
            AgentChanged(
                agent=agent.id,
                state=state,
                before=before,
                reason=agent.pause_reason if state is State.PAUSED else reason,
                contact="" if work is None else work.contact,
                queue="" if work is None else work.queue,
                until=until,
                status=agent.status,
                since=agent.since,
            )
        )

    # --- offers -------------------------------------------------------------------------------

    def offer(self, contact: Contact, queue: LiveQueue, seat: Seat, reasons: Sequence[str]) -> None:
        agent, now = seat.agent, self.now
        self.floor.unlist(seat)
        if contact.id in agent.works:
            self._let_go(seat, agent.works[contact.id])
        contact.offers.append(agent.id)
        contact.shared = queue.strategy.rings_all and contact.wanted_until is None
        if not contact.shared:
            self.floor.step_out(contact)
        ring = queue.config.ring_seconds
        deadline = now + ring if ring > 0 else None
        work = Work(
            contact=contact.id,
            queue=contact.queue,
            kind=contact.kind,
            since=now,
            began=now,
            skills=tuple(contact.skills),
            deadline=deadline,
        )
        self.floor.hold(agent, work)
        self.floor.arm(agent)
        if queue.strategy.remembers:
            self._remember(queue, agent)
        for each in self.floor.counters(contact.queue, contact.skills):
            each.offers += 1
        self.floor.state.stats.agent(agent.id).offers += 1
        self.out.append(
            Offer(
                contact=contact.id,
                agent=agent.id,
                queue=contact.queue,
                waited=now - contact.since,
                reasons=tuple(reasons),
            )
        )
        self.show(agent, "offer", deadline)

    def _let_go(self, seat: Seat, former: Work) -> None:
        """A contact that its agent sent back to a queue may come to that agent again."""
        if former.state is not State.WRAPPING_UP:
            former.step(Step.RELEASE, self.now)
        self.finish(seat, former, "requeued", match=False)

    def _remember(self, queue: LiveQueue, agent: LiveAgent) -> None:
        """Whom a queue that goes round offered last."""
        member = queue.members.get(agent.id)
        if member is not None:
            self.floor.state.last_offered[queue.config.id] = (member.position, agent.id)

    def _end_offer(self, seat: Seat, contact: Contact, reason: str) -> None:
        """The agent's side of an offer that came to nothing."""
        agent = seat.agent
        work = agent.works[contact.id]
        self.floor.drop(agent, work)
        self.floor.arm(agent)
        self.show(agent, reason, about=work)

    def _withdraw_one(self, contact: Contact, agent: AgentId, reason: WithdrawReason) -> None:
        self.out.append(
            Withdraw(contact=contact.id, agent=agent, queue=contact.queue, reason=reason)
        )

    def withdraw_all(
        self, contact: Contact, reason: WithdrawReason, winner: AgentId = ""
    ) -> list[Seat]:
        """Stop all ringing for a contact but the winner's; the agents freed are for `settle`."""
        freed: list[Seat] = []
        for ident in contact.offers:
            if ident == winner:
                continue
            seat = self.floor.seats[ident]
            self._withdraw_one(contact, ident, reason)
            self._end_offer(seat, contact, reason)
            freed.append(seat)
        contact.offers.clear()
        return freed

    def lose_offer(
        self, seat: Seat, contact: Contact, reason: str, withdraw: WithdrawReason | None = None
    ) -> None:
        """One agent's offer is over without an answer; the caller then decides on the agent and
        calls `reopen` with the contact, which has kept its place."""
        contact.offers.remove(seat.agent.id)
        contact.reserved = False
        if withdraw is not None:
            self._withdraw_one(contact, seat.agent.id, withdraw)
        self._end_offer(seat, contact, reason)
        if contact.stand is Stand.WANTED:
            end_wish(contact)  # it had its chance: anyone now
            self.floor.set_due(contact)

    def keep_place(self, contact: Contact) -> None:
        """Back in line where it stood, if it wants (further) agents."""
        if self.floor.queues[contact.queue].is_open(contact):
            self.floor.line_up(contact)

    def rematch(self, contact: Contact) -> None:
        """Offer a contact in line to whoever is idle."""
        queue = self.floor.queues[contact.queue]
        if queue.is_open(contact):
            self.match_contact(contact, queue)

    def reopen(self, contact: Contact) -> None:
        """A contact that lost an offer: back to its place, and to the next agent at once."""
        self.keep_place(contact)
        self.rematch(contact)

    def unanswered(
        self,
        seat: Seat,
        work: Work,
        reason: str,
        withdraw: WithdrawReason | None,
        *,
        counts: bool,
        rest: float,
    ) -> None:
        """The agent did not take the offer: the next one rings, and this one rests.

        The rest (`retry_seconds`) is the agent's, for contacts of all queues, also when nobody
        else is free: an agent who is not there would only cost each caller another ring.
        """
        agent = seat.agent
        contact = self.floor.contacts[work.contact]
        config = self.floor.queues[work.queue].config
        stats = self.floor.state.stats
        if counts:
            agent.missed += 1
            for each in self.floor.counters(work.queue, work.skills):
                each.rona += 1
            stats.agent(agent.id).rona += 1
        exhausted = counts and 0 < config.rona_limit <= agent.missed
        if exhausted:
            stats.agent(agent.id).rona_pauses += 1
            self.floor.set_status(seat, Status.PAUSED)
            agent.pause_reason = RONA
            agent.site_status, agent.offered_kinds = "", None
        elif rest > 0:
            agent.resting_until = self.now + rest
        self.floor.unlist(seat)
        self.lose_offer(seat, contact, reason, withdraw)
        agent.idle_since = self.now
        self.reopen(contact)
        self.settle([seat])
        if exhausted:
            self.leave_unstaffed(self.floor.queues_of([seat]))

    def agent_gone(self, seat: Seat, reason: str, *, chosen: bool = False) -> None:
        """The agent can be offered nothing for now (the cause is already noted in the agent)."""
        agent = seat.agent
        self.floor.unlist(seat)
        offered = agent.offered
        if offered is not None:
            contact = self.floor.contacts[offered.contact]
            self.lose_offer(seat, contact, reason, WithdrawReason.AGENT_GONE)
            self.reopen(contact)
        else:
            foremost = agent.foremost
            until = foremost.deadline if foremost is not None else None
            self.show(agent, reason, until, chosen=chosen)

    # --- work ---------------------------------------------------------------------------------

    def connect(self, seat: Seat, work: Work, reason: str) -> None:
        """Agent and contact are talking."""
        agent = seat.agent
        self.floor.unlist(seat)
        work.deadline = agent.resting_until = None
        agent.missed = 0
        self.floor.arm(agent)
        self.show(agent, reason)
        if seat.several:
            self.settle([seat])  # there may be room for more

    def assign(
        self, seat: Seat, contact_id: str, queue_id: str, skills: tuple[str, ...] = ()
    ) -> None:
        """A contact that was not offered: assigned by hand, or found after a restart."""
        queue = self.floor.queues.get(queue_id)
        work = Work(
            contact=contact_id,
            queue=queue_id,
            kind=queue.config.kind if queue is not None else VOICE,
            state=State.TALKING,
            since=self.now,
            began=self.now,
            skills=skills,
        )
        self.floor.hold(seat.agent, work)
        self.connect(seat, work, "assigned")

    def exchange(self, seat: Seat, work: Work, contact_id: str, queue_id: str) -> None:
        """The agent goes on with another contact; the former one is done with, unwrapped."""
        agent = seat.agent
        self.floor.drop(agent, work)
        work.step(Step.EXCHANGE, self.now)
        self._count_handled(agent, work, 0.0)
        self.out.append(WrapUpEnded(contact=work.contact, agent=agent.id, seconds=0.0))
        work.contact, work.queue = contact_id, queue_id
        work.talk_seconds = work.hold_seconds = 0.0
        work.began, work.skills = self.now, ()
        self.floor.hold(agent, work)
        self.show(agent, "assigned", chosen=True)

    def release(self, seat: Seat, work: Work) -> None:
        """The talk is over: wrap-up as the contact's queue has it, then free."""
        agent = seat.agent
        work.step(Step.RELEASE, self.now)
        queue = self.floor.queues.get(work.queue)
        wraps, seconds = wrap_up_of(queue.config if queue is not None else None, work)
        if wraps and agent.status is not Status.LOGGED_OUT:
            work.deadline = self.now + seconds if seconds > 0 else None
            work.until_ready = seconds <= 0
            self.floor.arm(agent)
            self.show(agent, "released", work.deadline)
        else:
            self.finish(seat, work, "released")

    def finish(self, seat: Seat, work: Work, reason: str, *, match: bool = True) -> None:
        """The contact is done with, wrap-up included; the agent takes the next one at once."""
        agent = seat.agent
        seconds = self.now - work.since
        self.floor.drop(agent, work)
        if work.deadline is not None:
            self.floor.arm(agent)
        if not agent.works:
            agent.idle_since = self.now
        self._count_handled(agent, work, seconds)
        self.out.append(WrapUpEnded(contact=work.contact, agent=agent.id, seconds=seconds))
        gone = agent.removed and not agent.works
        if gone:
            self.floor.set_status(seat, Status.LOGGED_OUT)
        self.show(agent, reason, about=work)
        if gone:
            self.floor.forget(seat)
        elif match and agent.ready:
            self._match_agent(seat)

    def finish_wrap_ups(self, seat: Seat, reason: str, *, match: bool = True) -> bool:
        """End all wrap-ups of an agent; False: there was none."""
        works = seat.agent.working((State.WRAPPING_UP,))
        for work in works:
            self.finish(seat, work, reason, match=match and work is works[-1])
        return bool(works)

    def _count_handled(self, agent: LiveAgent, work: Work, wrap_up: float) -> None:
        counted = self.floor.state.stats.agent(agent.id)
        counted.handling.add(work.talk_seconds, work.hold_seconds, wrap_up)
        queue = self.floor.queues.get(work.queue)
        if queue is not None:
            queue.estimator.finished(self.now - work.began)
        if work.queue:
            for each in self.floor.counters(work.queue, work.skills):
                each.handling.add(work.talk_seconds, work.hold_seconds, wrap_up)

    # --- the end of a contact -----------------------------------------------------------------

    def overflow(self, contact: Contact, reason: OverflowReason, to: str = "") -> list[Seat]:
        """The queue gives up on a contact; the agents freed are for `settle`."""
        freed = self.withdraw_all(contact, WithdrawReason.CONTACT_LEFT)
        self.floor.leave(contact)
        for each in self.floor.counters(contact.queue, contact.skills):
            each.overflowed += 1
            each.left(self.now - contact.since)
        self.floor.queues[contact.queue].estimator.left(self.now - contact.entered)
        self.out.append(Overflow(contact=contact.id, queue=contact.queue, reason=reason, to=to))
        return freed

    def leave_unstaffed(self, queues: Iterable[LiveQueue]) -> None:
        """Somebody is gone: queues that may not be waited in without anybody are emptied."""
        for queue in unstaffed(self.floor, queues):
            to = target(queue.config, OverflowOn.UNSTAFFED)
            for contact in self.floor.contacts_of(queue.config.id):
                if contact.direction is Direction.CALLBACK:
                    continue  # nobody is kept waiting on the line
                self.settle(self.overflow(contact, OverflowReason.LEFT_UNSTAFFED, to))

    def move(self, contact: Contact, change: Callable[[Contact], None]) -> None:
        """Change what decides on the place of a contact; it is matched anew if it waits."""
        queue = self.floor.queues[contact.queue]
        if queue.is_open(contact):
            self.floor.step_out(contact)
        change(contact)
        self.floor.set_due(contact)
        if queue.is_open(contact):
            self.floor.line_up(contact)
            self.match_contact(contact, queue)

    # --- matching -----------------------------------------------------------------------------

    def match_contact(self, contact: Contact, queue: LiveQueue) -> None:
        """A contact in its place takes the best idle agent, or all of them."""
        if contact.wanted_until is not None:
            seat = self.floor.seats[contact.wanted]
            if contact.kind in self.floor.kinds_open(seat):
                self.offer(contact, queue, seat, WANTED)
        elif queue.strategy.rings_all:
            for seat in list(all_idle(self.floor, queue, contact)):
                self.offer(contact, queue, seat, queue.reasons)
        else:
            best = best_idle(self.floor, queue, contact, self.now)
            if best is not None:
                self.offer(contact, queue, best, queue.reasons)

    def settle(self, freed: list[Seat]) -> None:
        """Agents who may have become free take the best waiting contacts, or stand in line."""
        if not freed:
            return
        free = [seat for seat in freed if seat.agent.ready]
        if len(free) == 1:
            self._match_agent(free[0])
        elif free:
            for seat in free:
                self.floor.unlist(seat)
                self.floor.list_idle(seat)
            self.match_waiting(self.floor.queues_of(free), free)

    def _match_agent(self, seat: Seat) -> None:
        contact = best_contact(self.floor, seat, self.now)
        if contact is None:
            self.floor.unlist(seat)
            self.floor.list_idle(seat)
            return
        reasons = FREED if contact.wanted_until is None else FREED_WANTED
        self.offer(contact, self.floor.queues[contact.queue], seat, reasons)

    def match_waiting(self, queues: list[LiveQueue], seats: list[Seat]) -> None:
        """Several agents at once: contacts in order of their turns over all lines, each taking its
        best agent; a line is done with when its head finds nobody."""
        lines = [line for queue in queues for line in queue.lines.values()]
        heads = [(turn, n) for n, line in enumerate(lines) if (turn := self._turn(line))]
        for seat in seats:
            if seat.wanted:
                kinds = self.floor.kinds_open(seat)
                heads += [(turn, _ALONE) for turn in wishes(self.floor, seat, kinds, self.now)]
        heapify(heads)
        while heads:
            turn, n = heappop(heads)
            contact = self.floor.contacts[turn[2]]
            self.match_contact(contact, self.floor.queues[contact.queue])
            following = self._turn(lines[n]) if n != _ALONE else None
            if following is not None and following[2] != contact.id:
                heappush(heads, (following, n))

    def _turn(self, line: Order[PlaceInLine]) -> Turn | None:
        """When the head of a line has its turn."""
        head = line.head
        if head is None:
            return None
        contact = self.floor.contacts[head[2]]
        return turn_of(self.floor.queues[contact.queue], contact, self.now)
