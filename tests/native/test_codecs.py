"""G.711 and L16 in C and by the decision values: every sample and every code."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from callcore.native import _audio, reference

pytestmark = pytest.mark.parametrize("native", [_audio, reference], ids=["c", "reference"])

EVERY_SAMPLE = np.arange(-32768, 32768).astype(np.int16)
EVERY_CODE = bytes(range(256))


def ulaw_code(sample: int) -> int:
    """G.711 table 2 by its formula: 14 bits, a bias of 33, segments by the highest bit."""
    magnitude = min((~sample if sample < 0 else sample) // 4 + 33, 8191)
    segment = magnitude.bit_length() - 6
    level = 16 * segment + (magnitude >> (segment + 1)) - 16
    return (0x7F if sample < 0 else 0xFF) - level


def alaw_code(sample: int) -> int:
    """G.711 table 1 by its formula: 13 bits, the first two segments alike."""
    magnitude = (~sample if sample < 0 else sample) // 16
    segment = max(magnitude.bit_length() - 4, 0)
    level = 16 * segment + (magnitude >> max(segment - 1, 0)) - (16 if segment else 0)
    return (level | (0 if sample < 0 else 0x80)) ^ 0x55


@pytest.mark.parametrize(
    ("law", "formula"), [("ulaw", ulaw_code), ("alaw", alaw_code)], ids=["ulaw", "alaw"]
)
def test_every_sample_gets_the_code_of_its_interval(native: ModuleType, law, formula) -> None:
    """All 65,536."""
    codes = getattr(native, f"{law}_encode")(EVERY_SAMPLE)
    assert codes == bytes(formula(sample) for sample in EVERY_SAMPLE.tolist())


#: Code, decoder output y of tables 1a and 2a (positive values), in units of 16 bits.
ULAW_TABLE = {0x80: 8031 * 4, 0x8F: 4191 * 4, 0x9F: 2079 * 4, 0xAF: 1023 * 4, 0xBF: 495 * 4,
              0xCF: 231 * 4, 0xDF: 99 * 4, 0xEF: 33 * 4, 0xFE: 2 * 4, 0xFF: 0}  # fmt: skip
ALAW_TABLE = {0xFF: 4032 * 8, 0xF0: 2112 * 8, 0xE0: 1056 * 8, 0xD0: 528 * 8, 0xC0: 264 * 8,
              0xB0: 132 * 8, 0xA0: 66 * 8, 0x81: 3 * 8, 0x80: 1 * 8}  # fmt: skip


def test_decoder_outputs_are_those_of_the_tables(native: ModuleType) -> None:
    """The ends of each segment, both signs."""
    for code, value in ULAW_TABLE.items():
        for sign, octet in ((1, code), (-1, code & 0x7F)):
            (decoded,) = np.frombuffer(native.ulaw_decode(bytes([octet])), np.int16)
            assert decoded == sign * value, hex(octet)
    for code, value in ALAW_TABLE.items():
        for sign, octet in ((1, code ^ 0x55), (-1, (code ^ 0x55) & 0x7F)):
            (decoded,) = np.frombuffer(native.alaw_decode(bytes([octet])), np.int16)
            assert decoded == sign * value, hex(octet)


@pytest.mark.parametrize("law", ["ulaw", "alaw"])
def test_every_code_comes_back(native: ModuleType, law: str) -> None:
    """Decoded and encoded again; but for µ-law's two zeros, which are one."""
    decoded = np.frombuffer(getattr(native, f"{law}_decode")(EVERY_CODE), np.int16)
    again = getattr(native, f"{law}_encode")(decoded)
    assert again == (EVERY_CODE.replace(b"\x7f", b"\xff") if law == "ulaw" else EVERY_CODE)


def test_l16_is_big_endian(native: ModuleType) -> None:
    """RFC 3551 §4.5.11; half a sample at the end is left out."""
    octets = native.l16_encode(EVERY_SAMPLE)
    assert octets == EVERY_SAMPLE.astype(">i2").tobytes()
    assert native.l16_decode(octets + b"\x7f") == EVERY_SAMPLE.tobytes()
    assert native.l16_decode(b"\x80") == b""


def test_nothing_is_nothing(native: ModuleType) -> None:
    """Empty payloads, empty arrays."""
    for name in ("ulaw", "alaw", "l16"):
        assert getattr(native, f"{name}_decode")(b"") == b""
        assert getattr(native, f"{name}_encode")(np.zeros(0, np.int16)) == b""
