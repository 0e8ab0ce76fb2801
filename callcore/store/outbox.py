"""Rows that wait on disk while the database is away, in files that are drained in order."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import structlog

from callcore.store.encode import Row, from_line, to_line

log = structlog.get_logger(__name__)

MAX_FILE_BYTES = 4 << 20


class Outbox:
    """Numbered files of one JSON line per row; the highest number is being appended to."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def files(self) -> list[Path]:
        """Oldest first."""
        return sorted(self.directory.glob("*.jsonl"))

    def append(self, rows: Iterable[Row]) -> None:
        """Write and fsync; raises OSError when the disk does not take it."""
        lines = b"".join(to_line(row) for row in rows)
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._current(), os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "ab", buffering=0) as file:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                lines = b"\n" + lines  # a crash cut the last line off
            try:
                while lines:
                    lines = lines[file.write(lines) :]
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, size)
                raise

    def read(self, path: Path) -> list[Row]:
        """All rows of a file; a line cut off by a crash or a full disk is logged and skipped."""
        return list(self._rows(path))

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def refuse(self, row: Row, reason: str) -> None:
        """Keep a row the database does not take, for a person to look at."""
        log.error("row_refused", reason=reason, kept_in=str(self.directory / "refused.txt"))
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.directory / "refused.txt"
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "a", errors="backslashreplace") as file:
            file.write(f"{reason}\t{row!r}\n")

    def _current(self) -> Path:
        files = self.files()
        if files and files[-1].stat().st_size < MAX_FILE_BYTES:
            return files[-1]
        number = int(files[-1].stem) + 1 if files else 1
        return self.directory / f"{number:08}.jsonl"

    def _rows(self, path: Path) -> Iterator[Row]:
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            try:
                yield from_line(line)
            except (msgspec.MsgspecError, ValueError, KeyError) as exc:
                if line:
                    log.error("outbox_line_unreadable", file=str(path), line=number, error=str(exc))
