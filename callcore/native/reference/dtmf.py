"""What dtmf.c does, in numpy: slow, and easier to read beside ITU-T Q.24."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from callcore.native._audio import EVENT_TONE_DIGIT
from callcore.native.reference.event import Event

RATE = 8000
FREQUENCIES = np.array([697, 770, 852, 941, 1209, 1336, 1477, 1633], dtype=float)
CODES = ((1, 2, 3, 12), (4, 5, 6, 13), (7, 8, 9, 14), (10, 0, 11, 15))
BLOCK = 20
TAPS = 8
LAG = 2
WEIGHTS = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(TAPS) + 0.5) / TAPS)
LOOK_BACK, SETTLED, GAP, SHORTEST, SWITCH = 16, 12, 12, 13, 2
LEAST_POWER = 65536.0
TWIST = (0.112, 3.55)
LEAST_PURITY = 0.8
LOOSE_DEVIATION, MOST_DEVIATION, MOST_WANDER = 0.045, 0.018, 0.0075
MOST_SWAY = 0.25
LEAST_STEADINESS = 0.4
LEAST_VALID = 0.4

Lanes = tuple[int, int]


def deviation_hz(turn: complex) -> float:
    """How far a tone is off whose phase turned that much in LAG blocks."""
    return float(np.angle(turn)) / (2 * np.pi * LAG * BLOCK / RATE)


@dataclass
class Run:
    """Windows in a row that look like one digit."""

    lanes: Lanes
    start: int
    last: int
    onset: int = -1
    peak: list[float] = field(default_factory=lambda: [0.0, 0.0])
    sum: list[float] = field(default_factory=lambda: [0.0, 0.0])
    powers: list[npt.NDArray[np.float64]] = field(default_factory=list)
    turns: tuple[list[complex], list[complex]] = field(default_factory=lambda: ([], []))
    count: int = 0
    valid: int = 0
    other: int = 0

    def stands(self, power: npt.NDArray[np.float64]) -> bool:
        """Both tones have half of their greatest magnitude."""
        return all(power[lane] >= 0.25 * self.peak[i] for i, lane in enumerate(self.lanes))

    def wander_hz(self, which: int) -> float:
        """Circular standard deviation of a tone's frequency, as a small angle."""
        lengths = np.abs(self.turns[which])
        mean = np.abs(np.sum(self.turns[which])) / np.sum(lengths)
        return float(np.sqrt(max(0.0, 2 - 2 * mean))) / (2 * np.pi * LAG * BLOCK / RATE)

    def sway(self) -> float:
        """Standard deviation of the twist to its mean, in the pure windows, by their power."""
        low, high = np.array(self.powers).T
        twist, weight = high / low, high * low
        mean = np.average(twist, weights=weight)
        return float(np.sqrt(np.average((twist - mean) ** 2, weights=weight)) / mean)

    def is_digit(self) -> bool:
        """Long, pure, steady and true enough."""
        hops = self.last - self.onset + 1
        if hops < SHORTEST or self.valid < LEAST_VALID * hops or self.sway() > MOST_SWAY:
            return False
        return all(
            abs(deviation_hz(sum(self.turns[i]))) <= MOST_DEVIATION * FREQUENCIES[lane]
            and self.wander_hz(i) <= MOST_WANDER * FREQUENCIES[lane]
            and self.sum[i] >= LEAST_STEADINESS * self.peak[i] * self.count
            for i, lane in enumerate(self.lanes)
        )


