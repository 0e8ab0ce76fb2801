"""The lab phone does on real Asterisk what the other tests rely on."""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator

import pytest

from callcore.lab import audio
from callcore.lab.errors import CallFailed, LabTimeout, RegistrationFailed
from callcore.lab.phone import Phone
from callcore.lab.transactions import SipTimers
from tests.acceptance.floor import hears, until
from tests.acceptance.lab_asterisk import PASSWORD, PORT, TLS_PORT, LabAsterisk, lab_asterisk
from tests.load import slack

__all__ = ["lab_asterisk"]
pytestmark = pytest.mark.acceptance


@contextlib.asynccontextmanager
async def phones(asterisk: LabAsterisk, *users: str, **options) -> AsyncIterator[list[Phone]]:
    """Registered phones of these users."""
    async with contextlib.AsyncExitStack() as stack:
        opened = []
        for user in users:
            phone = Phone(
                user, PASSWORD, server=asterisk.address, host=asterisk.phone_host, **options
            )
            await stack.enter_async_context(phone)
            await phone.register()
            opened.append(phone)
        yield opened


def caller(asterisk: LabAsterisk, **options) -> Phone:
    """An anonymous caller, as from a trunk."""
    return Phone("5551234", server=asterisk.address, host=asterisk.caller_host, **options)


async def connect(ann: Phone, bob: Phone):
    """A call from one to the other, answered."""
    outgoing = await ann.dial(bob.user)
    incoming = await bob.incoming()
    await incoming.ring()
    await outgoing.ringing
    await incoming.answer()
    await outgoing.answered
    return outgoing, incoming


async def talk(ann: Phone, bob: Phone):
    """Like `connect`, and both are in the bridge: what is asked of Asterisk before is refused."""
    outgoing, incoming = await connect(ann, bob)
    for speaks, listens, hz in ((outgoing, incoming, 500), (incoming, outgoing, 600)):
        speaks.play(audio.tone(hz, 0.2), loop=True)
        await hears(listens, hz)
    return outgoing, incoming


async def test_registration(lab_asterisk):
    """Digest registers, a wrong password is refused with its status, unregister takes effect."""
    async with Phone(
        "601", PASSWORD, server=lab_asterisk.address, host=lab_asterisk.phone_host
    ) as phone:
        await phone.register()
        assert "601" in lab_asterisk.command("pjsip show contacts")
        await phone.register()
        await phone.unregister()
        assert "601" not in lab_asterisk.command("pjsip show contacts")
    async with Phone(
        "601", "wrong", server=lab_asterisk.address, host=lab_asterisk.phone_host
    ) as phone:
        with pytest.raises(RegistrationFailed) as refused:
            await phone.register()
        assert refused.value.status == 401


@pytest.mark.parametrize(("transport", "port"), [("TCP", PORT), ("TLS", TLS_PORT)])
async def test_stream_transports(lab_asterisk, transport, port):
    """A phone on TCP or TLS registers, calls out and is called back on its connection."""
    server = (lab_asterisk.address[0], port)
    async with (
        Phone(
            "601", PASSWORD, server=server, host=lab_asterisk.phone_host, transport=transport
        ) as phone,
        caller(lab_asterisk) as ann,
    ):
        await phone.register()
        outgoing, incoming = await connect(ann, phone)
        await incoming.hang_up()
        await outgoing.ended
        call = await phone.dial("600")
        await call.answered
        await call.hang_up()


@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
async def test_echo_keeps_content_and_time(lab_asterisk, codec, tmp_path):
    """What is said comes back unchanged, at the time it was said."""
    speech = audio.speak("This is the caller, speaking into the echo.", tmp_path)
    async with caller(lab_asterisk, codecs=(codec,)) as ann:
        call = await ann.dial("600")
        await call.answered
        playing = call.play(speech)
        await playing.finished
        await asyncio.sleep(0.3)  # the last word is on its way
        await call.hang_up()
        heard = call.heard()
        offset, correlation = audio.find_speech(heard.samples, speech)
        assert correlation > 0.95
        assert playing.started is not None
        assert heard.started + offset == pytest.approx(playing.started, abs=0.06 * slack())


