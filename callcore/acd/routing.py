"""Making, withdrawing and losing offers, and matching whoever became free with whoever waits.

Two rules keep the floor right at every moment, without polling: a contact that opens is matched
with the best idle agent, an agent who frees is matched with the best waiting contact, both before
the event that caused it has been dealt with. So an idle agent and a contact the agent could take
never exist together, and whoever opens or frees needs to be looked at alone.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush

from callcore.acd.agent import LiveAgent, State, Status, Step
from callcore.acd.contact import Contact
from callcore.acd.events import (
    AgentChanged,
    AnyAcdAction,
    Offer,
    Overflow,
    OverflowReason,
    Withdraw,
    WithdrawReason,
    WrapUpEnded,
)
from callcore.acd.floor import Floor
from callcore.acd.queue import LiveQueue, Seat
from callcore.types import AgentId

#: Rest after an offer that failed at once (busy, rejected …) where a queue sets less: without it
#: a refusing phone and a waiting contact would chase each other.
SHORTEST_REST = 1.0

RONA = "rona"


class Router:
    """Changes the floor and collects what has to be done about it in `out`."""

    def __init__(self, floor: Floor) -> None:
        self.floor = floor
        self.now = floor.state.now
        self.out: list[AnyAcdAction] = []

    # --- showing ------------------------------------------------------------------------------

    def show(
        self, agent: LiveAgent, reason: str, until: float | None = None, *, chosen: bool = False
    ) -> None:
        """Tell a change of state, or (`chosen`) of the status alone; quiet when nothing changed."""
        before, state = agent.state, agent.observed()
        if state is before and not chosen:
            return
        if state is not before:
            self.floor.state.stats.spend(agent, self.now)
            agent.state = state
            agent.since = self.now
        self.out.append(
            AgentChanged(
                agent=agent.id,
                state=state,
                before=before,
                reason=agent.pause_reason if state is State.PAUSED else reason,
                contact=agent.contact,
                queue=agent.queue,
                until=until,
                status=agent.status,
                since=agent.since,
            )
        )

    # --- offers -------------------------------------------------------------------------------

    def offer(
        self, contact: Contact, queue: LiveQueue, seat: Seat, reasons: tuple[str, ...]
    ) -> None:
        agent = seat.agent
        self.floor.unlist(seat)
        contact.offers.append(agent.id)
        if queue.strategy.rings_all:
            contact.shared = True
        else:
            contact.shared = False
            queue.step_out(contact)
        agent.contact, agent.queue = contact.id, contact.queue
        ring = queue.config.ring_seconds
        self.floor.set_deadline(agent, self.now + ring if ring > 0 else None)
        agent.step(Step.OFFER, self.now)
        stats = self.floor.state.stats
        for each in stats.of(contact.queue, contact.skills):
            each.offers += 1
        stats.agent(agent.id).offers += 1
        self.out.append(
            Offer(
                contact=contact.id,
                agent=agent.id,
                queue=contact.queue,
                waited=self.now - contact.since,
                reasons=reasons,
            )
        )
        self.show(agent, "offer", agent.deadline)

    def _end_offer(self, seat: Seat, reason: str) -> None:
        """The agent's side of an offer that came to nothing."""
        agent = seat.agent
        self.floor.set_deadline(agent, None)
        agent.step(Step.WITHDRAW, self.now)
        self.show(agent, reason)
        agent.contact = agent.queue = ""

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
            self._end_offer(seat, reason)
            freed.append(seat)
        contact.offers.clear()
        return freed

    def lose_offer(
        self, seat: Seat, reason: str, withdraw: WithdrawReason | None = None
    ) -> Contact:
        """One agent's offer is over without an answer; the caller then decides on the agent and
        calls `reopen` with the contact, which has kept its place."""
        contact = self.floor.contacts[seat.agent.contact]
        contact.offers.remove(seat.agent.id)
        if withdraw is not None:
            self._withdraw_one(contact, seat.agent.id, withdraw)
        self._end_offer(seat, reason)
        return contact

    def keep_place(self, contact: Contact) -> None:
        """Back in line where it stood, if it wants (further) agents."""
        queue = self.floor.queues[contact.queue]
        if queue.is_open(contact):
            queue.line_up(contact)

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
        self, seat: Seat, reason: str, withdraw: WithdrawReason | None, *, counts: bool, rest: float
    ) -> None:
        """The agent did not take the offer: the next one rings, and this one rests.

        The rest (`retry_seconds`) is the agent's, for contacts of all queues, also when nobody
        else is free: an agent who is not there would only cost each caller another ring.
        """
        agent = seat.agent
        config = self.floor.queues[agent.queue].config
        stats = self.floor.state.stats
        if counts:
            agent.missed += 1
            for each in stats.of(agent.queue, self.floor.contacts[agent.contact].skills):
                each.rona += 1
            stats.agent(agent.id).rona += 1
        exhausted = counts and 0 < config.rona_limit <= agent.missed
        if exhausted:
            stats.agent(agent.id).rona_pauses += 1
            agent.status, agent.pause_reason = Status.PAUSED, RONA
        contact = self.lose_offer(seat, reason, withdraw)
        agent.idle_since = self.now
        if rest > 0 and not exhausted:
            self.floor.set_deadline(agent, self.now + rest)
        self.reopen(contact)
        self.settle([seat])

    def agent_gone(self, seat: Seat, reason: str, *, chosen: bool = False) -> None:
        """The agent can be offered nothing for now (the cause is already noted in the agent)."""
        agent = seat.agent
        self.floor.unlist(seat)
        if agent.work is State.OFFERED:
            self.reopen(self.lose_offer(seat, reason, WithdrawReason.AGENT_GONE))
        else:
            until = agent.deadline if agent.work is State.WRAPPING_UP else None
            self.show(agent, reason, until, chosen=chosen)

    # --- work ---------------------------------------------------------------------------------

    def connect(self, seat: Seat, contact_id: str, queue_id: str, step: Step) -> None:
        """Agent and contact are talking."""
        agent = seat.agent
        self.floor.unlist(seat)
        self.floor.set_deadline(agent, None)
        agent.contact, agent.queue = contact_id, queue_id
        agent.missed = 0
        agent.talk_seconds = agent.hold_seconds = 0.0
        agent.step(step, self.now)
        self.show(agent, "answer" if step is Step.ANSWER else "assigned")

    def exchange(self, seat: Seat, contact_id: str, queue_id: str) -> None:
        """The agent goes on with another contact; the former one is done with, unwrapped."""
        agent = seat.agent
        former = agent.contact
        agent.step(Step.EXCHANGE, self.now)
        self._count_handled(agent, 0.0)
        self.out.append(WrapUpEnded(contact=former, agent=agent.id, seconds=0.0))
        agent.contact, agent.queue = contact_id, queue_id
        agent.talk_seconds = agent.hold_seconds = 0.0
        self.show(agent, "assigned", chosen=True)

    def release(self, seat: Seat) -> None:
        """The talk is over: wrap-up as the contact's queue has it, then free."""
        agent = seat.agent
        agent.step(Step.RELEASE, self.now)
        queue = self.floor.queues.get(agent.queue)
        wrap_up = queue.config.wrap_up_seconds if queue is not None else 0.0
        if wrap_up > 0 and agent.status is not Status.LOGGED_OUT:
            self.floor.set_deadline(agent, self.now + wrap_up)
            self.show(agent, "released", agent.deadline)
        else:
            self.finish(seat, "released")

    def finish(self, seat: Seat, reason: str, *, match: bool = True) -> None:
        """The contact is done with, wrap-up included; the agent takes the next one at once."""
        agent = seat.agent
        seconds = self.now - agent.work_since
        self.floor.set_deadline(agent, None)
        agent.step(Step.FINISH, self.now)
        agent.idle_since = self.now
        self._count_handled(agent, seconds)
        self.out.append(WrapUpEnded(contact=agent.contact, agent=agent.id, seconds=seconds))
        if agent.removed:
            agent.status = Status.LOGGED_OUT
        self.show(agent, reason)
        agent.contact = agent.queue = ""
        if agent.removed:
            self.floor.forget(seat)
        elif match:
            self.settle([seat])

    def _count_handled(self, agent: LiveAgent, wrap_up: float) -> None:
        stats = self.floor.state.stats
        stats.agent(agent.id).handling.add(agent.talk_seconds, agent.hold_seconds, wrap_up)
        if agent.queue:
            for each in stats.of(agent.queue, agent.needed):
                each.handling.add(agent.talk_seconds, agent.hold_seconds, wrap_up)
        agent.needed = ()

    # --- the end of a contact -----------------------------------------------------------------

    def overflow(self, contact: Contact, reason: OverflowReason) -> list[Seat]:
        """The queue gives up on a contact; the agents freed are for `settle`."""
        freed = self.withdraw_all(contact, WithdrawReason.CONTACT_LEFT)
        self.floor.leave(contact)
        for each in self.floor.state.stats.of(contact.queue, contact.skills):
            each.overflowed += 1
            each.left(self.now - contact.since)
        self.out.append(Overflow(contact=contact.id, queue=contact.queue, reason=reason))
        return freed

    # --- matching -----------------------------------------------------------------------------

    def match_contact(self, contact: Contact, queue: LiveQueue) -> None:
        """A contact in line takes the best idle agent, or all of them."""
        if queue.strategy.rings_all:
            for seat in self.floor.all_idle(queue, contact.needs):
                self.offer(contact, queue, seat, queue.reasons)
            return
        best = self.floor.best_idle(queue, contact.needs)
        if best is not None:
            self.offer(contact, queue, best, queue.reasons)

    def settle(self, freed: list[Seat]) -> None:
        """Agents who may have become free take the best waiting contacts, or stand in line."""
        free = [seat for seat in freed if seat.agent.available]
        if len(free) == 1:
            self._match_agent(free[0])
        elif free:
            for seat in free:
                self.floor.list_idle(seat)
            self.match_waiting(self.floor.queues_of(free))

    def _match_agent(self, seat: Seat) -> None:
        contact = self.floor.best_contact(seat)
        if contact is None:
            self.floor.list_idle(seat)
            return
        reasons = FREED_PRIORITY if contact.priority else FREED
        self.offer(contact, self.floor.queues[contact.queue], seat, reasons)

    def match_waiting(self, queues: list[LiveQueue]) -> None:
        """Several agents at once: contacts in order of service over all lines, each taking its
        best agent; a line is done with when its head finds nobody."""
        lines = [(queue, line) for queue in queues for line in queue.lines.values()]
        heads = [(head, n) for n, (_, line) in enumerate(lines) if (head := line.first())]
        heapify(heads)
        while heads:
            head, n = heappop(heads)
            queue, line = lines[n]
            contact = self.floor.contacts[head[2]]
            self.match_contact(contact, queue)
            following = line.first()
            if not queue.strategy.rings_all and contact.offers and following is not None:
                heappush(heads, (following, n))


#: Why a freed agent got this contact; why a contact got this agent is in `LiveQueue.reasons`.
FREED = ("freed_agent", "longest_waiting")
FREED_PRIORITY = ("freed_agent", "highest_priority", "longest_waiting")
