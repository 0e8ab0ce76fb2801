"""What only the SIP stack inside callcore can get wrong: its traps, hostile and failing peers."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from callcore.call import actions as act
from callcore.call import events as ev
from callcore.directory import Dtmf, Trunk
from callcore.errors import ActionRefused, BackendUnavailable, SetupError
from callcore.lab import audio
from callcore.lab.call import Call
from callcore.lab.phone import Phone as LabPhone
from callcore.telephony.simulated_peers import Peer
from callcore.types import HangupReason, LegFailure
from tests.acceptance.floor import until
from tests.acceptance.test_bad_input import malformed
from tests.addresses import Block
from tests.contract.worlds import TRUNK_PORT, PjsipWorld
from tests.load import slack

pytestmark = pytest.mark.acceptance

LOW, HIGH = 440.0, 880.0


def legs(world: PjsipWorld) -> int:
    """Calls pjsua still has, those that are ending included."""
    exchange = world.pjsip_backend._exchange
    return len(exchange.legs) + len(exchange.ending)


async def until_empty(world: PjsipWorld) -> None:
    await until(lambda: not legs(world))


async def next_call_is_fine(world: PjsipWorld) -> None:
    world.seen.clear()
    await world.talking()
    await world.caller_hangs_up()
    gone = await world.want(ev.HungUp)
    assert gone.by_peer


# --- far ends that say no, or nothing ---------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "cause", "failure"),
    [
        (404, 1, LegFailure.UNREACHABLE),
        (480, 19, LegFailure.NO_ANSWER),
        (486, 17, LegFailure.BUSY),
        (488, 58, LegFailure.FAILED),
        (503, 34, LegFailure.FAILED),
        (603, 21, LegFailure.REJECTED),
    ],
)
async def test_a_refusal_has_its_cause(
    embedded: PjsipWorld, status: int, cause: int, failure: LegFailure
) -> None:
    async def refuse(call: Call) -> None:
        await call.reject(status)

    serving = asyncio.create_task(embedded.caller_phone.serve(refuse))
    await embedded.do(act.Dial(call="c", channel="out", endpoint="trunk:trunk/4711"))
    failed = await embedded.want(ev.LegFailed, channel="out")
    assert (failed.cause, failed.failure) == (cause, failure)
    serving.cancel()
    await until_empty(embedded)


async def provider(world: PjsipWorld, place: int, status: int) -> tuple[LabPhone, list[Call]]:
    """A trunk's far end that refuses with `status`, or answers."""
    phone = world._phone(f"provider{place}", place, port=TRUNK_PORT)
    await phone.open()
    came: list[Call] = []

    async def handle(call: Call) -> None:
        came.append(call)
        await (call.answer() if status == 200 else call.reject(status))

    world._tasks.append(asyncio.create_task(phone.serve(handle)))
    return phone, came


async def test_a_provider_that_goes_and_comes_back_is_seen(embedded: PjsipWorld) -> None:
    there, _ = await provider(embedded, 10, 200)
    trunk = Trunk(id="one", host=there.local[0], port=TRUNK_PORT, qualify_seconds=1)
    await embedded.backend.provision(replace(embedded.directory, trunks={"one": trunk}))

    async def state(wanted: str) -> None:
        await until(lambda: embedded.pjsip_backend.trunk_states().get("one") == wanted)

    await state("reachable")
    await there.close()
    await state("unreachable")
    back, _ = await provider(embedded, 10, 200)
    await state("reachable")
    await back.close()


async def test_strangers_are_refused(embedded: PjsipWorld) -> None:
    stranger = embedded._phone("stranger", 99)
    await stranger.open()
    call = await stranger.dial("4000")
    assert (await call.ended).status == 403
    await embedded.never(ev.CallArrived, seconds=0.2)
    await until_empty(embedded)
    await stranger.close()


async def test_codecs_nobody_shares_are_refused_with_488(embedded: PjsipWorld) -> None:
    offer = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    offer += b"m=audio 40000 RTP/AVP 18\r\na=rtpmap:18 G729/8000\r\n"
    phone = embedded.caller_phone
    request = phone.new_request(
        "INVITE", f"sip:4000@{embedded.server[0]}", f"<{phone.address_of_record}>;tag=1",
        f"<sip:4000@{embedded.server[0]}>",
    )  # fmt: skip
    request.add("Contact", phone.contact)
    request.add("Content-Type", "application/sdp")
    request.body = offer
    answer = await phone.transact(request, embedded.server)
    assert answer.status == 488
    await embedded.never(ev.CallArrived, seconds=0.1)
    await next_call_is_fine(embedded)


