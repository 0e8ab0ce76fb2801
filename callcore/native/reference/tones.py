"""What fourier.c and tones.c do, in numpy."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from callcore.native.reference.cadence import Cadence, HopFacts, Tone
from callcore.native.reference.event import Event

WINDOW = 512
HOP = 160
BIN = 8000 / WINDOW
HANN = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
FIRST, LAST, HUM, LOBE = 19, 141, 8, 2
IMPURE, LOUD_HOPS = 3, 4
FADING = WINDOW // 2 + HOP
PAST, RISE = 2, 6
LEAST_POWER = 8192.0
LEAST_PURITY = 0.85
SECOND_LINE = 0.06
EDGE = 0.45
MOST_DRIFT = 12.0

Power = npt.NDArray[np.float64]


def power_spectrum(samples: npt.NDArray[np.int16]) -> Power:
    """Power of each bin; their sum is the mean square."""
    power: Power = np.abs(np.fft.rfft(samples * HANN)) ** 2 * 2 / (WINDOW * np.sum(HANN**2))
    power[[0, -1]] /= 2
    return power


@dataclass
class Observation:
    """The tones in one spectrum, and the power of everything."""

    hertz: list[float] = field(default_factory=list)
    total: float = 0.0


def line_hertz(power: Power, at: int) -> float:
    """Where a line stands between bins: exact for a Hann window."""
    side = 1 if power[at + 1] > power[at - 1] else -1
    ratio = float(np.sqrt(power[at + side] / power[at]))
    return BIN * (at + side * (2 * ratio - 1) / (ratio + 1))


def lines(power: Power, bins: list[int]) -> float:
    """Power of the lines, what lies in both lobes counted once."""
    lobes = {k for at in bins for k in range(at - LOBE, at + LOBE + 1)}
    return float(power[sorted(lobes)].sum())


def observe(power: Power) -> Observation:
    """One tone, two, or none."""
    total = float(power[HUM:].sum())
    if total < LEAST_POWER:
        return Observation(total=total)
    first = FIRST + int(np.argmax(power[FIRST : LAST + 1]))
    others = [
        k
        for k in range(FIRST, LAST + 1)
        if abs(k - first) > 1
        and power[k - 1] < power[k] >= power[k + 1]
        and power[k] >= SECOND_LINE * power[first]
    ]
    bins = sorted([first, *sorted(others, key=lambda k: -power[k])[:1]])
    pure = lines(power, bins) >= LEAST_PURITY * total
    return Observation([line_hertz(power, k) for k in bins] if pure else [], total)


def level(power: Power, tone: Tone) -> float:
    """Power of the tone's lines."""
    return lines(power, [int(hertz / BIN + 0.5) for hertz in tone.hertz])


def matches(tone: Tone, seen: Observation) -> bool:
    """The same one or two tones."""
    return len(seen.hertz) == len(tone.hertz) and all(
        abs(a - b) <= MOST_DRIFT for a, b in zip(seen.hertz, tone.hertz, strict=True)
    )


def crossing(before: float, after: float, peak: float) -> float:
    """Share of a hop at which the power passes EDGE of the peak's."""
    return (EDGE * peak - before) / (after - before)


class Tones:
    """Steady tones in a stream at 8 kHz."""

    def __init__(self) -> None:
        self.clock = 0
        self.tone: Tone | None = None
        self.on = False
        self.other = 0
        self.past = [np.zeros(WINDOW // 2 + 1)] * PAST
        self.cadence = Cadence()

    def hop(self, power: Power, position: int) -> list[Event]:
        """Hear one spectrum, the middle of whose window is at `position`."""
        seen = observe(power)
        ended = None
        if self.on and self.tone is not None:
            self._follow(self.tone, power, seen)
            self.on, was_tone = self._goes_on(self.tone, power)
            self.tone.onset = self._onset(self.tone)
            ended = self.tone if was_tone else None
        if not self.on and seen.hertz and not self._fades(seen):
            self._begin(power, seen)
        self.other = self.other + 1 if not self.on and seen.total >= LEAST_POWER else 0
        lasting = self.tone if self.on else None
        facts = HopFacts(self.clock, ended, lasting, seen.total, self.other >= LOUD_HOPS)
        self.past = [*self.past[1:], power]
        self.clock += HOP
        return self.cadence.hop(facts, position)

    def _begin(self, power: Power, seen: Observation) -> None:
        tone = Tone(list(seen.hertz), start=self.clock, onset=self.clock)
        tone.rise = [level(before, tone) for before in [*self.past, power]]
        tone.peak = tone.last = tone.sum = tone.rise[-1]
        tone.rest = seen.total - tone.peak
        self.tone = tone
        self.on = True

    def _fades(self, seen: Observation) -> bool:
        tone = self.tone
        return tone is not None and 0 < tone.end > self.clock - FADING and matches(tone, seen)

    def _follow(self, tone: Tone, power: Power, seen: Observation) -> None:
        now = level(power, tone)
        if len(tone.rise) < RISE:
            tone.rise.append(now)
        tone.peak = max(tone.peak, now)
        if not matches(tone, seen):
            tone.impure += 1
            return
        tone.impure = 0
        tone.pure += 1
        tone.sum += now
        tone.rest = min(tone.rest, seen.total - now)
        tone.hertz = [a + (b - a) / tone.pure for a, b in zip(tone.hertz, seen.hertz, strict=True)]

    def _onset(self, tone: Tone) -> int:
        above = [i for i, power in enumerate(tone.rise) if power >= EDGE * tone.peak]
        at = above[0] if above else len(tone.rise) - 1
        hops = float(at - PAST)
        if at > 0 and tone.rise[at] > tone.rise[at - 1]:
            hops += crossing(tone.rise[at - 1], tone.rise[at], tone.peak) - 1
        return tone.start + int(hops * HOP)

    def _goes_on(self, tone: Tone, power: Power) -> tuple[bool, bool]:
        """Whether the tone goes on; if not, whether it was one all along."""
        now, before = level(power, tone), tone.last
        tone.last = now
        if now >= EDGE * tone.peak:
            return tone.impure <= IMPURE, False
        share = crossing(before, now, tone.peak) if before > now else 0.0
        tone.onset = self._onset(tone)
        tone.end = self.clock - HOP + int(share * HOP)
        hops = (tone.end - tone.onset) / HOP
        return False, tone.pure >= 2 and tone.pure >= 0.5 * (hops - 1)
