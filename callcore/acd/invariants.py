"""What must hold on the floor after every event; tests call it always, production may.

Each rule is stated once, on the tables, and checked by looking at everything: slow on purpose, so
that it shares no index with the code it checks.
"""

from __future__ import annotations

from collections.abc import Iterator

from callcore.acd.agent import State, Status
from callcore.acd.contact import Contact
from callcore.acd.distributor import Distributor
from callcore.acd.floor import Floor
from callcore.acd.queue import LiveQueue, Seat
from callcore.acd.skills import fits
from callcore.errors import InvalidTransition


def check(distributor: Distributor) -> None:
    """Raise `InvalidTransition` naming every rule that is broken."""
    broken = list(violations(distributor))
    if broken:
        raise InvalidTransition("; ".join(broken))


def violations(distributor: Distributor) -> Iterator[str]:
    floor = distributor.floor
    yield from _offers(floor)
    yield from _agents(floor)
    yield from _nobody_idle_while_wanted(floor)
    yield from _indexes(floor)
    yield from _sums(floor)


def _offers(floor: Floor) -> Iterator[str]:
    """A contact is offered to at most one agent, unless shared; both sides tell the same."""
    for contact in floor.contacts.values():
        if len(contact.offers) > 1 and not contact.shared:
            yield f"contact {contact.id} is offered to {contact.offers}"
        if len(set(contact.offers)) != len(contact.offers):
            yield f"contact {contact.id} is offered twice to one agent: {contact.offers}"
        for ident in contact.offers:
            seat = floor.seats.get(ident)
            agent = seat.agent if seat else None
            if agent is None or (agent.work, agent.contact) != (State.OFFERED, contact.id):
                yield f"contact {contact.id} is offered to {ident}, who does not know it"


def _agents(floor: Floor) -> Iterator[str]:
    """An agent holds one contact at most, exactly when the state says so; timed states end."""
    for seat in floor.seats.values():
        agent = seat.agent
        if (agent.work is State.IDLE) != (agent.contact == ""):
            yield f"agent {agent.id} is {agent.work} with contact {agent.contact!r}"
        if agent.work is State.OFFERED:
            contact = floor.contacts.get(agent.contact)
            if contact is None or agent.id not in contact.offers:
                yield f"agent {agent.id} is offered {agent.contact}, which does not know it"
            if agent.status is not Status.READY or not agent.reachable or agent.busy:
                yield f"agent {agent.id} is offered a contact but cannot take one"
        if agent.work is State.WRAPPING_UP and agent.deadline is None:
            yield f"agent {agent.id} wraps up for ever"
        if agent.work in (State.TALKING, State.ON_HOLD) and agent.deadline is not None:
            yield f"agent {agent.id} talks against a deadline"
        if agent.observed() is not agent.state:
            yield f"agent {agent.id} is {agent.observed()} but shown as {agent.state}"
        if agent.removed and agent.work in (State.IDLE, State.OFFERED):
            yield f"agent {agent.id} was removed and is still here"


def _wanted(queue: LiveQueue, contact: Contact) -> bool:
    return not contact.offers or queue.strategy.rings_all


def _may_take(queue: LiveQueue, contact: Contact, seat: Seat) -> bool:
    member = any(member.agent == seat.agent.id for member in queue.config.members)
    return member and seat.agent.available and fits(seat.agent.skills, contact.needs)


def _nobody_idle_while_wanted(floor: Floor) -> Iterator[str]:
    free = [seat for seat in floor.seats.values() if seat.agent.available]
    for contact in floor.contacts.values():
        queue = floor.queues.get(contact.queue)
        if queue is None:
            yield f"contact {contact.id} waits in {contact.queue}, which does not exist"
            continue
        for seat in free:
            if _wanted(queue, contact) and _may_take(queue, contact, seat):
                yield f"agent {seat.agent.id} is idle while contact {contact.id} waits"


def _indexes(floor: Floor) -> Iterator[str]:
    """Lines, idle orders and timers say what the tables say."""
    for name, queue in floor.queues.items():
        here = [contact for contact in floor.contacts.values() if contact.queue == name]
        if queue.size != len(here):
            yield f"queue {name} counts {queue.size} contacts and has {len(here)}"
        lined = sorted(entry[2] for line in queue.lines.values() for entry in line.sorted())
        wanted = sorted(contact.id for contact in here if _wanted(queue, contact))
        if lined != wanted:
            yield f"queue {name} has {lined} in line, wanted are {wanted}"
        idle = [entry[2] for entry in queue.idle.sorted()]
        free = [ident for ident in queue.members if floor.seats[ident].agent.available]
        if sorted(idle) != sorted(free):
            yield f"queue {name} lists {idle} as idle, free are {free}"
    for seat in floor.seats.values():
        if floor.agent_timers.get(seat.agent.id) != seat.agent.deadline:
            yield f"agent {seat.agent.id}: timer and deadline differ"
    for contact in floor.contacts.values():
        if floor.contact_timers.get(contact.id) != contact.deadline:
            yield f"contact {contact.id}: timer and deadline differ"


def _sums(floor: Floor) -> Iterator[str]:
    """Every contact that entered a queue has one end there, or is still in it."""
    stats = floor.state.stats
    for name, interval in stats.queues.items():
        queue = floor.queues.get(name)
        waiting = queue.size if queue else 0
        for counted in (interval, stats.queue_today(name)):
            if counted.waiting != waiting:
                yield (
                    f"queue {name}: {counted.carried} carried over, {counted.entered} entered, "
                    f"{counted.ended} ended, {waiting} wait"
                )
