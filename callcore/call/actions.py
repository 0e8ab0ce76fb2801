"""Everything the machines can ask of the shell, as frozen values in the imperative.

Actions of one call are carried out in order, those of different calls concurrently. What goes
wrong comes back as an `ActionFailed` event (or `LegFailed` for `Dial`); nothing is raised into the
rules. Media are references, resolved by the back end's prompt library:
``prompt:LANG/NAME`` (a recording of the prompt set), ``text:LANG/WORDS`` (spoken by TTS),
``file:PATH`` (a file below the site's directory), ``beep``.
"""

from __future__ import annotations

import msgspec

from callcore.acd.counts import Counts
from callcore.call.record import CallEvent, CallRecord
from callcore.types import (
    AgentId,
    BridgeId,
    CallId,
    ChannelId,
    HangupReason,
    ListeningId,
    PhoneId,
    PlaybackId,
    QueueId,
    RecordingId,
)

Media = str


class Action(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag=True):
    """Base of all actions; `call` keeps the order within one call."""

    call: CallId


# --- channels ------------------------------------------------------------------------------


class Answer(Action, frozen=True, kw_only=True):
    channel: ChannelId


class Hangup(Action, frozen=True, kw_only=True):
    channel: ChannelId
    reason: HangupReason = HangupReason.NORMAL


class Dial(Action, frozen=True, kw_only=True):
    """Create an outbound leg and ring it. Its id is ours; the answer is `LegAnswered`,
    any other end `LegFailed`."""

    channel: ChannelId
    #: ``phone:ID``, or ``trunk:ID/NUMBER``.
    endpoint: str
    caller_number: str = ""
    caller_name: str = ""
    #: Seconds until the back end gives up by itself (a safety net behind callcore's own timer).
    timeout: float = 60.0
    #: The phone answers by itself (Alert-Info).
    auto_answer: bool = False


class Play(Action, frozen=True, kw_only=True):
    """Play one after the other; `PlaybackEnded` comes once, at the end of all."""

    channel: ChannelId
    playback: PlaybackId
    media: tuple[Media, ...]


class StopPlay(Action, frozen=True, kw_only=True):
    channel: ChannelId
    playback: PlaybackId


class StartMusic(Action, frozen=True, kw_only=True):
    channel: ChannelId
    music: str = "default"


class StopMusic(Action, frozen=True, kw_only=True):
    channel: ChannelId


class StartRinging(Action, frozen=True, kw_only=True):
    """Ring-back tone (180 before the answer)."""

    channel: ChannelId


class StopRinging(Action, frozen=True, kw_only=True):
    channel: ChannelId


class SendDigits(Action, frozen=True, kw_only=True):
    channel: ChannelId
    digits: str


class RecordVoicemail(Action, frozen=True, kw_only=True):
    """Record one channel to a message; `VoicemailEnded` follows."""

    channel: ChannelId
    recording: RecordingId
    mailbox: str = ""
    max_seconds: float = 120.0
    #: Ends after so much silence; 0: never.
    silence_seconds: float = 5.0
    #: Key that ends it: one of ``0-9 * #``, ``any``, or empty.
    end_key: str = "#"
    beep: bool = True


class AnswerTransfer(Action, frozen=True, kw_only=True):
    """Tell the phone that sent REFER what came of it (NOTIFY sipfrag)."""

    channel: ChannelId
    ok: bool


# --- bridges -------------------------------------------------------------------------------


class CreateBridge(Action, frozen=True, kw_only=True):
    bridge: BridgeId
    #: Mix by a clock, so that a recording keeps time while nobody sends (see `recording/tap.py`).
    clocked: bool = False


class Join(Action, frozen=True, kw_only=True):
    """Put channels into a bridge; music, ringing, holding and listening on them stop."""

    bridge: BridgeId
    channels: tuple[ChannelId, ...]
    #: Keys pressed at these channels are told, and not passed on to the others.
    keeps_keys: bool = False


