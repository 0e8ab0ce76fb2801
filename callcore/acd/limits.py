"""What a queue's configuration says of entering and leaving, worked out once."""

from __future__ import annotations

from typing import NamedTuple

from callcore.directory import Queue
from callcore.directory_queue import OverflowOn, Staffing


class GivingUp(NamedTuple):
    """When a queue gives up on a contact, and where it goes then."""

    after_seconds: float
    to: str = ""


class Limits(NamedTuple):
    """Read by everything that enters."""

    #: The earliest of max_wait_seconds and the rules on waiting; None: it never gives up.
    gives_up: GivingUp | None
    #: Not everything may enter at any time.
    guarded: bool
    #: Something depends on the estimated wait when a contact enters.
    tells_waits: bool


def limits_of(queue: Queue) -> Limits:
    causes = [rule.on for rule in queue.overflow_rules]
    return Limits(
        gives_up=_giving_up(queue),
        guarded=queue.hours is not None
        or queue.join_needs is not Staffing.NOBODY
        or queue.stay_needs is not Staffing.NOBODY
        or queue.max_size > 0
        or OverflowOn.SIZE in causes
        or OverflowOn.ESTIMATED_WAIT in causes,
        tells_waits=queue.announcements is not None
        or queue.callback is not None
        or OverflowOn.ESTIMATED_WAIT in causes,
    )


def _giving_up(queue: Queue) -> GivingUp | None:
    found = [GivingUp(r.at, r.to) for r in queue.overflow_rules if r.on is OverflowOn.WAIT]
    if queue.max_wait_seconds > 0:
        found.append(GivingUp(queue.max_wait_seconds))
    return min(found, key=lambda each: each.after_seconds, default=None)


def target(queue: Queue, cause: OverflowOn) -> str:
    """Where the first rule of a cause leads."""
    return next((rule.to for rule in queue.overflow_rules if rule.on is cause), "")
