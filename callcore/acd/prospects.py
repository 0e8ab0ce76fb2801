"""How long contacts will wait, asked of the floor as it is; the formula is in `estimate`."""

from __future__ import annotations

from math import isfinite

from callcore.acd.choosing import anyone_idle
from callcore.acd.contact import Contact
from callcore.acd.estimate import Neighbour, estimated_wait
from callcore.acd.floor import Floor
from callcore.acd.queue import LiveQueue
from callcore.types import QueueId

#: Queues that share the most agents are looked at, the rest is left to the correction.
NEAREST = 30


def neighbours_of(queue: LiveQueue, floor: Floor) -> tuple[Neighbour, ...]:
    """Queues that share agents with this one, each with the share of its members who do."""
    shared: dict[str, int] = {}
    for ident in queue.members:
        for other in floor.seats[ident].queues:
            if other is not queue:
                shared[other.config.id] = shared.get(other.config.id, 0) + 1
    nearest = sorted(shared, key=lambda name: (-shared[name], name))[:NEAREST]
    others = [floor.queues[name] for name in nearest]
    return tuple((other, shared[other.config.id] / len(other.members)) for other in others)


def prospect(
    floor: Floor, contact: Contact, now: float, *, ahead: int | None = None, quantile: float = 0.5
) -> float | None:
    """Seconds until a contact that waits, or is about to, will be answered; None: nobody serves.

    Half of those told the median wait less; `quantile` may be 0.8, 0.9 or 0.95 as well. `ahead`
    are those in line before it, where they have been counted already.
    """
    queue = floor.queues[contact.queue]
    if contact.offers:
        return queue.estimator.ring_seconds
    if contact.id not in floor.contacts and anyone_idle(floor, queue, contact):
        return queue.estimator.ring_seconds
    if queue.neighbours is None:
        queue.neighbours = neighbours_of(queue, floor)
    seconds = estimated_wait(
        queue,
        queue.neighbours,
        ahead=queue.ahead_of(contact) if ahead is None else ahead,
        since=contact.credited_since,
        now=now,
        quantile=quantile,
    )
    return seconds if isfinite(seconds) else None


def newcomer(queue: QueueId, now: float) -> Contact:
    """A contact without needs, about to enter."""
    return Contact(id="", queue=queue, since=now, entered=now, credited_since=now)
