"""Two voices side by side: each frame goes where its audio arrived on the clock both share."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from callcore.media.frames import Samples

#: A frame that follows the last within so much is joined to it: what the clock says more exactly
#: than that is the play-out's own adjusting, which must not be heard as clicks.
JOIN_SECONDS = 0.010
#: So long after a moment its audio may still come: the longest play-out delay, and then some.
PATIENCE_SECONDS = 0.6
_HALF_TURN = 1 << 31


class Side(IntEnum):
    """Channel of the file."""

    LEFT = 0
    RIGHT = 1


class Timeline:
    """Puts frames of two sides into one stereo track, `rate` Hz; pure.

    Times are moments of `FrameBatch`: samples of one clock, wrapping at 2³². What neither side said
    is silence; the track begins with the first frame of either side.
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._begin: int | None = None
        self._taken = 0  # samples that have left the timeline
        self._ends = [0, 0]  # where each side's audio ends so far
        self._pending = np.zeros((0, 2), dtype=np.int16)
        self._pause: int | None = None
        self._pauses: list[tuple[int, int]] = []

    def put(self, side: Side, moment: int, samples: Samples) -> None:
        """Put a frame where it belongs; the part of it that is already written is left out."""
        if self._begin is None:
            self._begin = moment
        at = self._place(moment)
        if abs(at - self._ends[side]) <= JOIN_SECONDS * self.rate:
            at = self._ends[side]
        self._ends[side] = max(self._ends[side], at + len(samples))
        early = max(0, self._taken - at)
        if early < len(samples):
            self._write(side, at + early, samples[early:])

    def _place(self, moment: int) -> int:
        assert self._begin is not None
        # Signed, as the other side may begin with audio older than what began the track; and near
        # the newest, as a long track sees the clock turn round.
        near = max(self._ends)
        offset = (moment - self._begin - near) % (1 << 32)
        return near + (offset - (1 << 32) if offset >= _HALF_TURN else offset)

    def _write(self, side: Side, at: int, samples: Samples) -> None:
        start = at - self._taken
        missing = start + len(samples) - len(self._pending)
        if missing > 0:
            silence = np.zeros((max(missing, self.rate), 2), dtype=np.int16)
            self._pending = np.concatenate((self._pending, silence))
        self._pending[start : start + len(samples), side] = samples

    def pause(self, moment: int) -> None:
        """From here on both sides are silence; pausing a paused track does nothing."""
        if self._pause is None and self._begin is not None:
            self._pause = self._place(moment)

    def resume(self, moment: int) -> None:
        """Until here."""
        if self._pause is not None:
            self._pauses.append((self._pause, self._place(moment)))
            self._pause = None

    @property
    def gaps(self) -> list[tuple[float, float]]:
        """Begin and end of each pause so far, in seconds of the track."""
        ends = [
            *self._pauses,
            *([(self._pause, max(self._ends))] if self._pause is not None else []),
        ]
        return [(begin / self.rate, end / self.rate) for begin, end in ends]

    def take(self, everything: bool = False) -> Samples:
        """The next part of the track that nothing can change any more, [samples][2]."""
        end = max(self._ends)
        if not everything:
            end = max(self._taken, end - round(PATIENCE_SECONDS * self.rate))
        count = end - self._taken
        part = np.zeros((count, 2), dtype=np.int16)
        ready = self._pending[:count]
        part[: len(ready)] = ready
        self._silence_pauses(part)
        self._pending = self._pending[count:]
        self._taken = end
        return part

    def _silence_pauses(self, part: Samples) -> None:
        open_end = [(self._pause, max(self._ends))] if self._pause is not None else []
        for begin, end in [*self._pauses, *open_end]:
            part[max(0, begin - self._taken) : max(0, end - self._taken)] = 0


def moment_of(seconds: float, rate: int) -> int:
    """The moment of a time of `time.monotonic()`."""
    return int(seconds * rate) % (1 << 32)
