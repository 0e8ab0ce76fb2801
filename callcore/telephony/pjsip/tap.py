"""Recording's tap: what a channel says and hears, on the bridge's clock, into a raw file.

Two ports hear the two sides; a thread empties their ring every fifth of a second. The calls' thread
never waits for the disk, and the bridge's clock never waits for Python.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from callcore.errors import ActionRefused, BackendError
from callcore.telephony.pjsip.exchange import Exchange
from callcore.telephony.pjsip.leg import Leg
from callcore.telephony.pjsip.mixer import Node
from callcore.types import ChannelId

if TYPE_CHECKING:
    from callcore.native._pjsip import Port, Tap

log = structlog.get_logger(__name__)

WRITE_SECONDS = 0.2
#: A disk that hangs for so long costs no sound.
ROOM_MS = 4000

Call = Callable[[Callable[[], Any]], Any]


class _Side(Node):
    def __init__(self, port: Port) -> None:
        super().__init__(port.slot)
        self.port = port


class _Recording:
    """One raw file being written."""

    def __init__(self, tap: Tap, says: _Side, hears: _Side, descriptor: int, raw: Path) -> None:
        self.tap = tap
        self.says = says
        self.hears = hears
        self.descriptor = descriptor
        self.raw = raw
        #: No more is coming: write the rest and close.
        self.over = False
        self.closed = threading.Event()


class RecordingTap:
    """`recording.tap.Tap` for the embedded stack; `run` has work done on the stack's thread."""

    def __init__(self, run: Call) -> None:
        self._run = run
        self.exchange: Exchange | None = None
        self._recordings: dict[ChannelId, _Recording] = {}
        self._writing: list[_Recording] = []
        self._lock = threading.Lock()
        self._due = threading.Event()
        self._ending = False
        self._writer: threading.Thread | None = None

    # --- recording.tap.Tap ---------------------------------------------------------------------

    async def start(self, channel: ChannelId, raw: Path) -> None:
        try:
            descriptor = os.open(raw, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as exc:
            raise ActionRefused(f"cannot record to {raw}: {exc.strerror}") from exc
        try:
            await self._run(partial(self._start, channel, raw, descriptor))
        except BackendError:
            os.close(descriptor)
            raise

    async def mute(self, channel: ChannelId, on: bool) -> None:
        self._of(channel).tap.mute(on)

    async def stop(self, channel: ChannelId) -> None:
        recording = self._of(channel)
        await self._run(partial(self._end, channel))
        await asyncio.to_thread(recording.closed.wait)

    def _of(self, channel: ChannelId) -> _Recording:
        recording = self._recordings.get(channel)
        if recording is None:
            raise ActionRefused(f"channel {channel} is not recorded", 404)
        return recording

    def close(self) -> None:
        """Write what there is; after the stack has ended."""
        with self._lock:
            for recording in self._writing:
                recording.over = True
        self._ending = True
        self._due.set()
        if self._writer is not None:
            self._writer.join()

    # --- on the stack's thread ------------------------------------------------------------------

    def attach(self, exchange: Exchange) -> None:
        self.exchange = exchange
        exchange.on_end.append(self._channel_ended)

    def _channel_ended(self, leg: Leg) -> None:
        if leg.channel in self._recordings:
            self._end(leg.channel)

    def _start(self, channel: ChannelId, raw: Path, descriptor: int) -> None:
        assert self.exchange is not None
        leg = self.exchange.live(channel)
        if channel in self._recordings:
            raise ActionRefused(f"channel {channel} is recorded already", 409)
        ports = self.exchange.stack.ports
        says, hears = _Side(ports.Port()), _Side(ports.Port())
        tap = ports.Tap(says.port, hears.port, ROOM_MS)
        recording = _Recording(tap, says, hears, descriptor, raw)
        self._recordings[channel] = recording
        self.exchange.mixer.link(leg, says)
        self.exchange.mixer.give_ear(leg, hears)
        with self._lock:
            self._writing.append(recording)
        if self._writer is None:
            self._writer = threading.Thread(target=self._write, name="recording")
            self._writer.start()

    def _end(self, channel: ChannelId) -> None:
        assert self.exchange is not None
        recording = self._recordings.pop(channel, None)
        if recording is None:
            return
        leg = self.exchange.legs.get(channel)
        if leg is not None:
            self.exchange.mixer.take_ear(leg, recording.hears)
        for side in (recording.says, recording.hears):
            self.exchange.mixer.remove(side)
            side.port.close()
        recording.over = True
        self._due.set()

    # --- on the writer's thread -----------------------------------------------------------------

    def _write(self) -> None:
        while True:
            self._due.wait(WRITE_SECONDS)
            self._due.clear()
            ending = self._ending
            with self._lock:
                writing = list(self._writing)
            for recording in writing:
                self._write_one(recording)
            if ending and not self._writing:
                return

    def _write_one(self, recording: _Recording) -> None:
        over = recording.over  # before what is taken: nothing comes after it
        taken = recording.tap.take()
        try:
            _write_all(recording.descriptor, taken)
        except OSError as exc:
            log.error("recording_not_written", file=str(recording.raw), reason=exc.strerror)
            over = True
        if not over:
            return
        if recording.tap.dropped:
            log.error(
                "recording_lost_frames", file=str(recording.raw), frames=recording.tap.dropped
            )
        recording.tap.close()
        os.close(recording.descriptor)
        with self._lock:
            self._writing.remove(recording)
        recording.closed.set()


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
