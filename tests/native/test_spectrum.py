"""Spectral features in C and the reference."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from callcore.native import _audio
from callcore.native.reference import detectors as reference_detectors
from tests.native.tones import Samples, noise, samples, silence, tone
from tests.native.voices import say

both = pytest.mark.parametrize("native", [_audio, reference_detectors], ids=["c", "reference"])

SPECTRUM = 8
CENTROID, FLATNESS, ROLL_OFF, FLUX = range(4)


def means(native: ModuleType, audio: Samples) -> tuple[float, ...]:
    """The features' means."""
    detectors = native.Detectors(8000, SPECTRUM)
    assert detectors.feed(audio) == []
    _, mean, _ = detectors.spectrum()
    return tuple(mean)


@both
def test_a_tone_is_narrow_and_does_not_change(native: ModuleType) -> None:
    """Its centroid and roll-off are where it is, to a band."""
    mean = means(native, samples(tone(1000, 3)))
    assert mean[CENTROID] == pytest.approx(1000, abs=35)
    assert mean[ROLL_OFF] == pytest.approx(1000, abs=65)
    assert mean[FLATNESS] < 0.01
    assert mean[FLUX] < 0.02


@both
def test_white_noise_is_flat(native: ModuleType) -> None:
    """The centroid amid the band, 95 % of the power below 95 % of it."""
    mean = means(native, samples(noise(3, -20, np.random.default_rng(2))))
    assert mean[CENTROID] == pytest.approx(2062, abs=40)
    assert mean[ROLL_OFF] == pytest.approx(125 + 0.95 * 3875, abs=60)
    assert mean[FLATNESS] > 0.7


@both
def test_silence_says_nothing(native: ModuleType) -> None:
    """It does not count, nor does a stream without the flag."""
    for wanted in (0, SPECTRUM):
        detectors = native.Detectors(8000, wanted)
        detectors.feed(samples(silence(1)))
        assert detectors.spectrum() == (0, (0, 0, 0, 0), (0, 0, 0, 0))


def test_a_voice_changes_more_than_a_chord() -> None:
    """What the features are for: speech has more flux than held music."""
    chord = samples(tone(440, 3) + tone(554, 3) + tone(659, 3))
    assert means(_audio, say("This is a voice that speaks"))[FLUX] > 5 * means(_audio, chord)[FLUX]


@pytest.mark.parametrize("rate", [8000, 16000])
def test_the_reference_computes_what_c_does(rate: int) -> None:
    """Means and deviations of speech."""
    audio = say("Please leave a message after the tone", rate=rate)
    results = []
    for native in (_audio, reference_detectors):
        detectors = native.Detectors(rate, SPECTRUM)
        for at in range(0, len(audio), 97):
            detectors.feed(audio[at : at + 97])
        results.append(detectors.spectrum())
    assert results[0][0] == results[1][0] > 50
    assert results[0][1] == pytest.approx(results[1][1], rel=1e-3)
    assert results[0][2] == pytest.approx(results[1][2], rel=1e-2)
