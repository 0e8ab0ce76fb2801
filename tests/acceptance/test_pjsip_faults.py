"""`callcore serve --backend pjsip` and far ends that err, collide, lie and vanish.

Each test leaves a process that is alive, holds no call and carries the next one, with sound.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from callcore.lab.call import Call
from callcore.lab.dialog import Dialog
from callcore.lab.errors import CallFailed
from callcore.lab.phone import Phone
from callcore.lab.sip import SipMessage

from .embedded import (
    FORGET_SECONDS,
    conversation,
    hear_each_other,
    next_call_is_fine,
    no_call_is_left,
    open_embedded,
    sip_calls,
)
from .floor import Floor, rung, until
from .test_bad_input import malformed

pytestmark = [pytest.mark.acceptance, pytest.mark.asyncio(loop_scope="module")]

TORTURE = sorted((Path(__file__).parents[1] / "data" / "sip" / "torture").glob("*.sip"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Floor]:
    async with open_embedded(tmp_path_factory.mktemp("faults")) as floor:
        yield floor


@pytest_asyncio.fixture(loop_scope="module")
async def floor(shared: Floor) -> AsyncIterator[Floor]:
    served = shared.site.pid
    yield shared
    await no_call_is_left(shared, FORGET_SECONDS)
    await next_call_is_fine(shared)
    assert shared.site.pid == served


# --- phones that do not answer ------------------------------------------------------------------


async def test_the_next_agent_gets_who_the_first_refused(floor: Floor) -> None:
    await floor.login("ann", "bob")
    caller = await floor.call("601")
    first = await rung(floor, "p1", caller)
    await first.reject(486)
    desk = await rung(floor, "p2", caller)
    await desk.answer()
    await hear_each_other(caller, desk)
    await caller.hang_up()
    assert (await floor.record(caller))["agent"] == "bob"


async def test_a_phone_nobody_answers_is_cancelled_and_the_next_one_rings(floor: Floor) -> None:
    await floor.run("queue", "set", "sales", "ring_seconds=1")
    await floor.login("ann", "bob")
    caller = await floor.call("601")
    first = await rung(floor, "p1", caller)
    desk = await rung(floor, "p2", caller)
    assert (await first.ended).status == 487
    await desk.answer()
    await hear_each_other(caller, desk)
    await floor.run("queue", "reset", "sales")


async def test_a_caller_who_gives_up_takes_the_ringing_along(floor: Floor) -> None:
    await floor.login("ann")
    caller = await floor.call("601")
    desk = await rung(floor, "p1", caller)
    await caller.hang_up()
    assert (await desk.ended).status == 487
    assert (await floor.record(caller))["outcome"] == "abandoned"


async def test_a_caller_may_cancel_before_anything_is_answered(floor: Floor) -> None:
    """CANCEL crosses the answer, or comes in time: both end the call."""
    for _ in range(10):
        caller = await floor.dial("601")
        await caller.cancel()
        assert caller.ended.happened
    await no_call_is_left(floor)


# --- collisions ---------------------------------------------------------------------------------


async def test_both_dial_each_other_at_once(floor: Floor) -> None:
    """The agent's phone dials out while callcore rings it: its own call counts, the offer is
    withdrawn, and the caller comes back to it afterwards."""
    await floor.login("ann")
    caller = await floor.call("601")
    own = await floor.phones["p1"].dial("602")  # our INVITE is on its way to it
    await own.answered
    withdrawn = await floor.phones["p1"].incoming()
    assert (await withdrawn.ended).status == 487
    await own.hang_up()
    desk = await rung(floor, "p1", caller)
    await desk.answer()
    await hear_each_other(caller, desk)


async def reinvite(call: Call) -> SipMessage:
    """The answer to one offer, sent whatever is under way."""
    request = call.phone.in_dialog(call.dialog, "INVITE")
    call._attach_offer(request)
    return await call.phone.transact(request, call.dialog.destination, call)


async def test_offers_that_overtake_each_other_end_no_call(floor: Floor) -> None:
    """Both sides re-INVITE at once, and one of them twice: RFC 3261, 14.2."""
    caller, desk = await conversation(floor)
    answers = await asyncio.gather(*map(reinvite, (caller, desk, caller, desk)))
    assert {answer.status for answer in answers} <= {200, 491, 500}
    assert answers[0].status == answers[1].status == 200
    assert (await reinvite(caller)).status == 200
    await hear_each_other(caller, desk)


async def test_a_hold_and_a_hang_up_that_cross(floor: Floor) -> None:
    for _ in range(5):
        caller, desk = await conversation(floor)
        holding = asyncio.create_task(desk.hold())
        await caller.hang_up()
        await asyncio.gather(holding, return_exceptions=True)
        await desk.ended
        await no_call_is_left(floor)


# --- offers -------------------------------------------------------------------------------------


async def test_hold_and_resume_from_either_side(floor: Floor) -> None:
    caller, desk = await conversation(floor)
    for holder in (desk, caller, desk):
        await hear_each_other(caller, desk)
        await holder.hold()
        if holder is desk:
            await floor.site.agent_is("ann", "on_hold")
        await holder.resume()
        await floor.site.agent_is("ann", "talking")
    await hear_each_other(caller, desk)


async def test_a_codec_nobody_has_is_refused(floor: Floor) -> None:
    """488 before the call (RFC 3261, 21.4.26) and in it (14.2), and the call stays."""
    phone = await floor.far_side(port=5099)
    assert (await offer(phone, G729)).status == 488
    caller, desk = await conversation(floor)
    request = caller.phone.in_dialog(caller.dialog, "INVITE")
    request.add("Content-Type", "application/sdp")
    request.body = G729
    answer = await caller.phone.transact(request, caller.dialog.destination, caller)
    assert answer.status == 488
    await hear_each_other(caller, desk)


G729 = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 40000 RTP/AVP 18\r\na=rtpmap:18 G729/8000\r\n"
)
SDPS = {
    "no text": b"",
    "no sdp": b"not a description at all\r\n",
    "no version": G729.replace(b"v=0\r\n", b""),
    "no media": G729.partition(b"m=")[0],
    "no formats": G729.partition(b"m=")[0] + b"m=audio 40000 RTP/AVP\r\n",
    "port too large": G729.partition(b"m=")[0] + b"m=audio 99999 RTP/AVP 0\r\n",
    "port negative": G729.partition(b"m=")[0] + b"m=audio -5 RTP/AVP 0\r\n",
    "no address": G729.replace(b"c=IN IP4 127.0.0.1\r\n", b"").replace(b" 18", b" 0"),
    "absurd address": G729.replace(b"IP4 127.0.0.1", b"IP4 999.1.2.3").replace(b" 18", b" 0"),
    "video only": G729.replace(b"audio", b"video"),
    "many media": G729.partition(b"m=")[0] + b"m=audio 40000 RTP/AVP 0\r\n" * 40,
    "rtpmap without a name": G729.partition(b"m=")[0]
    + b"m=audio 40000 RTP/AVP 97\r\na=rtpmap:97\r\na=rtpmap\r\n",
    "long line": G729.partition(b"m=")[0]
    + b"m=audio 40000 RTP/AVP 0\r\na="
    + b"x" * 3000
    + b"\r\n",
    "binary": bytes(range(256)),
}
#: An INVITE without an offer gets ours (RFC 3261, 13.2.1); what is odd but clear is taken.
UNDERSTOOD = ("no text", "many media", "long line")


async def offer(phone: Phone, body: bytes) -> SipMessage:
    """The final answer to an INVITE with this body."""
    host = phone.server[0]
    request = phone.new_request(
        "INVITE", f"sip:601@{host}", f"<sip:far@{phone.local[0]}>", f"<sip:601@{host}>"
    )
    request.add("Contact", phone.contact)
    request.add("Content-Type", "application/sdp")
    request.body = body
    answer = await phone.transact(request, phone.server)
    if answer.status == 200:
        ends = request.get("from"), answer.get("to")
        dialog = Dialog(request.call_id, *ends, request.uri, phone.contact, phone.server)
        dialog.learn_from_answer(answer)
        ack = dialog.request("ACK", phone._via(), sequence=1)
        await phone.send_raw(ack.encode())
    return answer


@pytest.mark.parametrize("kind", SDPS)
async def test_a_broken_description_is_answered(floor: Floor, kind: str) -> None:
    """Refused, or taken as far as it makes sense; never silence, and nothing lives on."""
    phone = await floor.far_side(port=5099)
    answer = await offer(phone, SDPS[kind])
    if kind in UNDERSTOOD:
        assert answer.status == 200
        [call] = (await floor.site.get("calls"))["calls"]
        await floor.site.post(f"calls/{call['id']}/hangup")
    else:
        assert answer.status in (400, 488)


# --- losses -------------------------------------------------------------------------------------


async def test_a_lost_ack_is_asked_for_again(floor: Floor) -> None:
    """The 200 is repeated until it comes (RFC 3261, 13.3.1.4)."""
    await floor.login("ann")
    caller = await floor.dial("601")
    caller.phone.lose_sent("ACK", times=2)
    await caller.answered
    desk = await rung(floor, "p1", caller)
    await desk.answer()
    await hear_each_other(caller, desk)

    def answers() -> int:
        return sum(not entry.sent and entry.message.status == 200 for entry in caller.log)

    await until(lambda: answers() == 3)
    await hear_each_other(caller, desk)


async def test_a_caller_who_never_acknowledges_is_let_go(floor: Floor) -> None:
    """After 64 T1 the session is ended (RFC 3261, 13.3.1.4)."""
    caller = await floor.dial("601")
    caller.phone.lose_sent("ACK", times=100)
    await caller.ended.within(FORGET_SECONDS)
    assert (await floor.record(caller))["outcome"] == "abandoned"


async def test_a_storm_of_byes(floor: Floor) -> None:
    """Forty callers hang up at once, every second one of them three times."""
    await floor.login("ann")
    callers = [await floor.call("601") for _ in range(40)]
    assert await sip_calls(floor) >= 40
    for caller in callers[::2]:
        bye = caller.phone.in_dialog(caller.dialog, "BYE").encode()
        for _ in range(2):
            await caller.phone.send_raw(bye)
    ended = await asyncio.gather(*(c.hang_up() for c in callers), return_exceptions=True)
    assert not [e for e in ended if isinstance(e, BaseException) and not isinstance(e, CallFailed)]
    await no_call_is_left(floor, FORGET_SECONDS)


# --- messages that are none ---------------------------------------------------------------------


async def test_broken_messages_change_nothing(floor: Floor) -> None:
    """While two talk; they go on talking."""
    caller, desk = await conversation(floor)
    await hear_each_other(caller, desk)
    for data in malformed(floor):
        await caller.phone.send_raw(data)
        await floor.phones["p1"].send_raw(data)
    await hear_each_other(caller, desk)
    assert not caller.ended.happened
    await caller.hang_up()
    await desk.ended


async def test_torture_messages_change_nothing(floor: Floor) -> None:
    """RFC 4475's, one after the other from a trunk's address; a call now and then is fine."""
    assert len(TORTURE) == 49
    thrower = await floor.far_side(port=5099)
    here, there = "{}:{}".format(*thrower.local).encode(), floor.site.address.encode()
    for number, path in enumerate(TORTURE):
        data = path.read_bytes().replace(b"HERE", here).replace(b"THERE", there)
        await thrower.send_raw(data)
        if number % 10 == 9:
            assert (await thrower.options()).status in (200, 404)
            caller, desk = await conversation(floor)
            await hear_each_other(caller, desk)
            await caller.hang_up()
            await desk.ended
            await floor.site.post("agents/ann/logout")
