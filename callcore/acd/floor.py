"""The floor: every agent, queue and contact by id, and the indexes that make choosing cheap.

It knows who fits what and in which order; it decides nothing and emits nothing. The tables of
`DistributorState` are the truth and can be encoded; everything else here is derived from them and
built again by `restore`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from callcore.acd.agent import LiveAgent
from callcore.acd.contact import Contact
from callcore.acd.events import ContactId
from callcore.acd.queue import LiveQueue, Seat
from callcore.acd.skills import Needs
from callcore.acd.stats import Stats
from callcore.acd.timers import Timers
from callcore.directory import Member, Queue
from callcore.types import AgentId, QueueId


class DistributorState(msgspec.Struct, kw_only=True, omit_defaults=True):
    """All that must survive a restart."""

    now: float = 0.0
    queues: dict[QueueId, Queue] = {}
    agents: dict[AgentId, LiveAgent] = {}
    contacts: dict[ContactId, Contact] = {}
    stats: Stats = msgspec.field(default_factory=Stats)
    #: Events that did not fit, by code.
    ignored: dict[str, int] = {}


class Floor:
    """Tables and indexes of one distributor."""

    def __init__(self, state: DistributorState) -> None:
        self.state = state
        self.contacts = state.contacts
        self.queues: dict[QueueId, LiveQueue] = {}
        self.seats: dict[AgentId, Seat] = {}
        self.agent_timers = Timers()
        self.contact_timers = Timers()
        for config in state.queues.values():
            self.queues[config.id] = LiveQueue(config)
        for agent in state.agents.values():
            self.seats[agent.id] = Seat(agent)
            self.agent_timers.set(agent.id, agent.deadline)
        for contact in state.contacts.values():
            self.contact_timers.set(contact.id, contact.deadline)
            queue = self.queues[contact.queue]
            queue.size += 1
            if queue.is_open(contact):
                queue.line_up(contact)
        self.seat_members()

    # --- configuration ------------------------------------------------------------------------

    def add_agent(self, agent: LiveAgent) -> None:
        self.state.agents[agent.id] = agent
        self.seats[agent.id] = Seat(agent)

    def forget(self, seat: Seat) -> None:
        """A removed agent who holds nothing and stands in no idle order any more."""
        self.set_deadline(seat.agent, None)
        del self.seats[seat.agent.id]
        del self.state.agents[seat.agent.id]

    def add_queue(self, config: Queue) -> None:
        self.state.queues[config.id] = config
        self.queues[config.id] = LiveQueue(config)

    def remove_queue(self, queue: QueueId) -> None:
        """An empty queue; memberships are built anew by `seat_members`."""
        del self.queues[queue]
        del self.state.queues[queue]

    # --- contacts -----------------------------------------------------------------------------

    def enter(self, contact: Contact) -> None:
        self.contacts[contact.id] = contact
        queue = self.queues[contact.queue]
        queue.size += 1
        queue.line_up(contact)
        if contact.deadline is not None:
            self.contact_timers.set(contact.id, contact.deadline)

    def leave(self, contact: Contact) -> None:
        del self.contacts[contact.id]
        queue = self.queues[contact.queue]
        queue.size -= 1
        queue.step_out(contact)
        if contact.deadline is not None:
            self.contact_timers.set(contact.id, None)

    def contacts_of(self, queue: QueueId) -> list[Contact]:
        """In order of service; for reconfiguration and monitors, not for the common path."""
        return sorted(
            (contact for contact in self.contacts.values() if contact.queue == queue),
            key=lambda contact: contact.place,
        )

    # --- agents -------------------------------------------------------------------------------

    def set_deadline(self, agent: LiveAgent, when: float | None) -> None:
        if agent.deadline != when:
            agent.deadline = when
            self.agent_timers.set(agent.id, when)

    def list_idle(self, seat: Seat) -> None:
        """Stand in the idle order of every queue served."""
        seat.listed = True
        agent = seat.agent
        for queue, member in seat.places:
            queue.idle.add((member.penalty, queue.strategy.rank(agent, member), agent.id))

    def unlist(self, seat: Seat) -> None:
        if seat.listed:
            seat.listed = False
            ident = seat.agent.id
            for queue, _ in seat.places:
                queue.idle.discard(ident)

    def seat_members(self) -> None:
        """Build membership and the idle orders from the queues' configuration."""
        for seat in self.seats.values():
            seat.places = []
            seat.listed = False
        for queue in self.queues.values():
            queue.members = self._known_members(queue)
            queue.idle.clear()
            for agent, member in queue.members.items():
                self.seats[agent].places.append((queue, member))
        for seat in self.seats.values():
            if seat.agent.available:
                self.list_idle(seat)

    def _known_members(self, queue: LiveQueue) -> dict[AgentId, Member]:
        members: dict[AgentId, Member] = {}
        for member in queue.config.members:
            seat = self.seats.get(member.agent)
            if seat is not None and not seat.agent.removed:
                members.setdefault(member.agent, member)
        return members

    # --- choosing -----------------------------------------------------------------------------

    def best_idle(self, queue: LiveQueue, needs: Needs) -> Seat | None:
        """The agent for a contact: lowest penalty, then strategy, then id."""
        seats = self.seats
        place = queue.idle.first()
        if place is not None and needs and not seats[place[2]].fits(needs):
            place = queue.idle.first_where(lambda entry: seats[entry[2]].fits(needs))
        return None if place is None else seats[place[2]]

    def all_idle(self, queue: LiveQueue, needs: Needs) -> Iterator[Seat]:
        """Everyone for a ring_all contact, in order."""
        for place in queue.idle.sorted():
            seat = self.seats[place[2]]
            if not needs or seat.fits(needs):
                yield seat

    def best_contact(self, seat: Seat) -> Contact | None:
        """The contact for an agent: priority, then since, then id, over all the agent's queues."""
        best = None
        for queue, _ in seat.places:
            for needs, line in queue.lines.items():
                if needs and not seat.fits(needs):
                    continue
                head = line.first()
                if head is not None and (best is None or head < best):
                    best = head
        return None if best is None else self.contacts[best[2]]

    def queues_of(self, seats: Iterable[Seat]) -> list[LiveQueue]:
        """Queues that any of these agents serves, each once, in a stable order."""
        found: dict[QueueId, LiveQueue] = {}
        for seat in seats:
            for queue, _ in seat.places:
                found.setdefault(queue.config.id, queue)
        return list(found.values())
