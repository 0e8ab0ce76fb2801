"""What spectrum.c does, in numpy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FIRST, BANDS, WIDTH = 2, 64, 4
LEAST_POWER = 8192.0
ROLL_OFF = 0.95
HERTZ = 62.5

Floats = npt.NDArray[np.float64]
Features = tuple[int, tuple[float, ...], tuple[float, ...]]


class Spectrum:
    """Centroid, flatness, roll-off and flux of what is not silent."""

    def __init__(self) -> None:
        self.magnitude = np.zeros(BANDS - FIRST)
        self.values: list[tuple[float, float, float, float]] = []

    def hop(self, power: Floats) -> None:
        """Hear one spectrum."""
        bands = power[FIRST * WIDTH : BANDS * WIDTH].reshape(-1, WIDTH).sum(axis=1)
        total = float(bands.sum())
        if total < LEAST_POWER:
            return
        middle = np.arange(FIRST, BANDS) + 0.5
        centroid = HERTZ * float(middle @ bands) / total
        flatness = float(np.exp(np.mean(np.log(bands + 1e-6)))) / float(bands.mean())
        magnitude = np.sqrt(bands / total)
        flux = float(np.linalg.norm(magnitude - self.magnitude))
        self.magnitude = magnitude
        self.values.append((centroid, flatness, self._roll_off(bands, total), flux))

    def _roll_off(self, bands: Floats, total: float) -> float:
        below = np.concatenate([[0.0], np.cumsum(bands)])
        band = min(int(np.searchsorted(below[1:], ROLL_OFF * total)), len(bands) - 1)
        share = (ROLL_OFF * total - below[band]) / bands[band]
        return HERTZ * float(FIRST + band + share)

    def features(self) -> Features:
        """Hops heard, means, standard deviations."""
        if not self.values:
            return 0, (0.0,) * 4, (0.0,) * 4
        mean, deviation = np.mean(self.values, axis=0), np.std(self.values, axis=0)
        return len(self.values), tuple(mean.tolist()), tuple(deviation.tolist())
