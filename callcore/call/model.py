"""The state of all calls, as plain values: what a snapshot holds and a restart restores.

Nothing here refers to another object except by id, so that `msgspec` can write and read the whole.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from callcore.call.record import Segment
from callcore.call.state import CallState
from callcore.directory import Directory
from callcore.directory_queue import CallbackFirst
from callcore.ivr.state import RunState
from callcore.ivr.tree import Trees
from callcore.types import (
    AgentId,
    BridgeId,
    CallId,
    ChannelId,
    ListeningId,
    Outcome,
    PhoneId,
    PlaybackId,
    QueueId,
    RecordingId,
    SupervisionMode,
)


class Role(StrEnum):
    """Whose end of the call a leg is."""

    CALLER = "caller"
    #: Offered by the distributor.
    AGENT = "agent"
    #: Dialled directly: a number, a phone, or an agent outside the queues.
    PARTY = "party"


class LegState(StrEnum):
    DIALLING = "dialling"
    #: Answered, but hearing an announcement alone before the bridge.
    ANNOUNCING = "announcing"
    UP = "up"
    #: We asked for its end and wait for the back end to confirm.
    ENDING = "ending"


class Leg(msgspec.Struct, kw_only=True):
    """One channel of a call."""

    channel: ChannelId
    role: Role
    state: LegState
    agent: AgentId = ""
    #: What was dialled: a phone id or a number.
    target: str = ""
    #: The trunk a number was dialled on.
    trunk: str = ""
    on_hold: bool = False
    #: A nailed-up line: lent by this call, not ended with the one it is lent to.
    line_call: CallId = ""
    #: When its phone was told that the transfer it asked for failed.
    transfer_failed_at: float | None = None


class PlayFor(StrEnum):
    """Why something is being played; decides what happens when it ends."""

    IVR = "ivr"
    #: Position and estimated wait, told to a waiting caller; the music goes on after it.
    QUEUE_ANNOUNCEMENT = "queue_announcement"
    AGENT_ANNOUNCEMENT = "agent_announcement"
    #: To a caller who is asked about a callback.
    CALLBACK_REQUEST = "callback_request"
    #: To the agent of a callback: the customer was not reached.
    CALLBACK_FAILED = "callback_failed"
    SERVICE = "service"
    #: Hang up after it.
    FAREWELL = "farewell"


class Playing(msgspec.Struct, kw_only=True):
    playback: PlaybackId
    channel: ChannelId
    purpose: PlayFor


class Transfer(msgspec.Struct, kw_only=True):
    """A transfer whose target is still being rung; the transferring agent may come back."""

    #: Channel that asked; empty once that phone has hung up.
    by_channel: ChannelId
    by_agent: AgentId = ""
    #: The phone waits for our answer to its REFER.
    refer: bool = True


class Direct(msgspec.Struct, kw_only=True):
    """A number or agent dialled outside the queues, and what to do when it fails."""

    channel: ChannelId
    deadline: float
    target: str
    agent: AgentId = ""
    #: Why a queue gave the caller up who is sent here; empty: no queue did.
    overflow: str = ""


class Needs(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a caller in a queue asks of the agent, and is worth (see `acd.events.ContactQueued`)."""

    skills: dict[str, int] = {}
    rule: str = ""
    language: str = ""
    wanted: AgentId = ""
    #: None: as long as the queue has it.
    wanted_seconds: float | None = None
    value: float = 0.0
    site: str = ""


ANYBODY = Needs()


class CallbackStep(StrEnum):
    """What a caller is being asked about a callback."""

    #: Whether one is wanted.
    OFFERED = "offered"
    #: Whether the number read back is right.
    CONFIRM = "confirm"
    #: For a number.
    NUMBER = "number"


class CallbackRequest(msgspec.Struct, kw_only=True):
    """The dialogue with a waiting caller who may be called back."""

    step: CallbackStep
    #: The place in line to keep.
    since: float
    number: str = ""
    digits: str = ""
    tries: int = 0
    deadline: float | None = None


class Callback(msgspec.Struct, kw_only=True):
    """What makes a call a callback; `Call.channel` is the customer's, once dialled."""

    number: str
    #: The place in line.
    since: float
    first: CallbackFirst
    #: The call in which it was asked for last, its number, and the number that was called.
    asked_by: CallId
    asked_from: str = ""
    hotline: str = ""
    asked_at: float
    #: Times the customer was dialled.
    attempts: int = 0
    #: The agent who is kept while the customer is dialled.
    agent: AgentId = ""
    #: Why the customer was not reached, while the agent is being told.
    failed: str = ""
    #: When it gets in line, or whoever is rung has been rung long enough.
    deadline: float | None = None


class Supervision(msgspec.Struct, kw_only=True):
    """What makes a call a supervision; `Call.channel` is the supervisor's phone."""

    #: The call supervised.
    call: CallId
    phone: PhoneId
    mode: SupervisionMode
    #: When the phone has rung long enough.
    deadline: float | None = None
    #: What its channel is connected to now: a channel it listens to, under an id of its own …
    listening: ListeningId = ""
    to: ChannelId = ""
    whisper: bool = False
    #: … or the bridge of the call supervised.
    bridge: BridgeId = ""


