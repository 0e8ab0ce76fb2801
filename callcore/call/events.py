"""Everything that can happen to callcore, as frozen values in the past tense.

Three sources: the telephony back end, operators (CLI, API, the phone's feature codes) and the
shell's own answers (look-ups, PIN checks, finished recordings). All of them pass `dispatch.py` in
one order and are written to the journal before the machines see them; so an event holds facts
only, never live objects. Times are wall-clock seconds since the epoch; the dispatcher stamps the
arrival of an event, so events carry a time only where it differs from "now".
"""

from __future__ import annotations

import msgspec

from callcore.directory import Directory
from callcore.ivr.tree import Tree
from callcore.types import (
    AgentId,
    BridgeId,
    CallId,
    ChannelId,
    Entry,
    LegFailure,
    PhoneId,
    PlaybackId,
    QueueId,
    RecordingId,
    SupervisionMode,
    TreeId,
)


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag=True):
    """Base of all events; the tag in the journal is the class name."""


# --- telephony: channels -------------------------------------------------------------------


class CallArrived(Event, frozen=True, kw_only=True):
    """A new channel was handed to callcore (StasisStart of a channel we did not originate)."""

    channel: ChannelId
    node: str
    entry: Entry
    #: Trunk or phone the channel belongs to (PJSIP endpoint name).
    endpoint: str
    caller_number: str = ""
    caller_name: str = ""
    #: The number dialled, exactly as received.
    dialled: str = ""
    #: When the caller reached Asterisk, if that was before now (held while callcore was away).
    arrived_at: float | None = None
    #: Already answered in Asterisk (callers held or brought back from the fallback queue).
    answered: bool = False
    #: ``resume`` only: the call this channel belonged to before, if the dialplan knows it.
    former_call: CallId = ""


class LegRinging(Event, frozen=True, kw_only=True):
    """The far end of a leg we dialled signals ringing (180/183)."""

    channel: ChannelId


class LegAnswered(Event, frozen=True, kw_only=True):
    """A leg we dialled is up and in our hands: it may be bridged."""

    channel: ChannelId


class LegFailed(Event, frozen=True, kw_only=True):
    """A leg we dialled ended before it was answered, whoever ended it."""

    channel: ChannelId
    failure: LegFailure
    #: Q.850 cause; 0 when unknown.
    cause: int = 0


class HungUp(Event, frozen=True, kw_only=True):
    """A channel that had been answered, or had arrived, is gone."""

    channel: ChannelId
    cause: int = 0
    #: The far end hung up (false: callcore or Asterisk ended it).
    by_peer: bool = True


class DigitPressed(Event, frozen=True, kw_only=True):
    """One key: ``0-9 * # A-D``."""

    channel: ChannelId
    digit: str
    duration_ms: int = 0


class PlaybackEnded(Event, frozen=True, kw_only=True):
    """A playback finished, was stopped, or failed (`ok` false: nothing or not all was heard)."""

    channel: ChannelId
    playback: PlaybackId
    ok: bool = True


class VoicemailEnded(Event, frozen=True, kw_only=True):
    """A message recorded from one channel is complete (`seconds` 0: nothing was said)."""

    channel: ChannelId
    recording: RecordingId
    seconds: float = 0.0
    ok: bool = True


class HoldStarted(Event, frozen=True, kw_only=True):
    """The phone put its party on hold (re-INVITE with sendonly/inactive)."""

    channel: ChannelId


class HoldEnded(Event, frozen=True, kw_only=True):
    channel: ChannelId


class TransferAsked(Event, frozen=True, kw_only=True):
    """A phone sent REFER (Asterisk: ChannelTransfer).

    Blind: `target` is the number. Attended: `other` is the phone's other channel, whose party is
    to be joined with the party of `channel`.
    """

    channel: ChannelId
    target: str = ""
    other: ChannelId = ""


class ActionFailed(Event, frozen=True, kw_only=True):
    """An action could not be carried out; `gone` when its channel no longer exists."""

    call: CallId
    action: str
    channel: ChannelId = ""
    reason: str = ""
    gone: bool = False


# --- telephony: phones and the link ----------------------------------------------------------


class PhoneReachability(Event, frozen=True, kw_only=True):
    """A phone's binding came, went, or stopped answering OPTIONS."""

    phone: PhoneId
    reachable: bool


class PhoneBusy(Event, frozen=True, kw_only=True):
    """A phone is on a call that callcore does not hold (device state from outside)."""

    phone: PhoneId
    busy: bool


class ChannelFact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One channel as the back end's snapshot shows it."""

    channel: ChannelId
    up: bool
    #: In callcore's hands (in Stasis under our application name).
    ours: bool
    #: The door it came in by, as its place in the dialplan shows; None: a leg dialled by us.
    entry: Entry | None = None
    endpoint: str = ""
    caller_number: str = ""
    caller_name: str = ""
    dialled: str = ""
    arrived_at: float = 0.0


class BridgeFact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    bridge: BridgeId
    channels: tuple[ChannelId, ...] = ()


