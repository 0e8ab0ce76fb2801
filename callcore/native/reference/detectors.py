"""What halve.c and detectors.c do, in numpy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from callcore.native.reference.dtmf import Dtmf
from callcore.native.reference.event import Event
from callcore.native.reference.spectrum import Features, Spectrum
from callcore.native.reference.tones import HOP, WINDOW, Tones, power_spectrum
from callcore.native.reference.words import Words

DETECT_DTMF = 1
DETECT_TONES = 2
DETECT_WORDS = 4
DETECT_SPECTRUM = 8
MAX_FRAME = 320
MAX_GAP_SECONDS = 5

Samples = npt.NDArray[np.int16]

ODD = np.array([0.309897, -0.082335, 0.030299, -0.009161, 0.0013])
DELAY = 9
FILTER = np.zeros(2 * DELAY + 1)
FILTER[DELAY] = 0.5
FILTER[DELAY + 1 :: 2] = ODD
FILTER[DELAY - 1 :: -2] = ODD


class Halve:
    """From 16 to 8 kHz."""

    def __init__(self) -> None:
        self.history = np.zeros(2 * DELAY)
        self.odd = 0

    def halve(self, samples: Samples) -> Samples:
        """Every second sample of the filtered audio."""
        audio = np.concatenate([self.history, samples.astype(float)])
        filtered = np.convolve(audio, FILTER, "valid")[self.odd :: 2] if len(samples) else audio[:0]
        self.odd = (self.odd + len(samples)) % 2
        self.history = audio[len(samples) :]
        rounded = np.trunc(filtered + np.copysign(0.5, filtered))
        halved: Samples = np.clip(rounded, -32768, 32767).astype(np.int16)
        return halved


class Spectra:
    """A spectrum of the last 64 ms every 20 ms, for those who want it."""

    def __init__(self, wanted: int) -> None:
        self.window = np.zeros(WINDOW - HOP, np.int16)
        self.tones = Tones() if wanted & DETECT_TONES else None
        self.spectrum = Spectrum() if wanted & DETECT_SPECTRUM else None

    def frame(self, samples: Samples, position: int) -> list[Event]:
        """What the spectra say that are complete with `samples`."""
        known = len(self.window)
        audio = np.concatenate([self.window, samples])
        events, at = [], 0
        while at + WINDOW <= len(audio):
            middle = position + at + WINDOW // 2 - known
            power = power_spectrum(audio[at : at + WINDOW])
            if self.tones is not None:
                events += self.tones.hop(power, middle)
            if self.spectrum is not None:
                self.spectrum.hop(power)
            at += HOP
        self.window = audio[at:]
        return events


class Detectors:
    """The detectors of one stream, by themselves."""

    def __init__(self, rate: int, wanted: int) -> None:
        if rate not in (8000, 16000):
            raise ValueError(f"the rate is 8000 or 16000, not {rate}")
        self.rate = rate
        self.position = 0
        self.expected = -1
        self.halve = Halve()
        self.spectra = Spectra(wanted)
        self.detectors: list[Dtmf | Spectra | Words] = [self.spectra]
        if wanted & DETECT_DTMF:
            self.detectors.insert(0, Dtmf())
        if wanted & DETECT_WORDS:
            self.detectors.append(Words())

    def feed(self, samples: Samples) -> list[Event]:
        """Hear samples; the events they bring."""
        gap = min(self.position - self.expected, MAX_GAP_SECONDS * self.rate)
        gap = gap if self.expected >= 0 else 0
        events = self._hear(np.zeros(gap, np.int16), self.position - gap) if gap else []
        events += self._hear(samples, self.position)
        self.position += len(samples)
        self.expected = self.position
        return events

    def skip(self, count: int) -> None:
        """Samples that never came."""
        if count < 0:
            raise ValueError(f"{count} samples cannot be skipped")
        self.position += count

    def spectrum(self) -> Features:
        """Hops heard, means and deviations of the features."""
        spectrum = self.spectra.spectrum or Spectrum()
        return spectrum.features()

    def _hear(self, samples: Samples, position: int) -> list[Event]:
        """Frame by frame, as C does: the order of events is that of frames, then of detectors."""
        events = []
        for at in range(0, len(samples), MAX_FRAME):
            events += self._frame(samples[at : at + MAX_FRAME], position + at)
        return events

    def _frame(self, samples: Samples, position: int) -> list[Event]:
        step = self.rate // 8000
        first = position
        if step == 2:
            first += self.halve.odd - DELAY
            samples = self.halve.halve(samples)
        heard = [event for each in self.detectors for event in each.frame(samples, 0)]
        return [(kind, code, first + step * at, v, e) for kind, code, at, v, e in heard]