class Leave(Action, frozen=True, kw_only=True):
    bridge: BridgeId
    channel: ChannelId


class DestroyBridge(Action, frozen=True, kw_only=True):
    bridge: BridgeId


# --- supervision -----------------------------------------------------------------------------


class Listen(Action, frozen=True, kw_only=True):
    """`channel` hears what `to` says and hears; with `whisper`, whoever `to` is hears `channel`.

    Nobody else hears `channel`, which leaves what it was in: a bridge, or another listening. For
    the former one, and when one of the two has ended, `StopListening` is due all the same: the
    node may keep a channel and a bridge for it, both named `listening`.
    """

    listening: ListeningId
    channel: ChannelId
    to: ChannelId
    whisper: bool = False


class StopListening(Action, frozen=True, kw_only=True):
    """Harmless where it is over already."""

    listening: ListeningId
    #: Who listened and hears nothing now; empty: gone, or to something else.
    channel: ChannelId = ""


# --- recording -----------------------------------------------------------------------------


class StartRecording(Action, frozen=True, kw_only=True):
    """Record what `channel` says (left) and hears (right), aligned to the clock."""

    recording: RecordingId
    channel: ChannelId
    queue: QueueId = ""
    agent: AgentId = ""


class PauseRecording(Action, frozen=True, kw_only=True):
    recording: RecordingId


class ResumeRecording(Action, frozen=True, kw_only=True):
    recording: RecordingId


class StopRecording(Action, frozen=True, kw_only=True):
    """Stop and finalise; harmless when the channel's end already stopped it."""

    recording: RecordingId


# --- the shell's services --------------------------------------------------------------------


class LookUp(Action, frozen=True, kw_only=True):
    """GET a URL that answers with a JSON object; `LookUpAnswered` follows, at the latest after
    `timeout` seconds."""

    token: str
    url: str
    query: dict[str, str] = {}
    timeout: float = 2.0

    def __repr__(self) -> str:
        """Without the query, which may hold what the caller typed."""
        return f"LookUp(call={self.call!r}, url={self.url!r})"


class CheckPin(Action, frozen=True, kw_only=True):
    """Verify a PIN away from the loop; `PinChecked` follows. The shell knows the hashes."""

    agent: AgentId
    pin: str

    def __repr__(self) -> str:
        return f"CheckPin(agent={self.agent!r})"


class WriteEvent(Action, frozen=True, kw_only=True):
    """One line of the event list behind the call record."""

    event: CallEvent


class WriteRecord(Action, frozen=True, kw_only=True):
    """The call's row, complete: sent when the call ended and again when wrap-up is over."""

    record: CallRecord


class WriteAgentState(Action, frozen=True, kw_only=True):
    """An agent's state changed: for the agents' log and for whoever watches."""

    at: float
    agent: AgentId
    state: str
    before: str
    #: The status chosen: logged_out, ready or paused; it may change alone.
    status: str = ""
    reason: str = ""
    phone: PhoneId = ""
    queue: QueueId = ""


class WriteInterval(Action, frozen=True, kw_only=True):
    """What was counted in the interval that began at `begin`, now that it is over."""

    call: CallId = ""
    begin: float
    counts: Counts


RowAction = WriteEvent | WriteRecord | WriteAgentState | WriteInterval
"""What becomes rows of the database. Writing them again, as a replay does, is harmless."""

AnyAction = (
    Answer
    | Hangup
    | Dial
    | Play
    | StopPlay
    | StartMusic
    | StopMusic
    | StartRinging
    | StopRinging
    | SendDigits
    | RecordVoicemail
    | AnswerTransfer
    | CreateBridge
    | Join
    | Leave
    | DestroyBridge
    | Listen
    | StopListening
    | StartRecording
    | PauseRecording
    | ResumeRecording
    | StopRecording
    | LookUp
    | CheckPin
    | WriteEvent
    | WriteRecord
    | WriteAgentState
    | WriteInterval
)
