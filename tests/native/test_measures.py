"""Level, zero crossings and noise floor, in C and in numpy."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from callcore.native import _audio, reference
from tests.native.tones import ZERO_DBM0, noise, samples, tone

pytestmark = pytest.mark.parametrize("native", [_audio, reference], ids=["c", "reference"])


def test_level_is_the_mean_square_in_db_of_full_scale(native: ModuleType) -> None:
    """A full-scale square wave has 0, a sine 3 less, its half 6 less, silence -96."""
    square = np.where(np.arange(160) % 2, 32767, -32768).astype(np.int16)
    assert native.measure(square)[0] == pytest.approx(0, abs=0.001)
    full = 20 * np.log10(32768 / ZERO_DBM0)
    assert native.measure(samples(tone(1000, 0.02, full)))[0] == pytest.approx(-3.01, abs=0.01)
    assert native.measure(samples(tone(1000, 0.02, full - 6)))[0] == pytest.approx(-9.01, abs=0.01)
    assert native.measure(np.zeros(160, np.int16)) == (-96, 0)
    assert native.measure(np.zeros(0, np.int16)) == (-96, 0)


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("hertz", [100, 450, 1000, 3100])
def test_zero_crossings_tell_a_tone_s_frequency(native: ModuleType, rate: int, hertz: int) -> None:
    """Two for each period."""
    _, crossings = native.measure(samples(tone(hertz, 0.02, -10, rate, phase=0.4)))
    assert crossings == pytest.approx(2 * hertz * 0.02, abs=1)


@given(arrays.arrays(np.int16, st.integers(0, 320)))
def test_any_frame_is_measured_alike(native: ModuleType, frame: np.ndarray) -> None:
    """To a thousandth of a dB."""
    level, crossings = native.measure(frame)
    expected, counted = reference.measure(frame)
    assert level == pytest.approx(expected, abs=0.001)
    assert crossings == counted


def test_the_floor_is_that_of_the_noise(native: ModuleType) -> None:
    """White noise at -40 dBm0 for two seconds, beginning with a shout: within 1.5 dB."""
    floor = native.NoiseFloor()
    sound = samples(tone(300, 0.1, -5), noise(2, -40, np.random.default_rng(1)))
    for at in range(0, len(sound), 160):
        told = floor.update(native.measure(sound[at : at + 160])[0], False)
    level = 20 * np.log10(ZERO_DBM0 / 32768) - 40 - 3.01
    assert told == pytest.approx(level, abs=1.5)


def test_speech_and_digital_silence_hardly_move_it(native: ModuleType) -> None:
    """A minute of speech raises it as 6 s of noise would; silence (no line) leaves it."""
    floor = native.NoiseFloor()
    assert floor.update(-96, False) == -96
    assert floor.update(-60, False) == -60
    assert floor.update(-96, False) == -60
    for _ in range(50 * 60):
        told = floor.update(-20, True)
    assert told == pytest.approx(-30, abs=0.1)
    for _ in range(50):
        told = floor.update(-20, False)
    assert told == pytest.approx(-25, abs=0.1)


@given(st.lists(st.tuples(st.floats(-96, 0, width=32), st.booleans()), max_size=60))
def test_any_levels_give_the_same_floor(
    native: ModuleType, frames: list[tuple[float, bool]]
) -> None:
    """C counts in single precision."""
    floor, expected = native.NoiseFloor(), reference.NoiseFloor()
    for level, speech in frames:
        assert floor.update(level, speech) == pytest.approx(
            expected.update(level, speech), abs=0.01
        )
