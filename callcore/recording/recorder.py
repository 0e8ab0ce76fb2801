"""Carries out the recording actions, notes what happens, and finalises what ended.

While a call is recorded, everything lies on the disk: the raw file (written by the back end) and
its marks. So callcore may die at any time: the back end goes on, and the next life takes over
(`start` of a recording that has marks) or finalises (`finalise_leftovers`).
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import threading
import time
from collections.abc import Awaitable, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from callcore.call.actions import (
    PauseRecording,
    RecordVoicemail,
    ResumeRecording,
    StartRecording,
    StopRecording,
)
from callcore.call.events import VoicemailEnded
from callcore.errors import ActionRefused, BackendError
from callcore.recording import marks
from callcore.recording.align import FRAME_BYTES, PACKET, RATE, TOLERANCE, split_parts
from callcore.recording.marks import (
    AnyMark,
    Began,
    Clock,
    Part,
    Paused,
    Resumed,
    Stopped,
    make_private,
)
from callcore.recording.outcome import Finalised, Format, NothingRecorded, began
from callcore.recording.tap import Tap
from callcore.store import RecordingKind, RecordingRow, Store
from callcore.types import ChannelId, RecordingId

log = structlog.get_logger(__name__)

CLOCK_SECONDS = 1.0
#: A raw file that was stopped is complete after so long without growing.
SETTLE_SECONDS = 0.3
#: One whose writer could not be told: its blocks come every 1.02 s.
ABANDONED_SECONDS = 3.0
BLOCK_SECONDS = 1.02
MINIMUM_FREE_BYTES = 64 << 20

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}\Z")


@dataclass
class _Live:
    """A recording in progress."""

    marks: Path
    channel: ChannelId
    raw: Path
    since: float
    #: Bytes seen last, and how far the file was behind the clock then.
    bytes: int = 0
    behind: int = 0
    paused: bool = False
    parts: int = 1
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


#: Brings a voicemail message to the file named; nothing happens where there is none.
Collect = Callable[[RecordingId, Path], Awaitable[None]]


class Recorder:
    """Recordings of all calls of one node.

    `raw` is where the back end writes (it must be allowed to), `directory` holds the finished
    files; both on one machine. `on_finalised` is told each row after it is durable."""

    def __init__(
        self,
        tap: Tap,
        store: Store,
        *,
        directory: Path,
        raw: Path,
        voicemail: Path | None = None,
        collect: Collect | None = None,
        audio_format: Format = "flac",
        on_finalised: Callable[[RecordingRow], None] = lambda row: None,
    ) -> None:
        self.directory = directory.absolute()
        self.pending = self.directory / ".pending"
        self._tap = tap
        self._store = store
        self._raw = raw.absolute()
        self._voicemail = (voicemail or raw).absolute()
        self._collect = collect
        self._format = audio_format
        self._on_finalised = on_finalised
        self._live: dict[RecordingId, _Live] = {}
        self._work: dict[RecordingId, asyncio.Task[None]] = {}
        self._clock: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(
            1, thread_name_prefix="finalise", initializer=_lowest_priority
        )

    @property
    def live(self) -> Collection[RecordingId]:
        """Recordings in progress."""
        return self._live.keys()

    # --- actions ----------------------------------------------------------------------------

    async def start(self, action: StartRecording) -> None:
        """Begin, or take over after a restart; raises `ActionRefused` with the reason why there
        will be no recording."""
        if action.recording in self._live:
            return
        path = self._marks_path(action.recording)
        former = self._taken_over(path, action)
        live = former or await self._start_part(path, action, parts=self._count_parts(path) + 1)
        self._live[action.recording] = live
        if self._clock is None or self._clock.done():
            self._clock = asyncio.create_task(self._watch_clock(), name="recording-clock")
        log.info(
            "recording_taken_over" if former else "recording_started",
            call_id=action.call,
            recording=action.recording,
        )

    async def pause(self, action: PauseRecording) -> None:
        await self._set_paused(action.recording, True)

    async def resume(self, action: ResumeRecording) -> None:
        await self._set_paused(action.recording, False)

    async def stop(self, action: StopRecording) -> None:
        """End it; finalising goes on behind. Harmless for one that is not in progress."""
        live = self._live.pop(action.recording, None)
        if live is None:
            await self._stop_of_former_life(action.recording)
            return
        at = time.time()
        told = await self._stop_tap(live.channel)
        self._note(live.marks, Stopped(at=at))
        wait = SETTLE_SECONDS if told else ABANDONED_SECONDS
        self._finalise_soon(action.recording, live.marks, wait)

    async def _stop_of_former_life(self, recording: RecordingId) -> None:
        """Its call ended while callcore was away: nobody took the recording over."""
        path = self._marks_path(recording)
        if recording not in self._work and self._read(path):
            await self._stop_leftover(path)
            self._finalise_soon(recording, path, ABANDONED_SECONDS)

    def voicemail_started(self, action: RecordVoicemail) -> None:
        """A message is being recorded by the back end; it becomes a row when it ended."""
        path = self._marks_path(action.recording)
        raw = self._voicemail / f"{action.recording}.wav"
        now = time.time()
        begin = Began(
            at=now, recording=action.recording, call=action.call, kind=RecordingKind.VOICEMAIL
        )
        try:
            make_private(self.pending)
            marks.append(path, begin)
            marks.append(path, Part(at=now, raw=str(raw), channel=action.channel))
        except OSError as exc:
            raise ActionRefused(f"cannot record: {exc.strerror or exc}") from exc

    def voicemail_ended(self, event: VoicemailEnded) -> None:
        path = self._marks_path(event.recording)
        if path.exists():
            self._note(path, Stopped(at=time.time()))
            self._finalise_soon(event.recording, path, 0.0)

    # --- life -------------------------------------------------------------------------------

    async def finalise_leftovers(self, of_live_calls: Collection[RecordingId] = ()) -> int:
        """Finalise what an earlier life left behind, but not what `of_live_calls` still records
        (their `start` takes over). Returns how many were begun; `idle` awaits their end."""
        if not self.pending.is_dir():
            return 0
        count = 0
        for path in sorted(self.pending.glob("*.marks")):
            recording = path.stem
            busy = recording in self._live or recording in self._work
            if not busy and recording not in of_live_calls:
                await self._stop_leftover(path)
                self._finalise_soon(recording, path, ABANDONED_SECONDS)
                count += 1
        return count

    async def idle(self) -> None:
        """Wait until everything that ended is finalised."""
        while self._work:
            await asyncio.wait(self._work.values())

    async def close(self, seconds: float = 10.0) -> None:
        """Finish what ended; recordings in progress go on in the back end."""
        if self._clock is not None:
            self._clock.cancel()
            await asyncio.gather(self._clock, return_exceptions=True)
        tasks = list(self._work.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self._thread.shutdown(wait=True, cancel_futures=True)

    # --- starting ---------------------------------------------------------------------------

    def _marks_path(self, recording: RecordingId) -> Path:
        if not _NAME.match(recording):
            raise ActionRefused(f"{recording[:40]!r} cannot be the name of a recording", 400)
        return self.pending / f"{recording}.marks"

    def _count_parts(self, path: Path) -> int:
        return len(split_parts(self._read(path)))

    def _read(self, path: Path) -> list[AnyMark]:
        try:
            return list(marks.read(path)) if path.exists() else []
        except OSError:
            return []

    def _taken_over(self, path: Path, action: StartRecording) -> _Live | None:
        """The back end still writes what an earlier life of callcore began on this channel."""
        parts = [part for part, _ in split_parts(self._read(path))]
        if not parts or parts[-1].channel != action.channel or not Path(parts[-1].raw).exists():
            return None
        paused = _is_paused(self._read(path))
        return _Live(
            path, action.channel, Path(parts[-1].raw), parts[-1].at, paused=paused, parts=len(parts)
        )

    async def _start_part(self, path: Path, action: StartRecording, parts: int) -> _Live:
        suffix = f".{parts}" if parts > 1 else ""
        raw = self._raw / f"{action.recording}{suffix}.raw"
        at = time.time()
        try:
            self._prepare(path, action, raw, at)
            await self._tap.start(action.channel, raw)
            # Nothing is flushed in the first second: the file's time is that of its first sample.
            status = raw.stat()
            started = status.st_mtime if status.st_size == 0 else at
            marks.append(path, Part(at=started, raw=str(raw), channel=action.channel))
        except OSError as exc:
            await self._stop_tap(action.channel)
            self._forget(path)
            raise ActionRefused(f"cannot record: {exc.strerror or exc}") from exc
        except ActionRefused as exc:
            await self._record_failure(path, str(exc))
            raise
        except BackendError:
            self._forget(path)
            raise
        return _Live(path, action.channel, raw, started, parts=parts)

    def _prepare(self, path: Path, action: StartRecording, raw: Path, at: float) -> None:
        """The marks come first: a crash between them and the start leaves nothing unexplained."""
        make_private(self.pending)
        free = shutil.disk_usage(self.pending).free
        if free < MINIMUM_FREE_BYTES:
            raise ActionRefused(f"disk full: {free >> 20} MiB free in {self.directory}")
        if not path.exists():
            marks.append(path, _began(action, at))
        marks.append(path, Part(at=at, raw=str(raw), channel=action.channel))

    async def _record_failure(self, path: Path, reason: str) -> None:
        """The call may have ended meanwhile, its record naming this recording: a row says why it
        is not there."""
        nothing = self._nothing(path, reason) if self._is_without_sound(path) else None
        if nothing is not None:
            await self._make_durable(path, nothing)

    def _forget(self, path: Path) -> None:
        """A start that failed leaves no marks, unless sound was recorded before or after all."""
        if self._is_without_sound(path):
            _remove(path)

    def _is_without_sound(self, path: Path) -> bool:
        lines = self._read(path)
        return bool(lines) and not any(Path(part.raw).exists() for part, _ in split_parts(lines))

    async def _set_paused(self, recording: RecordingId, paused: bool) -> None:
        live = self._live.get(recording)
        if live is None:
            raise ActionRefused(f"{recording} is not being recorded", 404)
        async with live.lock:
            if live.paused is paused:
                return
            live.paused = paused
            # The marks alone make the stretch silent in the end, whether the tap was told or not.
            if paused:
                self._note(live.marks, Paused(at=time.time()))
            try:
                await self._tap.mute(live.channel, paused)
            finally:
                if not paused:
                    self._note(live.marks, Resumed(at=time.time()))

    async def _stop_tap(self, channel: ChannelId) -> bool:
        """True when the file is surely not written to any more."""
        try:
            await self._tap.stop(channel)
        except ActionRefused:
            return True  # the channel's end stopped it
        except BackendError as exc:
            log.warning("recording_stop_not_told", channel=channel, reason=str(exc))
            return False
        return True

    async def _stop_leftover(self, path: Path) -> None:
        parts = [mark for mark in self._read(path) if isinstance(mark, Part)]
        if parts and parts[-1].raw.endswith(".raw"):
            await self._stop_tap(parts[-1].channel)

    def _note(self, path: Path, mark: AnyMark) -> None:
        """A mark that the disk does not take costs precision, never the call."""
        try:
            marks.append(path, mark)
        except OSError as exc:
            log.error("mark_not_written", file=str(path), mark=type(mark).__name__, reason=str(exc))

    # --- the clock --------------------------------------------------------------------------

    async def _watch_clock(self) -> None:
        """Once a second: where a file fell behind the clock, note it."""
        while self._live:
            await asyncio.sleep(CLOCK_SECONDS)
            for live in list(self._live.values()):
                self._check_clock(live)

    def _check_clock(self, live: _Live) -> None:
        try:
            status = live.raw.stat()
        except OSError:
            return  # removed by hand: finalising will say so
        if status.st_size == live.bytes:
            return
        live.bytes = status.st_size
        expected = round((status.st_mtime - live.since) * RATE)
        behind = expected - status.st_size // FRAME_BYTES
        if behind - live.behind > TOLERANCE + PACKET:
            self._note(live.marks, Clock(at=status.st_mtime, bytes=status.st_size))
            live.behind = behind

    # --- finalising -------------------------------------------------------------------------

    def _finalise_soon(self, recording: RecordingId, path: Path, settle: float) -> None:
        if recording in self._work:
            return
        task = asyncio.create_task(self._finalise(path, settle), name=f"finalise-{recording}")
        self._work[recording] = task
        task.add_done_callback(lambda done: self._work_ended(recording, done))

    def _work_ended(self, recording: RecordingId, task: asyncio.Task[None]) -> None:
        self._work.pop(recording, None)
        if not task.cancelled() and task.exception() is not None:
            log.critical("finalising_died", recording=recording, exc_info=task.exception())

    async def _finalise(self, path: Path, settle: float) -> None:
        try:
            await self._fetch_message(path)
        except BackendError as exc:
            log.error("message_not_fetched", marks=str(path), reason=str(exc))
            return  # the next start tries again
        await self._settled(path, settle)
        loop = asyncio.get_running_loop()
        done: Finalised | None
        try:
            done = await loop.run_in_executor(
                self._thread, _finalise_file, path, self.directory, self._format
            )
        except NothingRecorded as exc:
            done = self._nothing(path, str(exc))
        except OSError as exc:
            # Kept as it is: the next start tries again.
            log.error("recording_not_finalised", marks=str(path), reason=str(exc))
            return
        if done is None:
            return
        await self._make_durable(path, done)

    async def _fetch_message(self, path: Path) -> None:
        """A message may still be with the back end."""
        if self._collect is None:
            return
        for part, _ in split_parts(self._read(path)):
            if part.raw.endswith(".wav") and not _growth([Path(part.raw)])[1]:
                await self._collect(Path(part.raw).stem, Path(part.raw))

    async def _make_durable(self, path: Path, done: Finalised) -> None:
        row = done.row
        self._store.put_recording(row)
        # In no hurry: a commit for each recording would cost more than the recording itself.
        if not await self._store.flush(hurry=False):
            return
        _remove(*done.used, path)
        log.info(
            "recording_finalised",
            call_id=row.call,
            recording=row.recording,
            seconds=row.seconds,
            path=row.path,
            failure=row.failure,
        )
        self._on_finalised(row)

    def _nothing(self, path: Path, reason: str) -> Finalised | None:
        try:
            lines = marks.read(path)
            begin = began(lines, path.name)
        except (NothingRecorded, OSError) as exc:
            log.error("marks_unusable", marks=str(path), reason=str(exc))
            path.replace(path.with_suffix(".unusable"))
            return None
        row = RecordingRow(
            recording=begin.recording,
            call=begin.call,
            tenant=begin.tenant,
            kind=begin.kind,
            queue=begin.queue,
            agent=begin.agent,
            started_at=begin.at,
            failure=reason,
        )
        raws = tuple(Path(mark.raw) for mark in lines if isinstance(mark, Part))
        return Finalised(row, raws)

    async def _settled(self, path: Path, seconds: float) -> None:
        """Wait until the raw files have not grown for so long.

        Asterisk writes the last block a moment after it was told to stop: that a file has not grown
        so far says something only for longer than a block lasts.
        """
        raws = [Path(part.raw) for part, _ in split_parts(self._read(path))]
        before = None
        while (now := _growth(raws)) != before and (
            seconds < BLOCK_SECONDS or time.time() - now[1] < seconds
        ):
            before = now
            await asyncio.sleep(seconds)


def _finalise_file(path: Path, directory: Path, audio_format: Format) -> Finalised:
    """In the worker, so that the loop does not wait for numpy and libsndfile to be loaded."""
    from callcore.recording.finalise import finalise

    return finalise(path, directory, audio_format)


def _began(action: StartRecording, at: float) -> Began:
    return Began(
        at=at,
        recording=action.recording,
        call=action.call,
        queue=action.queue,
        agent=action.agent,
    )


def _growth(raws: list[Path]) -> tuple[int, float]:
    """How much there is, and when it was last added to."""
    found = [raw.stat() for raw in raws if raw.exists()]
    return sum(s.st_size for s in found), max((s.st_mtime for s in found), default=0.0)


def _remove(*paths: Path) -> None:
    for path in paths:
        # A recording that could not begin may have had no directory at all.
        with suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()


def _is_paused(lines: list[AnyMark]) -> bool:
    paused = False
    for mark in lines:
        if isinstance(mark, Paused | Resumed):
            paused = isinstance(mark, Paused)
    return paused


def _lowest_priority() -> None:
    """On Linux a priority belongs to the thread."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
