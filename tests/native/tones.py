"""Signals for the tests of the detectors, in the levels and conditions of the Recommendations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Signal = npt.NDArray[np.float64]
Samples = npt.NDArray[np.int16]

#: Peak of a sine at 0 dBm0: full scale is +3.14 dBm0 (ITU-T G.711, A-law).
ZERO_DBM0 = 32768 * 10 ** (-3.14 / 20)


def tone(hertz: float, seconds: float, dbm0: float = -10, rate: int = 8000,
         phase: float = 0.0) -> Signal:  # fmt: skip
    """A sine."""
    time = np.arange(round(seconds * rate)) / rate
    return ZERO_DBM0 * 10 ** (dbm0 / 20) * np.sin(2 * np.pi * hertz * time + phase)


def pair(low: float, high: float, seconds: float, dbm0: tuple[float, float] = (-10, -10),
         rate: int = 8000, phases: tuple[float, float] = (0, 0)) -> Signal:  # fmt: skip
    """Two sines at once."""
    return tone(low, seconds, dbm0[0], rate, phases[0]) + tone(high, seconds, dbm0[1], rate,
                                                               phases[1])  # fmt: skip


def silence(seconds: float, rate: int = 8000) -> Signal:
    """Nothing."""
    return np.zeros(round(seconds * rate))


def noise(seconds: float, dbm0: float, rng: np.random.Generator, rate: int = 8000) -> Signal:
    """White Gaussian noise with the power of a sine at that level."""
    power = (ZERO_DBM0 * 10 ** (dbm0 / 20)) ** 2 / 2
    return rng.normal(0, np.sqrt(power), round(seconds * rate))


def noisy(signal: Signal, decibels: float, power: float, rng: np.random.Generator) -> Signal:
    """`signal` with white noise that far below `power`."""
    return signal + rng.normal(0, np.sqrt(power * 10 ** (-decibels / 10)), len(signal))


def samples(*parts: Signal) -> Samples:
    """One after the other, as int16; what is too loud is clipped."""
    return np.clip(np.round(np.concatenate(parts)), -32768, 32767).astype(np.int16)


def pieces(audio: Samples, lengths: Sequence[int]) -> list[Samples]:
    """`audio` cut into pieces of the given lengths in turn, the last one shorter."""
    cut, at, turn = [], 0, 0
    while at < len(audio):
        cut.append(audio[at : at + lengths[turn % len(lengths)]])
        at += lengths[turn % len(lengths)]
        turn += 1
    return cut
