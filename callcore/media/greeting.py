"""What somebody, or something, said on answering: the facts answering-machine detection judges by.

Pure, and it decides nothing: the dialer does, by its own settings. It is fed the events of one
stream under detection (speech, words, tones) and can be asked at any moment. Beside what Asterisk's
`AMD()` counts (initial silence, greeting, silence after it, words) it holds what the literature
found to tell more: the shares and lengths of speech and pauses (K. Saurav, "Real-Time Voicemail
Detection in Telephony Audio Using Temporal Speech Activity Features", arXiv:2604.09675, 2026), and
what a fixed threshold cannot know: words against the noise of this line, and without its tones.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise

from callcore.media.events import (
    MediaEvent,
    SpeechEnded,
    SpeechStarted,
    Tone,
    ToneHeard,
    WordEnded,
    WordStarted,
)

#: Seconds by which a word may lie outside an utterance, or begin before a tone's measured onset.
TOLERANCE = 0.1


@dataclass(frozen=True, slots=True)
class Word:
    """A burst of sound between pauses of 50 ms or more; seconds since the answer."""

    start: float
    seconds: float
    level: float
    """Mean, dB of full scale."""

    @property
    def end(self) -> float:
        """Where the pause begins."""
        return self.start + self.seconds


@dataclass(frozen=True, slots=True)
class Spectrum:
    """Features of everything that was not silence (native/spectrum.c); deviations beside them."""

    centroid: float
    """Hz."""
    flatness: float
    """1: white noise; near 0: tones."""
    roll_off: float
    """Hz below which 95 % of the power lies."""
    flux: float
    """Change from hop to hop: high for speech, low for music."""
    centroid_deviation: float = 0.0
    flatness_deviation: float = 0.0
    roll_off_deviation: float = 0.0
    flux_deviation: float = 0.0

    @classmethod
    def of(cls, heard: tuple[int, tuple[float, ...], tuple[float, ...]]) -> Spectrum | None:
        """From a stream's report; None: there was nothing but silence."""
        hops, means, deviations = heard
        return cls(*means, *deviations) if hops else None


@dataclass(frozen=True, slots=True)
class GreetingFacts:
    """What is known by now; all times in seconds, positions since the answer."""

    elapsed: float
    """Since the answer. AMD(): totalAnalysisTime."""
    onset: float | None
    """Where the first word began; None: nobody has spoken yet."""
    initial_silence: float
    """Before the first word, or so far. AMD(): initialSilence."""
    speaking: bool
    """Amid a word."""
    greeting: float
    """From the first word's beginning to the last one's end, or until now amid a word.
    AMD(): greeting."""
    silence: float
    """Since the last word; 0 amid one or before the first. AMD(): afterGreetingSilence."""
    words: tuple[Word, ...]
    """The word that is on comes last. AMD(): maximumNumberOfWords, maximumWordLength."""
    pauses: tuple[float, ...]
    """Between the words. AMD(): betweenWordsSilence."""
    utterances: tuple[float, ...]
    """Lengths of stretches of speech by the voice activity detector, the last one so far."""
    tones: tuple[ToneHeard, ...]
    """Of the network, a fax or a voicemail box, since the answer."""
    noise_floor: float | None
    """Of the line, dB of full scale; None: not asked for."""
    spectrum: Spectrum | None

    @property
    def beep(self) -> ToneHeard | None:
        """The last beep: a message may begin when it has ended."""
        beeps = [tone for tone in self.tones if tone.tone is Tone.BEEP]
        return beeps[-1] if beeps else None

    @property
    def spoken(self) -> float:
        """Seconds of all words together."""
        return sum(word.seconds for word in self.words)

    @property
    def spoken_share(self) -> float:
        """Of the time since the answer."""
        return self.spoken / self.elapsed if self.elapsed > 0 else 0.0

    @property
    def longest_word(self) -> float:
        """0 before the first."""
        return max((word.seconds for word in self.words), default=0.0)

    @property
    def longest_utterance(self) -> float:
        """0 before the first."""
        return max(self.utterances, default=0.0)

    @property
    def longest_pause(self) -> float:
        """0 with fewer than two words."""
        return max(self.pauses, default=0.0)

    @property
    def signal_to_noise(self) -> float | None:
        """Mean level of the words above the noise floor, dB."""
        if self.noise_floor is None or not self.words:
            return None
        return sum(word.level for word in self.words) / len(self.words) - self.noise_floor


