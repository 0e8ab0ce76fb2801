"""Recorded ARI events of a real Asterisk 22 become exactly the events the contract promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from callcore.call import events as ev
from callcore.call.events import Event
from callcore.telephony import ari_models as ari
from callcore.telephony.ari_models import EventDecoder
from callcore.telephony.asterisk_events import Translator, endpoint_of, printable
from callcore.types import Entry, LegFailure

DATA = Path(__file__).parents[2] / "data" / "ari"
CALLER = "1700000000.0"


def recorded(name: str) -> list[ari.AnyAriEvent]:
    decode = EventDecoder()
    events = [decode(line) for line in (DATA / name).read_bytes().splitlines()]
    assert decode.unknown == {}
    return [event for event in events if event is not None]


def told(name: str, translator: Translator) -> list[Event]:
    return [event for ari_event in recorded(name) for event in translator.handle(ari_event)]


def arrived(channel: str = CALLER) -> ev.CallArrived:
    return ev.CallArrived(
        channel=channel, node="n", entry=Entry.TRUNK, endpoint="t1",
        caller_number="0301234567", caller_name='Bob "B" Jones', dialled="4000",
    )  # fmt: skip


def test_the_main_call() -> None:
    """Arrive, keys, ring, answer, hold, and two ends told once each, with who asked for it."""
    translator = Translator("n")
    translator.dialling("leg-1", "p1")
    events = recorded("main_call.jsonl")
    got: list[Event] = []
    for event in events:
        if isinstance(event, ari.ChannelHangupRequest) and event.channel.id == "leg-1":
            translator.hanging_up("leg-1", 16)
        got += translator.handle(event)
    assert got == [
        arrived(),
        ev.DigitPressed(channel=CALLER, digit="1", duration_ms=100),
        ev.DigitPressed(channel=CALLER, digit="#", duration_ms=100),
        ev.LegRinging(channel="leg-1"),
        ev.LegAnswered(channel="leg-1"),
        ev.HoldStarted(channel="leg-1"),
        ev.HoldEnded(channel="leg-1"),
        ev.HungUp(channel=CALLER, cause=16, by_peer=True),
        ev.HungUp(channel="leg-1", cause=16, by_peer=False),
    ]
    assert translator.legs == {}


@pytest.mark.parametrize(
    ("name", "leg", "failure", "cause"),
    [
        ("leg_busy", "leg-2", LegFailure.BUSY, 17),
        ("leg_declined", "leg-2", LegFailure.REJECTED, 21),
        ("leg_unavailable", "leg-2", LegFailure.NO_ANSWER, 19),
        ("leg_no_answer", "leg-3", LegFailure.NO_ANSWER, 19),
    ],
)
def test_legs_that_fail(name: str, leg: str, failure: LegFailure, cause: int) -> None:
    translator = Translator("n")
    translator.dialling(leg)
    got = [e for e in told(f"{name}.jsonl", translator) if not isinstance(e, ev.LegRinging)]
    assert got == [ev.LegFailed(channel=leg, failure=failure, cause=cause)]


def test_a_leg_we_cancel_is_cancelled_whatever_the_cause() -> None:
    translator = Translator("n")
    translator.dialling("leg-3")
    translator.hanging_up("leg-3", 16)
    failed = told("leg_no_answer.jsonl", translator)[-1]
    assert isinstance(failed, ev.LegFailed)
    assert failed.failure is LegFailure.CANCELLED


def test_a_caller_who_cancels() -> None:
    """SIP 487 reaches us as cause 127; it is a normal end by the caller."""
    got = told("caller_cancels.jsonl", Translator("n"))
    assert got == [arrived(), ev.HungUp(channel=CALLER, cause=16, by_peer=True)]


def test_playbacks_and_a_voicemail() -> None:
    translator = Translator("n")
    translator.recording(CALLER, "vm-1")
    got: list[Event] = []
    for event in recorded("prompts_and_voicemail.jsonl"):
        got += translator.handle(event)
        translator.recording(CALLER, "vm-1")
    assert got == [
        arrived(),
        ev.PlaybackEnded(channel=CALLER, playback="play-1", ok=True),
        ev.PlaybackEnded(channel=CALLER, playback="play-2", ok=False),
        ev.DigitPressed(channel=CALLER, digit="#", duration_ms=100),
        ev.VoicemailEnded(channel=CALLER, recording="vm-1", seconds=2.0, ok=True),
        ev.HungUp(channel=CALLER, cause=16, by_peer=True),
    ]


def test_transfers_are_asked_once() -> None:
    """Blind by number, attended by the phone's other channel; progress events are not questions."""
    translator = Translator("n")
    translator.dialling("leg-4")
    asked = [e for e in told("transfers.jsonl", translator) if isinstance(e, ev.TransferAsked)]
    assert asked == [
        ev.TransferAsked(channel="leg-4", target="4711"),
        ev.TransferAsked(channel="leg-4", other="1700000001.1"),
    ]


