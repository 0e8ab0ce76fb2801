"""Codecs of each phone and trunk on the SIP stack inside callcore; pjsua itself has one list."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from callcore.call import actions as act
from callcore.call import events as ev
from callcore.directory import Transport
from callcore.lab import audio
from callcore.lab.call import Call
from callcore.lab.sdp import AudioDescription, format_sdp, parse_sdp
from callcore.lab.sip import SipMessage
from callcore.telephony.simulated_peers import Peer
from tests.acceptance.floor import hears
from tests.contract.test_pjsip_media import baresip, talk
from tests.contract.worlds import PHONE_PORT, PjsipWorld

pytestmark = pytest.mark.acceptance

LOW, HIGH = 440.0, 880.0


async def with_codecs(world: PjsipWorld, **codecs: tuple[str, ...]) -> None:
    """Phones and trunks by name; the others keep what they have."""
    directory = world.directory
    world.directory = replace(
        directory,
        phones={n: replace(p, codecs=codecs.get(n, p.codecs)) for n, p in directory.phones.items()},
        trunks={n: replace(t, codecs=codecs.get(n, t.codecs)) for n, t in directory.trunks.items()},
    )
    await world.backend.provision(world.directory)


def answer_to(call: Call) -> AudioDescription:
    answer = next(e.message for e in call.log if not e.sent and e.message.status == 200)
    return parse_sdp(answer.body)


async def test_the_offer_is_the_list_of_the_phone_in_its_order(embedded: PjsipWorld) -> None:
    """And what belongs to other codecs does not stand there either."""
    await with_codecs(embedded, p1=("alaw", "g722"), p2=("opus", "ulaw"))
    for name in ("p1", "p2"):
        await embedded.phone(name, Peer())
        leg = await embedded.dial(name)
        await embedded.want(ev.LegRinging, channel=leg)
        await embedded.do(act.Hangup(call="c", channel=leg))
    first, second = (embedded.rung[name][-1].invite.body for name in ("p1", "p2"))
    assert list(parse_sdp(first).codecs) == [8, 9]
    assert parse_sdp(first).event_type is not None
    assert b"opus" not in first
    assert b"PCMU" not in first
    assert b"telephone-event/48000" not in first
    formats = second.partition(b"m=audio ")[2].splitlines()[0].split()[2:]
    assert b"a=rtpmap:" + formats[0] + b" opus/48000" in second
    assert formats[1] == b"0"
    assert b"telephone-event/48000" in second
    assert b"PCMA" not in second


async def test_an_answer_has_what_the_trunk_may_use(embedded: PjsipWorld) -> None:
    """The caller prefers u-law; the trunk speaks A-law only, and so they do, both ways."""
    await with_codecs(embedded, trunk=("alaw",), p1=("ulaw",))
    await embedded.talking()
    caller, desk = embedded.calls[-1], embedded.rung["p1"][-1]
    assert answer_to(caller).codecs == {8: "PCMA"}
    assert parse_sdp(desk.invite.body).codecs == {0: "PCMU"}
    caller.play(audio.tone(LOW, 1.0), loop=True)
    desk.play(audio.tone(HIGH, 1.0), loop=True)
    await hears(caller, HIGH)
    await hears(desk, LOW)
    await embedded.hold_and_resume("")
    await hears(caller, HIGH)


async def test_a_wideband_phone_talks_to_a_narrowband_trunk(
    embedded: PjsipWorld, tmp_path: Path
) -> None:
    await with_codecs(embedded, trunk=("alaw",))
    async with baresip(embedded, tmp_path, Transport.UDP, "opus/48000/2", False) as phone:
        host = f"{embedded.block.host(20)}:{PHONE_PORT}"
        phones = {**embedded.directory.phones}
        phones["soft"] = replace(phones["p1"], id="soft", host=host, codecs=("opus",))
        await embedded.backend.provision(replace(embedded.directory, phones=phones))
        caller = await embedded.arrived_and_answered()
        await embedded.do(act.Dial(call="c", channel="leg", endpoint="phone:soft"))
        await embedded.want(ev.LegAnswered, channel="leg")
        await talk(embedded, phone, caller, "leg")


async def test_a_call_with_no_codec_of_the_trunk_is_refused(embedded: PjsipWorld) -> None:
    """488, though the stack itself knows the codec (RFC 3261, 21.4.26)."""
    await with_codecs(embedded, trunk=("g722", "opus"))
    call = await embedded.caller_phone.dial("4000")
    assert (await call.ended).status == 488
    await embedded.never(ev.CallArrived, seconds=0.1)
    await with_codecs(embedded, trunk=("ulaw",))
    await embedded.arrived_and_answered()


# --- within a call ----------------------------------------------------------------------------


async def reoffer(call: Call, method: str, codecs: dict[int, str]) -> SipMessage:
    """The answer to an offer of these codecs within the call."""
    request = call.phone.in_dialog(call.dialog, method)
    request.add("Contact", call.dialog.contact)
    request.add("Content-Type", "application/sdp")
    host, port = call.media.host, call.media.port
    request.body = format_sdp(AudioDescription(host, port, codecs), 1, 2)
    return await call.phone.transact(request, call.dialog.destination, call)


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
async def test_an_offer_without_a_common_codec_leaves_the_call_as_it_is(
    embedded: PjsipWorld, method: str
) -> None:
    """488 (RFC 3261, 14.2; RFC 3311, 5.2), for what nobody has and for what the trunk may not."""
    await with_codecs(embedded, trunk=("ulaw",))
    await embedded.talking()
    caller, desk = embedded.calls[-1], embedded.rung["p1"][-1]
    await caller.answered
    for codecs in ({18: "G729"}, {8: "PCMA"}, {97: "EVS"}):
        assert (await reoffer(caller, method, codecs)).status == 488
    caller.play(audio.tone(LOW, 1.0), loop=True)
    desk.play(audio.tone(HIGH, 1.0), loop=True)
    await hears(caller, HIGH)
    await hears(desk, LOW)
    assert (await reoffer(caller, method, {0: "PCMU"})).status == 200
    await asyncio.sleep(0.3)
    await hears(desk, LOW)
    await hears(caller, HIGH)
    await embedded.never(ev.HungUp, seconds=0.1)
