"""Choosing in both directions: the agent for a contact, and the contact for an agent.

- A contact takes, of the idle members who meet its requirement, one with the lowest penalty; among
  those the least loaded, and then the one its queue's strategy names.
- An agent takes, of the heads of all lines of the queues served and of the contacts that want this
  agent alone, the most urgent (see `urgency`), up to twice as urgent the better it suits the agent
  where its queue has criteria; ties go to the one that came first, then to the id.

Both look at indexes only: idle orders of the queues, heads of the lines.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from math import inf

from callcore.acd.agent import LiveAgent
from callcore.acd.contact import Contact, PlaceInLine
from callcore.acd.criteria import suits
from callcore.acd.floor import Floor
from callcore.acd.queue import LiveQueue, Seat
from callcore.acd.strategy import Candidate, Choice, Strategy

#: Most urgent first: minus urgency, since, id.
Turn = tuple[float, float, str]


def best_idle(floor: Floor, queue: LiveQueue, contact: Contact, now: float) -> Seat | None:
    """The agent for a contact."""
    if queue.strategy.ranked:
        return _first_ranked(floor, queue, contact)
    candidates = _candidates(floor, queue, contact, queue.strategy)
    if not candidates:
        return None
    chosen = queue.strategy.choose(candidates, choice_of(floor, queue, contact, now))
    return floor.seats[chosen.agent.id]


def anyone_idle(floor: Floor, queue: LiveQueue, contact: Contact) -> bool:
    """Whether some agent would take the contact at once; draws no chance."""
    return _first_ranked(floor, queue, contact) is not None


def _first_ranked(floor: Floor, queue: LiveQueue, contact: Contact) -> Seat | None:
    seats, idle, requirement = floor.seats, queue.idle, contact.requirement
    if idle.head is None or requirement in queue.unmet:
        return None
    place = idle.first_where(lambda entry: seats[entry[3]].meets(requirement, queue))
    if place is None:
        queue.note_unmet(requirement)
        return None
    return seats[place[3]]


def _candidates(
    floor: Floor, queue: LiveQueue, contact: Contact, strategy: Strategy
) -> list[Candidate]:
    """Those a strategy may choose from: all who fit, or the lowest tier of them."""
    found: list[Candidate] = []
    tier: tuple[int, float] | None = None
    for penalty, load, _, ident in queue.idle.sorted():
        if strategy.tiers and tier is not None and (penalty, load) > tier:
            break
        seat, member = floor.seats[ident], queue.members[ident]
        if seat.meets(contact.requirement, queue):
            tier = (penalty, load)
            found.append(Candidate(seat.agent, member, seat.profile.traits, len(seat.queues)))
    return found


def all_idle(floor: Floor, queue: LiveQueue, contact: Contact) -> Iterator[Seat]:
    """Everyone for a ring_all contact, in order."""
    for place in queue.idle.sorted():
        seat = floor.seats[place[3]]
        if seat.meets(contact.requirement, queue):
            yield seat


def choice_of(floor: Floor, queue: LiveQueue, contact: Contact, now: float) -> Choice:
    def occupancy(agent: LiveAgent) -> float:
        return floor.state.stats.agent_today(agent, now).occupancy or 0.0

    position, last = floor.state.last_offered.get(queue.config.id, (0, ""))
    return Choice(contact, queue.config, now, last, position, occupancy, floor.state.chance.draw)


def turn_of(queue: LiveQueue, contact: Contact, now: float) -> Turn:
    """When a contact's turn comes among those of all queues."""
    return (-queue.urgency_of(contact, now), contact.since, contact.id)


def best_contact(floor: Floor, seat: Seat, now: float) -> Contact | None:
    """The contact for an agent who may take some."""
    kinds = floor.kinds_open(seat)
    if not kinds:
        return None
    best = _most_urgent_head(floor, seat, kinds, now)
    if seat.wanted:
        found = [*wishes(floor, seat, kinds, now), *([] if best is None else [best])]
        best = min(found, default=None)
    return None if best is None else floor.contacts[best[2]]


def _most_urgent_head(floor: Floor, seat: Seat, kinds: tuple[str, ...], now: float) -> Turn | None:
    """The heart of it: dozens of lines for each agent who frees, so the cheap tests come first.

    A queue whose earliest place, or a line whose head, is less urgent than the best so far need not
    be asked whom it would take.
    """
    best: Turn | None = None
    bar = inf
    for queue in seat.queues:
        slope = queue.slope
        if (slope is not None and slope * (queue.earliest - now) > bar) or queue.kind not in kinds:
            continue
        for requirement, line in queue.lines.items():
            head = line.head
            if head is None:
                continue
            if slope is None:
                turn = _turn_for(floor, queue, seat, head, now)
            else:
                against = slope * (head[0] - now)
                if against > bar:
                    continue
                turn = (against, head[1], head[2])
            if (best is None or turn < best) and seat.meets(requirement, queue):
                best, bar = turn, turn[0]
    return best


def _turn_for(floor: Floor, queue: LiveQueue, seat: Seat, head: PlaceInLine, now: float) -> Turn:
    """The turn of a head where urgency is no straight line, or the queue has criteria."""
    contact = floor.contacts[head[2]]
    turn = turn_of(queue, contact, now)
    if queue.config.criteria:
        turn = _suited(floor, queue, seat, contact, turn, now)
    return turn


def _suited(
    floor: Floor, queue: LiveQueue, seat: Seat, contact: Contact, turn: Turn, now: float
) -> Turn:
    member = queue.members[seat.agent.id]
    candidate = Candidate(seat.agent, member, seat.profile.traits, len(seat.queues))
    suit = suits(candidate, choice_of(floor, queue, contact, now))
    return (turn[0] - suit * abs(turn[0]), turn[1], turn[2])


def wishes(floor: Floor, seat: Seat, kinds: Collection[str], now: float) -> Iterator[Turn]:
    """The turns of those that want this agent alone: few, and of queues that differ."""
    for entry in seat.wanted.sorted():
        contact = floor.contacts[entry[2]]
        if contact.kind in kinds:
            yield turn_of(floor.queues[contact.queue], contact, now)
