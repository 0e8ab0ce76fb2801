"""Play-out of all streams: one frame of each every 20 ms, in one array."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from callcore.native._audio import Batch

FRAME_SECONDS = 0.02

Samples = npt.NDArray[np.int16]


class FrameKind(IntEnum):
    """`enum jitter_frame` of native/audio.h: where a frame's samples come from."""

    PLAYED = 0
    CONCEALED = 1
    SILENT = 2
    NOTHING = 3


@dataclass(frozen=True, slots=True)
class FrameBatch:
    """The frames that were due at one moment: row n of each array belongs to `streams[n]`.

    `samples` is a read-only view of the audio path's own memory. While the view lives, its place
    cannot be filled anew: keep copies, not views, of what is needed longer than some 100 ms.
    """

    at: float
    """Seconds of `time.monotonic()`."""
    number: int
    """Counts the ticks; a gap says that batches were dropped because nobody took them."""
    streams: npt.NDArray[np.uint32]
    kinds: npt.NDArray[np.uint8]
    moments: npt.NDArray[np.uint32]
    """When each row's first sample arrived, or would have without jitter, in samples of one clock
    that all streams share; wraps at 2³²."""
    samples: Samples
    """[streams][samples of 20 ms]"""
    rows: dict[int, int]
    """The row of each stream."""

    def row(self, stream: int) -> int | None:
        """The row of a stream, None if it takes no part in this batch."""
        return self.rows.get(stream)


def frame_batch(batch: Batch) -> FrameBatch:
    """A batch of `native/` as arrays."""
    streams = np.frombuffer(batch.streams, dtype=np.uint32)
    return FrameBatch(
        at=batch.at / 1e9,
        number=batch.number,
        streams=streams,
        kinds=np.frombuffer(batch.kinds, dtype=np.uint8),
        moments=np.frombuffer(batch.moments, dtype=np.uint32),
        samples=np.asarray(batch),
        rows={stream: row for row, stream in enumerate(streams.tolist())},
    )
