"""Loss concealment (conceal.c): the last pitch period again, fading."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]

HISTORY_MS = 30
LEAST_LAG_US, MOST_LAG_US = 2500, 15000
COMPARED_MS, FULL_MS, GONE_MS, JOIN_MS = 10, 10, 60, 4


def divide(values: npt.NDArray[np.int64], by: int) -> Samples:
    """Towards zero, as C does."""
    quotients: npt.NDArray[np.int64] = np.sign(values) * (np.abs(values) // by)
    return quotients.astype(np.int16)


def pitch_lag(history: Samples, rate: int) -> int:
    """The lag at which the end of `history` is most like itself; 0: none."""
    compared = rate * COMPARED_MS // 1000
    least, most = (rate * lag // 1_000_000 for lag in (LEAST_LAG_US, MOST_LAG_US))
    if len(history) < compared + most:
        return 0
    wide = history.astype(np.int64)
    end = wide[len(wide) - compared :]
    best, best_lag = 0.0, 0
    for lag in range(least, most + 1):
        before = wide[len(wide) - compared - lag : len(wide) - lag]
        likeness, energy = float(end @ before), float(before @ before) + 1.0
        if likeness > 0 and likeness * likeness / energy > best:
            best, best_lag = likeness * likeness / energy, lag
    return best_lag


class Conceal:
    """What stands in for audio that did not come."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._period = np.zeros(0, np.int16)
        self.run = 0
        """Samples made up in a row."""

    def _ms(self, ms: int) -> int:
        return self._rate * ms // 1000

    def _made_up(self, at: int, count: int) -> npt.NDArray[np.int64]:
        places = np.arange(at, at + count)
        full, gone = self._ms(FULL_MS), self._ms(GONE_MS)
        if len(self._period) == 0:
            return np.zeros(count, np.int64)
        period = self._period.astype(np.int64)[places % len(self._period)]
        faded = divide(period * np.clip(gone - places, 0, gone - full), gone - full)
        return np.where(places < full, period, faded).astype(np.int64)

    def lost(self, history: Samples, count: int) -> Samples:
        """Samples for audio that did not come; `history` ends where they begin."""
        if self.run == 0:
            lag = pitch_lag(history, self._rate) or self._ms(FULL_MS)
            self._period = history[len(history) - min(lag, len(history)) :].copy()
        samples = self._made_up(self.run, count).astype(np.int16)
        if self.run < self._rate:
            self.run += count
        return samples

    def join(self, samples: Samples) -> Samples:
        """The first real samples after it, faded in."""
        length = self._ms(JOIN_MS)
        count = min(length, len(samples))
        old, new = self._made_up(self.run, count), samples[:count].astype(np.int64)
        weight = np.arange(count)
        joined = samples.copy()
        joined[:count] = divide(old * (length - weight) + new * weight, length)
        self.run = 0
        return joined
