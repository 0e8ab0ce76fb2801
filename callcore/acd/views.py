"""What monitors, the API and the CLI read from the floor: plain values, computed when asked for."""

from __future__ import annotations

import msgspec

from callcore.acd.agent import LiveAgent, State, Status
from callcore.acd.contact import Contact, Stand
from callcore.acd.counts import QueueStats, ServiceLevel
from callcore.acd.events import ContactId
from callcore.acd.floor import Floor
from callcore.acd.prospects import newcomer, prospect
from callcore.acd.queue import LiveQueue
from callcore.types import AgentId, QueueId


class AgentView(msgspec.Struct, frozen=True, kw_only=True):
    """One agent now."""

    agent: AgentId
    status: Status
    state: State
    since: float
    pause_reason: str
    #: What the agent is offered, talks to or wraps up, and from which queue.
    contact: ContactId
    queue: QueueId
    #: When ringing, wrap-up or the rest after an unanswered offer ends by itself.
    until: float | None
    #: Unanswered offers in a row.
    missed: int
    queues: tuple[QueueId, ...]
    occupancy: float | None


class WaitingView(msgspec.Struct, frozen=True, kw_only=True):
    """One contact in a queue now."""

    contact: ContactId
    queue: QueueId
    #: 1 is next; counts everyone in the queue, those being offered included.
    position: int
    since: float
    waited: float
    #: Seconds it will wait from now, half of the time less; None: nobody serves the queue.
    estimate: float | None
    priority: int
    skills: dict[str, int]
    #: Agents whose phones ring for it.
    offered_to: tuple[AgentId, ...]
    #: When the queue gives up on it.
    until: float | None


class QueueView(msgspec.Struct, frozen=True, kw_only=True):
    """One queue now, with what it counted today."""

    queue: QueueId
    strategy: str
    #: Contacts in the queue, and those of them for whom a phone rings.
    waiting: int
    offered: int
    longest_wait: float
    #: Seconds a contact that enters now will wait; None: nobody serves the queue.
    estimate: float | None
    #: Members logged in, and those of them who could take a contact now.
    logged_in: int
    available: int
    #: Members by state shown.
    members: dict[State, int]
    stats: QueueStats
    #: By formula (see `stats`); None while there is nothing to divide.
    service_level: dict[ServiceLevel, float | None]
    average_speed_of_answer: float | None
    average_handling_time: float | None
    abandon_rate: float | None


def agent_views(floor: Floor, now: float) -> list[AgentView]:
    return [
        _agent_view(floor, seat.agent, tuple(queue.config.id for queue in seat.queues), now)
        for seat in floor.seats.values()
    ]


def _agent_view(
    floor: Floor, agent: LiveAgent, queues: tuple[QueueId, ...], now: float
) -> AgentView:
    return AgentView(
        agent=agent.id,
        status=agent.status,
        state=agent.state,
        since=agent.since,
        pause_reason=agent.pause_reason,
        contact=agent.contact,
        queue=agent.queue,
        until=agent.deadline,
        missed=agent.missed,
        queues=queues,
        occupancy=floor.state.stats.agent_today(agent, now).occupancy,
    )


def waiting_views(floor: Floor, now: float, queue: QueueId | None = None) -> list[WaitingView]:
    """Contacts in order of service, queue by queue; one pass over all of them."""
    lines: dict[QueueId, list[Contact]] = {
        name: [] for name in floor.queues if queue is None or name == queue
    }
    for contact in floor.contacts.values():
        if contact.queue in lines:
            lines[contact.queue].append(contact)
    found: list[WaitingView] = []
    for line in lines.values():
        ahead = 0
        for position, contact in enumerate(sorted(line, key=lambda each: each.place), start=1):
            estimate = prospect(floor, contact, now, ahead=ahead)
            found.append(_waiting_view(contact, position, now, estimate))
            ahead += not contact.offers
    return found


def position_of(floor: Floor, contact: Contact) -> int:
    """Where a contact is as its customer would be told: 1 is next.

    Those who are offered, or wait for an agent they want, are ahead, whatever their place.
    """
    if contact.offers:
        return 1
    queue = floor.queues[contact.queue]
    apart = queue.size - queue.waiting - (contact.stand is Stand.WANTED)
    return 1 + apart + queue.ahead_of(contact)


def _waiting_view(
    contact: Contact, position: int, now: float, estimate: float | None
) -> WaitingView:
    return WaitingView(
        contact=contact.id,
        queue=contact.queue,
        position=position,
        since=contact.since,
        waited=now - contact.since,
        estimate=estimate,
        priority=contact.priority,
        skills=dict(contact.requirement.needs),
        offered_to=tuple(contact.offers),
        until=contact.deadline,
    )


def queue_views(floor: Floor, now: float) -> list[QueueView]:
    longest: dict[QueueId, float] = {}
    offered: dict[QueueId, int] = {}
    for contact in floor.contacts.values():
        name = contact.queue
        longest[name] = max(longest.get(name, 0.0), now - contact.since)
        offered[name] = offered.get(name, 0) + bool(contact.offers)
    return [
        _queue_view(floor, queue, offered.get(name, 0), longest.get(name, 0.0), now)
        for name, queue in floor.queues.items()
    ]


def _queue_view(
    floor: Floor, queue: LiveQueue, offered: int, longest: float, now: float
) -> QueueView:
    members: dict[State, int] = {}
    available = logged_in = 0
    for ident in queue.members:
        agent = floor.seats[ident].agent
        members[agent.state] = members.get(agent.state, 0) + 1
        available += queue.config.kind in floor.seats[ident].listed
        logged_in += agent.status is not Status.LOGGED_OUT
    counted = floor.state.stats.queue_today(queue.config.id)
    return QueueView(
        queue=queue.config.id,
        strategy=queue.strategy.name,
        waiting=queue.size,
        offered=offered,
        longest_wait=longest,
        estimate=prospect(floor, newcomer(queue.config.id, now), now),
        logged_in=logged_in,
        available=available,
        members=members,
        stats=counted,
        service_level={formula: counted.service_level(formula) for formula in ServiceLevel},
        average_speed_of_answer=counted.average_speed_of_answer,
        average_handling_time=counted.handling.average,
        abandon_rate=counted.abandon_rate,
    )
