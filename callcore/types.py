"""The words every module shares: identifiers and the small enumerations of the field."""

from __future__ import annotations

from enum import StrEnum

# Identifiers are plain strings. They come from callcore's own counters (calls, legs, bridges,
# playbacks), from the configuration (agents, queues, phones, trunks) or from the back end
# (channels of arriving calls). An alias says which one a signature means.

CallId = str
ChannelId = str
BridgeId = str
PlaybackId = str
RecordingId = str
ListeningId = str
AgentId = str
QueueId = str
PhoneId = str
TrunkId = str
TreeId = str
NodeId = str

DEFAULT_TENANT = "default"


class Entry(StrEnum):
    """The door through which a channel reached callcore."""

    TRUNK = "trunk"
    PHONE = "phone"
    #: Brought back from the fallback queue that the dialplan uses while callcore is away.
    RESUME = "resume"


class Reach(StrEnum):
    """How the leg of an agent is reached (a property of the agent's session)."""

    RING = "ring"
    AUTO_ANSWER = "auto_answer"
    NAILED_UP = "nailed_up"


class SupervisionMode(StrEnum):
    """What a supervisor's phone has of a call."""

    #: Hears both sides, and nobody hears it.
    LISTEN = "listen"
    #: Hears both sides; the agent alone hears it.
    WHISPER = "whisper"
    #: All hear each other.
    BARGE = "barge"


class LegFailure(StrEnum):
    """Why an outbound leg did not answer, from the hang-up cause (Q.850)."""

    BUSY = "busy"
    NO_ANSWER = "no_answer"
    REJECTED = "rejected"
    UNREACHABLE = "unreachable"
    CANCELLED = "cancelled"
    FAILED = "failed"


class HangupReason(StrEnum):
    """What the far end is told when callcore ends a channel."""

    NORMAL = "normal"
    BUSY = "busy"
    CONGESTION = "congestion"
    NO_ANSWER = "no_answer"
    REJECTED = "rejected"
    #: Nobody has the number that was dialled.
    NO_SUCH_NUMBER = "no_such_number"
    #: The call was taken elsewhere: the phone shows no missed call (RFC 3326).
    ANSWERED_ELSEWHERE = "answered_elsewhere"


class Outcome(StrEnum):
    """The one final outcome of a call."""

    ANSWERED = "answered"
    #: The caller hung up in the queue or while an agent was being offered.
    ABANDONED = "abandoned"
    #: The queue gave up (full, waited too long) and nobody else answered.
    OVERFLOWED = "overflowed"
    #: The caller hung up, or the tree ended, before any queue.
    IVR_ONLY = "ivr_only"
    VOICEMAIL = "voicemail"
    #: Handed to a number or agent outside the queues and answered there.
    TRANSFERRED = "transferred"
    #: A transfer, an internal call or a callback that nobody answered.
    UNANSWERED = "unanswered"
    #: Hung up with the promise of a callback.
    CALLBACK = "callback"
    #: A callback that was taken back, or not needed any more.
    CANCELLED = "cancelled"
    #: Refused at the door: no route for the number dialled, or no licence to call.
    REJECTED = "rejected"
    #: Asterisk was lost or an action on the call failed.
    FAILED = "failed"
    #: A feature code dialled by a phone (login, pause …), a nailed-up agent line, or a supervisor
    #: listening to another call.
    SERVICE = "service"