# --- races and losses -------------------------------------------------------------------------


async def test_an_answer_that_crosses_our_cancel_is_hung_up(embedded: PjsipWorld) -> None:
    """Glare: the phone answers and never saw the CANCEL."""
    await embedded.phone("p1", Peer())
    leg = await embedded.dial()
    await embedded.want(ev.LegRinging, channel=leg)
    call = embedded.rung["p1"][-1]
    embedded.phones["p1"].lose_received("CANCEL", times=20)
    await embedded.do(act.Hangup(call="c", channel=leg))
    await embedded.want(ev.LegFailed, channel=leg)
    await call.answer_without_waiting()
    assert (await call.ended).by == "remote"
    await embedded.never(ev.LegAnswered, seconds=0.2)
    await until_empty(embedded)


async def test_a_lost_ack_ends_no_call(embedded: PjsipWorld) -> None:
    """Our 200 is sent again until the ACK comes (RFC 3261, 13.3.1.4)."""
    embedded.caller_phone.lose_sent("ACK", times=2)
    channel = await embedded.arrived_and_answered()
    await embedded.do(act.Play(call="c", channel=channel, playback="b", media=("beep",)))
    await embedded.want(ev.PlaybackEnded)
    await embedded.caller_hangs_up()
    await embedded.want(ev.HungUp, channel=channel)
    await until_empty(embedded)


async def test_a_far_end_that_answers_no_bye_holds_nothing_up(embedded: PjsipWorld) -> None:
    channel, leg, _ = await embedded.talking()
    embedded.caller_phone.deaf = True
    began = time.monotonic()
    await embedded.do(act.Hangup(call="c", channel=channel))
    await embedded.want(ev.HungUp, channel=channel, by_peer=False)
    assert time.monotonic() - began < 0.2 * slack()
    await embedded.do(act.Hangup(call="c", channel=leg))
    await embedded.want(ev.HungUp, channel=leg)


async def test_a_storm_of_byes_leaves_nothing_behind(embedded: PjsipWorld) -> None:
    """Thirty callers hang up at once, some of them twice."""
    for _ in range(30):
        await embedded.call_in("4000")
        channel = (await embedded.want(ev.CallArrived)).channel
        await embedded.do(act.Answer(call="c", channel=channel))
    await asyncio.gather(*(call.answered for call in embedded.calls))
    for call in embedded.calls[::3]:
        bye = embedded.caller_phone.in_dialog(call.dialog, "BYE")
        await embedded.caller_phone.send_raw(bye.encode())
    await asyncio.gather(*(call.hang_up() for call in embedded.calls), return_exceptions=True)
    for _ in range(30):
        await embedded.want(ev.HungUp, by_peer=True)
    await embedded.never(ev.HungUp, seconds=0.2)
    await until_empty(embedded)
    await next_call_is_fine(embedded)


async def test_a_number_that_is_used_again_belongs_to_the_new_call(
    pjsip_block: Block, readable: Path
) -> None:
    """pjsua numbers its calls anew, and to delete the object of the old one hangs up whatever call
    has its number. With room for four calls, each is numbered again at once."""
    world = PjsipWorld(pjsip_block, readable, max_calls=4)
    await world.start()
    for _ in range(10):
        channel, leg, _ = await world.talking()
        ending = world.calls[-1]
        await world.do(act.Hangup(call="c", channel=leg))
        await asyncio.gather(ending.hang_up(), world.call_in("4001"))
        arrived = await world.want(ev.CallArrived)
        await world.want(ev.HungUp, channel=channel)
        await world.do(act.Answer(call="c", channel=arrived.channel))
        await world.calls[-1].answered
        await world.never(ev.HungUp, channel=arrived.channel, seconds=0.05)
        await world.do(act.Hangup(call="c", channel=arrived.channel))
        await world.want(ev.HungUp, channel=arrived.channel, by_peer=False)
    await until_empty(world)
    await world.close()


async def test_without_room_for_another_call_it_fails_as_congestion(
    pjsip_block: Block, readable: Path
) -> None:
    world = PjsipWorld(pjsip_block, readable, max_calls=1)
    await world.start()
    await world.phone("p1", Peer())
    first = await world.dial()
    await world.want(ev.LegRinging, channel=first)
    second = await world.dial("p2")
    assert (await world.want(ev.LegFailed, channel=second)).cause == 34
    await world.close()


