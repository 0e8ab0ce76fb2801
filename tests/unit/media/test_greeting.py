"""What is known of a greeting, from its events: as soon as they come, and no more than they say."""

from __future__ import annotations

import pytest

from callcore.media.events import (
    MediaEvent,
    SilenceReached,
    SpeechEnded,
    SpeechStarted,
    Tone,
    ToneHeard,
    WordEnded,
    WordStarted,
)
from callcore.media.greeting import Greeting, Spectrum, Word


def started(at: float) -> SpeechStarted:
    """Of an utterance."""
    return SpeechStarted(1, at, at, 0.0)


def ended(at: float) -> SpeechEnded:
    """Of an utterance."""
    return SpeechEnded(1, at, at)


def word_on(at: float) -> WordStarted:
    """A word that is on."""
    return WordStarted(1, at, at, -25.0)


def word(at: float, seconds: float) -> WordEnded:
    """A word that is over."""
    return WordEnded(1, at, at, seconds, -25.0)


def tone(kind: Tone, at: float, seconds: float, hertz: float = 1000) -> ToneHeard:
    """A tone."""
    return ToneHeard(1, at, at, kind, seconds, hertz)


def heard(*events: MediaEvent, answered: float = 0.0) -> Greeting:
    """A greeting that heard them."""
    greeting = Greeting(answered)
    for event in events:
        assert greeting.hear(event)
    return greeting


def test_before_anybody_speaks_there_is_only_silence() -> None:
    """It grows with the time asked at."""
    facts = Greeting(2.0).facts(5.5)
    assert facts.onset is None
    assert (facts.elapsed, facts.initial_silence, facts.silence) == (3.5, 3.5, 0.0)
    assert not facts.words
    assert not facts.speaking
    assert facts.longest_word == facts.longest_pause == facts.spoken_share == 0.0


def test_a_word_counts_from_the_moment_it_is_told() -> None:
    """Its length is that so far."""
    facts = heard(started(1.0), word_on(1.0)).facts(1.4)
    assert facts.speaking
    assert facts.words == (Word(1.0, pytest.approx(0.4), -25.0),)
    assert facts.greeting == pytest.approx(0.4)
    assert facts.silence == 0.0
    assert facts.utterances == (pytest.approx(0.4),)


def test_words_pauses_and_the_silence_after_them() -> None:
    """All that AMD() counts."""
    facts = heard(
        started(0.6), word_on(0.6), word(0.6, 0.4), word_on(1.2), word(1.2, 0.3),
        word_on(1.7), word(1.7, 0.5), ended(2.2),
    ).facts(3.0)  # fmt: skip
    assert facts.onset == facts.initial_silence == pytest.approx(0.6)
    assert [w.seconds for w in facts.words] == pytest.approx([0.4, 0.3, 0.5])
    assert facts.pauses == (pytest.approx(0.2), pytest.approx(0.2))
    assert facts.greeting == pytest.approx(1.6)
    assert facts.silence == pytest.approx(0.8)
    assert facts.spoken == pytest.approx(1.2)
    assert facts.spoken_share == pytest.approx(0.4)
    assert facts.longest_word == pytest.approx(0.5)
    assert facts.longest_utterance == pytest.approx(1.6)
    assert not facts.speaking


def test_what_came_before_the_answer_is_no_greeting() -> None:
    """Early media ends there; a word on the way across it counts from the answer."""
    greeting = heard(
        started(0.5), word(0.5, 1.0), tone(Tone.RINGBACK, 0.0, 1.0), word(2.8, 0.6), ended(3.4)
    )
    greeting.answered(3.0)
    facts = greeting.facts(4.0)
    assert facts.words == (Word(0.0, pytest.approx(0.4), -25.0),)
    assert facts.tones == ()
    assert facts.elapsed == 1.0
    assert facts.utterances == (pytest.approx(0.4),)


def test_a_tone_is_no_word() -> None:
    """The burst that is the beep goes, the one that runs into it ends where it begins."""
    beep = tone(Tone.BEEP, 2.0, 0.5)
    facts = heard(started(1.0), word(1.0, 1.5), beep, word(2.02, 0.48)).facts(3.0)
    assert facts.words == (Word(1.0, pytest.approx(1.0), -25.0),)
    assert facts.silence == pytest.approx(1.0)
    assert facts.beep == beep
    assert facts.tones == (beep,)


def test_the_last_beep_counts() -> None:
    """Some boxes beep twice; other tones are no beep."""
    first, last = tone(Tone.BEEP, 2.0, 0.2), tone(Tone.BEEP, 3.0, 0.2)
    facts = heard(first, last, tone(Tone.CED, 5.0, 0.5, 2100)).facts(6.0)
    assert facts.beep == last
    assert [t.tone for t in facts.tones] == [Tone.BEEP, Tone.BEEP, Tone.CED]


def test_a_noise_that_is_no_speech_is_no_word() -> None:
    """Neither a door before the greeting nor a click after it; a word at its edge is one."""
    facts = heard(
        word(0.2, 0.15), started(1.0), word(0.95, 0.5), ended(1.5), word(1.55, 0.12), word(2.5, 0.3)
    ).facts(3.0)
    assert [w.start for w in facts.words] == [0.95, 1.55]


def test_other_events_change_nothing() -> None:
    """Nor does an end without a beginning."""
    greeting = Greeting()
    assert not greeting.hear(SilenceReached(1, 1.0, 1.0, 1.0))
    assert not greeting.hear(ended(1.0))
    assert greeting.facts(2.0).words == ()


def test_level_and_spectrum_come_from_the_stream() -> None:
    """Words 30 dB above the line's noise; features as reported."""
    spectrum = Spectrum.of((10, (900.0, 0.1, 2000.0, 0.4), (1.0, 2.0, 3.0, 4.0)))
    greeting = heard(started(1.0), word(1.0, 0.5))
    facts = greeting.facts(2.0, noise_floor=-55.0, spectrum=spectrum)
    assert facts.signal_to_noise == pytest.approx(30.0)
    assert facts.spectrum is not None
    assert (facts.spectrum.flux, facts.spectrum.flux_deviation) == (0.4, 4.0)
    assert greeting.facts(2.0).signal_to_noise is None
    assert Spectrum.of((0, (0.0,) * 4, (0.0,) * 4)) is None
