"""The memory of the switch: every input written down before its actions leave, and read back.

``var/journal/`` holds segments ``<first sequence>.log`` and snapshots ``<sequence>.snap``. A record
is a little header (length and CRC-32 of the payload) and the payload, a msgpack array of sequence,
time and event; an event of None is the timer. A torn last record, as a power cut leaves it, ends
the reading; what `kill -9` interrupts is already in the page cache and complete.

Start = newest readable snapshot + the records after it, replayed through the same pure rules, with
all actions suppressed but those that write rows (they are idempotent). What the last actions did
or did not do is found out by reconciling with the node (`call/reconcile.py`).
"""

from __future__ import annotations

import errno
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import msgspec
import structlog

from callcore.acd.distributor import Distributor
from callcore.call.actions import AnyAction, RowAction
from callcore.call.events import AnyEvent, Event
from callcore.call.switch import SNAPSHOT_VERSION, Switch, SwitchSnapshot, restore
from callcore.errors import ConfigError

log = structlog.get_logger(__name__)

_HEADER = struct.Struct("<II")


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One input as the journal holds it."""

    sequence: int
    #: Seconds since the epoch, never running backwards.
    now: float
    #: None: the timer.
    event: AnyEvent | None


class Snapshot(msgspec.Struct, kw_only=True):
    """The whole state after the entry `sequence`."""

    sequence: int
    now: float
    state: SwitchSnapshot


_encode = msgspec.msgpack.Encoder().encode
_decode_entry = msgspec.msgpack.Decoder(Entry).decode
_decode_snapshot = msgspec.msgpack.Decoder(Snapshot).decode


@dataclass
class Recovered:
    """What a start found."""

    switch: Switch
    sequence: int = 0
    #: Time of the last input; 0 when there was none.
    now: float = 0.0
    replayed: int = 0
    #: Row-writing actions of the replayed inputs; writing them twice is harmless.
    rows: list[RowAction] = field(default_factory=list)


Handle = Callable[[Switch, Event | None, float], list[AnyAction]]


class Journal:
    """Append and snapshot. `sync` is the only call that waits for the disk."""

    def __init__(self, directory: Path, sequence: int = 0) -> None:
        self._directory = directory
        self.sequence = sequence
        self._unsynced = False
        self._failing = False
        self._fd = -1
        #: Bytes of whole records in the segment being written.
        self._length = 0
        #: Segments that are complete, to be synced and closed by the next `sync`.
        self._finished: list[int] = []
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._open_segment()

    def append(self, event: Event | None, now: float) -> None:
        """Write one input; returns when the kernel has it.

        A disk that takes nothing costs the memory of what happens meanwhile, not the calls.
        """
        self.sequence += 1
        payload = _encode((self.sequence, now, event))
        record = _HEADER.pack(len(payload), zlib.crc32(payload)) + payload
        try:
            written = os.write(self._fd, record)
            if written < len(record):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as exc:
            self._not_written(exc)
            return
        self._length += len(record)
        self._unsynced = True
        if self._failing:
            log.warning("journal_written_again", sequence=self.sequence)
            self._failing = False

    def _not_written(self, exc: OSError) -> None:
        """Half a record would hide everything behind it."""
        os.ftruncate(self._fd, self._length)
        if not self._failing:
            log.critical("journal_not_written", reason=exc.strerror or str(exc))
        self._failing = True

    def sync(self) -> None:
        """Make what was appended survive a power cut; blocks, so call it from a thread.

        The descriptor stays open meanwhile: a segment is closed here and nowhere else.
        """
        if self._unsynced:
            self._unsynced = False
            os.fdatasync(self._fd)
        while self._finished:
            fd = self._finished.pop()
            os.fdatasync(fd)
            os.close(fd)

    def snapshot(self, switch: Switch, now: float) -> bytes:
        """Encode the state as of the last input and begin a new segment; see `store_snapshot`."""
        encoded = _encode(Snapshot(sequence=self.sequence, now=now, state=switch.snapshot()))
        self._finished.append(self._fd)
        self._open_segment()
        return encoded

    def store_snapshot(self, sequence: int, encoded: bytes) -> None:
        """Put a snapshot on disk and delete what it makes unneeded; blocks on the disk."""
        path = self._directory / f"{sequence:020d}.snap"
        draft = path.with_suffix(".tmp")
        with open(draft, "wb", opener=_private) as file:
            file.write(encoded)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
        _sync_directory(self._directory)
        self._prune()

    def _prune(self) -> None:
        """Keep the two newest snapshots and every segment the older of them needs."""
        snapshots = _numbered(self._directory, ".snap")
        for _, path in snapshots[:-2]:
            path.unlink()
        if len(snapshots) < 2:
            return
        needed = snapshots[-2][0]
        segments = _numbered(self._directory, ".log")
        for (_, path), (following, _) in pairwise(segments):
            if following <= needed + 1:
                path.unlink()

    def _open_segment(self) -> None:
        path = self._directory / f"{self.sequence + 1:020d}.log"
        # One that is there already holds no whole record: what a power cut tore is thrown away.
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC
        self._fd = os.open(path, flags, 0o600)
        self._length = 0

    def close(self) -> None:
        if self._fd >= 0:
            self.sync()
            os.close(self._fd)
            self._fd = -1


def recover(directory: Path, handle: Handle) -> Recovered:
    """Rebuild the switch from the newest readable snapshot and the inputs after it.

    `handle` carries an input through the rules, faults of ours included, as it was done live.
    """
    recovered = _from_snapshot(directory)
    for entry in read(directory, after=recovered.sequence):
        if entry.sequence != recovered.sequence + 1:
            log.warning("journal_gap", after=recovered.sequence, found=entry.sequence)
        now = max(entry.now, recovered.now)
        actions = handle(recovered.switch, entry.event, now)
        recovered.rows.extend(action for action in actions if isinstance(action, RowAction))
        recovered.sequence = entry.sequence
        recovered.now = now
        recovered.replayed += 1
    return recovered


def _from_snapshot(directory: Path) -> Recovered:
    for _, path in reversed(_numbered(directory, ".snap")):
        try:
            snapshot = _decode_snapshot(path.read_bytes())
        except (msgspec.DecodeError, OSError) as exc:
            log.warning("snapshot_unreadable", path=str(path), reason=str(exc))
            continue
        if snapshot.state.version != SNAPSHOT_VERSION:
            log.warning("snapshot_of_another_version", path=str(path))
            continue
        return Recovered(restore(snapshot.state), snapshot.sequence, snapshot.now)
    return Recovered(Switch(Distributor()))


def read(directory: Path, after: int = 0) -> Iterator[Entry]:
    """All entries with a sequence above `after`, in order; stops at a torn record."""
    for _, path in _numbered(directory, ".log"):
        for entry in _read_segment(path):
            if entry.sequence > after:
                yield entry


def _read_segment(path: Path) -> Iterator[Entry]:
    data = path.read_bytes()
    position = 0
    while position + _HEADER.size <= len(data):
        length, checksum = _HEADER.unpack_from(data, position)
        payload = data[position + _HEADER.size : position + _HEADER.size + length]
        if len(payload) < length or zlib.crc32(payload) != checksum:
            log.warning("journal_torn", path=str(path), at=position)
            return
        try:
            yield _decode_entry(payload)
        except msgspec.DecodeError as exc:
            raise ConfigError(
                f"the journal holds an input this version cannot read ({exc}); "
                "finish with the version that wrote it, or move the file away",
                file=str(path),
            ) from exc
        position += _HEADER.size + length


def _numbered(directory: Path, suffix: str) -> list[tuple[int, Path]]:
    if not directory.is_dir():
        return []
    return sorted(
        (int(path.stem), path)
        for path in directory.iterdir()
        if path.suffix == suffix and path.stem.isdigit()
    )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
