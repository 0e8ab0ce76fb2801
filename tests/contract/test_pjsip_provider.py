"""The SIP stack inside callcore behind a real PBX: it registers, is called, and calls."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from callcore.call import actions as act
from callcore.call import events as ev
from callcore.directory import Trunk
from callcore.lab.phone import Phone as LabPhone
from callcore.types import Entry
from tests.acceptance.floor import hears, until
from tests.acceptance.lab_asterisk import PASSWORD, PORT, LabAsterisk, lab_asterisk
from tests.contract.worlds import PjsipWorld

__all__ = ["lab_asterisk"]
pytestmark = pytest.mark.acceptance

TONE = 1000.0


async def registered(world: PjsipWorld, pbx: LabAsterisk, **changes: object) -> str:
    """A trunk to the PBX as its customer 601, and the state it comes to."""
    trunk = Trunk(
        id="pbx", host=pbx.host, port=PORT, user="601", secret=PASSWORD, register=True,
        qualify_seconds=0,
    )  # fmt: skip
    trunks = {"pbx": replace(trunk, **changes)}
    await world.backend.provision(replace(world.directory, trunks=trunks))
    states = world.pjsip_backend.trunk_states
    await until(lambda: states().get("pbx", "unregistered") != "unregistered")
    return states()["pbx"]


async def test_it_registers_and_is_called(embedded: PjsipWorld, lab_asterisk: LabAsterisk) -> None:
    """The PBX calls our registration; who calls and what they hear come through."""
    assert await registered(embedded, lab_asterisk) == "registered"
    host = lab_asterisk.caller_host
    async with LabPhone("ann", server=lab_asterisk.address, host=host) as ann:
        call = await ann.dial("601", from_user="0301234", display="Ann")
        arrived = await embedded.want(ev.CallArrived)
        assert (arrived.entry, arrived.endpoint) == (Entry.TRUNK, "pbx")
        assert (arrived.dialled, arrived.caller_number) == ("601", "0301234")
        await embedded.do(act.Answer(call="c", channel=arrived.channel))
        await call.answered
        await call.send_digits("7")
        assert (await embedded.want(ev.DigitPressed)).digit == "7"
        await call.hang_up()
        assert (await embedded.want(ev.HungUp)).by_peer


async def test_it_calls_with_its_password(embedded: PjsipWorld, lab_asterisk: LabAsterisk) -> None:
    """Digest on the INVITE; the caller's number goes along in P-Asserted-Identity (RFC 3325)."""
    await registered(embedded, lab_asterisk)
    embedded.calls.append(await embedded.phones["p1"].dial("4000"))
    caller = (await embedded.want(ev.CallArrived)).channel
    await embedded.do(act.Answer(call="c", channel=caller))
    await embedded.do(
        act.Dial(call="c", channel="out", endpoint="trunk:pbx/690", caller_number="030777")
    )
    await embedded.want(ev.LegAnswered, channel="out")
    assert "PJSIP/601" in lab_asterisk.command("core show channels concise")
    await embedded.do(act.CreateBridge(call="c", bridge="b"))
    await embedded.do(act.Join(call="c", bridge="b", channels=(caller, "out")))
    await hears(embedded.calls[-1], TONE)
    await embedded.do(act.Hangup(call="c", channel="out"))
    await embedded.want(ev.HungUp, channel="out")
    await until(lambda: lab_asterisk.channels() == 0)


@pytest.mark.parametrize(("number", "cause"), [("670", 17), ("699", 1)])
async def test_what_the_pbx_says_is_the_cause(
    embedded: PjsipWorld, lab_asterisk: LabAsterisk, number: str, cause: int
) -> None:
    await registered(embedded, lab_asterisk)
    await embedded.do(act.Dial(call="c", channel="out", endpoint=f"trunk:pbx/{number}"))
    assert (await embedded.want(ev.LegFailed, channel="out")).cause == cause


async def test_a_call_that_rings_is_taken_back(
    embedded: PjsipWorld, lab_asterisk: LabAsterisk
) -> None:
    await registered(embedded, lab_asterisk)
    await embedded.do(act.Dial(call="c", channel="out", endpoint="trunk:pbx/630", timeout=1.0))
    await embedded.want(ev.LegRinging, channel="out")
    assert (await embedded.want(ev.LegFailed, channel="out")).cause == 19
    await until(lambda: lab_asterisk.channels() == 0)


async def test_a_wrong_password_is_said(embedded: PjsipWorld, lab_asterisk: LabAsterisk) -> None:
    assert await registered(embedded, lab_asterisk, secret="wrong") == "rejected"


async def test_it_unregisters_when_it_ends(embedded: PjsipWorld, lab_asterisk: LabAsterisk) -> None:
    await registered(embedded, lab_asterisk)
    assert "sip:601@" in lab_asterisk.command("pjsip show aor 601")
    await embedded.backend.close()
    contact = ""
    for _ in range(20):
        contact = await asyncio.to_thread(lab_asterisk.command, "pjsip show aor 601")
        if "sip:601@" not in contact:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(contact)