class Asked(StrEnum):
    """What the feature-code dialogue waits for."""

    AGENT = "agent"
    PIN = "pin"
    VERDICT = "verdict"
    NOTHING = "nothing"


class Service(msgspec.Struct, kw_only=True, dict=True):
    """The dialogue behind a feature code, dialled at a phone.

    `digits` are those a snapshot may hold; the true ones of a PIN live beside it, in memory alone.
    """

    code: str
    phone: PhoneId
    asked: Asked = Asked.NOTHING
    digits: str = ""
    agent: AgentId = ""
    tries: int = 0
    deadline: float | None = None
    #: This call is the agent's nailed-up line.
    line: bool = False

    def type(self, key: str, shown: str) -> None:
        """One more key, and what stands for it."""
        self.__dict__["typed"] = self.__dict__.get("typed", "") + key
        self.digits += shown

    def take(self) -> str:
        """The entry is complete: its true digits, or the masked ones where those were lost."""
        typed: str = self.__dict__.pop("typed", "")
        shown, self.digits = self.digits, ""
        return typed if len(typed) == len(shown) else shown


class Call(msgspec.Struct, kw_only=True):
    """One call, from arrival to the end of wrap-up."""

    id: CallId
    node: str
    direction: str
    endpoint: str
    channel: ChannelId
    caller_number: str
    caller_name: str
    dialled: str
    arrived_at: float
    #: Internal calls: the agent logged in at the phone that placed it.
    placed_by: AgentId = ""
    answered: bool = False
    state: CallState = CallState.ARRIVED
    legs: dict[ChannelId, Leg] = {}
    bridge: BridgeId = ""
    run: RunState | None = None
    tree: str = ""
    variables: dict[str, str] = {}
    playing: dict[PlaybackId, Playing] = {}
    #: Where an overflowing caller goes when no tree is running.
    direct: Direct | None = None
    transfer: Transfer | None = None
    service: Service | None = None
    #: The caller is being asked about a callback.
    request: CallbackRequest | None = None
    #: This call is a callback.
    callback: Callback | None = None
    #: This call is a supervisor's, listening to another one.
    supervision: Supervision | None = None
    #: The callback this caller was promised.
    promised: CallId = ""
    music: bool = False
    #: The queue it waits in now, or waited in last.
    queue: QueueId = ""
    priority: int = 0
    needs: Needs = ANYBODY
    queued_since: float | None = None
    #: When the waiting caller is told position and wait next; None: not at all, or just now.
    announce_at: float | None = None
    #: The agent at work on it now (in acd terms: holds the contact).
    agent: AgentId = ""
    first_agent: AgentId = ""
    #: Agents whose wrap-up for this call is not over yet.
    wrapping: list[AgentId] = []
    recording: RecordingId = ""
    recording_paused: bool = False
    no_recording_reason: str = "never_bridged"
    #: The message being recorded now.
    voicemail: RecordingId = ""
    #: The caller is gone: so long the node may take to tell the end of the message.
    message_deadline: float | None = None
    token: int = 0
    # Times and facts of the record.
    ivr_at: float | None = None
    queued_at: float | None = None
    first_offered_at: float | None = None
    connected_at: float | None = None
    ended_at: float | None = None
    wrap_up_ended_at: float | None = None
    wrap_up_seconds: float = 0.0
    offers: int = 0
    transfers: int = 0
    outcome: Outcome | None = None
    hung_up_by: str = ""
    hangup_cause: int = 0
    estimated: bool = False
    segments: list[Segment] = []
    sequence: int = 0

    def leg(self, channel: ChannelId) -> Leg | None:
        return self.legs.get(channel)

    def far_side(self) -> Leg | None:
        """The side that talks to the caller; of several, the one who came first."""
        for leg in self.legs.values():
            if leg.role is not Role.CALLER and leg.state is LegState.UP:
                return leg
        return None

    def ringing_side(self) -> Leg | None:
        """The number or agent that is dialled outside the queues."""
        return self.legs.get(self.direct.channel) if self.direct is not None else None

    @property
    def live(self) -> bool:
        return self.state is not CallState.ENDED


class Session(msgspec.Struct, kw_only=True):
    """An agent logged in at a phone."""

    agent: AgentId
    phone: PhoneId
    since: float
    #: On a call outside the distributor, as it was told last.
    busy: bool = False
    #: Channel and call of the nailed-up line, when it is up.
    line: ChannelId = ""
    line_call: CallId = ""


class SwitchState(msgspec.Struct, kw_only=True):
    """All of it."""

    directory: Directory = msgspec.field(default_factory=Directory)
    #: Trees in force for new callers, and the versions callers are still in.
    trees: Trees = msgspec.field(default_factory=Trees)
    prefix: str = ""
    last_id: int = 0
    calls: dict[CallId, Call] = {}
    sessions: dict[AgentId, Session] = {}
    reachable: dict[PhoneId, bool] = {}
    #: Phones on calls that callcore does not hold.
    busy_phones: dict[PhoneId, bool] = {}
    #: Nodes whose link is down, since when.
    down: dict[str, float] = {}
    #: Callbacks whose customer was not reached yet, oldest first.
    callbacks: list[CallId] = []
    #: Supervisions that go on, oldest first.
    supervisions: list[CallId] = []
    #: Who spoke last with a caller's number; the one who spoke longest ago comes first.
    last_agents: dict[str, AgentId] = {}
