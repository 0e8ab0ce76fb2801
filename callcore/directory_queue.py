"""The parts of a queue's configuration that are tables themselves, and the kinds of contact."""

from __future__ import annotations

from enum import StrEnum

import msgspec

#: The kind every site has; one contact at a time, by phone.
VOICE = "voice"


class Part(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """Base of these tables."""


class Kind(Part, frozen=True, kw_only=True):
    """A kind of contact: how many an agent takes at once, and beside what."""

    #: Contacts of this kind at once, where the agent has no number of their own.
    capacity: int = 1
    #: While an agent holds one, contacts of other kinds are not offered, nor this one beside them.
    exclusive: bool = False
    #: Needs a phone that can be reached.
    by_phone: bool = False


class WrapUp(StrEnum):
    """What follows a contact."""

    TIMED = "timed"
    NONE = "none"
    OPTIONAL = "optional"
    UNTIL_READY = "until_ready"


class Urgency(StrEnum):
    """How contacts of different queues compare (see `acd/urgency.py`)."""

    FAIR = "fair"
    SERVICE_LEVEL = "service_level"


class Staffing(StrEnum):
    """Who must be there; each includes the one before."""

    NOBODY = "nobody"
    LOGGED_IN = "logged_in"
    READY = "ready"


class OverflowOn(StrEnum):
    """What makes a contact overflow."""

    WAIT = "wait"
    SIZE = "size"
    ESTIMATED_WAIT = "estimated_wait"
    UNSTAFFED = "unstaffed"
    CLOSED = "closed"


class OverflowRule(Part, frozen=True, kw_only=True):
    """One link of the overflow chain."""

    #: The cause; ``size`` and ``estimated_wait`` are looked at when a contact enters.
    on: OverflowOn
    #: Seconds waited or estimated, or contacts waiting; of the other causes nothing.
    at: float = 0.0
    #: ``queue:ID``, ``number:NUMBER``, ``tree:TREE`` or ``tree:TREE/NODE``, ``voicemail``,
    #: ``callback``.
    to: str


class Ring(Part, frozen=True, kw_only=True):
    """From `after_seconds` on a contact needs less, or more members are asked."""

    #: Seconds of waiting after which it begins.
    after_seconds: float
    #: Minimum levels that replace the contact's own; 0: the skill is needed no more.
    skills: dict[str, int] = {}
    #: Members with a higher penalty are not asked yet; -1: all are.
    max_penalty: int = -1


class Announcements(Part, frozen=True, kw_only=True):
    """What a waiting caller is told, soon after entering and then again and again."""

    #: Seconds between two announcements; 0: only the first.
    every_seconds: float = 60.0
    #: Say the position in the queue.
    position: bool = True
    #: Say the estimated wait.
    wait: bool = True
    #: Not before so many seconds of waiting: the agent may be about to answer.
    first_after_seconds: float = 3.0


class CallbackFirst(StrEnum):
    """Whom a callback rings first."""

    AGENT = "agent"
    CUSTOMER = "customer"


class Callback(Part, frozen=True, kw_only=True):
    """A caller may hang up, keep the place in the queue, and be called."""

    #: Key pressed while waiting; empty: only when offered.
    key: str = "2"
    #: Offered at an estimated wait of so many seconds; 0: never.
    offer_at_seconds: float = 0.0
    #: Whom to ring first when the turn has come.
    first: CallbackFirst = CallbackFirst.AGENT
    #: Calls placed before it is given up.
    attempts: int = 3
    #: Seconds between two attempts.
    retry_seconds: float = 300.0
    #: How long the customer's phone rings.
    ring_seconds: float = 30.0
