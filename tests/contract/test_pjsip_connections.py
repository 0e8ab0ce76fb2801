"""TCP and TLS on the SIP stack inside callcore: phones that listen, and that only connect."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from callcore.call import actions as act
from callcore.call import events as ev
from callcore.directory import Phone, Transport
from callcore.lab import audio
from callcore.lab.call import Call
from callcore.lab.phone import Phone as LabPhone
from callcore.lab.transport import StreamTransport
from callcore.telephony.render import CERTIFICATE, KEY
from callcore.types import Entry
from tests.acceptance.floor import hears
from tests.contract.test_pjsip_faults import until_empty
from tests.contract.worlds import PHONE_PORT, SIP_PORT, TLS_PORT, PjsipWorld

pytestmark = pytest.mark.acceptance

LOW, HIGH = 440.0, 880.0
BOTH = pytest.mark.parametrize("transport", [Transport.TCP, Transport.TLS])


@pytest.fixture
async def desk(
    embedded: PjsipWorld, readable: Path, transport: Transport
) -> AsyncIterator[LabPhone]:
    """The phone "desk", which listens and answers pings over its transport."""
    serving = None
    if transport is Transport.TLS:
        serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        serving.load_cert_chain(readable / CERTIFICATE, readable / KEY)
    host = embedded.block.host(20)
    server = (embedded.server[0], TLS_PORT if transport is Transport.TLS else SIP_PORT)
    phone = LabPhone(
        "desk", server=server, host=host, port=PHONE_PORT, transport=transport, serving=serving
    )
    await phone.open()
    phones = {"desk": Phone(id="desk", host=f"{host}:{PHONE_PORT}", transport=transport)}
    embedded.directory = replace(embedded.directory, phones={**embedded.directory.phones, **phones})
    await embedded.backend.provision(embedded.directory)
    await embedded.want(ev.PhoneReachability, phone="desk", reachable=True)
    yield phone
    await phone.close()


def wire(phone: LabPhone) -> StreamTransport:
    assert isinstance(phone._transport, StreamTransport)
    return phone._transport


async def calls_in(world: PjsipWorld, phone: LabPhone) -> tuple[str, Call]:
    """The phone's own call, answered."""
    call = await phone.dial("4711")
    arrived = await world.want(ev.CallArrived, entry=Entry.PHONE)
    assert (arrived.endpoint, arrived.dialled) == ("desk", "4711")
    await world.do(act.Answer(call="d", channel=arrived.channel))
    await call.answered
    return arrived.channel, call


@BOTH
async def test_a_phone_is_called_and_calls(embedded: PjsipWorld, desk: LabPhone) -> None:
    """Sound both ways, and either side hangs up."""
    caller = await embedded.arrived_and_answered()
    leg = await embedded.dial("desk")
    at_desk = await desk.incoming()
    await at_desk.answer()
    await embedded.want(ev.LegAnswered, channel=leg)
    await embedded.do(act.CreateBridge(call="c", bridge="b"))
    await embedded.do(act.Join(call="c", bridge="b", channels=(caller, leg)))
    embedded.calls[-1].play(audio.tone(LOW, 1.0), loop=True)
    at_desk.play(audio.tone(HIGH, 1.0), loop=True)
    await hears(embedded.calls[-1], HIGH)
    await hears(at_desk, LOW)
    await embedded.do(act.Hangup(call="c", channel=leg))
    assert (await at_desk.ended).by == "remote"
    channel, call = await calls_in(embedded, desk)
    await embedded.do(act.Play(call="d", channel=channel, playback="p", media=("beep",)))
    await hears(call, 1000.0)
    await call.hang_up()
    assert (await embedded.want(ev.HungUp, channel=channel)).by_peer
    await embedded.caller_hangs_up()
    await until_empty(embedded)


@BOTH
async def test_a_phone_that_only_connects_hears_the_end(
    embedded: PjsipWorld, desk: LabPhone
) -> None:
    """Nobody listens at its Contact: the BYE goes over the connection the call came by."""
    wire(desk).stop_listening()
    wire(desk).disconnect()  # that of the pings leads to the Contact, too
    channel, call = await calls_in(embedded, desk)
    await embedded.do(act.Hangup(call="d", channel=channel))
    ending = await call.ended
    assert (ending.by, ending.status) == ("remote", 200)
    await until_empty(embedded)


@BOTH
async def test_a_connection_that_is_gone_is_made_anew(embedded: PjsipWorld, desk: LabPhone) -> None:
    """To the Contact, where the phone listens."""
    channel, call = await calls_in(embedded, desk)
    wire(desk).disconnect()
    await embedded.never(ev.HungUp, seconds=0.2)
    await embedded.do(act.Hangup(call="d", channel=channel))
    assert (await call.ended).by == "remote"
    await until_empty(embedded)


@BOTH
async def test_a_phone_without_any_way_to_it_leaves_nothing(
    embedded: PjsipWorld, desk: LabPhone
) -> None:
    channel, _ = await calls_in(embedded, desk)
    wire(desk).stop_listening()
    wire(desk).disconnect()
    await embedded.do(act.Hangup(call="d", channel=channel))
    assert not (await embedded.want(ev.HungUp, channel=channel)).by_peer
    await until_empty(embedded)
