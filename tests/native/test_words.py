"""Words in C and the reference: bursts between pauses, in silence, noise and speech."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callcore.native import _audio
from callcore.native.reference import detectors as reference_detectors
from tests.native.tones import Samples, Signal, noise, pieces, samples, silence
from tests.native.voices import say, speech

both = pytest.mark.parametrize("native", [_audio, reference_detectors], ids=["c", "reference"])
rates = pytest.mark.parametrize("rate", [8000, 16000])

WORDS = 4


def voice(seconds: float, rate: int = 8000, dbm0: float = -20) -> Signal:
    """A vowel: harmonics of 120 Hz that fall off."""
    time = np.arange(round(seconds * rate)) / rate
    wave = sum(np.sin(2 * np.pi * 120 * k * time + k * k) / k for k in range(1, 15))
    return wave * 10 ** (dbm0 / 20) * 20000


def spoken(native: ModuleType, audio: Samples, rate: int = 8000) -> list[tuple[float, float]]:
    """Begin and length of each word, seconds."""
    return [
        (position / rate, seconds)
        for kind, _, position, seconds, _ in native.Detectors(rate, WORDS).feed(audio)
        if kind == _audio.EVENT_WORD_ENDED
    ]


@both
@rates
@pytest.mark.parametrize("dbm0", [-10, -25, -35])
def test_each_burst_is_a_word_with_its_time(native: ModuleType, rate: int, dbm0: float) -> None:
    """Onset and length to 15 ms, whatever the level."""
    lengths, gaps = (0.12, 0.3, 0.8, 0.25), (0.5, 0.08, 0.2, 0.7)
    parts, expected, at = [], [], 0.0
    for length, gap in zip(lengths, gaps, strict=True):
        parts += [silence(gap, rate), voice(length, rate, dbm0)]
        expected.append((at + gap, length))
        at += gap + length
    found = spoken(native, samples(*parts, silence(0.2, rate)), rate)
    assert np.array(found) == pytest.approx(np.array(expected), abs=0.015)


@both
def test_a_click_is_no_word_and_a_short_gap_parts_none(native: ModuleType) -> None:
    """Asterisk's bounds: 100 ms of sound make a word, 50 ms of silence part two."""
    audio = samples(silence(0.5), voice(0.06), silence(0.5), voice(0.2), silence(0.03), voice(0.2))
    found = spoken(native, np.concatenate([audio, samples(silence(0.3))]))
    assert np.array(found) == pytest.approx(np.array([(1.06, 0.43)]), abs=0.015)


@both
@pytest.mark.parametrize("dbm0", [-60, -50, -40])
def test_noise_is_no_word_and_hides_none(native: ModuleType, dbm0: float) -> None:
    """From the stream's first sample on; the words are 15 dB or more above it."""
    rng = np.random.default_rng(7)
    parts = [silence(1.5), voice(0.3), silence(0.4), voice(0.4), silence(1.5)]
    signal = np.concatenate(parts)
    audio = samples(signal + noise(len(signal) / 8000, dbm0, rng))
    found = spoken(native, audio)
    assert np.array(found) == pytest.approx(np.array([(1.5, 0.3), (2.2, 0.4)]), abs=0.03)


@both
def test_noise_that_begins_later_is_one_word_at_most(native: ModuleType) -> None:
    """The floor rises to it within seconds."""
    rng = np.random.default_rng(8)
    audio = samples(silence(1), noise(15, -35, rng))
    found = spoken(native, np.concatenate([audio, samples(silence(0.2))]))
    assert len(found) <= 2
    assert sum(length for _, length in found) < 7


@both
def test_a_word_is_told_as_soon_as_it_is_one(native: ModuleType) -> None:
    """Its beginning after 100 ms, its end 50 ms after it."""
    detectors = native.Detectors(8000, WORDS)
    assert detectors.feed(samples(silence(0.5), voice(0.08))) == []
    ((kind, _, position, _, level),) = detectors.feed(samples(voice(0.04)))
    assert (kind, position) == (_audio.EVENT_WORD_STARTED, 4000)
    assert -30 < level < -15
    assert detectors.feed(samples(voice(0.5), silence(0.03))) == []
    ((kind, _, position, seconds, _),) = detectors.feed(samples(silence(0.04)))
    assert (kind, position) == (_audio.EVENT_WORD_ENDED, 4000)
    assert seconds == pytest.approx(0.62, abs=0.02)


@pytest.mark.parametrize(
    ("text", "words"), [("Hello", 1), ("one, two, three, four", 4), ("Yes? Who is there", 2)]
)
def test_spoken_words_with_pauses_are_counted(text: str, words: int) -> None:
    """By espeak-ng; words that run together are one."""
    spoken_text = say(text).astype(float)
    found = spoken(_audio, samples(silence(0.5), spoken_text, silence(0.3)))
    assert words <= len(found) <= words + 1


@both
@settings(max_examples=20)
@given(lengths=st.lists(st.integers(1, 320), min_size=1, max_size=8),
       rate=st.sampled_from([8000, 16000]))  # fmt: skip
def test_pieces_of_any_size_give_the_same_words(
    native: ModuleType, lengths: list[int], rate: int
) -> None:
    """1 to 320 samples."""
    audio = samples(silence(0.3, rate), voice(0.3, rate), silence(0.2, rate), voice(0.2, rate),
                    silence(0.2, rate))  # fmt: skip
    whole = native.Detectors(rate, WORDS).feed(audio)
    detectors = native.Detectors(rate, WORDS)
    assert [e for piece in pieces(audio, lengths) for e in detectors.feed(piece)] == whole
    assert len(whole) == 4


@rates
def test_the_reference_hears_what_c_hears(rate: int) -> None:
    """Event for event, in speech."""
    audio = np.concatenate(list(speech(30, rate)))
    whole = _audio.Detectors(rate, WORDS).feed(audio)
    reference = reference_detectors.Detectors(rate, WORDS).feed(audio)
    assert len(whole) > 30
    assert len(reference) == len(whole)
    assert np.array(reference) == pytest.approx(np.array(whole), abs=0.1)
