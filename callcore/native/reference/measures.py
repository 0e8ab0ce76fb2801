"""Level, zero crossings and noise floor of frames."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]

SILENCE = -96.0
FLUCTUATION = 6.0
FRAME_SECONDS = 0.02
RISE, RISE_IN_SPEECH = 5.0, 0.5
"""dB a second."""


def measure(samples: Samples) -> tuple[float, int]:
    """Mean square in dB of full scale (-96 for silence), and how often the sign changes."""
    if len(samples) == 0:
        return SILENCE, 0
    power = float(np.mean((samples / 32768.0) ** 2))
    crossings = int(np.count_nonzero(np.diff(samples < 0)))
    return (10 * np.log10(power) if power > 2.5e-10 else SILENCE), crossings


class NoiseFloor:
    """Down to what is quieter, fast where it is much quieter; slowly up to what is louder."""

    def __init__(self) -> None:
        self._floor: float | None = None

    def update(self, level: float, speech: bool) -> float:
        """The floor after one more frame."""
        if level <= SILENCE:
            return SILENCE if self._floor is None else self._floor
        if self._floor is None:
            self._floor = level
        elif level < self._floor:
            share = 0.5 if self._floor - level > FLUCTUATION else 0.1
            self._floor += share * (level - self._floor)
        else:
            rise = (RISE_IN_SPEECH if speech else RISE) * FRAME_SECONDS
            self._floor = min(level, self._floor + rise)
        return self._floor