async def test_broken_messages_do_no_harm(embedded: PjsipWorld) -> None:
    """Broken SIP and SDP, and messages of the kind of RFC 4475, between calls."""
    phone = embedded.caller_phone
    site = SimpleNamespace(caller_address=phone.local[0], address=embedded.server[0])
    floor: Any = SimpleNamespace(site=site)
    for number, message in enumerate(malformed(floor)):
        await phone.send_raw(message)
        if number % 10 == 9:
            await next_call_is_fine(embedded)
    for arrived in [e for e in embedded.seen if isinstance(e, ev.CallArrived)]:
        with contextlib.suppress(ActionRefused):  # the phone gave it up
            await embedded.do(act.Hangup(call="c", channel=arrived.channel))
    await next_call_is_fine(embedded)


# --- sound ------------------------------------------------------------------------------------


def loudest(samples: np.ndarray) -> float:
    """The strongest frequency, in Hz."""
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(power)) * 8000 / len(samples)


async def test_sound_goes_both_ways_and_again_after_a_hold(embedded: PjsipWorld) -> None:
    """A re-INVITE gives the call another slot in the bridge."""
    await embedded.talking()
    caller, desk = embedded.calls[-1], embedded.rung["p1"][-1]
    caller.play(audio.tone(LOW, 10.0), loop=True)
    desk.play(audio.tone(HIGH, 10.0), loop=True)
    for _ in range(2):
        start = len(caller.heard().samples), len(desk.heard().samples)
        await asyncio.sleep(1.2)
        heard = caller.heard().samples[start[0] :][-4000:], desk.heard().samples[start[1] :][-4000:]
        assert abs(loudest(heard[0]) - HIGH) < 10
        assert abs(loudest(heard[1]) - LOW) < 10
        await embedded.hold_and_resume("")
        desk.play(audio.tone(HIGH, 10.0), loop=True)


async def test_a_recording_keeps_time_while_nobody_speaks(
    embedded: PjsipWorld, tmp_path: Path
) -> None:
    """Both sides on the clock, packets or not; what is paused is silent (pjsua's own recorder skips
    time in which no source speaks)."""
    channel, _, _ = await embedded.talking()
    caller, desk = embedded.calls[-1], embedded.rung["p1"][-1]
    for call in (caller, desk):
        call.send_nothing()
    raw = tmp_path / "r.raw"
    tap = embedded.pjsip_backend.tap
    await tap.start(channel, raw)
    began = time.monotonic()
    await asyncio.sleep(1.0)
    caller.play(audio.tone(LOW, 1.0))
    desk.play(audio.tone(HIGH, 1.0))
    await asyncio.sleep(1.5)
    await tap.mute(channel, True)
    caller.play(audio.tone(LOW, 1.0))
    await asyncio.sleep(1.2)
    await tap.mute(channel, False)
    await tap.stop(channel)
    seconds = time.monotonic() - began
    samples = np.fromfile(raw, "<i2").reshape(-1, 2)
    assert abs(len(samples) / 8000 - seconds) < 0.1 * slack()
    assert not samples[: int(0.9 * 8000)].any()
    left, right = samples[10000:14000].T.astype(float)
    assert abs(loudest(left) - LOW) < 10
    assert abs(loudest(right) - HIGH) < 10
    assert not samples[-8000:-1000].any()
    assert raw.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ActionRefused):
        await tap.stop(channel)


async def test_a_recording_ends_with_its_channel(embedded: PjsipWorld, tmp_path: Path) -> None:
    channel = await embedded.arrived_and_answered()
    raw = tmp_path / "r.raw"
    await embedded.pjsip_backend.tap.start(channel, raw)
    await asyncio.sleep(0.5)
    await embedded.caller_hangs_up()
    await embedded.want(ev.HungUp, channel=channel)
    with pytest.raises(ActionRefused):
        await embedded.pjsip_backend.tap.stop(channel)
    await until(lambda: raw.stat().st_size >= 8000)


async def test_a_recording_that_cannot_be_written_is_refused(
    embedded: PjsipWorld, tmp_path: Path
) -> None:
    channel = await embedded.arrived_and_answered()
    with pytest.raises(ActionRefused):
        await embedded.pjsip_backend.tap.start(channel, tmp_path / "none" / "r.raw")
    with pytest.raises(ActionRefused):
        await embedded.pjsip_backend.tap.start("gone", tmp_path / "r.raw")


@pytest.mark.parametrize("how", ["rfc4733", "info"])
async def test_keys_arrive_once(embedded: PjsipWorld, how: str) -> None:
    channel = await embedded.arrived_and_answered()
    await embedded.calls[-1].answered
    await embedded.calls[-1].send_digits("1123*#", how=how)
    pressed = [(await embedded.want(ev.DigitPressed, channel=channel)).digit for _ in range(6)]
    assert "".join(pressed) == "1123*#"
    await embedded.never(ev.DigitPressed, seconds=0.3)


