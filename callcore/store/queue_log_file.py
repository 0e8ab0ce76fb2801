"""var/log/queue_log: the lines of `call/queue_log.py` appended to a file that changes every day.

Rows of one event reach it together and are one write. A file that somebody moved away (logrotate)
is begun anew; a disk that takes nothing costs lines, not calls.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path
from time import time

import structlog

from callcore.call.actions import RowAction
from callcore.call.queue_log import QueueLog

log = structlog.get_logger(__name__)

#: How soon a file moved away is noticed.
LOOK_SECONDS = 1.0


class QueueLogFile:
    """Appends to `path`; yesterday's file becomes ``queue_log.YYYY-MM-DD``, the newest `days` of
    them are kept (0: all)."""

    def __init__(self, path: Path, lines: QueueLog, days: int = 0) -> None:
        self._path = path
        self._lines = lines
        self._days = days
        self._rows: list[RowAction] = []
        self._fd = -1
        self._day = date.min
        self._look_at = 0.0
        self._failing = False

    def put(self, row: RowAction) -> None:
        """Take a row; it is written with those of the same event, when that has been dealt with."""
        if not self._rows:
            asyncio.get_running_loop().call_soon(self._write_rows)
        self._rows.append(row)

    def write(self, lines: Iterable[str]) -> None:
        """Append lines at once."""
        data = "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")
        if not data:
            return
        try:
            self._open(time())
            os.write(self._fd, data)
        except OSError as exc:
            if not self._failing:
                log.error("queue_log_not_written", file=str(self._path), reason=exc.strerror)
            self._failing = True
        else:
            self._failing = False

    def close(self) -> None:
        self._write_rows()
        self._let_go()

    def _write_rows(self) -> None:
        rows, self._rows = self._rows, []
        if rows:
            self.write(self._lines.lines(rows))

    # --- the file --------------------------------------------------------------------------

    def _open(self, now: float) -> None:
        """Have the right file open: today's, and the one that has the name."""
        if now < self._look_at:
            return
        self._look_at = now + LOOK_SECONDS
        today = datetime.fromtimestamp(now).date()
        if self._fd < 0 or today != self._day or not self._is_there():
            self._let_go()
            self._rotate(today)
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            self._day = today

    def _is_there(self) -> bool:
        try:
            return self._path.stat().st_ino == os.fstat(self._fd).st_ino
        except FileNotFoundError:
            return False

    def _rotate(self, today: date) -> None:
        try:
            last = datetime.fromtimestamp(self._path.stat().st_mtime).date()
        except FileNotFoundError:
            return
        if last >= today:
            return
        self._path.rename(self._path.with_name(f"{self._path.name}.{last.isoformat()}"))
        kept = sorted(self._path.parent.glob(f"{self._path.name}.????-??-??"))
        for old in kept[: -self._days] if self._days else []:
            old.unlink()

    def _let_go(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
