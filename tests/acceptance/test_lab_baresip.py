"""The baresip driver works with real baresip processes on real Asterisk."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from callcore.lab import audio
from callcore.lab.baresip import Baresip, BaresipAccount
from callcore.lab.errors import ToolError
from callcore.lab.phone import Phone
from tests.acceptance.floor import hears, until
from tests.acceptance.lab_asterisk import PASSWORD, LabAsterisk, lab_asterisk

__all__ = ["lab_asterisk"]
pytestmark = pytest.mark.acceptance

PORTS = iter(range(5300, 5500, 4))


@contextlib.asynccontextmanager
async def baresip(asterisk: LabAsterisk, path: Path, user="601", **options) -> AsyncIterator:
    """A registered baresip that says a tone of 800 Hz."""
    speech = path / "speech.wav"
    audio.write(speech, audio.tone(800, 20))
    transport = options.get("transport", "udp")
    server = asterisk.tls_address if transport == "tls" else asterisk.address
    account = BaresipAccount(user, PASSWORD, server, **options)
    port = next(PORTS)
    ports = {"sip_port": port, "control_port": port + 2}
    async with Baresip(account, path, host=asterisk.phone_host, **ports, speech=speech) as phone:
        yield phone


@contextlib.asynccontextmanager
async def caller(asterisk: LabAsterisk) -> AsyncIterator[Phone]:
    async with Phone("555", server=asterisk.address, host=asterisk.caller_host) as phone:
        yield phone


@pytest.mark.parametrize(
    ("user", "options"),
    [
        ("601", {"codecs": ("pcmu",)}),
        ("601", {"codecs": ("g722",), "transport": "tcp"}),
        ("601", {"codecs": ("opus/48000/2",), "answer": "auto"}),
        ("605", {"codecs": ("pcmu",), "srtp": True, "transport": "tls"}),
    ],
)
async def test_both_sides_hear_each_other(lab_asterisk, tmp_path, user, options):
    """Codecs, transports and SRTP carry the tone of each side to the other."""
    async with (
        baresip(lab_asterisk, tmp_path, user, **options) as phone,
        caller(lab_asterisk) as ann,
    ):
        call = await ann.dial(user)
        if options.get("answer") != "auto":
            await phone.wait_for("CALL_INCOMING")
            await phone.answer()
        await call.answered
        call.play(audio.tone(500, 0.2), loop=True)
        await hears(call, 800)
        await asyncio.sleep(1.0)  # sound must flow the other way, too
        await phone.hang_up()
        await call.ended
        await phone.wait_for("CALL_CLOSED")
        assert audio.tone_level(call.heard().samples[-4000:], 800) > 4000
        assert audio.tone_level(phone.heard()[-4000:], 500) > 4000
        assert audio.tone_level(phone.heard()[-4000:], 800) < 200


async def test_keys_hold_and_resume(lab_asterisk, tmp_path):
    """baresip presses keys, holds (the caller hears nothing) and resumes."""
    async with baresip(lab_asterisk, tmp_path) as phone, caller(lab_asterisk) as ann:
        call = await ann.dial("601")
        await phone.wait_for("CALL_INCOMING")
        await phone.answer()
        await call.answered
        await phone.send_digits("74")
        await until(lambda: len(call.media.heard_digits()) >= 2)
        assert "".join(d.digit for d in call.media.heard_digits()) == "74"
        await hears(call, 800)
        await phone.hold()
        held = time.time()
        await asyncio.sleep(0.8)  # nothing must flow
        resumed = time.time()
        await phone.resume()
        await hears(call, 800)
        await call.hang_up()
        assert audio.tone_level(call.heard().between(held + 0.3, resumed - 0.1), 800) < 100


async def test_blind_transfer(lab_asterisk, tmp_path):
    """A transfer by baresip connects the caller to the third phone."""
    async with (
        baresip(lab_asterisk, tmp_path) as phone,
        caller(lab_asterisk) as ann,
        Phone("602", PASSWORD, server=lab_asterisk.address, host=lab_asterisk.block.host(4)) as eve,
    ):
        await eve.register()
        call = await ann.dial("601")
        await phone.wait_for("CALL_INCOMING")
        await phone.answer()
        await call.answered
        await phone.transfer("602")
        third = await eve.incoming()
        await third.answer()
        await phone.wait_for("CALL_CLOSED")
        third.play(audio.tone(1200, 0.2), loop=True)
        await hears(call, 1200)


async def test_outgoing_call_and_refused_command(lab_asterisk, tmp_path):
    """baresip dials the echo test and hears itself; a bad command is an error."""
    async with baresip(lab_asterisk, tmp_path) as phone:
        await phone.dial("600")
        await phone.wait_for("CALL_ESTABLISHED")
        await asyncio.sleep(1.0)  # sound must flow
        await phone.hang_up()
        await phone.wait_for("CALL_CLOSED")
        assert audio.tone_level(phone.heard()[-4000:], 800) > 4000
        with pytest.raises(ToolError):
            await phone.command("no_such_command")


async def test_a_baresip_that_cannot_start_says_why(lab_asterisk, tmp_path):
    """Two on one port: the second raises with baresip's own words."""
    account = BaresipAccount("601", PASSWORD, lab_asterisk.address)
    options = {"host": lab_asterisk.phone_host, "sip_port": 5500, "control_port": 5502}
    async with Baresip(account, tmp_path / "one", **options):
        second = Baresip(account, tmp_path / "two", patience=3, **{**options, "control_port": 5503})
        with pytest.raises(ToolError, match="in use"):
            await second.start()
