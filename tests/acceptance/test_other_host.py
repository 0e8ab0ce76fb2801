"""Asterisk on another host: a network of its own, and of callcore's disk only what is shared.

The other host is a network namespace behind a veth pair and a mount namespace in which callcore's
directory is hidden.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from callcore.lab import audio
from tests.acceptance.existing import ExistingSite, TheirAsterisk
from tests.acceptance.floor import Floor, hears, hears_speech
from tests.acceptance.test_existing_asterisk import check
from tests.addresses import claim_block

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root makes network and mount namespaces"),
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
host = "{callers}"
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
  message: {step: voicemail, play: [{text: "Please speak."}], max_seconds: 20, next: bye}
  bye: {step: hangup}
"""
}


class Lan:
    """The wire between the two hosts; 198.18.0.0/15 is for trials of networks (RFC 2544)."""

    def __init__(self, number: int) -> None:
        self.namespace = f"callcore-{number}"
        self._wire = f"callcore{number}"
        self.callcore, self.asterisk, self.phones, self.callers = (
            f"198.18.{number}.{last}" for last in (1, 2, 3, 4)
        )

    @contextlib.contextmanager
    def up(self) -> Iterator[Lan]:
        inside = f"netns exec {self.namespace} ip"
        ip(f"netns add {self.namespace}")
        try:
            ip(f"link add {self._wire} type veth peer name eth0 netns {self.namespace}")
            for address in (self.callcore, self.phones, self.callers):
                ip(f"address add {address}/24 dev {self._wire}")
            ip(f"link set {self._wire} up")
            ip(f"{inside} address add {self.asterisk}/24 dev eth0")
            ip(f"{inside} link set eth0 up")
            ip(f"{inside} link set lo up")
            yield self
        finally:
            ip(f"netns delete {self.namespace}")


def ip(arguments: str) -> None:
    subprocess.run(["ip", *arguments.split()], check=True, timeout=10)


class FarAsterisk(TheirAsterisk):
    """Sees of `hidden`, callcore's directory, only what is shared, and that elsewhere."""

    def __init__(self, directory: Path, lan: Lan, hidden: Path, shared: dict[Path, Path]) -> None:
        super().__init__(directory, lan.asterisk)
        self._lan, self._hidden, self._shared = lan, hidden, shared
        self.edits = {"permit = 127.0.0.1/255.255.255.255": f"permit = {lan.callcore}"}

    def _start_command(self) -> list[str]:
        steps = []
        for here, there in self._shared.items():
            here.mkdir(parents=True, exist_ok=True)
            there.mkdir(parents=True)
            steps.append(shlex.join(["mount", "--bind", str(here), str(there)]))
        steps.append(shlex.join(["mount", "-t", "tmpfs", "none", str(self._hidden)]))
        steps.append("exec " + shlex.join(super()._start_command()))
        own_network = ["ip", "netns", "exec", self._lan.namespace]
        return [*own_network, "unshare", "--mount", "sh", "-ec", "\n".join(steps)]


class RemoteSite(ExistingSite):
    """callcore here, Asterisk, phones and callers on the LAN."""

    lan: Lan

    def write(self, config: str | None = None) -> None:
        super().write(config)
        file = self.directory / "callcore.toml"
        text = file.read_text()
        for key in ('ari_url = "http://', 'ami_host = "'):
            text = text.replace(key + self.address, key + self.lan.asterisk)
        file.write_text(text)

    @property
    def sip(self) -> tuple[str, int]:
        return self.lan.asterisk, self.udp_port

    @property
    def phone_address(self) -> str:
        return self.lan.phones

    @property
    def caller_address(self) -> str:
        return self.lan.callers


@contextlib.asynccontextmanager
async def two_hosts(directory: Path, *, shared: bool) -> AsyncIterator[Floor]:
    """callcore serves; Asterisk has what it needs of callcore's disk, or has not."""
    ours, there = directory / "ours", directory / "theirs" / "mnt"
    raw = ours / "var" / "recordings" / "raw"
    mounts = {ours / "var" / "prompts": there / "prompts", raw: there / "recordings"}
    settings = (
        f'remote_prompts = "{there / "prompts"}"\nremote_recordings = "{there / "recordings"}"'
    )
    with claim_block() as block, Lan(block.number).up() as lan:
        theirs = FarAsterisk(directory / "theirs", lan, ours, mounts if shared else {})
        theirs.directory.mkdir()
        site = RemoteSite(
            ours,
            block.number,
            CONFIG.format(callers=lan.callers),
            trees=TREES,
            asterisk_settings=settings,
            theirs=theirs,
        )
        site.lan = lan
        site.write()
        try:
            await asyncio.to_thread(theirs.start)
            await site.start()
            floor = Floor(site)
            await floor.open_phones("desk")
            yield floor
            await floor.clear()
        finally:
            await site.close()
            await asyncio.to_thread(theirs.stop)


async def test_with_prompts_and_recordings_shared(tmp_path: Path) -> None:
    """The check finds nothing wrong; a message is asked for, a talk is heard and recorded."""
    async with two_hosts(tmp_path, shared=True) as floor:
        assert await check(floor) == []
        call = await floor.call("601")
        await hears_speech(call)
        await hears(call, 1000)  # the beep
        call.play(audio.tone(CALLER, 0.2), loop=True)
        await asyncio.sleep(1)  # sound must flow
        await call.hang_up()
        message = await recording_of(floor, call)
        assert audio.tone_intervals(audio.read_channels(message["file"])[0], CALLER)
        recording = await recording_of(floor, await a_talk(floor))
        left, right = audio.read_channels(recording["file"])
        assert audio.tone_intervals(left, CALLER)
        assert audio.tone_intervals(right, DESK)


async def test_with_nothing_shared(tmp_path: Path) -> None:
    """The check names both directories; calls go on, and the record says what is missing."""
    async with two_hosts(tmp_path, shared=False) as floor:
        found = [finding["message"] for finding in await check(floor)]
        there, raw = tmp_path / "theirs" / "mnt", tmp_path / "ours" / "var" / "recordings" / "raw"
        assert found == [
            f"Asterisk does not find prompts in {there / 'prompts'}",
            f"nothing recorded to {there / 'recordings'} appears in {raw}",
        ]
        call = await a_talk(floor)
        assert (await floor.record(call))["outcome"] == "answered"
        assert "Asterisk did not create" in (await recording_of(floor, call))["failure"]


async def a_talk(floor: Floor) -> Any:
    """Caller and agent hear each other across the wire."""
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
    return call


async def recording_of(floor: Floor, call: Any) -> dict[str, Any]:
    return await floor.site.recording_of((await floor.record(call))["call"])
