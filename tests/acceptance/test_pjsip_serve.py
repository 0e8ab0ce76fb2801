"""`callcore serve --backend pjsip` as a process: no Asterisk runs, and a killed one comes back."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from callcore.lab import audio
from callcore.lab.call import Call
from callcore.lab.phone import Phone
from callcore.lab.site import LabSite
from tests.acceptance.floor import hears
from tests.addresses import claim_block

pytestmark = pytest.mark.acceptance

PHONE_PORT = 5080
CALLER, DESK = 440.0, 880.0

CONFIG = """
[phones.p1]
host = "127.0.{number}.2:5080"
[agents.ann]
phone = "p1"
[queues.sales]
members = ["ann"]
[[routes]]
pattern = "600"
queue = "sales"
"""


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[LabSite]:
    with claim_block() as block:
        config = CONFIG.format(number=block.number)
        async with LabSite(tmp_path / "site", block.number, config, backend="pjsip") as site:
            yield site


async def answered(site: LabSite, desk: Phone, caller: Phone) -> tuple[Call, Call]:
    """A caller and the agent who talk."""
    call = await caller.dial("600")
    at_desk = await desk.incoming()
    await at_desk.ring()
    await at_desk.answer()
    await call.answered
    await site.agent_is("ann", "talking")
    return call, at_desk


async def logged_in(site: LabSite) -> Phone:
    desk = await site.phone("p1", port=PHONE_PORT)
    await site.post("agents/ann/login")
    await site.agent_is("ann", "idle")
    return desk


async def test_a_call_is_answered_and_recorded_without_asterisk(site: LabSite) -> None:
    desk = await logged_in(site)
    call, at_desk = await answered(site, desk, await site.caller())
    call.play(audio.tone(CALLER, 1.0), loop=True)
    at_desk.play(audio.tone(DESK, 1.0), loop=True)
    await hears(call, DESK)
    await hears(at_desk, CALLER)
    await asyncio.sleep(1.0)
    await call.hang_up()
    row = await site.ended_call(outcome="answered")
    recording = await site.recording_of(row["call"])
    left, right = audio.read_channels(recording["file"])
    assert audio.tone_level(left[-6000:-2000], CALLER) > 1500
    assert audio.tone_level(right[-6000:-2000], DESK) > 1500
    assert not (site.var / "asterisk").exists()


async def test_calls_of_a_killed_callcore_have_their_records(site: LabSite) -> None:
    """They ended with its process; the next life says so, and serves."""
    desk = await logged_in(site)
    await answered(site, desk, await site.caller())
    await site.kill()
    await site.start()
    row = await site.ended_call(outcome="answered")
    assert row["ended_at"] is not None
    await site.agent_is("ann", "idle")  # the login outlives it, too
    call, _ = await answered(site, desk, await site.caller("5559999"))
    await call.hang_up()


async def test_a_stop_hangs_up(site: LabSite) -> None:
    """Calls cannot outlive the process that carries them: both are told at once."""
    desk = await logged_in(site)
    call, at_desk = await answered(site, desk, await site.caller())
    assert await site.stop() == 0
    assert (await call.ended).by == "remote"
    assert (await at_desk.ended).by == "remote"


def test_check_tells_what_pjsua2_can_do(tmp_path: Path) -> None:
    (tmp_path / "callcore.toml").write_text('[telephony]\nbackend = "pjsip"\n')
    command = [sys.executable, "-m", "callcore.cli.main", "check", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60, check=False)
    findings = json.loads(done.stdout)["findings"]
    (found,) = [f for f in findings if f["area"] == "pjsip" and "pjsua2" in f["message"]]
    assert found["level"] == "ok"
    assert "512 calls at once, PCMU, PCMA, G722, opus" in found["message"]
