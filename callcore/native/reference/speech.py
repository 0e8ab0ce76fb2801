"""From one decision a frame to utterances (speech.c), with every frame kept."""

from __future__ import annotations

from dataclasses import dataclass, field

STARTED, ENDED, SILENCE = 1, 2, 3
OUT_OF_NOISE, FAR_OUT, BELOW_PEAK, PEAK_FORGOTTEN = 7.0, 10.0, 38.0, 0.2
WINDOW = 5
DETECTOR_HANGOVER_MS = 200
FRAME_MS = 20

Event = tuple[int, int, float]


@dataclass
class Speech:
    """One stream's speech state."""

    rate: int
    onset_ms: int = 40
    hangover_ms: int = 200
    silence_ms: int = 0
    _decisions: list[bool] = field(default_factory=list)
    _loud: list[bool] = field(default_factory=list)
    _peak: float = -96.0
    _speaking: bool = False
    _silence_told: bool = False
    _decided_end: int = 0
    _loud_end: int = 0
    _silent_since: int = 0

    def frame(
        self, decision: bool, level: float, noise_floor: float, position: int, count: int
    ) -> list[Event]:
        """Hear one more frame; kind, position and value of the events it brings."""
        until = position + count
        self._peak = max(self._peak - PEAK_FORGOTTEN, level)
        loud = level > noise_floor + OUT_OF_NOISE and level > self._peak - BELOW_PEAK
        self._decisions.append(decision)
        self._loud.append(loud)
        if decision:
            self._decided_end = until
        if loud and (self._loud[-2:-1] == [True] or level > noise_floor + FAR_OUT):
            self._loud_end = until
        events = []
        if not self._speaking and self._begins():
            events.append(self._started(position, count))
        elif self._speaking and not decision and self._over(until):
            events.append(self._ended())
        if self._silent_long_enough(until):
            self._silence_told = True
            events.append((SILENCE, until, (until - self._silent_since) / self.rate))
        return events

    def _samples(self, ms: int) -> int:
        return ms * self.rate // 1000

    def _begins(self) -> bool:
        decisions, loud = self._decisions[-WINDOW:], self._loud[-WINDOW:]
        stands_out = any(d and s for d, s in zip(decisions, loud, strict=True))
        return stands_out and sum(decisions) * FRAME_MS >= self.onset_ms

    def _started(self, position: int, count: int) -> Event:
        """Dated back over the speech of the window and the loud frames that touch it."""
        loud = [*reversed(self._loud), *[False] * 3 * WINDOW]
        back = max(n for n, d in enumerate(reversed(self._decisions[-WINDOW:])) if d)
        while back < 2 * WINDOW and loud[back + 1]:
            back += 1
        while back > 0 and not loud[back]:
            back -= 1
        began = max(position - back * count, self._silent_since)
        self._speaking = True
        return STARTED, began, (began - self._silent_since) / self.rate

    def _end(self) -> int:
        """Where the energy ended, no more than the detector's own hang-over before its end."""
        least = self._decided_end - self._samples(DETECTOR_HANGOVER_MS)
        return min(max(self._loud_end, least), self._decided_end)

    def _over(self, until: int) -> bool:
        return until - self._end() >= self._samples(self.hangover_ms)

    def _ended(self) -> Event:
        self._speaking = self._silence_told = False
        self._silent_since = self._end()
        return ENDED, self._silent_since, 0.0

    def _silent_long_enough(self, until: int) -> bool:
        if self._speaking or self._silence_told or not self.silence_ms:
            return False
        return until - self._silent_since >= self._samples(self.silence_ms)