@pytest.mark.parametrize("dtmf", [Dtmf.INBAND, Dtmf.AUTO])
async def test_keys_in_the_sound_arrive_once(embedded: PjsipWorld, dtmf: Dtmf) -> None:
    """`inband` hears them whatever the far end offers, `auto` where it offers no events."""
    trunk = replace(embedded.directory.trunks["trunk"], dtmf=dtmf)
    await embedded.backend.provision(replace(embedded.directory, trunks={"trunk": trunk}))
    embedded.caller_phone.telephone_event = dtmf is Dtmf.INBAND
    channel = await embedded.arrived_and_answered()
    call = embedded.calls[-1]
    await call.answered
    await call.send_digits("1123*#", how="inband")
    pressed = [(await embedded.want(ev.DigitPressed, channel=channel)).digit for _ in range(6)]
    assert "".join(pressed) == "1123*#"
    await embedded.never(ev.DigitPressed, seconds=0.3)


async def test_tones_are_no_keys_where_events_are_offered(embedded: PjsipWorld) -> None:
    """A recorded tone in the background must not press keys."""
    channel = await embedded.arrived_and_answered()
    await embedded.calls[-1].answered
    await embedded.calls[-1].send_digits("1", how="inband")
    await embedded.never(ev.DigitPressed, seconds=0.5, channel=channel)


async def test_digits_are_sent(embedded: PjsipWorld) -> None:
    channel = await embedded.arrived_and_answered()
    await embedded.do(act.SendDigits(call="c", channel=channel, digits="12#"))
    heard = embedded.calls[-1].media.heard_digits
    await until(lambda: "".join(d.digit for d in heard()) == "12#")


async def test_a_caller_is_heard_before_the_answer(embedded: PjsipWorld) -> None:
    """Early media: an announcement before the answer comes with 183."""
    await embedded.call_in("4000")
    channel = (await embedded.want(ev.CallArrived)).channel
    await embedded.do(act.Play(call="c", channel=channel, playback="b", media=("beep", "beep")))
    await embedded.want(ev.PlaybackEnded, playback="b")
    call = embedded.calls[-1]
    await call.early_media
    assert 183 in call.provisional
    assert not call.answered.happened
    assert np.abs(call.heard().samples).max() > 1000
    await embedded.do(act.Answer(call="c", channel=channel))
    await call.answered


# --- transfers --------------------------------------------------------------------------------


async def test_an_attended_transfer_names_the_other_channel(embedded: PjsipWorld) -> None:
    """REFER with Replaces: the phone's second call is found by its Call-ID."""
    _, leg, _ = await embedded.talking()
    desk = embedded.phones["p1"]
    consulting = await desk.dial("4711")
    other = (await embedded.want(ev.CallArrived, endpoint="p1")).channel
    await embedded.do(act.Answer(call="d", channel=other))
    await consulting.answered
    asked = asyncio.create_task(embedded.rung["p1"][-1].transfer_to(consulting))
    told = await embedded.want(ev.TransferAsked, channel=leg)
    assert (told.other, told.target) == (other, "")
    await embedded.do(act.AnswerTransfer(call="c", channel=leg, ok=True))
    assert (await asked).ok


async def test_the_reason_of_a_withdrawn_call_is_said(embedded: PjsipWorld) -> None:
    """A phone shows no missed call for one that was answered elsewhere (RFC 3326)."""
    await embedded.phone("p1", Peer())
    leg = await embedded.dial(auto_answer=True, caller_number="030", caller_name='B"o\\b')
    await embedded.want(ev.LegRinging, channel=leg)
    call = embedded.rung["p1"][-1]
    assert call.auto_answer
    assert (call.caller.user, call.caller.display) == ("030", "Bob")
    hangup = act.Hangup(call="c", channel=leg, reason=HangupReason.ANSWERED_ELSEWHERE)
    await embedded.do(hangup)
    await call.ended
    assert "cause=200" in call.reason_header


async def test_an_asserted_identity_is_the_caller(embedded: PjsipWorld) -> None:
    """RFC 3325: From may be anonymous."""
    headers = {"P-Asserted-Identity": '"Ann" <sip:0309@provider.example>'}
    await embedded.caller_phone.dial("4000", from_user="anonymous", headers=headers)
    arrived = await embedded.want(ev.CallArrived)
    assert (arrived.caller_number, arrived.caller_name) == ("0309", "Ann")


