"""callcore beside an Asterisk that was there before: docs/existing-asterisk.md is what works."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from callcore.lab import audio
from callcore.lab.phone import Phone
from tests.acceptance.existing import OWN_SECRET, TheirAsterisk, beside
from tests.acceptance.floor import Floor, hears, until

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.asyncio(loop_scope="module"),
]

CALLER, DESK = 440.0, 880.0
CONFIG = """
[phones.desk]
secret = "desk-secret"
[agents.ann]
phone = "desk"
[queues.sales]
members = ["ann"]
[trunks.tel]
host = "127.0.{number}.3"
[[routes]]
pattern = "600"
queue = "sales"
[[routes]]
pattern = "601"
tree = "message"
"""
TREES = {
    "message": """
start: message
nodes:
  message: {step: voicemail, play: [{text: "Speak."}], max_seconds: 20, next: bye}
  bye: {step: hangup}
"""
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[tuple[Floor, TheirAsterisk]]:
    async with beside(tmp_path_factory.mktemp("existing"), CONFIG, TREES) as (floor, theirs):
        await floor.site.start()
        await floor.open_phones("desk")
        yield floor, theirs


@pytest_asyncio.fixture(loop_scope="module")
async def floor(both: tuple[Floor, TheirAsterisk]) -> AsyncIterator[Floor]:
    yield both[0]
    await both[0].clear()


@pytest.fixture
def theirs(both: tuple[Floor, TheirAsterisk]) -> TheirAsterisk:
    return both[1]


async def check(floor: Floor) -> list[dict[str, Any]]:
    """The errors `callcore check` finds."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "callcore.cli.main", "check", "--json",
        cwd=floor.site.directory, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    told, _ = await asyncio.wait_for(process.communicate(), 60)
    found = [f for f in json.loads(told)["findings"] if f["level"] == "error"]
    assert process.returncode == (1 if found else 0)
    return found


async def test_nothing_is_lacking_when_the_guide_was_followed(floor: Floor) -> None:
    assert await check(floor) == []


async def test_a_hotline_call_with_recording(floor: Floor) -> None:
    """Trunk and phone were pushed; the call is queued, answered, heard and recorded."""
    await floor.login("ann")
    call = await floor.dial("600")
    rung = await floor.phones["desk"].incoming()
    await rung.answer()
    await call.answered
    call.play(audio.tone(CALLER, 0.2), loop=True)
    rung.play(audio.tone(DESK, 0.2), loop=True)
    await hears(rung, CALLER)
    await hears(call, DESK)
    await asyncio.sleep(0.5)  # sound must flow
    await call.hang_up()
    await rung.ended
    record = await floor.record(call)
    assert record["outcome"] == "answered"
    recording = await floor.site.recording_of(record["call"])
    left, right = audio.read_channels(recording["file"])
    assert audio.tone_intervals(left, CALLER)
    assert audio.tone_intervals(right, DESK)
    raw = floor.site.var / "recordings" / "raw"
    await until(lambda: not list(raw.iterdir()))


async def test_voicemail_is_fetched(floor: Floor, theirs: TheirAsterisk) -> None:
    """The message is in callcore's recordings, and no more in Asterisk's spool."""
    call = await floor.call("601")
    await hears(call, 1000)  # the beep
    call.play(audio.tone(CALLER, 0.2), loop=True)
    await asyncio.sleep(1.5)  # sound must flow
    await call.hang_up()
    record = await floor.record(call)
    recording = await floor.site.recording_of(record["call"])
    assert recording["kind"] == "voicemail"
    (message,) = audio.read_channels(recording["file"])
    assert audio.tone_intervals(message, CALLER)
    spool = theirs.directory / "spool" / "recording"
    assert list(spool.glob("*.wav")) == []


