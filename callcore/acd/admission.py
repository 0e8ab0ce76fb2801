"""Who may enter a queue and stay, and where contacts overflow to that may not.

The first rule of `Queue.overflow_rules` that applies decides where; the plain limits of the queue
(max_size, max_wait_seconds, join_needs, stay_needs, hours) lead to the first rule of that cause, or
to nowhere in particular. A callback has been admitted when it was promised: it may enter at any
time and the queue never gives it up.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from callcore.acd.agent import Status
from callcore.acd.choosing import anyone_idle
from callcore.acd.contact import Contact
from callcore.acd.events import ContactQueued, Direction, OverflowReason
from callcore.acd.floor import Floor
from callcore.acd.limits import target
from callcore.acd.prospects import prospect
from callcore.acd.queue import LiveQueue, Seat
from callcore.directory import Queue
from callcore.directory_queue import OverflowOn, Staffing
from callcore.ivr.calendar import is_open


class Refusal(NamedTuple):
    """Why a contact may not enter or stay, and where it goes (empty: as the queue has it)."""

    reason: OverflowReason
    to: str = ""


def contact_of(event: ContactQueued, queue: LiveQueue, floor: Floor, now: float) -> Contact:
    """The contact that asks to enter; its place is worked out when it does."""
    since = event.since if event.since is not None and event.since <= now else now
    contact = Contact(
        id=event.contact,
        queue=event.queue,
        kind=queue.kind,
        direction=event.direction,
        since=since,
        entered=now,
        priority=event.priority,
        credited_since=queue.credited_since(since, event.priority),
        skills=event.skills,
        rule=event.rule,
        language=event.language,
        wanted=event.wanted,
        value=event.value,
        site=event.site,
    )
    if event.wanted:
        contact.wanted_until = _wish_until(event, queue.config, floor, now)
    set_patience(contact, queue)
    return contact


def set_patience(contact: Contact, queue: LiveQueue) -> None:
    """When the queue gives the contact up, and where it goes then."""
    gives_up = queue.limits.gives_up
    if gives_up is not None and contact.direction is not Direction.CALLBACK:
        contact.deadline = contact.since + gives_up.after_seconds
        contact.overflow_to = gives_up.to
    else:
        contact.deadline, contact.overflow_to = None, ""


def _wish_until(event: ContactQueued, config: Queue, floor: Floor, now: float) -> float | None:
    """A wish holds while the agent is logged in, for so long from entering."""
    seconds = event.wanted_seconds
    seconds = config.last_agent_seconds if seconds is None else seconds
    seat = floor.seats.get(event.wanted)
    if seat is None or seconds <= 0:
        return None
    agent = seat.agent
    here = agent.status is not Status.LOGGED_OUT and not agent.removed
    return now + seconds if here and agent.capacity.get(config.kind, 0) > 0 else None


def refusal(floor: Floor, queue: LiveQueue, contact: Contact, now: float) -> Refusal | None:
    """Why a contact may not enter now."""
    config = queue.config
    if not queue.limits.guarded or contact.direction is Direction.CALLBACK:
        return None
    if config.hours is not None and not is_open(config.hours, now):
        return Refusal(OverflowReason.CLOSED, target(config, OverflowOn.CLOSED))
    if not all(staffed(floor, queue, needs) for needs in (config.join_needs, config.stay_needs)):
        return Refusal(OverflowReason.UNSTAFFED, target(config, OverflowOn.UNSTAFFED))
    full = _full(queue) or _too_long(floor, queue, contact, now)
    if full is not None and not anyone_idle(floor, queue, contact):
        return full
    return None


def _too_long(floor: Floor, queue: LiveQueue, contact: Contact, now: float) -> Refusal | None:
    """Nobody serving counts as the longest wait of all."""
    rules = [r for r in queue.config.overflow_rules if r.on is OverflowOn.ESTIMATED_WAIT]
    if not rules:
        return None
    seconds = prospect(floor, contact, now)
    for rule in rules:
        if seconds is None or seconds >= rule.at:
            return Refusal(OverflowReason.ESTIMATED_WAIT, rule.to)
    return None


def _full(queue: LiveQueue) -> Refusal | None:
    config = queue.config
    for rule in config.overflow_rules:
        if rule.on is OverflowOn.SIZE and queue.size >= rule.at:
            return Refusal(OverflowReason.QUEUE_FULL, rule.to)
    if 0 < config.max_size <= queue.size:
        return Refusal(OverflowReason.QUEUE_FULL)
    return None


def staffed(floor: Floor, queue: LiveQueue, needs: Staffing) -> bool:
    """Whether those are there whom the queue needs to be entered, or stayed in."""
    if needs is Staffing.NOBODY:
        return True
    return any(_there(floor.seats[ident], needs) for ident in queue.members)


def _there(seat: Seat, needs: Staffing) -> bool:
    status = seat.agent.status
    if needs is Staffing.READY:
        return status is Status.READY and seat.agent.reachable
    return status is not Status.LOGGED_OUT


def unstaffed(floor: Floor, queues: Iterable[LiveQueue]) -> list[LiveQueue]:
    """Those of the queues with contacts that may not stay any more."""
    return [
        queue
        for queue in queues
        if queue.size and not staffed(floor, queue, queue.config.stay_needs)
    ]
