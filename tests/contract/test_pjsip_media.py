"""Codecs, transports and encrypted sound of the SIP stack inside callcore, with baresip phones."""

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
from callcore.directory import Phone, Transport
from callcore.lab import audio
from callcore.lab.baresip import Baresip, BaresipAccount
from callcore.lab.phone import Phone as LabPhone
from callcore.lab.transport import unverified_tls
from callcore.types import Entry
from tests.acceptance.floor import hears, until
from tests.contract.worlds import PHONE_PORT, SIP_PORT, TLS_PORT, PjsipWorld

pytestmark = pytest.mark.acceptance

DESK, CALLER = 800.0, 500.0


@contextlib.asynccontextmanager
async def baresip(
    world: PjsipWorld, path: Path, transport: Transport, codec: str, srtp: bool
) -> AsyncIterator[Baresip]:
    """The phone "soft", which says a tone."""
    host = world.block.host(20)
    phone = Phone(id="soft", host=f"{host}:{PHONE_PORT}", transport=transport, srtp=srtp)
    phones = {**world.directory.phones, phone.id: phone}
    await world.backend.provision(replace(world.directory, phones=phones))
    speech = path / "speech.wav"
    audio.write(speech, audio.tone(DESK, 30))
    account = BaresipAccount(
        "soft", "", world.server, transport=transport.value, codecs=(codec,), srtp=srtp,
        register_seconds=0, answer="auto",
    )  # fmt: skip
    async with Baresip(
        account, path, host=host, sip_port=PHONE_PORT, control_port=PHONE_PORT + 5, speech=speech
    ) as running:
        yield running


@pytest.mark.parametrize(
    ("transport", "codec", "srtp"),
    [
        (Transport.UDP, "pcma", False),
        (Transport.UDP, "g722", False),
        (Transport.UDP, "pcmu", True),
        (Transport.TCP, "opus/48000/2", False),
    ],
)
async def test_phones_are_called_and_call(
    embedded: PjsipWorld, tmp_path: Path, transport: Transport, codec: str, srtp: bool
) -> None:
    """Both sides hear each other, whoever called."""
    async with baresip(embedded, tmp_path, transport, codec, srtp) as phone:
        caller = await embedded.arrived_and_answered()
        await embedded.do(act.Dial(call="c", channel="leg", endpoint="phone:soft"))
        await embedded.want(ev.LegAnswered, channel="leg")
        await talk(embedded, phone, caller, "leg")
        await embedded.do(act.Hangup(call="c", channel="leg"))
        await embedded.want(ev.HungUp, channel="leg")
        await phone.wait_for("CALL_CLOSED")
        if transport is not Transport.UDP:
            return  # baresip's connections come from the host's first address: a stranger's
        await phone.dial("4711")
        arrived = await embedded.want(ev.CallArrived, entry=Entry.PHONE)
        assert (arrived.endpoint, arrived.dialled) == ("soft", "4711")
        await embedded.do(act.Answer(call="d", channel=arrived.channel))
        await talk(embedded, phone, caller, arrived.channel)
        await phone.hang_up()
        assert (await embedded.want(ev.HungUp, channel=arrived.channel)).by_peer


async def talk(world: PjsipWorld, phone: Baresip, caller: str, other: str) -> None:
    bridge = world.new_id("bridge")
    await world.do(act.CreateBridge(call="c", bridge=bridge))
    await world.do(act.Join(call="c", bridge=bridge, channels=(caller, other)))
    call = world.calls[-1]
    call.play(audio.tone(CALLER, 1.0), loop=True)
    await hears(call, DESK)
    await asyncio.sleep(1.0)  # what the phone heard is written while it talks
    await world.do(act.DestroyBridge(call="c", bridge=bridge))
    assert np.abs(phone.heard()).max() > 1000
    assert audio.tone_level(phone.heard()[-8000:-4000], CALLER) > 2000


@pytest.mark.parametrize(("transport", "port"), [("TCP", SIP_PORT), ("TLS", TLS_PORT)])
async def test_callers_over_tcp_and_tls(embedded: PjsipWorld, transport: str, port: int) -> None:
    """Keys, sound and the end come through as over UDP."""
    tls = unverified_tls() if transport == "TLS" else None
    host = embedded.block.host(2)
    server = (embedded.server[0], port)
    async with LabPhone("ann", server=server, host=host, transport=transport, tls=tls) as ann:
        call = await ann.dial("4000")
        channel = (await embedded.want(ev.CallArrived, endpoint="trunk")).channel
        await embedded.do(act.Answer(call="c", channel=channel))
        await call.answered
        await embedded.do(act.StartMusic(call="c", channel=channel))
        await call.send_digits("5")
        assert (await embedded.want(ev.DigitPressed, channel=channel)).digit == "5"
        await until(lambda: bool(np.abs(call.heard().samples).max(initial=0) > 500))
        # The other way a BYE needs a connection to the Contact, and the lab's phones serve no TLS.
        await call.hang_up()
        assert (await embedded.want(ev.HungUp, channel=channel)).by_peer


async def test_sound_in_the_clear_is_refused_where_it_has_to_be_encrypted(
    embedded: PjsipWorld,
) -> None:
    """And told as what it is: 488, not busy."""
    phone = replace(embedded.directory.phones["p1"], srtp=True)
    phones = {**embedded.directory.phones, "p1": phone}
    await embedded.backend.provision(replace(embedded.directory, phones=phones))
    call = await embedded.phones["p1"].dial("4000")
    assert (await call.ended).status in (406, 488)
    await embedded.never(ev.CallArrived, seconds=0.1)
