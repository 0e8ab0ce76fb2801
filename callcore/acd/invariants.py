"""What must hold on the floor after every event; tests call it always, production may.

Each rule is stated once, on the tables, and checked by looking at everything: slow on purpose, so
that it shares no index with the code it checks.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from callcore.acd.admission import staffed
from callcore.acd.agent import LiveAgent, State, Status, Work
from callcore.acd.contact import Contact, Stand
from callcore.acd.distributor import Distributor
from callcore.acd.events import Direction
from callcore.acd.floor import Floor
from callcore.acd.queue import LiveQueue, Seat
from callcore.acd.rule import Traits
from callcore.acd.skills import fits, requirement_of
from callcore.directory import members_of
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
    yield from _staffed(floor)
    yield from _indexes(floor)
    yield from _head_counts(floor)
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
            work = seat.agent.works.get(contact.id) if seat else None
            if work is None or work.state is not State.OFFERED:
                yield f"contact {contact.id} is offered to {ident}, who does not know it"
        if contact.wanted_until is not None and contact.wanted not in floor.seats:
            yield f"contact {contact.id} wants {contact.wanted}, whom nobody knows"


def _agents(floor: Floor) -> Iterator[str]:
    """An agent holds no more than the capacity, rings for one at a time, and timed states end."""
    for seat in floor.seats.values():
        agent = seat.agent
        offered = agent.working((State.OFFERED,))
        if len(offered) > 1:
            yield f"agent {agent.id} is offered {[work.contact for work in offered]}"
        yield from _capacity(floor, agent)
        for work in agent.works.values():
            yield from _work(floor, agent, work)
        if agent.observed() is not agent.state:
            yield f"agent {agent.id} is {agent.observed()} but shown as {agent.state}"
        if agent.removed and all(work.state is State.OFFERED for work in agent.works.values()):
            yield f"agent {agent.id} was removed and is still here"


def _capacity(floor: Floor, agent: LiveAgent) -> Iterator[str]:
    """Nothing is offered beside an exclusive kind; what is assigned by hand may stand beside it."""
    held: dict[str, int] = {}
    for work in agent.works.values():
        held[work.kind] = held.get(work.kind, 0) + 1
    for kind, count in held.items():
        if count > max(1, agent.capacity.get(kind, 0)):
            yield f"agent {agent.id} holds {count} contacts of kind {kind}"
    exclusive = [kind for kind in held if kind in floor.kinds and floor.kinds[kind].exclusive]
    offered = agent.offered
    if offered is not None and exclusive and len(held) > 1:
        yield f"agent {agent.id} is offered {offered.contact} and holds {sorted(held)}"


def _work(floor: Floor, agent: LiveAgent, work: Work) -> Iterator[str]:
    if work.state is State.OFFERED:
        contact = floor.contacts.get(work.contact)
        if contact is None or agent.id not in contact.offers:
            yield f"agent {agent.id} is offered {work.contact}, which does not know it"
        by_phone = work.kind in floor.kinds and floor.kinds[work.kind].by_phone
        if agent.status is not Status.READY or agent.busy or (by_phone and not agent.reachable):
            yield f"agent {agent.id} is offered a contact but cannot take one"
    if work.state in (State.TALKING, State.ON_HOLD) and work.deadline is not None:
        yield f"agent {agent.id} talks against a deadline"
    if work.state is State.WRAPPING_UP and work.deadline is None and not work.until_ready:
        yield f"agent {agent.id} wraps up for ever"


def _wanted(queue: LiveQueue, contact: Contact) -> bool:
    rings_all = queue.strategy.rings_all and contact.stand is Stand.LINE
    return not contact.offers or (rings_all and not contact.reserved)


def _may_take(floor: Floor, queue: LiveQueue, contact: Contact, seat: Seat) -> bool:
    agent = seat.agent
    kind = queue.config.kind
    if not agent.may_take(kind, floor.kinds[kind], floor.kinds):
        return False
    if contact.stand is Stand.WANTED:
        return agent.id == contact.wanted
    member = members_of(queue.config, floor.state.agent_settings).get(agent.id)
    if member is None:
        return False
    requirement = requirement_of(
        queue.config, contact.skills, contact.rule, contact.language, contact.ring
    )
    traits = Traits(agent.skills, agent.languages, agent.groups, agent.site)
    asked = requirement.max_penalty < 0 or member.penalty <= requirement.max_penalty
    return asked and fits(traits, requirement)


def _nobody_idle_while_wanted(floor: Floor) -> Iterator[str]:
    free = [seat for seat in floor.seats.values() if seat.agent.ready]
    for contact in floor.contacts.values():
        queue = floor.queues.get(contact.queue)
        if queue is None:
            yield f"contact {contact.id} waits in {contact.queue}, which does not exist"
            continue
        for seat in free:
            if _wanted(queue, contact) and _may_take(floor, queue, contact, seat):
                yield f"agent {seat.agent.id} is idle while contact {contact.id} waits"


def _staffed(floor: Floor) -> Iterator[str]:
    """Nobody is kept waiting in a queue without those who must be there; callbacks may."""
    for name, queue in floor.queues.items():
        if not staffed(floor, queue, queue.config.stay_needs):
            for contact in floor.contacts_of(name):
                if contact.direction is not Direction.CALLBACK:
                    yield f"contact {contact.id} waits in {name}, which nobody serves"


def _indexes(floor: Floor) -> Iterator[str]:
    """Lines, idle orders and timers say what the tables say."""
    for name, queue in floor.queues.items():
        here = [contact for contact in floor.contacts.values() if contact.queue == name]
        if queue.size != len(here):
            yield f"queue {name} counts {queue.size} contacts and has {len(here)}"
        lined = sorted(entry[2] for line in queue.lines.values() for entry in line.sorted())
        wanted = sorted(c.id for c in here if _wanted(queue, c) and c.stand is Stand.LINE)
        if lined != wanted:
            yield f"queue {name} has {lined} in line, wanted are {wanted}"
        earliest = min((c.credited_since for c in here if c.id in lined), default=inf)
        if queue.earliest != earliest:
            yield f"queue {name} has {queue.earliest} as its earliest place, not {earliest}"
        idle = [entry[3] for entry in queue.idle.sorted()]
        kind = queue.config.kind
        free = [
            ident
            for ident in queue.members
            if floor.seats[ident].agent.may_take(kind, floor.kinds[kind], floor.kinds)
        ]
        if sorted(idle) != sorted(free):
            yield f"queue {name} lists {idle} as idle, free are {free}"
        for ident in idle:
            for requirement in queue.unmet:
                if floor.seats[ident].meets(requirement, queue):
                    yield f"queue {name} takes {requirement} as unmet, {ident} is idle"
    for seat in floor.seats.values():
        if floor.agent_timers.get(seat.agent.id) != seat.agent.deadline:
            yield f"agent {seat.agent.id}: timer and deadline differ"
        before = sorted(entry[2] for entry in seat.wanted.sorted())
        wish = sorted(
            contact.id
            for contact in floor.contacts.values()
            if contact.stand is Stand.WANTED and contact.wanted == seat.agent.id
            if not contact.offers
        )
        if before != wish:
            yield f"agent {seat.agent.id} is wanted by {wish}, in line are {before}"
    for contact in floor.contacts.values():
        if floor.contact_timers.get(contact.id) != contact.due:
            yield f"contact {contact.id}: timer and deadline differ"


def _head_counts(floor: Floor) -> Iterator[str]:
    """What queues count of their agents, for the estimates."""
    works = [work for seat in floor.seats.values() for work in seat.agent.works.values()]
    for name, queue in floor.queues.items():
        occupied = sum(work.queue == name for work in works)
        if queue.occupied != occupied:
            yield f"queue {name} counts {queue.occupied} agents occupied, {occupied} are"
        ready = sum(floor.seats[m].agent.status is Status.READY for m in queue.members)
        if queue.staffed != ready:
            yield f"queue {name} counts {queue.staffed} agents ready, {ready} are"


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
