"""`srtp = "optional"`: who encrypts and who does not talk over one trunk, on both back ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from callcore.call import actions as act
from callcore.call import events as ev
from callcore.directory import Srtp, Trunk
from callcore.lab import audio
from callcore.lab.baresip import Baresip, BaresipAccount
from callcore.lab.call import Call
from tests.acceptance.floor import hears
from tests.contract.worlds import PHONE_PORT, TRUNK_PORT, AsteriskWorld, PjsipWorld, SipWorld

pytestmark = pytest.mark.acceptance

PLAIN, ENCRYPTED = 500.0, 800.0


@pytest.fixture(params=["asterisk", "pjsip"])
def unstarted_sip(request: pytest.FixtureRequest, readable: Path) -> SipWorld:
    """The back ends that speak RTP."""
    if request.param == "asterisk":
        return AsteriskWorld(request.getfixturevalue("asterisk"), readable)
    return PjsipWorld(request.getfixturevalue("pjsip_block"), readable)


@pytest.fixture
async def sip_world(unstarted_sip: SipWorld) -> AsyncIterator[SipWorld]:
    await unstarted_sip.start()
    await unstarted_sip.want(ev.BackendUp)
    yield unstarted_sip
    await unstarted_sip.close()


@contextlib.asynccontextmanager
async def encrypting(world: SipWorld, path: Path, **how: bool) -> AsyncIterator[Baresip]:
    """A far side at the trunk's second address that says a tone; `how` it encrypts."""
    speech = path / "speech.wav"
    audio.write(speech, audio.tone(ENCRYPTED, 30))
    account = BaresipAccount(
        "far", "", world.server, codecs=("pcmu",), register_seconds=0, answer="auto", **how
    )
    host = world.block.host(20)
    async with Baresip(
        account, path, host=host, sip_port=PHONE_PORT, control_port=PHONE_PORT + 5, speech=speech
    ) as running:
        yield running


async def with_trunk(world: SipWorld, **changes: object) -> None:
    trunk = Trunk(
        id="trunk", host=world.block.host(2), port=TRUNK_PORT, match=(world.block.host(20),),
        qualify_seconds=0, srtp=Srtp.OPTIONAL,
    )  # fmt: skip
    trunks = {"trunk": replace(trunk, **changes)}
    world.directory = replace(world.directory, trunks=trunks)
    await world.backend.provision(world.directory)


async def talk(world: SipWorld, plain: Call, far: Baresip, channels: tuple[str, str]) -> None:
    """Both sides hear each other in a bridge."""
    bridge = world.new_id("bridge")
    await world.do(act.CreateBridge(call="c", bridge=bridge))
    await world.do(act.Join(call="c", bridge=bridge, channels=channels))
    plain.play(audio.tone(PLAIN, 1.0), loop=True)
    await hears(plain, ENCRYPTED)
    await asyncio.sleep(1.0)  # what the phone heard is written while it talks
    assert np.abs(far.heard()).max() > 1000
    assert audio.tone_level(far.heard()[-8000:-4000], PLAIN) > 2000


def answered_profile(call: Call) -> bytes:
    """The RTP profile of the m= line in the answer a lab phone got."""
    answer = next(e.message for e in call.log if not e.sent and e.message.status == 200)
    return answer.body.partition(b"m=audio ")[2].split()[1]


async def test_an_encrypting_and_a_plain_far_side_call_over_one_trunk(
    sip_world: SipWorld, tmp_path: Path
) -> None:
    """RTP/SAVP is answered with keys, RTP/AVP without; each hears the other."""
    await with_trunk(sip_world)
    async with encrypting(sip_world, tmp_path, srtp=True) as far:
        plain = await sip_world.arrived_and_answered()
        await sip_world.calls[-1].answered
        assert answered_profile(sip_world.calls[-1]) == b"RTP/AVP"
        await far.dial("4000")
        secret = await sip_world.want(ev.CallArrived, endpoint="trunk")
        await sip_world.do(act.Answer(call="c", channel=secret.channel))
        await far.wait_for("CALL_ESTABLISHED")
        await talk(sip_world, sip_world.calls[-1], far, (plain, secret.channel))


async def test_the_offer_has_keys_for_who_wants_them(sip_world: SipWorld) -> None:
    """RTP/AVP with a=crypto: who knows no SRTP answers plainly, and the call is up."""
    await with_trunk(sip_world)
    came: list[Call] = []

    async def take(call: Call) -> None:
        came.append(call)
        await call.answer()

    serving = asyncio.create_task(sip_world.caller_phone.serve(take))
    out = sip_world.new_id("leg")
    await sip_world.do(act.Dial(call="c", channel=out, endpoint="trunk:trunk/4711"))
    await sip_world.want(ev.LegAnswered, channel=out)
    offer = came[0].invite.body
    assert b"RTP/AVP " in offer
    assert b"a=crypto:" in offer
    await sip_world.do(act.Play(call="c", channel=out, playback="p", media=("beep",)))
    await hears(came[0], 1000.0)
    serving.cancel()


async def test_a_far_side_that_encrypts_is_called(sip_world: SipWorld, tmp_path: Path) -> None:
    """It answers the offered keys with its own."""
    await with_trunk(sip_world, host=sip_world.block.host(20), port=PHONE_PORT, match=())
    async with encrypting(sip_world, tmp_path, srtp_optional=True) as far:
        await sip_world.phones["p1"].options()
        sip_world.calls.append(await sip_world.phones["p1"].dial("4000"))
        plain = (await sip_world.want(ev.CallArrived, endpoint="p1")).channel
        await sip_world.do(act.Answer(call="c", channel=plain))
        out = sip_world.new_id("leg")
        await sip_world.do(act.Dial(call="c", channel=out, endpoint="trunk:trunk/far"))
        await sip_world.want(ev.LegAnswered, channel=out)
        await talk(sip_world, sip_world.calls[-1], far, (plain, out))
        assert "SRTP is Enabled" in (tmp_path / "baresip.log").read_text("utf-8", "replace")
