"""Two lab phones with nothing between them: the corners of SIP that a server would hide."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from callcore.lab import audio
from callcore.lab.errors import CallFailed, LabError, LabTimeout
from callcore.lab.phone import Phone
from callcore.lab.transactions import SipTimers
from tests.addresses import Block

FAST = SipTimers(t1=0.05, t2=0.2, give_up=1.0)


@contextlib.asynccontextmanager
async def pair(block: Block, transport: str = "UDP") -> AsyncIterator[tuple[Phone, Phone]]:
    """Ann calls, Bob is called."""
    options = {"transport": transport, "timers": FAST}
    here, there = block.host(2), block.host(3)
    async with (
        Phone("bob", server=(here, 9), host=here, **options) as bob,
        Phone("ann", server=bob.local, host=there, **options) as ann,
    ):
        yield ann, bob


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
async def test_call_hold_and_hang_up(block, transport):
    """The plain life of a call, on both transports."""
    async with pair(block, transport) as (ann, bob):
        call = await ann.dial("bob", display='A "B" \\ C')
        incoming = await bob.incoming()
        assert incoming.caller.display == 'A "B" \\ C'
        await incoming.ring()
        await call.ringing
        await incoming.answer()
        await call.answered
        await call.hold()
        assert incoming.remote_direction == "sendonly"
        await call.resume()
        assert incoming.remote_direction == "sendrecv"
        await call.play(audio.tone(500, 0.3)).finished
        assert (await incoming.hang_up("SIP;cause=200")).by == "local"
        assert (await call.ended).by == "remote"
        assert call.reason_header == "SIP;cause=200"
        assert audio.tone_level(incoming.heard().samples[-1600:], 500) > 4000


async def test_cancel_waits_for_a_provisional_answer(block):
    """Hanging up before any answer: the CANCEL follows the 100."""
    async with pair(block) as (ann, bob):
        bob.lose_received("INVITE")
        call = await ann.dial("bob")
        ending = await call.hang_up()
        assert (ending.by, ending.status) == ("local", 487)
        order = [e.message.status or e.message.method for e in call.log]
        assert order.index(100) < order.index("CANCEL")
        assert (await (await bob.incoming()).ended).by == "remote"


async def test_answer_that_crosses_the_cancel_is_hung_up(block):
    """A 200 on its way while we cancel is acknowledged and ended with BYE on both sides."""
    async with pair(block) as (ann, bob):
        call = await ann.dial("bob")
        incoming = await bob.incoming()
        await incoming.ring()
        await call.ringing
        bob.lose_received("CANCEL", times=50)
        hanging_up = asyncio.create_task(call.hang_up())
        await asyncio.sleep(0)
        await incoming.answer()
        assert (await hanging_up).by == "local"
        assert (await incoming.ended).by == "remote"
        assert incoming.requests("BYE", sent=False)


async def test_lost_messages_are_repeated(block):
    """INVITE, ringing, answer and BYE each survive the loss of one packet."""
    async with pair(block) as (ann, bob):
        ann.lose_sent("INVITE", 2)
        ann.lose_received("200")
        call = await ann.dial("bob")
        incoming = await bob.incoming()
        ann.lose_sent("ACK")
        await incoming.answer()
        await call.answered
        ann.lose_sent("BYE")
        await call.hang_up()
        assert (await incoming.ended).by == "remote"
        assert len(incoming.requests("INVITE")) == 1


async def test_glare_of_two_holds_ends_well(block):
    """Both sides change the session at once and both succeed."""
    async with pair(block) as (ann, bob):
        call = await ann.dial("bob")
        incoming = await bob.incoming()
        await incoming.answer()
        await call.answered
        await asyncio.gather(call.hold(), incoming.hold())
        assert {call.remote_direction, incoming.remote_direction} == {"sendonly", "inactive"}
        assert any(e.message.status == 491 for e in call.log)


async def test_no_common_codec_is_refused(block):
    """A re-offer or answer without common codec fails clearly."""
    async with pair(block) as (ann, bob):
        ann.codecs = ("PCMA",)
        bob.codecs = ("PCMU",)
        await ann.dial("bob")
        incoming = await bob.incoming()
        with pytest.raises(LabError, match="no common codec"):
            await incoming.answer()
        await incoming.reject(488)


async def test_nobody_there_is_a_fault_not_a_hang(block):
    """An INVITE nobody answers ends as 408 after the timer; waiting for it raises."""
    async with Phone("ann", server=(block.host(3), 9), host=block.host(3), timers=FAST) as ann:
        call = await ann.dial("bob")
        with pytest.raises(CallFailed) as failed:
            await call.answered
        assert failed.value.status == 408
        assert (await call.ended).by == "fault"
        with pytest.raises(LabTimeout):
            await ann.incoming(0.05)


async def test_served_calls_are_handled_side_by_side(block):
    """``serve`` gives each call to the handler in a task of its own."""
    async with pair(block) as (ann, bob):

        async def answer(call):
            await call.answer()
            await call.ended

        serving = asyncio.create_task(bob.serve(answer))
        calls = [await ann.dial("bob") for _ in range(5)]
        await asyncio.gather(*[call.answered for call in calls])
        await asyncio.gather(*[call.hang_up() for call in calls])
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        assert len(bob.calls) == 5
