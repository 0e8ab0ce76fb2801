"""Adaptive play-out (jitter.c): samples where their timestamps say, no number ever wrapping."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from callcore.native.reference.conceal import HISTORY_MS, Conceal, divide, pitch_lag
from callcore.native.reference.delay import Delay

Samples = npt.NDArray[np.int16]

STORED, LATE, DUPLICATE, RESYNC = range(4)
PLAYED, CONCEALED, SILENT, NOTHING = range(4)
RING, GRAIN, KEPT = 8192, 8, 1024
MOST_SAMPLES = RING // 4
LATE_RUN, SETTLED, QUIET = 10, 50, 64
WRAP = 1 << 32


@dataclass
class Counts:
    """As in audio.h."""

    stored: int = 0
    late: int = 0
    duplicates: int = 0
    resyncs: int = 0
    concealed: int = 0
    silent: int = 0
    played: int = 0
    stretched: int = 0
    shrunk: int = 0


def near(number: int, to: int) -> int:
    """The number congruent to `number` modulo 2³² that is nearest `to`."""
    return to + (number - to + WRAP // 2) % WRAP - WRAP // 2


class Jitter:
    """Play-out of one stream."""

    def __init__(self, rate: int, least_ms: int = 40, most_ms: int = 300) -> None:
        if rate not in (8000, 16000):
            raise ValueError("rate is 8000 or 16000")
        most = min(most_ms, (RING - KEPT) * 1000 // rate // 2)
        self._rate, self._frame = rate, rate // 50
        self._delay = Delay(rate, min(least_ms, most), most)
        self._counts = Counts()
        self._ring = np.zeros(RING, np.int16)
        self._reset()

    def _reset(self) -> None:
        self._delay.forget()
        self._conceal = Conceal(self._rate)
        self._there = np.zeros(RING, bool)
        self._begun = self._started = self._heard = self._paused = False
        self._late_run = self._too_long = self._least_excess = 0
        self._base = self._cursor = self._newest_end = self._newest_sequence = 0

    def report(self) -> dict[str, int]:
        """The counts, the delay aimed at and the timestamp of the next sample to play."""
        cursor = (self._cursor + self._base) % WRAP
        delay = self._delay.target * 1000 // self._rate
        return {**asdict(self._counts), "delay_ms": delay, "cursor": cursor}

    # ---- the ring; places count from `base`, which has to be a multiple of GRAIN ----

    def _places(self, at: int, count: int) -> npt.NDArray[np.int64]:
        return np.arange(at, at + count) % RING

    def _read(self, at: int, count: int) -> Samples:
        return self._ring[self._places(at, count)]

    def _write(self, at: int, samples: Samples) -> None:
        self._ring[self._places(at, len(samples))] = samples

    def _all_there(self, at: int, count: int) -> bool:
        return bool(self._there[self._places(at, count)].all())

    # ---- packets in ----

    def _wanted_cursor(self, clock: int) -> int:
        return clock - self._delay.wanted_transit() - self._base

    def put(self, sequence: int, timestamp: int, samples: Samples, now: int) -> int:
        """Store one packet's samples; what became of them."""
        if not 0 < len(samples) <= MOST_SAMPLES:
            return LATE
        clock = now * self._rate // 10**9
        if self._begun:
            timestamp = near(timestamp, self._base + self._cursor)
            self._delay.packet(timestamp, clock)
        else:
            self._begin(sequence, timestamp, clock)
        return self._place(sequence, timestamp, samples, now)

    def _begin(self, sequence: int, timestamp: int, clock: int) -> None:
        self._begun = True
        self._base = timestamp - RING
        self._newest_end, self._newest_sequence = RING, sequence - 1
        self._delay.packet(timestamp, clock)
        self._cursor = self._wanted_cursor(clock)

    def _place(self, sequence: int, timestamp: int, samples: Samples, now: int) -> int:
        at = timestamp - self._base
        ahead = at + len(samples) - self._cursor
        newer = near(sequence, self._newest_sequence) > self._newest_sequence
        if ahead > RING - KEPT or (ahead < -RING and newer):
            return self._restart(sequence, timestamp, samples, now)
        if ahead <= 0:
            self._counts.late += 1
            self._late_run += newer
            if newer and self._late_run >= LATE_RUN:
                return self._restart(sequence, timestamp, samples, now)
            return LATE
        self._late_run = 0
        samples = samples[-ahead:]
        at = self._cursor + ahead - len(samples)
        if self._all_there(at, len(samples)):
            self._counts.duplicates += 1
            return DUPLICATE
        self._note_newest(sequence, at, len(samples))
        self._write(at, samples)
        self._there[self._places(at, len(samples))] = True
        self._counts.stored += 1
        return STORED

    def _restart(self, sequence: int, timestamp: int, samples: Samples, now: int) -> int:
        self._reset()
        self._counts.resyncs += 1
        self.put(sequence, timestamp, samples, now)
        return RESYNC

    def _note_newest(self, sequence: int, at: int, count: int) -> None:
        sequence = near(sequence, self._newest_sequence)
        if sequence <= self._newest_sequence:
            return
        if sequence == self._newest_sequence + 1:  # what lies between was not sent
            begin = max(self._newest_end, self._cursor)
            unsent = self._places(begin, max(at - begin, 0))
            self._ring[unsent] = 0
            self._there[unsent] = True
        self._paused = False
        self._newest_sequence, self._newest_end = sequence, at + count

    def skip(self, sequence: int) -> None:
        """Note a packet without audio: nothing was sent until the next with some."""
        if self._begun and near(sequence, self._newest_sequence) == self._newest_sequence + 1:
            self._newest_sequence += 1
            self._paused = True

    # ---- frames out ----

    def get(self, now: int) -> tuple[int, bytes, int]:
        """Kind and samples of the frame that is due, and when its first sample arrived."""
        if not self._begun:
            self._counts.silent += 1
            return NOTHING, bytes(2 * self._frame), 0
        clock = now * self._rate // 10**9
        if not self._started:
            self._cursor = self._wanted_cursor(clock)
        self._started = True
        moment = (self._cursor + self._base + self._delay.least_transit()) % WRAP
        frame = self._adapt(clock)
        if frame is not None:
            return PLAYED, frame.tobytes(), moment
        kind, frame = self._take()
        self._advance(self._frame)
        return kind, frame.tobytes(), moment

    def _take(self) -> tuple[int, Samples]:
        there = self._there[self._places(self._cursor, self._frame)]
        edges = [0, *(np.nonzero(np.diff(there))[0] + 1), self._frame]
        pieces = [
            self._piece(self._cursor + begin, end - begin, bool(there[begin]))
            for begin, end in pairwise(edges)
        ]
        frame = np.concatenate(pieces)
        if there.any():
            self._heard = True
            self._counts.played += 1
            return PLAYED, frame
        faded = not self._heard or self._conceal.run == 0 or self._conceal.run > 3 * self._frame
        self._counts.silent += faded
        self._counts.concealed += not faded
        return (SILENT if faded else CONCEALED), frame

    def _piece(self, at: int, count: int, there: bool) -> Samples:
        if there:
            samples = self._read(at, count)
            return self._conceal.join(samples) if self._conceal.run > 0 else samples
        if not self._heard or (self._paused and at >= self._newest_end):
            samples = np.zeros(count, np.int16)
            self._conceal.run = 0
        else:
            length = self._rate * HISTORY_MS // 1000
            samples = self._conceal.lost(self._read(at - length, length), count)
        self._write(at, samples)
        return samples

    def _advance(self, count: int) -> None:
        begin, end = (at // GRAIN * GRAIN for at in (self._cursor, self._cursor + count))
        self._there[self._places(begin, max(end - begin, 0))] = False
        self._cursor += count

    # ---- the delay ----

    def _adapt(self, clock: int) -> Samples | None:
        """Move the cursor towards the wanted delay; the frame, if that made one."""
        excess = self._wanted_cursor(clock) - self._cursor
        tolerated = self._frame // 4
        if excess < 2 * tolerated:
            self._too_long = 0
            return self._lengthen(-excess) if excess < -tolerated else None
        self._least_excess = min(excess, self._least_excess) if self._too_long else excess
        self._too_long += 1
        if self._too_long < SETTLED:
            return None
        self._too_long = 0
        return self._shorten(self._least_excess)

    def _unheard(self) -> bool:
        if not self._all_there(self._cursor, self._frame):
            return True
        frame = self._read(self._cursor, self._frame).astype(np.int64)
        return int(np.abs(frame).sum()) < QUIET * self._frame

    def _shorten(self, excess: int) -> Samples | None:
        if self._unheard():
            self._advance(min(excess, self._frame) // GRAIN * GRAIN)
            self._counts.shrunk += 1
            return None
        frame = self._change_by_pitch(1)
        self._counts.shrunk += frame is not None
        return frame

    def _lengthen(self, lack: int) -> Samples | None:
        if self._unheard():
            self._cursor -= min(lack, self._frame) // GRAIN * GRAIN
            self._counts.stretched += 1
            return None
        frame = self._change_by_pitch(-1)
        self._counts.stretched += frame is not None
        return frame

    def _change_by_pitch(self, sign: int) -> Samples | None:
        length = self._rate * HISTORY_MS // 1000
        lag = pitch_lag(self._read(self._cursor - length, length), self._rate)
        needed = self._frame + max(sign * lag, 0)
        if not lag or self._conceal.run > 0 or not self._all_there(self._cursor, needed):
            return None
        weight = np.arange(self._frame)
        one, other = (
            self._read(self._cursor + shift, self._frame).astype(np.int64)
            for shift in (0, sign * lag)
        )
        frame = divide(one * (self._frame - weight) + other * weight, self._frame)
        self._advance(self._frame + sign * lag)
        self._counts.played += 1
        return frame
