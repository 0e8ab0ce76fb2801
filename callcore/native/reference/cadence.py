"""What cadence.c does, in Python."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from callcore.native._audio import (
    EVENT_TONE,
    TONE_BEEP,
    TONE_BUSY,
    TONE_CED,
    TONE_CNG,
    TONE_CONGESTION,
    TONE_NONE,
    TONE_RINGBACK,
    TONE_SIT,
)
from callcore.native.reference.event import Event

#: Frequencies, tolerance in Hz, ms a burst lasts, ms of the pause, what it is.
RHYTHMS = (
    ((425,), 40, (300, 660), (300, 700), TONE_BUSY),
    ((425,), 40, (120, 300), (120, 300), TONE_CONGESTION),
    ((425,), 40, (660, 2500), (2500, 5500), TONE_RINGBACK),
    ((480, 620), 12, (400, 600), (400, 600), TONE_BUSY),
    ((480, 620), 12, (180, 350), (180, 350), TONE_CONGESTION),
    ((440, 480), 12, (700, 2500), (2500, 4500), TONE_RINGBACK),
    ((400, 450), 12, (300, 500), (140, 300), TONE_RINGBACK),
)
INFORMATION = (950, 1400, 1800)
QUIET, BENEATH = 0.03, 2.5
IMPURE, STAYS = 0.02, 0.3


@dataclass
class Tone:
    """One or two steady frequencies; times in samples of the detector's own clock."""

    hertz: list[float]
    start: int = 0
    onset: int = 0
    end: int = 0
    peak: float = 0.0
    last: float = 0.0
    rest: float = 0.0
    sum: float = 0.0
    pure: int = 1
    impure: int = 0
    rise: list[float] = field(default_factory=list)

    @property
    def length(self) -> int:
        """Samples from onset to end."""
        return self.end - self.onset

    def near(self, hertz: tuple[int, ...], tolerance: float) -> bool:
        """These frequencies."""
        return len(hertz) == len(self.hertz) and all(
            abs(a - b) <= tolerance for a, b in zip(self.hertz, hertz, strict=True)
        )


@dataclass(frozen=True)
class HopFacts:
    """What one hop says."""

    clock: int
    ended: Tone | None
    lasting: Tone | None
    total: float
    other: bool


def ms(value: int) -> int:
    """Samples."""
    return value * 8


def within(length: int, least: int, most: int) -> bool:
    """In ms; the upper bound is excluded."""
    return ms(least) <= length < ms(most)


class Cadence:
    """What steady tones mean."""

    def __init__(self) -> None:
        self.last: Tone | None = None
        self.first: Tone | None = None
        self.candidate: Tone | None = None
        self.pattern = self.awaited = TONE_NONE
        self.stage = self.disturbed = 0
        self.quiet_needed = self.other_at = self.ced_until = 0
        self.told: tuple[int, Tone] | None = None

    def hop(self, facts: HopFacts, position: int) -> list[Event]:
        """At most one event."""
        self.told = None
        if facts.other:
            self.other_at = facts.clock
        if facts.ended is not None:
            self.awaited = TONE_NONE
            self._ended(replace(facts.ended))
        if facts.lasting is not None:
            self._lasting(replace(facts.lasting, end=facts.clock))
        if self.awaited != TONE_NONE:
            self._wait_for_quiet(facts)
        if self.told is None:
            return []
        kind, tone = self.told
        at = tone.onset + position - facts.clock
        return [(EVENT_TONE, kind, at, tone.length / 8000, tone.hertz[0])]

    def _tell_pattern(self, kind: int, tone: Tone) -> None:
        if self.pattern != kind:
            self.told = kind, tone
        self.pattern = kind

    def _await(self, kind: int, tone: Tone, quiet: int) -> None:
        self.awaited, self.candidate = kind, tone
        self.quiet_needed = ms(quiet)
        self.disturbed = 0

    def _rhythm(self, tone: Tone) -> int:
        last = self.last
        if last is None:
            return TONE_NONE
        for hertz, tolerance, on, off, kind in RHYTHMS:
            if (
                all(t.near(hertz, tolerance) and within(t.length, *on) for t in (tone, last))
            ) and within(tone.onset - last.end, *off):
                return kind
        return TONE_NONE

    def _information(self, tone: Tone) -> bool:
        follows = self.last is not None and tone.onset - self.last.end < ms(60)
        stage = self.stage if follows else 0
        if not tone.near((INFORMATION[stage],), 50):
            stage = 0
        fits = tone.near((INFORMATION[stage],), 50) and within(tone.length, 180, 480)
        self.stage = stage + 1 if fits else 0
        if self.stage == 1:
            self.first = tone
        if self.stage < 3 or self.first is None:
            return False
        self.stage = 0
        self.first = replace(self.first, end=tone.end)
        return True

    def _ended(self, tone: Tone) -> None:
        answered = self.other_at > 0 and tone.onset - self.other_at < ms(3000)
        if self.last is not None and tone.onset - self.last.end > ms(8000):
            self.pattern = TONE_NONE
        kind = self._rhythm(tone)
        if self._information(tone) and self.first is not None:
            self.told = TONE_SIT, self.first
        elif kind != TONE_NONE:
            self._tell_pattern(kind, tone)
        elif len(tone.hertz) == 1:
            self._single(tone, answered)
        self.last = tone

    def _single(self, tone: Tone, answered: bool) -> None:
        last = self.last
        progress = tone.near((425,), 40) and not answered
        melody = (
            last is not None
            and tone.onset - last.end < ms(400)
            and last.length >= ms(100)
            and abs(tone.hertz[0] - last.hertz[0]) > 25
        )
        steady = tone.sum >= 0.5 * tone.peak * tone.pure
        if tone.near((1100,), 38) and within(tone.length, 400, 600) and not answered:
            self.told = TONE_CNG, tone
        elif melody or not 395 <= tone.hertz[0] <= 2050:
            return
        elif progress and tone.length >= ms(660):
            self._await(TONE_RINGBACK, tone, 2600)
        elif steady and within(tone.length, 92, 5000):
            self._await(TONE_BEEP, tone, 800 if progress else 160)

    def _lasting(self, tone: Tone) -> None:
        if tone.near((2100,), 20) and tone.length >= ms(500) and tone.onset > self.ced_until:
            self.told = TONE_CED, tone
            self.ced_until = tone.end + ms(8000)
        if tone.near((440, 480), 12) and tone.length >= ms(800):
            self._tell_pattern(TONE_RINGBACK, tone)

    def _wait_for_quiet(self, facts: HopFacts) -> None:
        tone = self.candidate
        assert tone is not None
        since = facts.clock - tone.end
        quiet = facts.total <= QUIET * tone.peak or facts.total <= BENEATH * tone.rest
        if facts.lasting is not None:
            self.disturbed += 2
        elif since > ms(60) and not quiet:
            self.disturbed += 1
        if self.disturbed > 1:
            self.awaited = TONE_NONE
        elif since >= self.quiet_needed:
            if self.awaited == TONE_RINGBACK:
                self._tell_pattern(TONE_RINGBACK, tone)
            elif not self._voiced(tone, facts.total):
                self.told = self.awaited, tone
            self.awaited = TONE_NONE

    def _voiced(self, tone: Tone, total: float) -> bool:
        short, impure = tone.length < ms(150), tone.rest > IMPURE * tone.peak
        return short and impure and total < STAYS * tone.rest
