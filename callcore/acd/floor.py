"""The floor: every agent, queue and contact by id, and the indexes that make choosing cheap.

It knows who fits what and in which order; it decides nothing and emits nothing. The tables of
`DistributorState` are the truth and can be encoded; everything else here is derived from them and
built again by `restore`.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from callcore.acd.agent import LiveAgent, Status, Work
from callcore.acd.chance import Chance
from callcore.acd.contact import Contact
from callcore.acd.counts import Counts, QueueStats
from callcore.acd.estimate import WaitEstimator
from callcore.acd.events import ContactId
from callcore.acd.queue import LiveQueue, Seat
from callcore.acd.skills import requirement_of, ring_at
from callcore.acd.stats import Stats
from callcore.acd.timers import Timers
from callcore.directory import Agent, Queue, kinds_of, members_of
from callcore.directory_queue import Kind
from callcore.types import AgentId, QueueId


class DistributorState(msgspec.Struct, kw_only=True, omit_defaults=True):
    """All that must survive a restart."""

    now: float = 0.0
    queues: dict[QueueId, Queue] = {}
    agents: dict[AgentId, LiveAgent] = {}
    contacts: dict[ContactId, Contact] = {}
    #: As configured: who belongs to which group.
    agent_settings: dict[AgentId, Agent] = {}
    kinds: dict[str, Kind] = msgspec.field(default_factory=lambda: kinds_of({}))
    #: Statuses of the site, each with the kinds of contact that are offered in it.
    statuses: dict[str, tuple[str, ...]] = {}
    stats: Stats = msgspec.field(default_factory=Stats)
    #: Whom each queue that goes round offered a contact last, and that agent's position.
    last_offered: dict[QueueId, tuple[int, AgentId]] = {}
    #: What each queue has shown of its waits.
    estimators: dict[QueueId, WaitEstimator] = {}
    chance: Chance = msgspec.field(default_factory=Chance)
    #: Events that did not fit, by code.
    ignored: dict[str, int] = {}


class Floor:
    """Tables and indexes of one distributor."""

    def __init__(self, state: DistributorState) -> None:
        self.state = state
        self.contacts = state.contacts
        self.kinds = state.kinds
        self.queues: dict[QueueId, LiveQueue] = {}
        self.seats: dict[AgentId, Seat] = {}
        #: Counters of the present interval, by queue and skills asked for.
        self._counters: dict[tuple[str, ...], tuple[QueueStats, ...]] = {}
        self.agent_timers = Timers()
        self.contact_timers = Timers()
        for config in state.queues.values():
            self._open_queue(config)
        for agent in state.agents.values():
            self.seats[agent.id] = Seat(agent)
            self.agent_timers.set(agent.id, agent.deadline)
        for contact in state.contacts.values():
            self.contact_timers.set(contact.id, contact.due)
            queue = self.queues[contact.queue]
            queue.size += 1
            if queue.is_open(contact):
                self.line_up(contact)
        self.seat_members()

    # --- configuration ------------------------------------------------------------------------

    def add_agent(self, agent: LiveAgent) -> None:
        self.state.agents[agent.id] = agent
        self.seats[agent.id] = Seat(agent)

    def forget(self, seat: Seat) -> None:
        """A removed agent who holds nothing and stands in no idle order any more."""
        self.agent_timers.set(seat.agent.id, None)
        del self.seats[seat.agent.id]
        del self.state.agents[seat.agent.id]

    def add_queue(self, config: Queue) -> None:
        self.state.queues[config.id] = config
        self._open_queue(config)

    def _open_queue(self, config: Queue) -> None:
        estimator = self.state.estimators.setdefault(config.id, WaitEstimator())
        self.queues[config.id] = LiveQueue(config, estimator)

    def remove_queue(self, queue: QueueId) -> None:
        """An empty queue; memberships are built anew by `seat_members`."""
        del self.queues[queue]
        del self.state.queues[queue]
        self.state.last_offered.pop(queue, None)
        self.state.estimators.pop(queue, None)

    # --- counting -----------------------------------------------------------------------------

    def counters(self, queue: QueueId, skills: Iterable[str]) -> tuple[QueueStats, ...]:
        """Everything that counts a contact of this queue with these needs in this interval."""
        key = (queue, *skills)
        found = self._counters.get(key)
        if found is None:
            found = self._counters[key] = self.state.stats.of(queue, skills)
        return found

    def begin_interval(self, at: float) -> Counts | None:
        """End the present interval and begin one; see `Stats.begin_interval`."""
        self._counters.clear()
        return self.state.stats.begin_interval(at, [seat.agent for seat in self.seats.values()])

    # --- contacts -----------------------------------------------------------------------------

    def enter(self, contact: Contact) -> None:
        """Put a new contact in its place."""
        self.contacts[contact.id] = contact
        queue = self.queues[contact.queue]
        queue.size += 1
        self.require(contact)
        self.line_up(contact)
        self.set_due(contact)

    def leave(self, contact: Contact) -> None:
        del self.contacts[contact.id]
        self.queues[contact.queue].size -= 1
        self.step_out(contact)
        if contact.due is not None:
            self.contact_timers.set(contact.id, None)

    def require(self, contact: Contact) -> None:
        """Work out the place in line and what is required now; the contact stands in no line."""
        queue = self.queues[contact.queue]
        config = queue.config
        contact.credited_since = queue.credited_since(contact.since, contact.priority)
        contact.ring = ring_at(config, contact.since, self.state.now) if config.rings else -1
        contact.requirement = requirement_of(
            config, contact.skills, contact.rule, contact.language, contact.ring
        )

    def line_up(self, contact: Contact) -> None:
        """Where it stands between offers: before the agent it wants, or in its queue's line."""
        if contact.wanted_until is not None:
            self.seats[contact.wanted].wanted.add(contact.place)
        else:
            self.queues[contact.queue].line_up(contact)

    def step_out(self, contact: Contact) -> None:
        """Out of where it stands: it is offered, left, or moves to another place."""
        if contact.wanted_until is not None:
            seat = self.seats.get(contact.wanted)
            if seat is not None:
                seat.wanted.discard(contact.id)
        else:
            self.queues[contact.queue].step_out(contact)

    def set_due(self, contact: Contact) -> None:
        """Arm the contact's timer with whatever comes first."""
        due = contact.deadline
        if contact.wanted_until is not None:
            due = contact.wanted_until if due is None else min(due, contact.wanted_until)
        rings = self.queues[contact.queue].config.rings
        if contact.ring + 1 < len(rings):
            ring = contact.since + rings[contact.ring + 1].after_seconds
            due = ring if due is None else min(due, ring)
        contact.due = due
        if contact.due != self.contact_timers.get(contact.id):
            self.contact_timers.set(contact.id, contact.due)

    def contacts_of(self, queue: QueueId) -> list[Contact]:
        """In order of service; for reconfiguration and monitors, not for the common path."""
        return sorted(
            (contact for contact in self.contacts.values() if contact.queue == queue),
            key=lambda contact: contact.place,
        )

    # --- agents -------------------------------------------------------------------------------

    def hold(self, agent: LiveAgent, work: Work) -> None:
        """Give an agent a piece of work."""
        agent.works[work.contact] = work
        queue = self.queues.get(work.queue)
        if queue is not None:
            queue.occupied += 1

    def drop(self, agent: LiveAgent, work: Work) -> None:
        """Take it away again."""
        del agent.works[work.contact]
        queue = self.queues.get(work.queue)
        if queue is not None:
            queue.occupied -= 1

    def set_status(self, seat: Seat, status: Status) -> None:
        """What the agent, or a supervisor, chose."""
        agent = seat.agent
        change = (status is Status.READY) - (agent.status is Status.READY)
        agent.status = status
        if change:
            for queue in seat.queues:
                queue.staffed += change

    def arm(self, agent: LiveAgent) -> None:
        """Set the agent's timer to the next deadline of whatever the agent has."""
        deadline = agent.deadline
        if deadline != self.agent_timers.get(agent.id):
            self.agent_timers.set(agent.id, deadline)

    def kinds_open(self, seat: Seat) -> tuple[str, ...]:
        """Kinds of contact the agent may be offered now."""
        agent = seat.agent
        if not agent.ready:
            return ()
        if not agent.works and agent.reachable and agent.offered_kinds is None:
            return seat.kinds
        kinds = self.kinds
        return tuple(name for name in seat.kinds if agent.may_take(name, kinds[name], kinds))

    def list_idle(self, seat: Seat) -> None:
        """Stand in the idle order of every queue served whose kind the agent may be offered."""
        seat.listed = listed = self.kinds_open(seat)
        if listed:
            for queue in seat.queues:
                if queue.kind in listed:
                    queue.list_idle(seat)

    def unlist(self, seat: Seat) -> None:
        """Out of the idle orders again."""
        if seat.listed:
            seat.listed = ()
            ident = seat.agent.id
            for queue in seat.queues:
                queue.idle.discard(ident)

    def seat_members(self) -> None:
        """Build membership, idle orders and head counts from the queues' configuration."""
        for seat in self.seats.values():
            seat.queues = []
            seat.listed = ()
        here = {
            name: settings
            for name, settings in self.state.agent_settings.items()
            if name in self.seats and not self.seats[name].agent.removed
        }
        for queue in self.queues.values():
            queue.members = members_of(queue.config, here)
            queue.idle.clear()
            queue.unmet.clear()
            queue.neighbours = None
            queue.staffed = queue.occupied = 0
            for agent in queue.members:
                seat = self.seats[agent]
                seat.queues.append(queue)
                queue.staffed += seat.agent.status is Status.READY
        for seat in self.seats.values():
            self.list_idle(seat)
            for work in seat.agent.works.values():
                if work.queue in self.queues:
                    self.queues[work.queue].occupied += 1

    def queues_of(self, seats: Iterable[Seat]) -> list[LiveQueue]:
        """Queues that any of these agents serves, each once, in a stable order."""
        found: dict[QueueId, LiveQueue] = {}
        for seat in seats:
            for queue in seat.queues:
                found.setdefault(queue.config.id, queue)
        return list(found.values())
