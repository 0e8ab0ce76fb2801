"""G.711 tables keep the promises of the standard."""

import numpy as np
import pytest

from callcore.lab import g711

EVERY = np.arange(-32768, 32768).astype(np.int16)


@pytest.mark.parametrize(("codec", "peak"), [("PCMU", 32124), ("PCMA", 32256)])
def test_codes_are_fixed_points_and_close(codec, peak):
    """Decoded codes encode to the same level again, and no sample is off by more than a step."""
    decoded = g711.decode(bytes(range(256)), codec)
    assert (decoded.min(), decoded.max()) == (-peak, peak)
    assert np.array_equal(g711.decode(g711.encode(decoded, codec), codec), decoded)
    error = np.abs(g711.decode(g711.encode(EVERY, codec), codec).astype(int) - EVERY)
    assert np.all(error <= np.maximum(np.abs(EVERY.astype(int)) // 16 / 2 + 16, 644))
    assert error[32768 - 1000 : 32768 + 1000].max() <= 32


def test_known_codes():
    """Silence and the extremes have the codes every implementation uses."""
    assert g711.SILENCE["PCMU"] == b"\xff" * 160
    assert g711.SILENCE["PCMA"] == b"\xd5" * 160
    assert g711.encode(np.asarray([32767, -32768], dtype=np.int16), "PCMU") == b"\x80\x00"
    assert g711.encode(np.asarray([32767, -32768], dtype=np.int16), "PCMA") == b"\xaa\x2a"