def test_every_event_twice_changes_nothing_but_keys_and_questions() -> None:
    """A duplicate subscription repeats events; ends and answers are still told once."""
    translator = Translator("n")
    translator.dialling("leg-1")
    got = [
        event
        for ari_event in recorded("main_call.jsonl")
        for _ in range(2)
        for event in translator.handle(ari_event)
    ]
    for kind in (ev.LegRinging, ev.LegAnswered, ev.HungUp):
        once = [e.channel for e in got if isinstance(e, kind)]
        assert len(once) == len(set(once))


def test_events_of_strangers_are_not_told() -> None:
    """Legs of another application, and channels that entered without our arguments."""
    translator = Translator("n")
    assert told("leg_busy.jsonl", translator) == []
    stranger = ari.StasisStart(channel=ari.Channel(id="x", name="Local/1@a-1"))
    assert translator.handle(stranger) == ()
    assert translator.strays == 1


def test_a_snoop_channel_is_nobodys_call() -> None:
    """Neither its beginning nor its end is told, and it is no stray."""
    translator = Translator("n")
    snoop = ari.Channel(id="l1", name="Snoop/leg-1-00000001")
    assert translator.handle(ari.StasisStart(channel=snoop, args=("snoop",))) == ()
    assert translator.handle(ari.ChannelDestroyed(channel=snoop)) == ()
    assert translator.strays == 0


def test_arrival_tells_what_the_dialplan_knows() -> None:
    """A caller held while callcore was away, and one brought back from the fallback queue."""
    start = ari.StasisStart(
        channel=ari.Channel(id="x", name="PJSIP/tr-unk-0000001f", state="Up"),
        args=("resume", "arrived=1700000000.5", "call=c-17"),
    )
    (event,) = Translator("n").handle(start)
    assert event == ev.CallArrived(
        channel="x", node="n", entry=Entry.RESUME, endpoint="tr-unk", arrived_at=1700000000.5,
        answered=True, former_call="c-17",
    )  # fmt: skip


def test_a_sound_cut_off_by_a_hang_up_is_not_told() -> None:
    """It would take the caller on to the next step of a tree, 1 ms before the hang-up is told."""
    translator = Translator("n")
    channel = ari.Channel(id="a", name="PJSIP/t1-a", state="Up")
    translator.handle(ari.StasisStart(channel=channel, args=("trunk",)))
    playback = ari.Playback(id="p1", target_uri="channel:a", state="failed")
    translator.handle(ari.ChannelHangupRequest(channel=channel))
    assert translator.handle(ari.PlaybackFinished(playback=playback)) == ()
    (event,) = translator.handle(ari.ChannelDestroyed(channel=channel, cause=16))
    assert isinstance(event, ev.HungUp)


