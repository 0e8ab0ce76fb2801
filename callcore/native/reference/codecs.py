"""ITU-T G.711 by its decision values (tables 1a and 2a), and L16 (RFC 3551 §4.5.11)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]
Values = npt.NDArray[np.int64]


def _intervals(*segments: tuple[int, int]) -> Values:
    """Lower ends of the quantising intervals: so many of such a width in each segment."""
    widths = [width for count, width in segments for _ in range(count)]
    return np.concatenate([[0], np.cumsum(widths)])


#: Decision values of magnitudes of 13 bits (µ-law) and 12 bits (A-law), without the virtual last.
ULAW = _intervals((1, 1), (15, 2), *((16, 4 << n) for n in range(7)))
ALAW = _intervals((32, 1), *((16, 2 << n) for n in range(6)))


def ulaw_encode(samples: Samples) -> bytes:
    """Negative samples as one's complement; the code of 1 negative is 0x7e."""
    wide = samples.astype(np.int64)
    magnitude = np.where(wide < 0, ~wide, wide) >> 2
    level = np.minimum(np.searchsorted(ULAW, magnitude, side="right") - 1, 127)
    return bytes(np.where(wide < 0, 0x7F, 0xFF).astype(np.uint8) - level.astype(np.uint8))


def ulaw_decode(codes: bytes) -> bytes:
    """The middle of each interval; the first is zero itself."""
    code = np.frombuffer(codes, np.uint8).astype(np.int64)
    level = 127 - (code & 0x7F)
    middle = np.where(level == 0, 0, 2 * (ULAW[level] + ULAW[level + 1]))
    signed: Values = np.where(code < 128, -middle, middle)
    return signed.astype(np.int16).tobytes()


def alaw_encode(samples: Samples) -> bytes:
    """Negative samples as one's complement; every second bit is turned."""
    wide = samples.astype(np.int64)
    magnitude = np.where(wide < 0, ~wide, wide) >> 4
    level = np.searchsorted(ALAW, magnitude, side="right") - 1
    return bytes((np.where(wide < 0, level, level | 0x80) ^ 0x55).astype(np.uint8))


def alaw_decode(codes: bytes) -> bytes:
    """The middle of each interval."""
    code = np.frombuffer(codes, np.uint8).astype(np.int64) ^ 0x55
    middle = 8 * (ALAW[code & 0x7F] + ALAW[(code & 0x7F) + 1])
    signed: Values = np.where(code & 0x80, middle, -middle)
    return signed.astype(np.int16).tobytes()


def l16_decode(octets: bytes) -> bytes:
    """Network byte order; half a sample at the end is left out."""
    return np.frombuffer(octets[: len(octets) & ~1], ">i2").astype(np.int16).tobytes()


def l16_encode(samples: Samples) -> bytes:
    """Network byte order."""
    return samples.astype(">i2").tobytes()
