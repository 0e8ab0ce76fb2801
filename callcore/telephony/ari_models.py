"""The ARI events and resources of Asterisk 22 as typed structs.

One decode turns a message into one of these. Only what callcore acts on is decoded deeply; all
other fields are skipped by the decoder, which is what makes it cheap. Names are Asterisk's.
"""

from __future__ import annotations

import msgspec


class Model(msgspec.Struct, frozen=True, gc=False):
    """A part of an event or a resource."""


class Party(Model, frozen=True, gc=False):
    name: str = ""
    number: str = ""


class DialplanPlace(Model, frozen=True, gc=False):
    context: str = ""
    exten: str = ""
    app_name: str = ""


class Ref(Model, frozen=True, gc=False):
    """A channel or bridge of which only the id matters."""

    id: str = ""


class Channel(Model, frozen=True, gc=False):
    id: str
    name: str = ""
    #: Down, Reserved, OffHook, Dialing, Ring (inbound), Ringing (outbound), Up, Busy …
    state: str = ""
    caller: Party = Party()
    dialplan: DialplanPlace = DialplanPlace()
    creationtime: str = ""


class Bridge(Model, frozen=True, gc=False):
    id: str
    bridge_type: str = ""
    #: ``stasis`` for those made through ARI; ``basic`` for those of Dial and Queue.
    bridge_class: str = ""
    channels: tuple[str, ...] = ()
    name: str = ""
    creator: str = ""


class Playback(Model, frozen=True, gc=False):
    id: str
    target_uri: str = ""
    state: str = ""


class LiveRecording(Model, frozen=True, gc=False):
    name: str
    format: str = ""
    target_uri: str = ""
    state: str = ""
    duration: int = 0
    talking_duration: int | None = None
    cause: str = ""


class Endpoint(Model, frozen=True, gc=False):
    resource: str = ""
    technology: str = ""
    #: unknown, offline, online
    state: str = ""


class Application(Model, frozen=True, gc=False):
    name: str
    channel_ids: tuple[str, ...] = ()
    bridge_ids: tuple[str, ...] = ()


class SystemStatus(Model, frozen=True, gc=False):
    startup_time: str = ""


class SystemInfo(Model, frozen=True, gc=False):
    version: str = ""


class AsteriskInfo(Model, frozen=True, gc=False):
    status: SystemStatus = SystemStatus()
    system: SystemInfo = SystemInfo()


class ContactInfo(Model, frozen=True, gc=False):
    uri: str = ""
    contact_status: str = ""
    aor: str = ""


class Peer(Model, frozen=True, gc=False):
    peer_status: str = ""


class Destination(Model, frozen=True, gc=False):
    protocol_id: str = ""
    destination: str = ""


class ReferTo(Model, frozen=True, gc=False):
    requested_destination: Destination = Destination()
    destination_channel: Ref | None = None
    connected_channel: Ref | None = None


class ReferredBy(Model, frozen=True, gc=False):
    source_channel: Ref = Ref()
    connected_channel: Ref | None = None


# --- events ----------------------------------------------------------------------------------


class AriEvent(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag=True):
    """Base of all messages on the event WebSocket; `type` is the class name."""


class StasisStart(AriEvent, frozen=True, gc=False):
    channel: Channel
    args: tuple[str, ...] = ()
    replace_channel: Ref | None = None


class StasisEnd(AriEvent, frozen=True, gc=False):
    channel: Ref


class ChannelDestroyed(AriEvent, frozen=True, gc=False):
    channel: Channel
    cause: int = 0
    tech_cause: int = 0


class ChannelHangupRequest(AriEvent, frozen=True, gc=False):
    channel: Ref
    cause: int = 0
    soft: bool = False
    tech_cause: int = 0


class ChannelDtmfReceived(AriEvent, frozen=True, gc=False):
    channel: Ref
    digit: str = ""
    duration_ms: int = 0


class ChannelHold(AriEvent, frozen=True, gc=False):
    channel: Ref


