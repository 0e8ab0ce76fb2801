"""The sidecar of a recording: what happened to it, appended as it happens, read after a crash."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
import structlog

from callcore.store.rows import RecordingKind
from callcore.types import DEFAULT_TENANT, AgentId, CallId, ChannelId, QueueId, RecordingId

log = structlog.get_logger(__name__)


class Mark(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag=True, tag_field="is"):
    """One line; `at` is wall clock."""

    at: float


class Began(Mark, frozen=True, kw_only=True):
    recording: RecordingId
    call: CallId
    tenant: str = DEFAULT_TENANT
    kind: RecordingKind = RecordingKind.CALL
    queue: QueueId = ""
    agent: AgentId = ""


class Part(Mark, frozen=True, kw_only=True):
    """A raw file begins; its first sample belongs to `at`."""

    raw: str
    channel: ChannelId


class Clock(Mark, frozen=True, kw_only=True):
    """The last part had so many bytes at that time."""

    bytes: int


class Paused(Mark, frozen=True, kw_only=True):
    pass


class Resumed(Mark, frozen=True, kw_only=True):
    pass


class Stopped(Mark, frozen=True, kw_only=True):
    pass


AnyMark = Began | Part | Clock | Paused | Resumed | Stopped

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[AnyMark] = msgspec.json.Decoder(AnyMark)


def append(path: Path, mark: AnyMark) -> None:
    """Add one line; raises OSError when the disk does not take it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "ab") as file:
        file.write(_encoder.encode(mark) + b"\n")


def read(path: Path) -> Sequence[AnyMark]:
    """All lines; the last one may have been cut off by a crash."""
    marks: list[AnyMark] = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            marks.append(_decoder.decode(line))
        except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
            log.warning("mark_unreadable", file=str(path), line=number, reason=str(exc))
    return marks


def make_private(directory: Path) -> None:
    """The directory and those above it that are missing, open to us only."""
    missing = [d for d in (directory, *directory.parents) if not d.exists()]
    for entry in reversed(missing):
        entry.mkdir(mode=0o700, exist_ok=True)