async def test_two_phones_hear_each_other(lab_asterisk):
    """Each side hears the tone of the other and not its own; hang-up reaches the other side."""
    async with phones(lab_asterisk, "601", "602") as (bob, ann):
        outgoing, incoming = await connect(ann, bob)
        outgoing.play(audio.tone(500, 0.2), loop=True)
        await incoming.play(audio.tone(800, 1.0)).finished
        await outgoing.hang_up()
        ending = await incoming.ended
        assert (ending.by, ending.status) == ("remote", 200)
        assert audio.tone_level(incoming.heard().samples, 500) > 4000
        assert audio.tone_level(incoming.heard().samples, 800) < 100
        assert audio.tone_level(outgoing.heard().samples, 800) > 4000
        assert audio.tone_level(outgoing.heard().samples, 500) < 100


async def test_silence_has_packets_and_nothing_has_none(lab_asterisk):
    """send_silence keeps packets flowing, send_nothing leaves a gap on the clock."""
    async with caller(lab_asterisk) as ann:
        call = await ann.dial("600")
        await call.answered
        await call.play(audio.tone(500, 0.5)).finished
        call.send_nothing()
        stopped = time.time()
        before = call.media.packets_sent
        await asyncio.sleep(1.0)  # nothing must flow
        assert call.media.packets_sent == before
        call.send_silence()
        again = call.play(audio.tone(500, 0.5))
        await again.finished
        assert again.started is not None
        silent = pytest.approx(again.started - stopped, abs=0.1 * slack())
        await until(lambda: len(audio.tone_intervals(call.heard().samples, 500)) >= 2)
        heard = call.heard()
        assert [end - begin for begin, end in heard.gaps(at_least=0.5)] == [silent]
        first, second = audio.tone_intervals(heard.samples, 500)
        assert second[0] - first[1] == silent


@pytest.mark.parametrize("status", [486, 603, 480])
async def test_refusals_reach_the_caller(lab_asterisk, status):
    """A refusing phone ends the caller's call; waiting for its answer raises with the status."""
    async with phones(lab_asterisk, "601") as (bob,), caller(lab_asterisk) as ann:
        call = await ann.dial("601")
        incoming = await bob.incoming()
        await incoming.reject(status)
        with pytest.raises(CallFailed) as failed:
            await call.answered
        assert failed.value.status is not None
        assert failed.value.status >= 400
        assert (await call.ended).by == "remote"


async def test_cancel_stops_the_ringing(lab_asterisk):
    """A caller who gives up sends CANCEL; the phone sees it with its Reason."""
    async with phones(lab_asterisk, "601") as (bob,), caller(lab_asterisk) as ann:
        call = await ann.dial("601")
        incoming = await bob.incoming()
        await incoming.ring()
        await call.ringing
        ending = await call.cancel()
        assert (ending.by, ending.status) == ("local", 487)
        theirs = await incoming.ended
        assert (theirs.by, theirs.status) == ("remote", 487)
        assert "cause=" in incoming.reason_header


async def test_losers_of_ring_all_learn_who_answered(lab_asterisk):
    """Answered elsewhere is visible, and so is the auto-answer header."""
    async with phones(lab_asterisk, "601", "602") as (bob, eve), caller(lab_asterisk) as ann:
        call = await ann.dial("640")
        first, second = await bob.incoming(), await eve.incoming()
        assert first.auto_answer
        await second.ring()
        await first.ring()
        await first.answer()
        await call.answered
        await second.ended
        assert "cause=200" in second.reason_header or "cause=26" in second.reason_header
        assert not audio.tone_intervals(second.heard().samples, 500)


