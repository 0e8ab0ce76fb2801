"""Every constructor of the audio path without memory: an error, and nothing is left."""

from __future__ import annotations

import gc
from collections.abc import Callable

import numpy as np
import pytest

from callcore.native import _audio

EVERYTHING = 0xFFFFFFFF >> 1

MADE: dict[str, Callable[[], object]] = {
    "jitter": lambda: _audio.Jitter(8000),
    "vad": lambda: _audio.Vad(8000, 2),
    "bare stream": lambda: _audio.Stream(8000, vad_mode=-1, frames=False),
    "stream": lambda: _audio.Stream(8000),
    "stream with detectors": lambda: _audio.Stream(16000, detect=EVERYTHING),
    "server": lambda: _audio.Server(8000, 4),
    "detectors": lambda: _audio.Detectors(8000, EVERYTHING),
    "prompt": lambda: _audio.Prompt(np.zeros(800, np.int16)),
}


@pytest.mark.parametrize("name", MADE)
def test_without_memory_there_is_an_error_and_nothing_is_left(name: str) -> None:
    """Room for 0, 1, 2 … allocations, until it is enough."""
    before = _audio.blocks()
    failures = 0
    for room in range(40):
        _audio.fail_after(room)
        try:
            made = MADE[name]()
        except MemoryError:
            failures += 1
            assert _audio.blocks() == before, room
        else:
            assert _audio.blocks() > before
            del made
            break
        finally:
            _audio.fail_after(-1)
    else:
        pytest.fail("never enough")
    gc.collect()
    assert failures > 0
    assert _audio.blocks() == before


def test_a_server_without_memory_for_a_stream_goes_on() -> None:
    """The place and the id stay free; a stream that fits is opened."""
    server = _audio.Server(8000, 2)
    index, _ = server.bind("127.0.0.1", 0)
    before, failures = _audio.blocks(), 0
    while True:
        _audio.fail_after(failures)
        try:
            stream = server.open(index, "127.0.0.1", 5000, detect=EVERYTHING)
            break
        except OSError as exc:
            failures += 1
            message = str(exc)
            assert _audio.blocks() == before
        finally:
            _audio.fail_after(-1)
    assert failures >= 4
    assert "memory" in message
    server.close(stream)
    assert _audio.blocks() == before
