"""What the distributor is told (past tense) and what it decides (imperative).

The distributor knows contacts, agents and queues, never channels: `call/switch.py` translates.
Offers are identified by (contact, agent); a late answer to a withdrawn offer is an event like any
other and is ignored with a reason.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from callcore.acd.counts import Counts
from callcore.directory import Agent, Queue
from callcore.directory_queue import Kind
from callcore.types import AgentId, CallId, QueueId

ContactId = CallId


class OfferResult(StrEnum):
    """How an offer that was not answered ended, as the phone tells it."""

    NO_ANSWER = "no_answer"
    BUSY = "busy"
    REJECTED = "rejected"
    UNREACHABLE = "unreachable"
    FAILED = "failed"


class Direction(StrEnum):
    """Who began a contact: decides whether its loss is an abandon or a drop."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    CALLBACK = "callback"


class AcdEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag=True, gc=False):
    """Base of what the distributor is told."""


class Configured(AcdEvent, frozen=True, kw_only=True):
    """Queues, members and agents as they are now; waiting contacts and sessions stay."""

    queues: dict[QueueId, Queue]
    agents: dict[AgentId, Agent]
    #: Kinds of contact besides voice.
    kinds: dict[str, Kind] = {}
    #: Statuses of the site, each with the kinds of contact that are offered in it.
    statuses: dict[str, tuple[str, ...]] = {}


class LoggedIn(AcdEvent, frozen=True, kw_only=True):
    """A session begins; what the phone of the last one told is forgotten."""

    agent: AgentId
    reachable: bool = True
    ready: bool = True
    #: The phone of this session is on an outside call now (see `BusyChanged`).
    busy: bool = False


class LoggedOut(AcdEvent, frozen=True, kw_only=True):
    """The session ends; a contact in progress goes on, nothing more is offered."""

    agent: AgentId


class Paused(AcdEvent, frozen=True, kw_only=True):
    agent: AgentId
    reason: str


class Ready(AcdEvent, frozen=True, kw_only=True):
    """Ends a pause; in wrap-up it ends the wrap-up."""

    agent: AgentId


class StatusChosen(AcdEvent, frozen=True, kw_only=True):
    """The agent, or a supervisor, chose one of the site's own statuses."""

    agent: AgentId
    status: str


class WrapUpAsked(AcdEvent, frozen=True, kw_only=True):
    """The agent wants a wrap-up after the present contact (queues where it is optional)."""

    agent: AgentId


class WrapUpExtended(AcdEvent, frozen=True, kw_only=True):
    """The present wrap-up ends so much later."""

    agent: AgentId
    seconds: float


class ReachableChanged(AcdEvent, frozen=True, kw_only=True):
    agent: AgentId
    reachable: bool


class BusyChanged(AcdEvent, frozen=True, kw_only=True):
    """The agent's phone is on a call outside the distributor (internal, outbound, consult)."""

    agent: AgentId
    busy: bool


class ContactQueued(AcdEvent, frozen=True, kw_only=True):
    contact: ContactId
    queue: QueueId
    #: Since when it waits (earlier than now after a restart or a transfer that kept its place).
    since: float | None = None
    #: Higher is served first.
    priority: int = 0
    #: Needed skills with their minimum levels.
    skills: dict[str, int] = {}
    #: A boolean rule about the agent (see `acd/rule.py`).
    rule: str = ""
    #: What the customer speaks.
    language: str = ""
    direction: Direction = Direction.INBOUND
    #: Sent here by an agent or an operator.
    transferred: bool = False
    #: The agent it wants, for so many seconds before anyone else; None: as the queue has it.
    wanted: AgentId = ""
    wanted_seconds: float | None = None
    #: What the customer is worth, from 0 to 1, and the site they belong to; for criteria.
    value: float = 0.0
    site: str = ""


class PriorityChanged(AcdEvent, frozen=True, kw_only=True):
    """A contact that waits moves up or down."""

    contact: ContactId
    priority: int


class ContactLeft(AcdEvent, frozen=True, kw_only=True):
    """The caller hung up, or was taken out of the queue, before an agent was connected.

    An outbound contact, or a callback, that ends so was dropped.
    """

    contact: ContactId
    abandoned: bool = True


class OfferReserved(AcdEvent, frozen=True, kw_only=True):
    """The agent is kept for the contact while its other side is being dialled (callbacks).

    Ringing has no time limit any more and nobody else is asked; `OfferAnswered` follows when both
    are there, `OfferFailed` or `ContactLeft` where that fails.
    """

    contact: ContactId
    agent: AgentId


class OfferAnswered(AcdEvent, frozen=True, kw_only=True):
    contact: ContactId
    agent: AgentId


