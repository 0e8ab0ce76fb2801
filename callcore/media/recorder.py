"""Records two streams of a media server to one stereo file: calls that callcore holds itself."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from types import TracebackType

import soundfile

from callcore.media.frames import FrameBatch, FrameKind
from callcore.media.timeline import Side, Timeline, moment_of

#: How often what has become final goes to the disk.
WRITE_SECONDS = 1.0


class StereoRecorder:
    """Writes `left` and `right` (stream ids) to `path`: WAV or FLAC, as its suffix says.

    Give it every batch (`hear`, cheap) and await `run` beside it: encoder and disk work in a
    thread of their own. The file is complete once `run` was cancelled or the recorder closed.
    """

    def __init__(self, path: Path, left: int, right: int, rate: int = 8000) -> None:
        self.path = path
        self._sides = {left: Side.LEFT, right: Side.RIGHT}
        self._timeline = Timeline(rate)
        self._file = soundfile.SoundFile(
            path, "w", samplerate=rate, channels=2, subtype="PCM_16", format=_format(path)
        )

    def __enter__(self) -> StereoRecorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()

    def hear(self, batch: FrameBatch) -> None:
        """Take the two streams' frames out of a batch."""
        for stream, side in self._sides.items():
            row = batch.row(stream)
            if row is not None and batch.kinds[row] != FrameKind.NOTHING:
                self._timeline.put(side, int(batch.moments[row]), batch.samples[row])

    def pause(self) -> None:
        """From now on silence is recorded."""
        self._timeline.pause(moment_of(time.monotonic(), self._timeline.rate))

    def resume(self) -> None:
        """Record again."""
        self._timeline.resume(moment_of(time.monotonic(), self._timeline.rate))

    @property
    def gaps(self) -> list[tuple[float, float]]:
        """Pauses, in seconds of the file."""
        return self._timeline.gaps

    async def run(self) -> None:
        """Write what is final every second, until cancelled."""
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            part = self._timeline.take()
            await asyncio.to_thread(self._file.write, part)

    def close(self) -> None:
        """Write the rest and finish the file; closing it again does nothing."""
        if not self._file.closed:
            self._file.write(self._timeline.take(everything=True))
            self._file.close()


def _format(path: Path) -> str:
    formats = {".wav": "WAV", ".flac": "FLAC"}
    if path.suffix not in formats:
        raise ValueError(f"{path}: recordings are .wav or .flac")
    return formats[path.suffix]
