"""What finalising gives; apart from `finalise`, whose libraries take 65 ms to load."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from callcore.errors import CallcoreError
from callcore.recording.marks import AnyMark, Began
from callcore.store.rows import RecordingRow

Format = Literal["flac", "opus"]


class NothingRecorded(CallcoreError):
    """There is no sound to make a file of; the text says why."""


class Finalised(msgspec.Struct, frozen=True):
    """The row, and what may be removed once it is durable."""

    row: RecordingRow
    used: tuple[Path, ...]


def began(lines: Sequence[AnyMark], name: str) -> Began:
    for mark in lines:
        if isinstance(mark, Began):
            return mark
    raise NothingRecorded(f"the marks of {name} do not say which recording it is")
