"""Makes the sound files that Asterisk plays: speech as it is spoken on the telephone, the beep."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import soundfile
import soxr

RATE = 8000


def write_beep(stem: Path) -> None:
    """A fifth of a second of 1000 Hz, without clicks."""
    time = np.arange(RATE // 5) / RATE
    edge = np.minimum(1.0, np.minimum(time, time[-1] - time) / 0.005)
    _write(stem, 0.3 * edge * np.sin(2 * np.pi * 1000 * time))


def write_speech(spoken: bytes, stem: Path) -> None:
    """A WAV file of any rate, at half of full level and telephone rate."""
    samples, rate = soundfile.read(io.BytesIO(spoken), dtype="float64")
    resampled = soxr.resample(samples, rate, RATE)
    peak = float(np.max(np.abs(resampled))) or 1.0
    # A breath of silence at the end, so that the next prompt does not stick to it.
    _write(stem, np.concatenate([resampled * (0.5 / peak), np.zeros(RATE // 12)]))


def _write(stem: Path, samples: np.ndarray) -> None:
    """In one step: Asterisk, which may run as another user, never sees half a file."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    waiting = stem.with_name(f".{stem.name}.new")
    with waiting.open("wb") as file:
        soundfile.write(file, samples, RATE, subtype="PCM_16", format="WAV")
    waiting.chmod(0o644)
    waiting.replace(stem.with_name(f"{stem.name}.wav"))
