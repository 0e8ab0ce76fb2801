"""A store on SQLite and on a PostgreSQL server of the tests' own."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from callcore.store import Store, tables

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


class Postgres:
    """A server of its own in a temporary directory, on a unix socket only."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.binaries = BINARIES[-1].parent
        # PostgreSQL refuses to run as root.
        self.as_user = [] if os.geteuid() else ["setpriv", "--reuid=65534", "--clear-groups"]
        if not os.geteuid():
            shutil.chown(directory, 65534)
        data = str(directory / "data")
        self.run("initdb", "-D", data, "-U", "callcore", "-A", "trust", "--no-sync")
        self.url = f"postgresql://callcore@/postgres?host={directory}"

    def run(self, program: str, *arguments: str) -> None:
        command = [*self.as_user, str(self.binaries / program), *arguments]
        log = self.directory / "test.log"
        with log.open("ab") as file:
            subprocess.run(command, check=True, cwd="/", stdout=file, stderr=file, timeout=60)

    def start(self) -> None:
        options = f"-c listen_addresses='' -k {self.directory} -c fsync=off -c shared_buffers=16MB"
        data = str(self.directory / "data")
        self.run("pg_ctl", "-w", "-D", data, "-l", f"{self.directory}/log", "-o", options, "start")

    def stop(self) -> None:
        self.run("pg_ctl", "-w", "-D", str(self.directory / "data"), "-m", "immediate", "stop")


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    if not BINARIES:
        pytest.fail("no PostgreSQL server programs: make setup installs postgresql")
    # A unix socket's path holds 107 bytes: pytest's own directories are too deep, and not open to
    # another user.
    directory = Path(f"/tmp/callcore-pg-{os.getpid()}")
    directory.mkdir(mode=0o700)
    server = Postgres(directory)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(directory)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/callcore.db"
    server: Postgres = request.getfixturevalue("postgres")
    return server.url


@pytest.fixture
async def store(url: str, tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(url, tmp_path / "outbox")
    await store.open()
    async with store.engine.begin() as connection:
        for table in tables.metadata.sorted_tables:
            await connection.execute(table.delete())
    yield store
    await store.close()


@pytest.fixture
def summer_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[datetime]:
    """Midnight before the clocks go forward, in Berlin."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield datetime(2026, 3, 29)
    monkeypatch.undo()
    time.tzset()