@pytest.mark.parametrize(
    ("how", "keys"), [("rfc4733", "1590"), ("info", "2A*8"), ("inband", "3784")]
)
async def test_digits_arrive_by_all_three_ways(lab_asterisk, how, keys):
    """Asterisk reads the keys pressed, however they are sent."""
    log = lab_asterisk.directory / "log/full"
    async with Phone(
        "604" if how == "inband" else "601",
        PASSWORD,
        server=lab_asterisk.address,
        host=lab_asterisk.phone_host,
        telephone_event=how == "rfc4733",
    ) as ann:
        call = await ann.dial("620")
        await call.answered
        await asyncio.sleep(0.3)  # Read() begins behind the answer, and is not seen to
        await call.send_digits(keys, how)
        await until(lambda: f"Digits: {keys}" in log.read_text(errors="replace"))
        await call.hang_up()


async def test_received_events_are_digits(lab_asterisk):
    """Keys Asterisk sends as RFC 4733 events are seen once each."""
    async with caller(lab_asterisk) as ann:
        call = await ann.dial("650")
        await call.answered
        await until(lambda: len(call.media.heard_digits()) >= 3)
        assert "".join(d.digit for d in call.media.heard_digits()) == "42#"
        await call.hang_up()


async def test_hold_stops_the_talk_and_resume_brings_it_back(lab_asterisk):
    """Nothing is heard while held, in either direction, and the talk goes on after."""
    async with phones(lab_asterisk, "601", "602") as (bob, ann):
        outgoing, incoming = await connect(ann, bob)
        incoming.play(audio.tone(800, 0.2), loop=True)
        outgoing.play(audio.tone(500, 0.2), loop=True)
        await hears(incoming, 500)
        await hears(outgoing, 800)
        await incoming.hold()
        held = time.time()
        await asyncio.sleep(0.8)  # nothing must flow
        resumed = time.time()
        await incoming.resume()
        await hears(outgoing, 800)
        await outgoing.hang_up()
        tones = outgoing.heard()
        assert audio.tone_level(tones.between(held + 0.2, resumed - 0.1), 800) < 100
        assert audio.tone_level(incoming.heard().between(held + 0.2, resumed - 0.1), 500) < 100


async def test_blind_transfer(lab_asterisk):
    """The caller ends up with the third phone; the transferring phone is told and is free."""
    async with phones(lab_asterisk, "601", "602", "603") as (bob, ann, eve):
        outgoing, incoming = await talk(ann, bob)
        transfer = asyncio.create_task(incoming.transfer("603"))
        third = await eve.incoming()
        await third.answer()
        outcome = await transfer
        assert outcome.ok, outcome
        await incoming.ended
        third.play(audio.tone(800, 0.2), loop=True)
        await hears(outgoing, 800)
        await third.hang_up()
        await outgoing.ended


async def test_blind_transfer_to_nowhere_fails_with_its_code(lab_asterisk):
    """An unknown number is reported as a failure and the call goes on."""
    async with phones(lab_asterisk, "601", "602") as (bob, ann):
        outgoing, incoming = await talk(ann, bob)
        outcome = await incoming.transfer("99999")
        assert outcome.code >= 400
        assert not incoming.ended.happened
        await incoming.hang_up()
        await outgoing.ended


async def test_attended_transfer(lab_asterisk):
    """Two far ends are connected by REFER with Replaces."""
    async with phones(lab_asterisk, "601", "602", "603") as (bob, ann, eve):
        outgoing, incoming = await talk(ann, bob)
        await incoming.hold()
        consultation, third = await talk(bob, eve)
        outcome = await incoming.transfer_to(consultation)
        assert outcome.ok, outcome
        await incoming.ended
        await consultation.ended
        third.play(audio.tone(800, 0.2), loop=True)
        await hears(outgoing, 800)
        await outgoing.hang_up()
        await third.ended