class ChannelUnhold(AriEvent, frozen=True, gc=False):
    channel: Ref


class ChannelTransfer(AriEvent, frozen=True, gc=False):
    refer_to: ReferTo = ReferTo()
    referred_by: ReferredBy = ReferredBy()
    state: str = ""


class Dial(AriEvent, frozen=True, gc=False):
    peer: Ref
    #: Empty at the start, RINGING, PROGRESS, ANSWER, BUSY, NOANSWER, CHANUNAVAIL …
    dialstatus: str = ""
    caller: Ref | None = None


class PlaybackFinished(AriEvent, frozen=True, gc=False):
    playback: Playback


class RecordingFinished(AriEvent, frozen=True, gc=False):
    recording: LiveRecording


class RecordingFailed(AriEvent, frozen=True, gc=False):
    recording: LiveRecording


class RESTResponse(AriEvent, frozen=True, gc=False):
    request_id: str
    status_code: int
    reason_phrase: str = ""
    message_body: str = ""


class ApplicationReplaced(AriEvent, frozen=True, gc=False):
    application: str = ""


class ContactStatusChange(AriEvent, frozen=True, gc=False):
    endpoint: Endpoint
    contact_info: ContactInfo


class PeerStatusChange(AriEvent, frozen=True, gc=False):
    endpoint: Endpoint
    peer: Peer


class EndpointStateChange(AriEvent, frozen=True, gc=False):
    endpoint: Endpoint


# Events callcore filters out at the source; they decode, so that nothing breaks where the filter
# is not yet set or a site allows them.


class MissingParams(AriEvent, frozen=True, gc=False):
    params: tuple[str, ...] = ()


class DeviceState(Model, frozen=True, gc=False):
    name: str = ""
    state: str = ""


class DeviceStateChanged(AriEvent, frozen=True, gc=False):
    device_state: DeviceState


class PlaybackStarted(AriEvent, frozen=True, gc=False):
    playback: Playback


class PlaybackContinuing(AriEvent, frozen=True, gc=False):
    playback: Playback


class RecordingStarted(AriEvent, frozen=True, gc=False):
    recording: LiveRecording


class ApplicationMoveFailed(AriEvent, frozen=True, gc=False):
    channel: Ref
    destination: str = ""


class ApplicationRegistered(AriEvent, frozen=True, gc=False):
    application: str = ""


class ApplicationUnregistered(AriEvent, frozen=True, gc=False):
    application: str = ""


class BridgeCreated(AriEvent, frozen=True, gc=False):
    bridge: Ref


class BridgeDestroyed(AriEvent, frozen=True, gc=False):
    bridge: Ref


class BridgeMerged(AriEvent, frozen=True, gc=False):
    bridge: Ref
    bridge_from: Ref


class BridgeBlindTransfer(AriEvent, frozen=True, gc=False):
    channel: Ref
    exten: str = ""
    result: str = ""


class BridgeAttendedTransfer(AriEvent, frozen=True, gc=False):
    transferer_first_leg: Ref
    transferer_second_leg: Ref
    result: str = ""


class BridgeVideoSourceChanged(AriEvent, frozen=True, gc=False):
    bridge: Ref


class ChannelCreated(AriEvent, frozen=True, gc=False):
    channel: Ref


class ChannelEnteredBridge(AriEvent, frozen=True, gc=False):
    bridge: Ref
    channel: Ref = Ref()


class ChannelLeftBridge(AriEvent, frozen=True, gc=False):
    bridge: Ref
    channel: Ref


class ChannelStateChange(AriEvent, frozen=True, gc=False):
    channel: Channel


class ChannelDialplan(AriEvent, frozen=True, gc=False):
    channel: Ref
    dialplan_app: str = ""


class ChannelCallerId(AriEvent, frozen=True, gc=False):
    channel: Ref


class ChannelUserevent(AriEvent, frozen=True, gc=False):
    eventname: str = ""
    channel: Ref | None = None


