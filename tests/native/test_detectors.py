"""The detectors of a stream as one object: memory, bad input, holes."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from callcore.native import _audio
from callcore.native.reference import detectors as reference_detectors
from tests.native.tones import samples, silence

both = pytest.mark.parametrize("native", [_audio, reference_detectors], ids=["c", "reference"])
EVERYTHING = 15  # all DETECT flags


@pytest.mark.parametrize("wanted", [0, EVERYTHING])
def test_without_memory_there_is_an_error_and_nothing_is_left(wanted: int) -> None:
    """Room for 0, 1, 2 … allocations, until it is enough."""
    before = _audio.blocks()
    for room in range(20):
        _audio.fail_after(room)
        try:
            _audio.Detectors(8000, wanted)
        except MemoryError:
            assert _audio.blocks() == before
        else:
            break
        finally:
            _audio.fail_after(-1)
    else:
        pytest.fail("never enough")
    assert _audio.blocks() == before


def test_a_stream_under_everything_stays_small() -> None:
    """6 KiB of the 32 that a stream may hold."""
    assert _audio.Detectors(16000, EVERYTHING).size() <= 6 * 1024


@both
def test_only_two_rates_are_known(native: ModuleType) -> None:
    """The place where another would have been heard wrong."""
    with pytest.raises(ValueError, match="44100"):
        native.Detectors(44100, 0)


@both
def test_nobody_skips_backwards(native: ModuleType) -> None:
    """A position only grows."""
    with pytest.raises(ValueError, match="-1"):
        native.Detectors(8000, 0).skip(-1)


def test_only_whole_int16_samples_are_heard() -> None:
    """Floats would be heard as noise."""
    with pytest.raises(TypeError, match="int16"):
        _audio.Detectors(8000, 0).feed(np.zeros(160, np.float32))  # type: ignore[arg-type]


@both
@pytest.mark.parametrize("rate", [8000, 16000])
def test_the_loudest_input_and_none_are_survived(native: ModuleType, rate: int) -> None:
    """Full-scale square waves, random bits, empty pieces."""
    rng = np.random.default_rng(1)
    detectors = native.Detectors(rate, EVERYTHING)
    detectors.feed(np.zeros(0, np.int16))
    square = np.where(np.arange(rate // 2) % 2, 32767, -32768).astype(np.int16)
    detectors.feed(square)
    detectors.feed(rng.integers(-32768, 32768, rate // 2).astype(np.int16))
    detectors.feed(samples(silence(0.1, rate)))