async def test_an_agent_on_a_call_of_the_owners_is_busy(floor: Floor) -> None:
    """Nobody is offered a caller while on a call that callcore does not hold."""
    await floor.login("ann")
    site = floor.site
    async with Phone("201", OWN_SECRET, server=site.sip, host=site.phone_address) as own:
        await own.register()
        call = await own.dial("desk")
        rung = await floor.phones["desk"].incoming()
        await rung.answer()
        await call.answered
        await site.agent_is("ann", "busy")
        caller = await floor.call("600")
        await floor.is_in(caller, state="queued")
        await call.hang_up()
        await rung.ended
        offered = await floor.phones["desk"].incoming()
        assert offered.caller.user == caller.phone.user
        await offered.answer()
        await floor.is_in(caller, state="talking")


async def test_callers_are_held_while_callcore_is_away(floor: Floor) -> None:
    """Music, then the owner's queue; back under callcore when it is there again."""
    await floor.login("ann")
    site = floor.site
    async with Phone("201", OWN_SECRET, server=site.sip, host=site.phone_address) as own:
        await own.register()
        await site.kill()
        first = await floor.call("600")
        rung = await own.incoming()
        await rung.answer()
        rung.play(audio.tone(DESK, 0.2), loop=True)
        await hears(first, DESK)
        second = await floor.call("600")
        await site.start()
        offered = await floor.phones["desk"].incoming()
        assert offered.caller.user == second.phone.user
        await offered.answer()
        await floor.is_in(second, state="talking")
        assert not first.ended.happened
        await first.hang_up()
        await rung.ended


async def test_each_piece_that_is_taken_away_is_named(floor: Floor, theirs: TheirAsterisk) -> None:
    """A module, a right of AMI, a context of the dialplan: precisely that is told."""
    theirs.command("module unload app_mixmonitor.so")
    theirs.edits = {
        "write = system,call,reporting": "write = call,reporting",
        "[callcore-resume](callcore-handover)": "",
    }
    theirs.write()
    spool = theirs.directory / "spool" / "recording"
    spool.rmdir()
    theirs.command("manager reload")
    theirs.command("dialplan reload")
    found = {(f["area"], f["message"]) for f in await check(floor)}
    assert ("asterisk", "module app_mixmonitor does not run: recording") in found
    assert ("dialplan", "there is no context callcore-resume") in found
    assert ("canary", "Asterisk cannot record voicemail messages") in found
    rights = next(message for area, message in found if area == "ami")
    assert "MixMonitor" in rights
    assert not [f for f in found if f[0] == "ari"]
    theirs.command("module load app_mixmonitor.so")
    theirs.edits = {}
    theirs.write()
    assert spool.is_dir()
    theirs.command("manager reload")
    theirs.command("dialplan reload")
    assert await check(floor) == []


async def test_what_was_pushed_outlives_both(floor: Floor, theirs: TheirAsterisk) -> None:
    """Asterisk restarts without callcore, still knows the phone's password, and lets it call."""
    await floor.site.stop()
    await asyncio.to_thread(theirs.stop)
    await asyncio.to_thread(theirs.start)
    await floor.phones["desk"].register()
    await floor.site.start()
    call = await floor.phones["desk"].dial("601")
    await hears(call, 1000)  # the beep
    await call.hang_up()


async def test_an_asterisk_that_keeps_its_phones_to_itself(
    floor: Floor, theirs: TheirAsterisk
) -> None:
    """Without sorcery.conf nothing can be pushed; `push = false` uses what the owner configured."""
    site = floor.site
    await site.stop()
    await asyncio.to_thread(theirs.stop)
    theirs.left_out = frozenset({"sorcery.conf"})
    await asyncio.to_thread(theirs.start)
    found = await check(floor)
    assert [f["area"] for f in found] == ["ari"]
    assert "phones and trunks cannot be pushed" in found[0]["message"]
    assert "sorcery.conf" in found[0]["hint"]
    site.asterisk_settings = "push = false"  # type: ignore[attr-defined]
    site.write('[phones.201]\n[agents.ann]\nphone = "201"\n')
    assert await check(floor) == []
    await site.start()
    async with Phone("201", OWN_SECRET, server=site.sip, host=site.phone_address) as own:
        await own.register()
        await floor.login("ann")
