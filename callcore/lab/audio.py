"""Test audio: spoken text, tones, and finding both again in what was heard."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from callcore.lab.errors import ToolError
from callcore.lab.g711 import Samples

RATE = 8000

# A tone's edges are found where its level passes half: 2 ms hops on 16 ms windows are precise to
# about 4 ms, and 16 ms still tells tones 100 Hz apart from each other.
_WINDOW, _HOP = 128, 16


def tone(hz: float, seconds: float, amplitude: int = 8000) -> Samples:
    """A sine tone."""
    time = np.arange(round(seconds * RATE)) / RATE
    return (amplitude * np.sin(2 * np.pi * hz * time)).astype(np.int16)


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE), dtype=np.int16)


def join(*parts: Samples) -> Samples:
    """One after the other."""
    return np.concatenate(parts) if parts else silence(0)


def level(samples: Samples) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2))) if len(samples) else 0.0


def tone_level(samples: Samples, hz: float) -> float:
    """Amplitude of one frequency over the whole span (what ``tone`` was given, if it is there)."""
    if not len(samples):
        return 0.0
    time = np.arange(len(samples)) / RATE
    product = samples.astype(np.float64) @ np.exp(-2j * np.pi * hz * time)
    return float(2 * abs(product) / len(samples))


def tone_levels(samples: Samples, hz: float) -> npt.NDArray[np.float64]:
    """Amplitude of one frequency in a sliding window; entry n is centred at n · 2 ms."""
    padded = np.pad(samples.astype(np.float64), _WINDOW // 2)
    # Multiplying by the carrier once and summing differences keeps it linear in the length.
    carrier = np.exp(-2j * np.pi * hz * np.arange(len(padded)) / RATE)
    sums = np.concatenate(([0j], np.cumsum(padded * carrier)))
    starts = np.arange(0, len(samples) + 1, _HOP)
    windows = sums[starts + _WINDOW] - sums[starts]
    amplitudes: npt.NDArray[np.float64] = 2 * np.abs(windows) / _WINDOW
    return amplitudes


def tone_intervals(
    samples: Samples, hz: float, threshold: float | None = None, shortest: float = 0.03
) -> list[tuple[float, float]]:
    """Spans (from, to) in seconds in which a tone is heard; gaps under ``shortest`` are bridged.

    The threshold (an amplitude) is half of the tone's greatest level, but never so low that the
    side lobes of another sound would count.
    """
    levels = tone_levels(samples, hz)
    limit = threshold if threshold is not None else _tone_threshold(samples, levels)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], (levels > limit).astype(np.int8), [0]))))
    spans: list[tuple[float, float]] = []
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        begin, stop = int(start) * _HOP / RATE, min(int(end) * _HOP, len(samples)) / RATE
        if spans and begin - spans[-1][1] < shortest:
            spans[-1] = (spans[-1][0], stop)
        else:
            spans.append((begin, stop))
    return [span for span in spans if span[1] - span[0] >= shortest]


def _tone_threshold(samples: Samples, levels: npt.NDArray[np.float64]) -> float:
    loudest = float(np.abs(samples.astype(np.int32)).max(initial=0))
    return max(float(levels.max(initial=0)) / 2, 0.3 * loudest, 100.0)


def find_speech(haystack: Samples, needle: Samples) -> tuple[float, float]:
    """Where ``needle`` fits best in ``haystack`` and how well: (offset in seconds, correlation).

    The correlation is normalised: 1.0 is the same sound at whatever volume; after G.711 it stays
    above 0.98, other speech stays below 0.3.
    """
    if len(needle) == 0 or len(haystack) < len(needle):
        return 0.0, 0.0
    hay, pin = haystack.astype(np.float64), needle.astype(np.float64)
    size = 1 << int(np.ceil(np.log2(len(hay) + len(pin))))
    spectrum = np.fft.rfft(hay, size) * np.conj(np.fft.rfft(pin, size))
    products = np.fft.irfft(spectrum, size)[: len(hay) - len(pin) + 1]
    energy = np.concatenate(([0.0], np.cumsum(hay**2)))
    energies = energy[len(pin) :] - energy[: len(hay) - len(pin) + 1]
    # Spans that are nearly silent would divide noise by nothing.
    floor = max(1e-3 * float(pin @ pin), 1.0)
    scores = products / np.sqrt(np.maximum(energies, floor) * max(float(pin @ pin), 1.0))
    best = int(np.argmax(scores))
    return best / RATE, float(scores[best])


def speak(text: str, cache: Path, voice: str = "", lang: str = "en", speed: int = 160) -> Samples:
    """Speech by espeak-ng at 8 kHz; the same words come from the cache the second time."""
    name = f"{lang}+{voice}" if voice else lang
    key = hashlib.sha256(f"{name}|{speed}|{text}".encode()).hexdigest()[:24]
    path = cache / f"{key}.wav"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        write(path, _synthesise(text, name, speed))
    return read(path)


def _synthesise(text: str, voice: str, speed: int) -> Samples:
    program = shutil.which("espeak-ng")
    if program is None:
        raise ToolError("espeak-ng is not installed: run make setup")
    command = [program, "-v", voice, "-s", str(speed), "--stdout"]
    result = subprocess.run(command, input=text.encode(), capture_output=True, timeout=60)
    data = result.stdout.find(b"data")
    if result.returncode != 0 or data < 0:
        raise ToolError(f"espeak-ng -v {voice} failed: {result.stderr.decode()[:200]}")
    # Piped, espeak-ng cannot know the length it writes into the header: take all that follows.
    rate = int.from_bytes(result.stdout[24:28], "little")
    raw = np.frombuffer(result.stdout[data + 8 :].ljust(2, b"\0"), dtype="<i2")
    return resample(raw.astype(np.int16), rate)


def resample(samples: Samples, rate: int) -> Samples:
    """Band-limited resampling to 8 kHz by Fourier transform."""
    if rate == RATE:
        return samples
    length = round(len(samples) * RATE / rate)
    spectrum = np.fft.rfft(samples)[: length // 2 + 1]
    resampled = np.fft.irfft(spectrum, length) * (length / max(len(samples), 1))
    return np.clip(resampled, -32768, 32767).astype(np.int16)


def write(path: Path, samples: Samples) -> None:
    """Write WAV or FLAC, by suffix; two dimensions are (frames, channels).

    The file appears under its name only when complete, so that parallel users never read half.
    """
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    soundfile.write(partial, samples, RATE, subtype="PCM_16")
    partial.replace(path)


def read(path: Path) -> Samples:
    """Read a mono file at 8 kHz (other rates are resampled)."""
    samples, rate = soundfile.read(path, dtype="int16")
    if samples.ndim != 1:
        raise ToolError(f"{path} has {samples.shape[1]} channels: use read_channels")
    return resample(np.asarray(samples, dtype=np.int16), rate)


def read_channels(path: Path) -> list[Samples]:
    """Every channel of a file, left first."""
    samples, rate = soundfile.read(path, dtype="int16", always_2d=True)
    return [
        resample(np.asarray(samples[:, index], dtype=np.int16), rate)
        for index in range(samples.shape[1])
    ]