class BackendUp(Event, frozen=True, kw_only=True):
    """The link to a telephony node works; this is what exists there now."""

    node: str
    channels: tuple[ChannelFact, ...] = ()
    bridges: tuple[BridgeFact, ...] = ()
    #: Phones with a usable binding.
    reachable_phones: tuple[PhoneId, ...] = ()


class BackendDown(Event, frozen=True, kw_only=True):
    """The link to a node is lost. Its calls may go on there without us; with `dead` the node
    itself is gone, and its calls with it."""

    node: str
    reason: str = ""
    dead: bool = False


# --- the shell's answers -----------------------------------------------------------------------


class Started(Event, frozen=True, kw_only=True):
    """callcore started (or took over after a crash); `prefix` makes ids unique between lives."""

    prefix: str


class DirectoryChanged(Event, frozen=True, kw_only=True):
    directory: Directory


class TreesChanged(Event, frozen=True, kw_only=True):
    """Checked trees by id; running calls keep the version they entered."""

    trees: dict[TreeId, Tree]


class DayBegan(Event, frozen=True, kw_only=True):
    """Midnight at the site: counters of the day start again."""


class LookUpAnswered(Event, frozen=True, kw_only=True):
    """An HTTP look-up returned (`values` by name) or failed (`error`)."""

    call: CallId
    token: str
    values: dict[str, str] = {}
    error: str = ""


class PinChecked(Event, frozen=True, kw_only=True):
    """The PIN typed for an agent was verified against its hash."""

    call: CallId
    agent: AgentId
    ok: bool


# --- operators: CLI, API, supervisors ------------------------------------------------------------


class AgentLogin(Event, frozen=True, kw_only=True):
    """A person starts a session at a phone. `phone` empty: the agent's default phone."""

    agent: AgentId
    phone: PhoneId = ""
    ready: bool = True


class AgentLogout(Event, frozen=True, kw_only=True):
    agent: AgentId


class AgentPaused(Event, frozen=True, kw_only=True):
    """Not ready, with a reason code."""

    agent: AgentId
    reason: str


class AgentReady(Event, frozen=True, kw_only=True):
    """Ready again after a pause; also ends wrap-up when the agent is wrapping up."""

    agent: AgentId


class AgentStatusChosen(Event, frozen=True, kw_only=True):
    """One of the site's own statuses (`Directory.statuses`), by the agent or a supervisor."""

    agent: AgentId
    status: str


class AgentWrapUpAsked(Event, frozen=True, kw_only=True):
    """The agent wants a wrap-up after the present contact (queues where it is optional)."""

    agent: AgentId


class AgentWrapUpExtended(Event, frozen=True, kw_only=True):
    """The present wrap-up ends so many seconds later."""

    agent: AgentId
    seconds: float


class CallHangupAsked(Event, frozen=True, kw_only=True):
    call: CallId


class CallTransferAsked(Event, frozen=True, kw_only=True):
    """An operator moves a call: `target` is a number, ``queue:ID`` or ``agent:ID``."""

    call: CallId
    target: str


class CallSuperviseAsked(Event, frozen=True, kw_only=True):
    """An operator wants `phone` to listen to a call, or to have another mode if it does already."""

    call: CallId
    phone: PhoneId
    mode: SupervisionMode = SupervisionMode.LISTEN


class CallbackCancelAsked(Event, frozen=True, kw_only=True):
    """An operator takes back a callback whose customer was not reached yet."""

    call: CallId


class RecordingPauseAsked(Event, frozen=True, kw_only=True):
    call: CallId


class RecordingResumeAsked(Event, frozen=True, kw_only=True):
    call: CallId


class QueueLeaveAsked(Event, frozen=True, kw_only=True):
    """An operator moves a waiting caller to another queue."""

    call: CallId
    queue: QueueId


class CallPriorityAsked(Event, frozen=True, kw_only=True):
    """An operator moves a waiting caller up or down; higher is served first."""

    call: CallId
    priority: int


AnyEvent = (
    CallArrived
    | LegRinging
    | LegAnswered
    | LegFailed
    | HungUp
    | DigitPressed
    | PlaybackEnded
    | VoicemailEnded
    | HoldStarted
    | HoldEnded
    | TransferAsked
    | ActionFailed
    | PhoneReachability
    | PhoneBusy
    | BackendUp
    | BackendDown
    | Started
    | DirectoryChanged
    | TreesChanged
    | DayBegan
    | LookUpAnswered
    | PinChecked
    | AgentLogin
    | AgentLogout
    | AgentPaused
    | AgentReady
    | AgentStatusChosen
    | AgentWrapUpAsked
    | AgentWrapUpExtended
    | CallHangupAsked
    | CallTransferAsked
    | CallSuperviseAsked
    | CallbackCancelAsked
    | RecordingPauseAsked
    | RecordingResumeAsked
    | QueueLeaveAsked
    | CallPriorityAsked
)
"""What the journal decodes to."""