class ChannelVarset(AriEvent, frozen=True, gc=False):
    variable: str = ""
    value: str = ""
    channel: Ref | None = None


class ChannelToneDetected(AriEvent, frozen=True, gc=False):
    channel: Ref


class ChannelTalkingStarted(AriEvent, frozen=True, gc=False):
    channel: Ref


class ChannelTalkingFinished(AriEvent, frozen=True, gc=False):
    channel: Ref
    duration: int = 0


class ChannelConnectedLine(AriEvent, frozen=True, gc=False):
    channel: Ref


class TextMessageReceived(AriEvent, frozen=True, gc=False):
    endpoint: Endpoint | None = None


class CallBroadcast(AriEvent, frozen=True, gc=False):
    channel: Ref


class CallClaimed(AriEvent, frozen=True, gc=False):
    channel: Ref
    winner_app: str = ""


AnyAriEvent = (
    StasisStart
    | StasisEnd
    | ChannelDestroyed
    | ChannelHangupRequest
    | ChannelDtmfReceived
    | ChannelHold
    | ChannelUnhold
    | ChannelTransfer
    | Dial
    | PlaybackFinished
    | RecordingFinished
    | RecordingFailed
    | RESTResponse
    | ApplicationReplaced
    | ContactStatusChange
    | PeerStatusChange
    | EndpointStateChange
    | MissingParams
    | DeviceStateChanged
    | PlaybackStarted
    | PlaybackContinuing
    | RecordingStarted
    | ApplicationMoveFailed
    | ApplicationRegistered
    | ApplicationUnregistered
    | BridgeCreated
    | BridgeDestroyed
    | BridgeMerged
    | BridgeBlindTransfer
    | BridgeAttendedTransfer
    | BridgeVideoSourceChanged
    | ChannelCreated
    | ChannelEnteredBridge
    | ChannelLeftBridge
    | ChannelStateChange
    | ChannelDialplan
    | ChannelCallerId
    | ChannelUserevent
    | ChannelVarset
    | ChannelToneDetected
    | ChannelTalkingStarted
    | ChannelTalkingFinished
    | ChannelConnectedLine
    | TextMessageReceived
    | CallBroadcast
    | CallClaimed
)

#: Let through by the event filter: exactly what callcore acts on. Without `RESTResponse` answers
#: vanish; without `ApplicationReplaced` two controllers would act.
ALLOWED_EVENTS = (
    "StasisStart",
    "StasisEnd",
    "ChannelDestroyed",
    "ChannelHangupRequest",
    "ChannelDtmfReceived",
    "PlaybackFinished",
    "RecordingFinished",
    "RecordingFailed",
    "Dial",
    "ChannelHold",
    "ChannelUnhold",
    "ChannelTransfer",
    "ApplicationReplaced",
    "RESTResponse",
)


class _Peek(msgspec.Struct, frozen=True, gc=False):
    type: str = ""


class EventDecoder:
    """Decodes messages; types it does not know, or that do not fit, are counted and dropped."""

    def __init__(self) -> None:
        decoder: msgspec.json.Decoder[AnyAriEvent] = msgspec.json.Decoder(AnyAriEvent)
        self._decode = decoder.decode
        self._peek = msgspec.json.Decoder(_Peek).decode
        #: How many messages of each type could not be decoded.
        self.unknown: dict[str, int] = {}

    def __call__(self, message: bytes | str) -> AnyAriEvent | None:
        try:
            return self._decode(message)
        except msgspec.ValidationError:
            name = self._name(message)
        except (msgspec.DecodeError, UnicodeDecodeError):
            name = "(not JSON)"
        if name in self.unknown or len(self.unknown) < 100:
            self.unknown[name] = self.unknown.get(name, 0) + 1
        return None

    def _name(self, message: bytes | str) -> str:
        try:
            return self._peek(message).type[:60]
        except msgspec.DecodeError:
            return "(no type)"
