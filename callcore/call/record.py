"""The record of a call: one row with all its times, its segments and the event list behind it."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from callcore.types import DEFAULT_TENANT, AgentId, CallId, Outcome, QueueId, RecordingId


class SegmentKind(StrEnum):
    IVR = "ivr"
    QUEUE = "queue"
    #: One offer to one agent.
    OFFER = "offer"
    TALK = "talk"
    HOLD = "hold"
    #: Ringing a number or an agent outside the queues.
    DIAL = "dial"
    WRAP_UP = "wrap_up"
    VOICEMAIL = "voicemail"


class Segment(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One stretch of a call. `end` None: still going on. Times: seconds since the epoch."""

    kind: SegmentKind
    start: float
    end: float | None = None
    tree: str = ""
    queue: QueueId = ""
    agent: AgentId = ""
    #: Number or phone dialled.
    target: str = ""
    #: How it ended: answered, no_answer, busy, abandoned, overflow, transferred, …
    result: str = ""
    #: Of a queue: since when it counts as waiting, where it brought a wait along.
    since: float | None = None


class CallEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the event list; (call, sequence) is unique, so writing twice is harmless."""

    call: CallId
    sequence: int
    at: float
    name: str
    tenant: str = DEFAULT_TENANT
    details: dict[str, str | int | float | bool | None] = {}


class CallRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The row of a call. Times are seconds since the epoch, None: never happened."""

    call: CallId
    node: str = ""
    tenant: str = DEFAULT_TENANT
    direction: str = "inbound"
    endpoint: str = ""
    caller_number: str = ""
    caller_name: str = ""
    dialled: str = ""
    tree: str = ""
    #: The last queue the call waited in, and the agent who answered there first.
    queue: QueueId = ""
    agent: AgentId = ""
    arrived_at: float = 0.0
    ivr_at: float | None = None
    queued_at: float | None = None
    first_offered_at: float | None = None
    answered_at: float | None = None
    ended_at: float | None = None
    wrap_up_ended_at: float | None = None
    #: Sums over all segments, seconds.
    wait_seconds: float = 0.0
    talk_seconds: float = 0.0
    hold_seconds: float = 0.0
    wrap_up_seconds: float = 0.0
    offers: int = 0
    transfers: int = 0
    outcome: Outcome = Outcome.FAILED
    #: ``caller``, ``agent``, ``callcore`` or ``network``.
    hung_up_by: str = ""
    #: Q.850 cause of the caller's channel.
    hangup_cause: int = 0
    #: End time is an estimate (callcore was away when it happened).
    estimated: bool = False
    recording: RecordingId = ""
    #: Why there is no recording, when there is none.
    no_recording_reason: str = ""
    segments: tuple[Segment, ...] = ()
    variables: dict[str, str] = {}