async def test_a_trunk_that_is_full_is_not_dialled(embedded: PjsipWorld) -> None:
    trunk = replace(embedded.directory.trunks["trunk"], max_channels=1)
    await embedded.backend.provision(replace(embedded.directory, trunks={"trunk": trunk}))
    await embedded.arrived_and_answered()
    await embedded.do(act.Dial(call="c", channel="out", endpoint="trunk:trunk/4711"))
    assert (await embedded.want(ev.LegFailed, channel="out")).cause == 34


async def test_session_timers_are_offered(embedded: PjsipWorld) -> None:
    """RFC 4028: a far end that died is noticed where the other side wants that."""
    await embedded.phone("p1", Peer())
    leg = await embedded.dial()
    await embedded.want(ev.LegRinging, channel=leg)
    call = embedded.rung["p1"][-1]
    assert "timer" in call.header("supported")
    assert int(call.header("session-expires").partition(";")[0]) >= 90


# --- life -------------------------------------------------------------------------------------


async def test_a_callback_that_fails_ends_that_call_alone(
    embedded: PjsipWorld, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """An exception that reached C++ would end the process with all its calls."""
    staying = await embedded.arrived_and_answered()
    exchange = embedded.pjsip_backend._exchange
    real = exchange.media_changed

    def broken(leg: Any) -> None:
        if leg.channel != staying:
            raise ValueError("a fault of ours")
        real(leg)

    monkeypatch.setattr(exchange, "media_changed", broken)
    await embedded.call_in("4000")
    arrived = await embedded.want(ev.CallArrived)
    await embedded.do(act.Answer(call="d", channel=arrived.channel))
    gone = await embedded.want(ev.HungUp, channel=arrived.channel)
    assert not gone.by_peer
    monkeypatch.undo()
    await embedded.do(act.Play(call="c", channel=staying, playback="b", media=("beep",)))
    await embedded.want(ev.PlaybackEnded, playback="b")


async def test_it_ends_cleanly_with_calls_up(embedded: PjsipWorld, tmp_path: Path) -> None:
    """BYE to everybody, nothing of ours left in C, no thread, and it can begin again."""
    from callcore.native import _pjsip

    channel, _, _ = await embedded.talking()
    await embedded.pjsip_backend.tap.start(channel, tmp_path / "r.raw")
    await embedded.do(act.StartMusic(call="c", channel=channel))
    began = time.monotonic()
    await embedded.backend.close()
    assert time.monotonic() - began < 2.0 * slack()
    assert (await embedded.calls[-1].ended).by == "remote"
    assert (await embedded.rung["p1"][-1].ended).by == "remote"
    gc.collect()
    assert _pjsip.blocks() == 0
    assert not [t for t in threading.enumerate() if t.name in ("pjsua2", "recording")]
    with pytest.raises(BackendUnavailable):
        await embedded.backend.execute(act.Answer(call="c", channel=channel))


async def test_a_port_that_is_taken_is_said(embedded: PjsipWorld) -> None:
    """pjsua is one per process, so this is asked before it starts."""
    from callcore.telephony.pjsip.settings import check_ports

    with pytest.raises(SetupError, match=r"sip\.udp_port"):
        check_ports(embedded.pjsip_backend._settings.sip)


async def test_a_second_stack_in_one_process_is_refused(
    embedded: PjsipWorld, readable: Path
) -> None:
    """pjsua2 would end the process, and all calls with it."""
    other = PjsipWorld(embedded.block, readable)
    with pytest.raises(SetupError, match="one for all"):
        await other.pjsip_backend.start()
    await next_call_is_fine(embedded)


FORGETFUL = """
import asyncio, sys
from pathlib import Path
from callcore.config import SipSettings
from callcore.telephony.pjsip.backend import PjsipBackend
from callcore.telephony.pjsip.settings import PjsipSettings

async def main():
    here = Path(sys.argv[1])
    settings = PjsipSettings(sip=SipSettings(bind=sys.argv[2], tcp_port=0), log_file=here / "log",
                             prompts=here, voicemail=here)
    await PjsipBackend(settings, None).start()
    raise SystemExit(7)

asyncio.run(main())
"""


async def test_an_interpreter_that_ends_without_closing_does_not_crash(
    pjsip_block: Any, tmp_path: Path
) -> None:
    """Objects left to the interpreter's exit would fail an assertion of pjlib."""
    command = [sys.executable, "-c", FORGETFUL, str(tmp_path), pjsip_block.host(1)]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=30)
    assert (done.returncode, done.stderr) == (7, b"")
