"""`callcore serve` where something is in the way: one line that says what to do, and its status."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from callcore.lab.site import PATIENCE, LabSite
from tests.addresses import claim_block

pytestmark = pytest.mark.acceptance


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[LabSite]:
    """Written, not started."""
    for parent in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        parent.chmod(0o755)
    with claim_block() as block:
        site = LabSite(tmp_path / "site", block.number)
        site.write()
        yield site
        await site.stop_asterisk()


async def serve(site: LabSite, **environment: str) -> tuple[int, str]:
    """Exit status, and what is on stderr besides the log."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "callcore.cli.main", "serve",
        cwd=site.directory,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )  # fmt: skip
    try:
        async with asyncio.timeout(40 * PATIENCE):
            _, complaints = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    lines = [line for line in complaints.decode().splitlines() if not line.startswith("{")]
    assert process.returncode is not None
    return process.returncode, "\n".join(lines)


def is_one_line(complaint: str, *words: str) -> None:
    assert complaint.count("\n") == 0, complaint
    assert complaint.startswith("callcore: "), complaint
    for word in words:
        assert word in complaint, complaint


@contextlib.contextmanager
def occupied(host: str, port: int, kind: socket.SocketKind) -> Iterator[None]:
    with socket.socket(socket.AF_INET, kind) as taken:
        if kind is socket.SOCK_STREAM:  # connections of an earlier site may linger
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((host, port))
        if kind is socket.SOCK_STREAM:
            taken.listen()
        yield


@pytest.mark.parametrize(
    ("port", "kind", "setting"),
    [
        (5060, socket.SOCK_DGRAM, "sip.udp_port"),
        (5060, socket.SOCK_STREAM, "sip.tcp_port"),
        (8088, socket.SOCK_STREAM, "asterisk.managed_ari_port"),
        (5038, socket.SOCK_STREAM, "asterisk.managed_ami_port"),
        (8080, socket.SOCK_STREAM, "api.port"),
    ],
)
async def test_an_occupied_port_is_named(
    site: LabSite, port: int, kind: socket.SocketKind, setting: str
) -> None:
    """With the address, and the setting that chooses another."""
    with occupied(site.address, port, kind):
        status, complaint = await serve(site)
    assert status == 1
    is_one_line(complaint, str(port), site.address, setting)


async def test_a_directory_that_cannot_be_written(site: LabSite) -> None:
    """Rights, a full path, a file in its place: the path and the reason."""
    status, complaint = await serve(site, CALLCORE_PATHS_VAR="/proc/callcore")
    assert status == 1
    is_one_line(complaint, "/proc/callcore")
    (site.directory / "file").write_text("in the way")
    status, complaint = await serve(site, CALLCORE_PATHS_VAR="file")
    assert status == 2
    is_one_line(complaint, str(site.directory / "file"), "Not a directory")


async def test_settings_that_cannot_be_read(site: LabSite) -> None:
    """Not TOML, not text, not a file: exit status 2, and where it is."""
    file = site.directory / "callcore.toml"
    good = file.read_bytes()
    for content in (good + b"[asterisk\n", good + b"[api]\nport = 1\n", b"\xff\xfe\x00"):
        file.write_bytes(content)
        status, complaint = await serve(site)
        assert status == 2
        is_one_line(complaint, "callcore.toml")
    file.unlink()
    file.mkdir()
    status, complaint = await serve(site)
    assert status == 2
    is_one_line(complaint, "callcore.toml")
    assert not (site.var / "asterisk").exists()


async def test_a_second_server_in_the_same_directory(site: LabSite) -> None:
    """It names the first, which goes on undisturbed."""
    async with site:
        status, complaint = await serve(site)
        assert status == 1
        is_one_line(complaint, f"pid {site.pid}", "stop it first")
        assert (await site.get("calls"))["calls"] == []
