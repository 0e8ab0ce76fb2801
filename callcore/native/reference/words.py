"""What words.c does, in numpy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from callcore.native._audio import EVENT_WORD_ENDED, EVENT_WORD_STARTED
from callcore.native.reference.event import Event

BLOCK = 80
ONSET, WORD_LEAST, LONG_WORD, BETWEEN_WORDS = 3, 10, 200, 5
LEAST_FLOOR, LEAST_LOUD, FIRST_FLOOR = 268.0, 8192.0, 81920.0
ABOVE_FLOOR, STAYS_ABOVE, BELOW_PEAK = 10.0, 5.0, 0.005
PEAK_FADES, FLOOR_FALLS, FLOOR_RISES, RISES_IN_WORD = 0.993, 0.3, 1.012, 1.0046


class Words:
    """Bursts of sound in a stream at 8 kHz."""

    def __init__(self) -> None:
        self.rest = np.zeros(0, np.int16)
        self.floor: float | None = None
        self.peak = 0.0
        self.loud = self.gap = self.length = 0
        self.powers: list[float] = []
        self.told = False

    def frame(self, samples: npt.NDArray[np.int16], position: int) -> list[Event]:
        """Words that began or ended within `samples`."""
        known = len(self.rest)
        audio = np.concatenate([self.rest, samples])
        whole = len(audio) // BLOCK * BLOCK
        self.rest = audio[whole:]
        powers = np.mean(audio[:whole].reshape(-1, BLOCK).astype(float) ** 2, axis=1)
        events = []
        for index, power in enumerate(powers):
            events += self._block(float(power), position - known + (index + 1) * BLOCK)
        return events

    def _is_loud(self, power: float) -> bool:
        self.peak = max(self.peak * PEAK_FADES, power)
        above = STAYS_ABOVE if self.length else ABOVE_FLOOR
        floor = self.floor or 0.0
        return power >= max(LEAST_LOUD, above * floor, BELOW_PEAK * self.peak)

    def _follow_noise(self, power: float) -> None:
        if self.floor is None:
            self.floor = min(power, FIRST_FLOOR)
        elif power < self.floor:
            self.floor += FLOOR_FALLS * (power - self.floor)
        else:
            self.floor *= RISES_IN_WORD if 0 < self.length < LONG_WORD else FLOOR_RISES
        self.floor = max(self.floor, LEAST_FLOOR)

    def _block(self, power: float, now: int) -> list[Event]:
        loud = self._is_loud(power)
        self._follow_noise(power)
        self.loud = self.loud + 1 if loud else 0
        if not self.length and self.loud < ONSET:
            return []
        return self._in_word(power, now) if loud else self._in_pause(now)

    def _in_word(self, power: float, now: int) -> list[Event]:
        if not self.length:
            self.powers = []
        self.length = self.length + self.gap + 1 if self.length else ONSET
        self.gap = 0
        self.powers.append(power)
        if self.told or self.length < WORD_LEAST:
            return []
        self.told = True
        return [self._event(EVENT_WORD_STARTED, now - self.length * BLOCK)]

    def _in_pause(self, now: int) -> list[Event]:
        self.gap += 1
        if self.gap < BETWEEN_WORDS:
            return []
        began = now - (self.gap + self.length) * BLOCK
        events = [self._event(EVENT_WORD_ENDED, began)] if self.told else []
        self.told = False
        self.length = self.gap = 0
        return events

    def _event(self, kind: int, began: int) -> Event:
        level = 10 * np.log10(np.mean(self.powers) / 32768**2 + 1e-10)
        return kind, 0, began, self.length * BLOCK / 8000, float(level)
