"""Sounds as the ports play them: 16-bit samples at 8 kHz in memory, read once."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from threading import Lock

import numpy as np
import soundfile
import soxr

from callcore.errors import ActionRefused
from callcore.telephony.prompts import SUFFIXES

RATE = 8000
#: Sounds kept; 64 MB are more than an hour.
ROOM_BYTES = 64 << 20
_RAW = {"sln": ("PCM_16", 8000), "ulaw": ("ULAW", 8000), "alaw": ("ALAW", 8000)}


class SoundCache:
    """Files by path; the one not used for longest goes when there is no room."""

    def __init__(self, room: int = ROOM_BYTES) -> None:
        self._room = room
        self._kept: OrderedDict[Path, tuple[float, bytes]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def load(self, stem: Path) -> bytes:
        """The sound of a path without suffix; `ActionRefused` when it cannot be read."""
        with self._lock:  # prompts are asked for by the loop, music by the stack's thread
            return self._load(_found(stem))

    def _load(self, path: Path) -> bytes:
        changed = path.stat().st_mtime
        kept = self._kept.get(path)
        if kept is not None and kept[0] == changed:
            self._kept.move_to_end(path)
            return kept[1]
        sound = read(path)
        self._keep(path, changed, sound)
        return sound

    def _keep(self, path: Path, changed: float, sound: bytes) -> None:
        before = self._kept.pop(path, None)
        self._bytes += len(sound) - (len(before[1]) if before else 0)
        self._kept[path] = (changed, sound)
        while self._bytes > self._room and len(self._kept) > 1:
            _, (_, oldest) = self._kept.popitem(last=False)
            self._bytes -= len(oldest)

    def music(self, directory: Path) -> bytes:
        """All sounds of a class one after the other; a quiet ring-back tone where there is none."""
        stems = sorted({path.with_suffix("") for path in directory.glob("*.wav")})
        return b"".join(self.load(stem) for stem in stems) or ringing()


def _found(stem: Path) -> Path:
    for suffix in SUFFIXES:
        path = stem.with_name(f"{stem.name}.{suffix}")
        if path.is_file():
            return path
    raise ActionRefused(f"no sound {stem}", 404)


def read(path: Path) -> bytes:
    """One file at the telephone's rate, one channel."""
    try:
        raw = _RAW.get(path.suffix.lstrip("."))
        if raw is None:
            samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        else:
            samples, rate = soundfile.read(
                path, dtype="float32", always_2d=True, format="RAW", channels=1,
                subtype=raw[0], samplerate=raw[1],
            )  # fmt: skip
    except (OSError, soundfile.LibsndfileError) as exc:
        raise ActionRefused(f"{path}: {exc}", 500) from exc
    mono = samples.mean(axis=1)
    if rate != RATE:
        mono = soxr.resample(mono, rate, RATE)
    return _pcm(mono)


def ringing() -> bytes:
    """Ring-back tone as in Europe (ITU-T E.180): 425 Hz, 1 s on, 4 s off."""
    time = np.arange(RATE) / RATE
    edge = np.minimum(1.0, np.minimum(time, time[-1] - time) / 0.005)
    tone = 0.15 * edge * np.sin(2 * np.pi * 425 * time)
    return _pcm(np.concatenate([tone, np.zeros(4 * RATE)]))


def _pcm(samples: np.ndarray) -> bytes:
    pcm: bytes = (np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes()
    return pcm