class Dtmf:
    """Digits in a stream at 8 kHz."""

    def __init__(self) -> None:
        self.rest = np.zeros(0)
        self.blocks = np.zeros((TAPS, len(FREQUENCIES)), complex)
        self.energies = np.zeros(TAPS)
        self.transforms = [np.zeros(len(FREQUENCIES), complex)] * (LAG + 1)
        self.powers: list[npt.NDArray[np.float64]] = []
        self.hop = 0
        self.run: Run | None = None

    def frame(self, samples: npt.NDArray[np.int16], position: int) -> list[Event]:
        """Digits that ended within `samples`, the first of which stands at `position`."""
        known = len(self.rest)
        audio = np.concatenate([self.rest, samples.astype(float)])
        whole = len(audio) // BLOCK * BLOCK
        self.rest = audio[whole:]
        events = []
        for at in range(0, whole, BLOCK):
            event = self._block(audio[at : at + BLOCK], position - known + at + BLOCK)
            events += [event] if event else []
        return events

    def _block(self, block: npt.NDArray[np.float64], now: int) -> Event | None:
        time = (self.hop * BLOCK + np.arange(BLOCK)) / RATE
        value = block @ np.exp(-2j * np.pi * np.outer(time, FREQUENCIES))
        self.blocks = np.vstack([self.blocks[1:], value])
        self.energies = np.append(self.energies[1:], np.sum(block**2))
        transform = WEIGHTS @ self.blocks
        self.transforms = [*self.transforms[1:], transform]
        scale = 2 / (BLOCK * WEIGHTS.sum())
        self.powers.append((np.abs(transform) * scale) ** 2 / 2)
        energy = float(WEIGHTS**2 @ self.energies) / (BLOCK * float(WEIGHTS @ WEIGHTS))
        event = self._follow(self._decide(energy), now)
        self.hop += 1
        return event

    def _turn(self, lane: int) -> complex:
        return complex(self.transforms[-1][lane] * np.conj(self.transforms[0][lane]))

    def _decide(self, energy: float) -> Lanes | None:
        power = self.powers[-1]
        lanes = int(np.argmax(power[:4])), int(np.argmax(power[4:])) + 4
        true = []
        for lane in lanes:
            deviation = deviation_hz(self._turn(lane))
            if power[lane] < LEAST_POWER or abs(deviation) > LOOSE_DEVIATION * FREQUENCIES[lane]:
                return None
            bins = deviation * TAPS * BLOCK / RATE
            true.append(power[lane] * np.exp(1.27 * bins**2))
        twisted = not TWIST[0] * true[0] <= true[1] <= TWIST[1] * true[0]
        return None if twisted or sum(true) < LEAST_PURITY * energy else lanes

    def _follow(self, lanes: Lanes | None, now: int) -> Event | None:
        event = None
        if self.run is not None:
            self._add(self.run, lanes)
            if self.hop - self.run.last > GAP or self.run.other >= SWITCH:
                event = self._end(self.run, now)
        if self.run is None and lanes is not None:
            self.run = Run(lanes, self.hop, self.hop)
            self._add(self.run, lanes)
        return event

    def _add(self, run: Run, lanes: Lanes | None) -> None:
        power = self.powers[-1]
        for i, lane in enumerate(run.lanes):
            run.peak[i] = max(run.peak[i], float(power[lane]))
            if lanes == run.lanes:
                run.turns[i].append(self._turn(lane))
        if lanes == run.lanes:
            run.powers.append(power[list(lanes)])
        run.valid += lanes == run.lanes
        run.other = run.other + 1 if lanes not in (None, run.lanes) else 0
        if run.stands(power):
            run.last = self.hop
            run.count += 1
            for i, lane in enumerate(run.lanes):
                run.sum[i] += float(power[lane])
        if run.onset < 0 and self.hop - run.start >= SETTLED:
            self._seek_onset(run)

    def _seek_onset(self, run: Run) -> None:
        run.onset = run.start
        while (
            run.onset > 0
            and run.start - run.onset < LOOK_BACK
            and run.stands(self.powers[run.onset - 1])
        ):
            run.onset -= 1

    def _end(self, run: Run, now: int) -> Event | None:
        if run.onset < 0:
            self._seek_onset(run)
        self.run = None
        if not run.is_digit():
            return None
        age = (self.hop - run.onset) * BLOCK + TAPS * BLOCK // 2 + BLOCK // 2
        seconds = (run.last - run.onset + 1) * BLOCK / RATE
        code = CODES[run.lanes[0]][run.lanes[1] - 4]
        return EVENT_TONE_DIGIT, code, now - age, seconds, 0.0
