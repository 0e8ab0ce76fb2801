"""Every event type of Asterisk 22 decodes; what does not is counted and never fatal."""

from __future__ import annotations

import msgspec
import pytest

from callcore.telephony import ari_models as ari
from callcore.telephony.ari_models import ALLOWED_EVENTS, EventDecoder

#: The sub-types of Event in Asterisk 22.10's own API description.
NAMES = """
DeviceStateChanged PlaybackStarted PlaybackContinuing PlaybackFinished RecordingStarted
RecordingFinished RecordingFailed ApplicationMoveFailed ApplicationRegistered
ApplicationUnregistered ApplicationReplaced BridgeCreated BridgeDestroyed BridgeMerged
BridgeBlindTransfer BridgeAttendedTransfer BridgeVideoSourceChanged ChannelCreated
ChannelDestroyed ChannelEnteredBridge ChannelLeftBridge ChannelStateChange ChannelDtmfReceived
ChannelDialplan ChannelCallerId ChannelUserevent ChannelHangupRequest ChannelVarset
ChannelToneDetected ChannelTalkingStarted ChannelTalkingFinished ChannelHold ChannelUnhold
ContactStatusChange EndpointStateChange Dial StasisEnd StasisStart TextMessageReceived
ChannelConnectedLine PeerStatusChange ChannelTransfer RESTResponse CallBroadcast CallClaimed
MissingParams
"""
EVENT_TYPES = NAMES.split()

CHANNEL = {"id": "1.2", "name": "PJSIP/x-1", "state": "Up", "language": "en"}
FULL = {
    "application": "callcore", "timestamp": "2026-01-01T00:00:00.000+0000", "asterisk_id": "x",
    "channel": CHANNEL, "peer": {**CHANNEL, "peer_status": "Reachable"}, "bridge": {"id": "b"},
    "bridge_from": {"id": "c"}, "args": [], "endpoint": {"technology": "PJSIP", "resource": "x"},
    "contact_info": {"uri": "sip:x"}, "playback": {"id": "p"}, "recording": {"name": "r"},
    "device_state": {"name": "x"}, "request_id": "1", "status_code": 200,
    "transferer_first_leg": CHANNEL, "transferer_second_leg": CHANNEL, "a_new_field": [1, {}],
}  # fmt: skip


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_each_type_decodes_to_its_class(name: str) -> None:
    decode = EventDecoder()
    event = decode(msgspec.json.encode({"type": name, **FULL}))
    assert type(event).__name__ == name
    assert decode.unknown == {}


def test_the_filter_names_types_that_exist() -> None:
    assert set(ALLOWED_EVENTS) <= set(EVENT_TYPES)


def test_what_cannot_be_decoded_is_counted() -> None:
    decode = EventDecoder()
    messages = (
        b'{"type":"NewInAsterisk30"}', b'{"type":"NewInAsterisk30","x":1}',
        b'{"type":"StasisEnd"}', b'{"type":1}', b"{}", b"[]", b"not json", b'"\xff"', b"",
    )  # fmt: skip
    assert [decode(message) for message in messages] == [None] * len(messages)
    assert decode.unknown["NewInAsterisk30"] == 2
    assert decode.unknown["StasisEnd"] == 1
    assert sum(decode.unknown.values()) == len(messages)


def test_a_flood_of_unknown_types_does_not_grow_for_ever() -> None:
    decode = EventDecoder()
    for number in range(500):
        decode(b'{"type":"Odd%d"}' % number)
    assert len(decode.unknown) <= 101


def test_only_what_is_used_is_kept() -> None:
    event = EventDecoder()(msgspec.json.encode({"type": "StasisEnd", **FULL}))
    assert event == ari.StasisEnd(channel=ari.Ref(id="1.2"))