async def test_early_media_is_heard_before_the_answer(lab_asterisk):
    """Audio of a 183 arrives while the call is unanswered."""
    async with caller(lab_asterisk) as ann:
        call = await ann.dial("630")
        await call.early_media
        await until(lambda: audio.tone_level(call.heard().samples[-2400:], 1000) > 300)
        assert not call.answered.happened
        await call.hang_up()


async def test_odd_caller_names_arrive_as_they_are(lab_asterisk):
    """Quotes, dollar expressions and length go through; Asterisk keeps the quotes' backslashes."""
    async with phones(lab_asterisk, "601") as (bob,), caller(lab_asterisk) as ann:
        for name in ('say "hi"', "${SHELL(id)}", "x" * 60):
            call = await ann.dial("601", display=name)
            incoming = await bob.incoming()
            assert incoming.caller.display.replace("\\", "") == name
            await call.hang_up()
            await incoming.ended


async def test_monstrous_caller_names_are_survived(lab_asterisk):
    """5 kB and control characters: refused or passed on, and Asterisk still answers."""
    fast = SipTimers(t1=0.1, t2=0.2, give_up=0.5)
    async with caller(lab_asterisk, timers=fast) as ann:
        for name in ('"' + "x" * 5000 + '"', '"\x01\x07\x1b[31m"', '"unclosed', "${SHELL(id)}"):
            call = await ann.dial("680", raw_display=name)
            try:
                await call.ended.within(0.7)
            except LabTimeout:
                await call.hang_up()
        assert (await ann.options()).status < 500


async def test_lost_ack_and_lost_answer_are_repaired(lab_asterisk):
    """With the first ACK lost, the repeated 200 gets another; a lost 200 of ours is repeated."""
    async with phones(lab_asterisk, "601") as (bob,), caller(lab_asterisk) as ann:
        ann.lose_sent("ACK")
        call = await ann.dial("600")
        await call.answered
        await until(lambda: len(call.requests("ACK", sent=True)) >= 2)
        await call.hang_up()
        bob.lose_sent("200")
        call = await ann.dial("601")
        incoming = await bob.incoming()
        began = time.monotonic()
        await incoming.answer()
        assert time.monotonic() - began > 0.4
        await call.hang_up()


async def test_malformed_sip_is_survived(lab_asterisk):
    """Noise on the SIP port leaves Asterisk answering."""
    async with caller(lab_asterisk) as ann:
        for noise in (b"\0\xff" * 500, b"INVITE sip:x SIP/2.0\r\nVia: \r\n\r\n", b"SIP/2.0\r\n"):
            await ann.send_raw(noise)
        assert (await ann.options()).status < 500


async def test_vanished_and_deaf_phones(lab_asterisk):
    """A dropped socket ends our calls as a fault; nobody answers for a deaf phone."""
    fast = SipTimers(t1=0.1, t2=0.2, give_up=0.5)
    async with caller(lab_asterisk, timers=fast) as ann:
        call = await ann.dial("600")
        await call.answered
        await ann.drop_socket()
        assert (await call.ended).by == "fault"
    async with caller(lab_asterisk, timers=fast) as ann:
        ann.deaf = True
        with pytest.raises(LabTimeout, match="OPTIONS"):
            await ann.options()
    lab_asterisk.command("channel request hangup all")


async def test_waits_are_bounded_and_show_the_transcript(lab_asterisk):
    """An answer that does not come raises after the time given, with the messages so far."""
    async with caller(lab_asterisk) as ann:
        call = await ann.dial("680")
        with pytest.raises(LabTimeout, match=re.compile("not answered within.*INVITE", re.DOTALL)):
            await call.answered.within(0.3)
        await call.hang_up()


async def test_nothing_is_left_behind(lab_asterisk):
    """After all of this Asterisk has no channel."""
    await until(lambda: lab_asterisk.channels() == 0)