def test_a_full_trunk_tells_its_arrivals() -> None:
    """Refusing them is a matter of the rules; nothing more is dialled on it."""
    translator = Translator("n")
    translator.limits = {"t1": 1}
    for name in ("a", "b"):
        channel = ari.Channel(id=name, name=f"PJSIP/t1-{name}", state="Ring")
        (event,) = translator.handle(ari.StasisStart(channel=channel, args=("trunk",)))
        assert isinstance(event, ev.CallArrived)
    assert translator.full("t1")
    assert not translator.full("other")


def test_resync_compares_memory_with_the_snapshot() -> None:
    translator = Translator("n")
    for leg in ("gone", "ringing", "answered"):
        translator.dialling(leg, "p1")
    for caller in ("here", "left", "starting"):
        channel = ari.Channel(id=caller, name="PJSIP/t1-1", state="Up")
        if caller != "starting":
            translator.handle(ari.StasisStart(channel=channel, args=("trunk",)))
    snapshot = [
        ari.Channel(id="here", name="PJSIP/t1-1", state="Up"),
        ari.Channel(id="ringing", name="PJSIP/p1-2", state="Ringing"),
        ari.Channel(id="answered", name="PJSIP/p1-3", state="Up"),
        ari.Channel(id="starting", name="PJSIP/t1-4", state="Ring"),
        ari.Channel(id="foreign", name="PJSIP/p1-5", state="Up"),
        ari.Channel(id="former-leg", name="PJSIP/p2-6", state="Ringing"),
    ]
    bridges = [
        ari.Bridge(id="b1", bridge_class="stasis", channels=("here",)),
        ari.Bridge(id="queue", bridge_class="basic"),
    ]
    up, *after = translator.resync(
        snapshot, bridges, ["here", "answered"], ("p1",), frozenset({"starting"})
    )
    assert isinstance(up, ev.BackendUp)
    assert {f.channel: (f.up, f.ours) for f in up.channels} == {
        "here": (True, True),
        "ringing": (False, True),
        "answered": (True, True),
        "foreign": (True, False),
        "former-leg": (False, False),
    }
    assert [b.bridge for b in up.bridges] == ["b1"]
    assert after == [
        ev.LegFailed(channel="gone", failure=LegFailure.FAILED, cause=0),
        ev.HungUp(channel="left", cause=0, by_peer=False),
        ev.LegAnswered(channel="answered"),
    ]
    # Legs that ring are subscribed to again, a former life's among them.
    assert translator.ringing == ("ringing", "former-leg")
    assert not translator.legs["here"].idle


@pytest.mark.parametrize(
    ("name", "endpoint"),
    [
        ("PJSIP/desk-1-0000001f", "desk-1"),
        ("PJSIP/desk-0000001f", "desk"),
        ("Local/100@default-0001;1", ""),
        ("", ""),
    ],
)
def test_the_endpoint_of_a_channel_name(name: str, endpoint: str) -> None:
    assert endpoint_of(name) == endpoint


def test_text_from_the_network_is_bounded_and_printable() -> None:
    assert printable("Zoë 你好") == "Zoë 你好"
    assert printable("a\r\nb\x00c\u202e") == "abc"
    assert printable("x" * 5000) == "x" * 80


def test_a_message_begun_in_a_former_life_is_heard_of() -> None:
    """After a restart its name is not known; one begun since then is known by name."""
    translator = Translator("n")
    caller = ari.Channel(id=CALLER, name="PJSIP/t1-1", state="Up")
    translator.resync([caller], [], [CALLER], ())

    def finished(name: str) -> ari.RecordingFinished:
        recording = ari.LiveRecording(
            name=name, target_uri=f"channel:{CALLER}", duration=7, talking_duration=5
        )
        return ari.RecordingFinished(recording=recording)

    assert translator.handle(finished("v-old")) == (
        ev.VoicemailEnded(channel=CALLER, recording="v-old", seconds=7.0),
    )
    translator.recording(CALLER, "v-new")
    assert translator.handle(finished("v-other")) == ()
    assert translator.handle(finished("v-new"))