class Greeting:
    """Gathers the events of one stream. Positions are the stream's, in seconds."""

    def __init__(self, answered: float = 0.0) -> None:
        self._answered = answered
        self._words: list[Word] = []
        self._current: Word | None = None
        self._utterances: list[tuple[float, float | None]] = []
        self._tones: list[ToneHeard] = []

    def answered(self, position: float) -> None:
        """The far end answered there: what came before (ring-back, early media) is no greeting."""
        self._answered = position

    def hear(self, event: MediaEvent) -> bool:
        """Take note of an event of the stream; whether it changes the facts."""
        match event:
            case SpeechStarted():
                self._utterances.append((event.position, None))
            case SpeechEnded() if self._utterances:
                self._utterances[-1] = (self._utterances[-1][0], event.position)
            case WordStarted():
                self._current = Word(event.position, 0.0, event.level)
            case WordEnded():
                self._current = None
                self._words.append(Word(event.position, event.seconds, event.level))
            case ToneHeard():
                self._tones.append(event)
            case _:
                return False
        return True

    def facts(
        self, now: float, noise_floor: float | None = None, spectrum: Spectrum | None = None
    ) -> GreetingFacts:
        """What is known at position `now`; the level and the features come from the stream."""
        words = tuple(self._said(now))
        elapsed = max(0.0, now - self._answered)
        on = self._current is not None and bool(words) and words[-1].end >= elapsed
        end = words[-1].end if words else 0.0
        onset = words[0].start if words else None
        return GreetingFacts(
            elapsed=elapsed,
            onset=onset,
            initial_silence=elapsed if onset is None else onset,
            speaking=on,
            greeting=end - onset if onset is not None else 0.0,
            silence=0.0 if on or onset is None else max(0.0, elapsed - end),
            words=words,
            pauses=tuple(b.start - a.end for a, b in pairwise(words)),
            utterances=tuple(self._spoken(now)),
            tones=tuple(t for t in self._tones if t.position + t.seconds > self._answered),
            noise_floor=noise_floor,
            spectrum=spectrum,
        )

    def _said(self, now: float) -> Iterable[Word]:
        """The words since the answer, without tones and noises."""
        words = list(self._words)
        if self._current is not None:
            words.append(replace(self._current, seconds=max(0.0, now - self._current.start)))
        for word in words:
            bare = self._without_tones(word)
            if bare is not None and self._is_speech(bare) and bare.end > self._answered:
                start = max(bare.start, self._answered)
                yield Word(start - self._answered, bare.end - start, bare.level)

    def _without_tones(self, word: Word) -> Word | None:
        """A burst that begins with a tone is the tone; one that runs into it ends there."""
        for tone in self._tones:
            if tone.position - TOLERANCE <= word.start < tone.position + tone.seconds:
                return None
            if word.start < tone.position < word.end:
                word = replace(word, seconds=tone.position - word.start)
        return word

    def _is_speech(self, word: Word) -> bool:
        """The voice activity detector heard speech there, too: a door that slams is no word."""
        return any(
            start - TOLERANCE < word.end and (end is None or word.start < end + TOLERANCE)
            for start, end in self._utterances
        )

    def _spoken(self, now: float) -> Iterable[float]:
        for start, end in self._utterances:
            until = now if end is None else end
            if until > self._answered:
                yield until - max(start, self._answered)
