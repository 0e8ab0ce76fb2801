"""How long play-out has to wait (delay.c): the spread of the packets' transit times."""

from __future__ import annotations

import numpy as np

BIN_MS, BINS, EPOCH_MS = 5, 64, 8000
IN_TIME = 0.995


class Delay:
    """Transit times of the last two epochs; all in samples."""

    def __init__(self, rate: int, least_ms: int, most_ms: int) -> None:
        self._bin, self._epoch = rate * BIN_MS // 1000, rate * EPOCH_MS // 1000
        self._least, self._most = rate * least_ms // 1000, rate * most_ms // 1000
        self.target = self._least
        self.forget()

    def forget(self) -> None:
        """Another source begins; the target stays."""
        self._began: int | None = None
        self._minimum: list[int] = []
        self._spread = np.zeros((2, BINS), np.int64)

    def packet(self, timestamp: int, arrival: int) -> None:
        """Note a packet."""
        transit = arrival - timestamp
        if self._began is None or arrival - self._began >= self._epoch:
            self._began = arrival
            self._minimum = [transit, *self._minimum[:1]]
            self._spread = np.stack([np.zeros(BINS, np.int64), self._spread[0]])
        self._minimum[0] = min(self._minimum[0], transit)
        extra = transit - self.least_transit()
        self._spread[0][min(extra // self._bin, BINS - 1)] += 1
        if self._spread[0].sum() % 32 == 0 or extra > self.target:
            self._aim()

    def _aim(self) -> None:
        both = self._spread.sum(axis=0)
        may_be_late = int((1.0 - IN_TIME) * both.sum())
        beyond = np.cumsum(both[::-1])[::-1]
        wanted = (int(np.nonzero(beyond > may_be_late)[0].max()) + 1) * self._bin
        self.target = min(max(wanted, self._least), self._most)

    def least_transit(self) -> int:
        """Arrival minus timestamp of a packet that nothing held up."""
        return min(self._minimum)

    def wanted_transit(self) -> int:
        """Arrival minus timestamp at which a sample should be played."""
        return self.least_transit() + self.target