class OfferFailed(AcdEvent, frozen=True, kw_only=True):
    contact: ContactId
    agent: AgentId
    result: OfferResult


class ContactAssigned(AcdEvent, frozen=True, kw_only=True):
    """A contact reached an agent without an offer (attended transfer, recovery).

    An agent who talks already exchanges the present contact for it: the former one, a
    consultation, is over without wrap-up.
    """

    contact: ContactId
    agent: AgentId
    queue: QueueId = ""


class HoldChanged(AcdEvent, frozen=True, kw_only=True):
    contact: ContactId
    agent: AgentId
    on_hold: bool


class ContactReleased(AcdEvent, frozen=True, kw_only=True):
    """The agent's part in a contact ended: wrap-up begins (or idle, where a queue has none)."""

    contact: ContactId
    agent: AgentId
    #: The agent sent the contact on to somebody else.
    transferred: bool = False


class IntervalBegan(AcdEvent, frozen=True, kw_only=True):
    """A quarter of an hour began at `at`: the counters of the one before are closed."""

    at: float


class DayBegan(AcdEvent, frozen=True, kw_only=True):
    """Midnight at the site: the counters of the day start again; what is under way goes on."""


AnyAcdEvent = (
    Configured
    | LoggedIn
    | LoggedOut
    | Paused
    | Ready
    | StatusChosen
    | WrapUpAsked
    | WrapUpExtended
    | ReachableChanged
    | BusyChanged
    | ContactQueued
    | PriorityChanged
    | ContactLeft
    | OfferReserved
    | OfferAnswered
    | OfferFailed
    | ContactAssigned
    | HoldChanged
    | ContactReleased
    | IntervalBegan
    | DayBegan
)


class AcdAction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag=True, gc=False):
    """Base of what the distributor decides."""


class WithdrawReason(StrEnum):
    ANSWERED_ELSEWHERE = "answered_elsewhere"
    NO_ANSWER = "no_answer"
    CONTACT_LEFT = "contact_left"
    AGENT_GONE = "agent_gone"


class Offer(AcdAction, frozen=True, kw_only=True):
    """Ring this agent for this contact; `waited` seconds so far."""

    contact: ContactId
    agent: AgentId
    queue: QueueId
    waited: float = 0.0
    #: Codes of the rules that chose this agent.
    reasons: tuple[str, ...] = ()


class Withdraw(AcdAction, frozen=True, kw_only=True):
    """Stop ringing this agent for this contact."""

    contact: ContactId
    agent: AgentId
    queue: QueueId
    reason: WithdrawReason


class OverflowReason(StrEnum):
    QUEUE_FULL = "queue_full"
    MAX_WAIT = "max_wait"
    NO_SUCH_QUEUE = "no_such_queue"
    CLOSED = "closed"
    #: Nobody was there for it to enter; the last of those it may stay for has gone.
    UNSTAFFED = "unstaffed"
    LEFT_UNSTAFFED = "left_unstaffed"
    ESTIMATED_WAIT = "estimated_wait"


class Overflow(AcdAction, frozen=True, kw_only=True):
    """The contact left the queue: its overflow node takes over."""

    contact: ContactId
    queue: QueueId
    reason: OverflowReason
    #: Where the queue's rule for this cause leads; empty: no rule.
    to: str = ""


class AgentChanged(AcdAction, frozen=True, kw_only=True):
    """An agent's status or state changed; for records, monitors and the API.

    `state` is one of logged_out, idle, offered, talking, on_hold, wrapping_up, paused, busy,
    unreachable; `before` the one it replaced. An agent who holds several contacts shows the one
    that asks most.
    """

    agent: AgentId
    state: str
    before: str
    #: Pause reason, or why it changed.
    reason: str = ""
    contact: ContactId = ""
    queue: QueueId = ""
    #: When a timed state (wrap-up) ends by itself.
    until: float | None = None
    #: The status chosen (logged_out, ready, paused) after the change; it may change alone, with
    #: `state` equal to `before` (paused while talking).
    status: str = ""
    #: Since when the agent is in `state`.
    since: float = 0.0


class WrapUpEnded(AcdAction, frozen=True, kw_only=True):
    """The wrap-up that belongs to a contact is over: its record can be closed."""

    contact: ContactId
    agent: AgentId
    seconds: float


class IntervalEnded(AcdAction, frozen=True, kw_only=True):
    """The counters of the interval that began at `begin`; for the database."""

    begin: float
    counts: Counts


AnyAcdAction = Offer | Withdraw | Overflow | AgentChanged | WrapUpEnded | IntervalEnded
