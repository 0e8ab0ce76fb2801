"""The file of the queue_log: one write per event, a new file every day, never in the way."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from callcore.call.actions import WriteAgentState
from callcore.call.queue_log import QueueLog
from callcore.store import queue_log_file
from callcore.store.queue_log_file import QueueLogFile


def login(agent: str) -> WriteAgentState:
    return WriteAgentState(
        call="", at=5.0, agent=agent, state="idle", before="logged_out", status="ready", phone="p1"
    )


def content(path: Path) -> str:
    return path.read_text() if path.exists() else ""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log" / "queue_log"


@pytest.fixture
def file(path: Path) -> Iterator[QueueLogFile]:
    file = QueueLogFile(path, QueueLog(lambda agent: ()), days=2)
    yield file
    file.close()


async def test_rows_of_one_event_are_written_when_it_is_over(
    file: QueueLogFile, path: Path
) -> None:
    """Not before the loop turns, then without anybody asking."""
    file.put(login("ann"))
    file.put(login("bob"))
    assert content(path) == ""
    await asyncio.sleep(0)
    assert content(path) == (
        "5|NONE|NONE|Agent/ann|AGENTLOGIN|PJSIP/p1\n5|NONE|NONE|Agent/bob|AGENTLOGIN|PJSIP/p1\n"
    )


async def test_close_writes_what_is_left(file: QueueLogFile, path: Path) -> None:
    """The last rows before a stop are not lost."""
    file.put(login("ann"))
    file.close()
    assert "Agent/ann" in content(path)


def test_every_day_has_its_file_and_old_ones_go(file: QueueLogFile, path: Path) -> None:
    """A file last written yesterday is put away under its day; two days are kept."""
    path.parent.mkdir()
    path.write_text("yesterday\n")
    for name in ("2020-01-01", "2020-01-02"):
        path.with_name(f"queue_log.{name}").write_text("old\n")
    yesterday = datetime.now() - timedelta(days=1)
    os.utime(path, (yesterday.timestamp(), yesterday.timestamp()))
    file.write(["today"])
    assert path.read_text() == "today\n"
    kept = sorted(each.name for each in path.parent.iterdir())
    assert kept == ["queue_log", "queue_log.2020-01-02", f"queue_log.{yesterday.date()}"]


def test_a_restart_on_the_same_day_appends(path: Path) -> None:
    """Nothing is put away that is of today."""
    for number in range(2):
        file = QueueLogFile(path, QueueLog(lambda agent: ()))
        file.write([f"life {number}"])
        file.close()
    assert path.read_text() == "life 0\nlife 1\n"
    assert path.stat().st_mode & 0o777 == 0o600, "it says who called"


def test_a_file_moved_away_is_begun_anew(
    file: QueueLogFile, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As logrotate moves it."""
    monkeypatch.setattr(queue_log_file, "LOOK_SECONDS", 0.0)
    file.write(["one"])
    path.rename(path.with_name("moved"))
    file.write(["two"])
    assert path.read_text() == "two\n"
    assert path.with_name("moved").read_text() == "one\n"


def test_a_disk_that_takes_nothing_is_told_once(tmp_path: Path) -> None:
    """The lines are lost, the calls go on; when it works again the log does, too."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    path = blocked / "queue_log"
    file = QueueLogFile(path, QueueLog(lambda agent: ()))
    with capture_logs() as logs:
        file.write(["lost"])
        file.write(["lost as well"])
    assert [entry["event"] for entry in logs] == ["queue_log_not_written"]
    file.close()
