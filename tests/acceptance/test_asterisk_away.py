"""Asterisk dies, is stopped, hangs, or is away at the start: callcore says so and goes on."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from callcore.lab import audio
from callcore.lab.site import LabSite
from callcore.telephony import managed
from callcore.telephony.layout import AsteriskPaths
from tests.addresses import Block
from tests.load import slack

from .floor import Floor, hears, open_floor, phone_config, rung, talk

pytestmark = [pytest.mark.acceptance, pytest.mark.asyncio(loop_scope="module")]

SITE = (
    phone_config("p1", "p2")
    + """
[agents.ann]
phone = "p1"
[agents.bob]
phone = "p2"
[queues.sales]
members = ["ann", "bob"]
ring_seconds = 60
wrap_up_seconds = 1
[[routes]]
pattern = "601"
queue = "sales"
"""
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Floor]:
    directory: Path = tmp_path_factory.mktemp("away")
    async with open_floor(directory, SITE, ("p1", "p2")) as floor:
        yield floor


@pytest_asyncio.fixture(loop_scope="module")
async def floor(shared: Floor) -> AsyncIterator[Floor]:
    await shared.login("ann")
    yield shared
    await shared.clear()


def asterisk_pid(site: LabSite) -> int:
    pid = managed.find_pid(AsteriskPaths.under(site.var))
    assert pid is not None
    return pid


async def registered_anew(floor: Floor) -> None:
    """What phones do when their registrar forgot them (here: at once)."""
    for phone in floor.phones.values():
        await phone.register()


async def works(floor: Floor) -> None:
    """A caller reaches Ann, and they hear each other."""
    await floor.site.agent_is("ann", "idle", 20)
    call, desk = await talk(floor, "601", "p1")
    desk.play(audio.tone(880, 1.0), loop=True)
    await hears(call, 880)
    await call.hang_up()
    await desk.ended


async def test_asterisk_killed_with_calls_in_every_stage(floor: Floor) -> None:
    """Calls are closed with the cause, agents are free, a new one is started, calls work again."""
    site = floor.site
    await floor.login("bob")
    talking, _ = await talk(floor, "601", "p1")
    ringing = await floor.call("601")
    await rung(floor, "p2", ringing)
    waiting = await floor.call("601")
    await floor.is_in(waiting, state="queued")
    before = asterisk_pid(site)
    os.kill(before, signal.SIGKILL)
    for call, outcome in ((talking, "answered"), (ringing, "failed"), (waiting, "failed")):
        record = await floor.record(call)
        assert (record["outcome"], record["hung_up_by"]) == (outcome, "network")
        assert record["estimated"] is True
        assert "node_lost" in await site.events_of(record["call"])
    recording = await site.recording_of((await floor.record(talking))["call"])
    assert recording["file"].exists()

    async def is_back() -> bool:
        return managed.find_pid(AsteriskPaths.under(site.var)) not in (None, before)

    await site.until(is_back, "a new Asterisk is started", 20)
    await site.until(site._is_ready, "callcore is ready", 20)
    await site.post("agents/bob/logout")
    await registered_anew(floor)
    await works(floor)


async def test_asterisk_stopped_on_purpose_and_started_again(floor: Floor) -> None:
    """It stays stopped, callcore says so; phones are known again before callcore looks at it."""
    site = floor.site
    talking, _ = await talk(floor, "601", "p1")
    await site.stop_asterisk()

    async def is_down() -> bool:
        async with site.session.get(f"{site.url}/readyz") as answer:
            return answer.status == 503 and "asterisk" in (await answer.text()).lower()

    await site.until(is_down, "callcore says that Asterisk is away")
    await asyncio.sleep(1.5)  # three looks of the supervisor
    assert managed.find_pid(AsteriskPaths.under(site.var)) is None
    await floor.run("asterisk", "start")
    await site.until(site._is_ready, "callcore is ready", 20)
    assert (await floor.record(talking))["outcome"] == "answered"
    await registered_anew(floor)
    await works(floor)


async def test_asterisk_restarted_while_callcore_is_away(floor: Floor) -> None:
    """Phones can register without callcore; its calls are closed when it is back."""
    site = floor.site
    talking, _ = await talk(floor, "601", "p1")
    await site.kill()
    await site.stop_asterisk()
    await floor.run("asterisk", "start")
    await registered_anew(floor)
    await site.start()
    record = await floor.record(talking)
    assert (record["outcome"], record["estimated"]) == ("answered", True)
    await works(floor)


async def test_a_link_that_is_silently_dead(floor: Floor) -> None:
    """Asterisk hangs: noticed within three seconds; the talk goes on when it does."""
    site = floor.site
    call, desk = await talk(floor, "601", "p1")
    pid = asterisk_pid(site)
    began = time.monotonic()
    os.kill(pid, signal.SIGSTOP)
    try:

        async def is_down() -> bool:
            async with site.session.get(f"{site.url}/readyz") as answer:
                return answer.status == 503

        await site.until(is_down, "the dead link is noticed", 5)
        assert time.monotonic() - began < 4 * slack()
    finally:
        os.kill(pid, signal.SIGCONT)
    await site.until(site._is_ready, "the link is up again", 15)
    await floor.is_in(call, state="talking")
    desk.play(audio.tone(880, 1.0), loop=True)
    await hears(call, 880)
    await call.hang_up()
    record = await floor.record(call)
    assert (record["outcome"], record["estimated"]) == ("answered", False)


async def test_asterisk_away_at_the_start(tmp_path: Path, block: Block) -> None:
    """An existing Asterisk that is not there: callcore waits, says so, and is up when it comes."""
    for parent in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        parent.chmod(0o755)
    site = LabSite(tmp_path / "site", block.number, SITE)
    site.write()
    try:
        await site.start()
        # Its passwords are known now: the same Asterisk, as an existing one that is away.
        await site.stop()
        await site.stop_asterisk()
        text = (site.directory / "callcore.toml").read_text()
        existing = text.replace("[asterisk]\n", f"[asterisk]\n{_existing(site)}")
        (site.directory / "callcore.toml").write_text(existing)
        before = site.log_file.stat().st_size
        starting = asyncio.create_task(site.start())

        def logged(event: str) -> bool:
            return f'"{event}"'.encode() in site.log_file.read_bytes()[before:]

        async def says_so() -> bool:
            return logged("asterisk_unavailable")

        await site.until(says_so, "callcore says that Asterisk is away")
        assert not await site._is_ready()
        (site.directory / "callcore.toml").write_text(text)
        floor = Floor(site)
        await floor.run("asterisk", "start")
        (site.directory / "callcore.toml").write_text(existing)
        # (Ready it is not: this Asterisk is not made to have phones pushed to it.)

        async def is_up() -> bool:
            return logged("asterisk_up")

        await site.until(is_up, "callcore found Asterisk", 15)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
    finally:
        await site.__aexit__()


def _existing(site: LabSite) -> str:
    """Settings that reach the site's managed Asterisk as if it were somebody else's."""
    secrets = managed_secrets(site)
    return f"""mode = "existing"
ari_url = "http://{site.address}:8088/ari"
ari_user = "{secrets["ari_user"]}"
ari_password = "{secrets["ari_password"]}"
ami_host = "{site.address}"
ami_user = "{secrets["ami_user"]}"
ami_password = "{secrets["ami_password"]}"
"""


def managed_secrets(site: LabSite) -> dict[str, str]:
    import msgspec

    found: dict[str, str] = {}
    for path in (site.var / "asterisk").rglob("*.json"):
        data = msgspec.json.decode(path.read_bytes())
        if isinstance(data, dict) and "ari_password" in data:
            found = data
    assert found
    return found
