"""Old logs go; that Asterisk begins a new one is tested with a real one."""

from __future__ import annotations

from pathlib import Path

from structlog.testing import capture_logs

from callcore.telephony.layout import AsteriskPaths
from callcore.telephony.log_keeper import KEPT, LogKeeper


async def test_small_logs_are_left_and_old_ones_removed(tmp_path: Path) -> None:
    """Only the numbered ones of Asterisk's own log."""
    paths = AsteriskPaths.under(tmp_path)
    paths.log.mkdir(parents=True)
    names = ["messages.log", "console.log", "messages.log.old"]
    names += [f"messages.log.{n}" for n in range(KEPT + 2)]
    for name in names:
        (paths.log / name).write_text("line")
    await LogKeeper(paths).look()
    removed = {f"messages.log.{KEPT}", f"messages.log.{KEPT + 1}"}
    assert {path.name for path in paths.log.iterdir()} == set(names) - removed
    assert paths.console.read_text() == "line"


async def test_a_large_console_log_begins_anew(tmp_path: Path) -> None:
    """Nobody but us can: it is Asterisk's standard output."""
    paths = AsteriskPaths.under(tmp_path)
    paths.log.mkdir(parents=True)
    with paths.console.open("a") as asterisk:
        asterisk.write("x" * 101)
        asterisk.flush()
        await LogKeeper(paths, largest=100).look()
        assert paths.console.read_text() == ""
        asterisk.write("next")
        asterisk.flush()
        assert paths.console.read_text() == "next"


async def test_an_asterisk_that_does_not_rotate_is_a_warning(tmp_path: Path) -> None:
    """It is tried again at the next look."""
    paths = AsteriskPaths.under(tmp_path)
    paths.log.mkdir(parents=True)
    paths.messages.write_text("x" * 101)
    with capture_logs() as logs:
        await LogKeeper(paths, largest=100).look()
    assert [entry["event"] for entry in logs] == ["asterisk_log_not_rotated"]
    assert paths.messages.stat().st_size == 101
