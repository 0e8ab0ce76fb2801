"""G.711 µ-law and A-law by table (ITU-T G.711), for whole numpy arrays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]


def _ulaw_decode_table() -> Samples:
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    exponent, mantissa = (code >> 4) & 7, code & 15
    magnitude = (((mantissa << 3) + 0x84) << exponent) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _alaw_decode_table() -> Samples:
    code = np.arange(256, dtype=np.int32) ^ 0x55
    exponent, mantissa = (code >> 4) & 7, code & 15
    linear = (mantissa << 4) + 8
    magnitude = np.where(exponent > 0, (linear + 0x100) << np.maximum(exponent - 1, 0), linear)
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _encode_table(decode: Samples) -> npt.NDArray[np.uint8]:
    """For each 16-bit sample the code whose decoded value is nearest."""
    order = np.argsort(decode, kind="stable")
    levels = decode[order].astype(np.int32)
    middles = (levels[1:] + levels[:-1]) / 2
    nearest = np.searchsorted(middles, np.arange(-32768, 32768), side="right")
    return order[nearest].astype(np.uint8)


_DECODE = {"PCMU": _ulaw_decode_table(), "PCMA": _alaw_decode_table()}
_ENCODE = {name: _encode_table(table) for name, table in _DECODE.items()}
SILENCE = {
    name: bytes([int(table[32768])]) * 160 for name, table in _ENCODE.items()
}  # one 20 ms frame of sample value 0


def encode(samples: Samples, codec: str) -> bytes:
    """Linear samples to G.711 (``codec`` is PCMU or PCMA)."""
    return _ENCODE[codec][samples.astype(np.int32) + 32768].tobytes()


def decode(payload: bytes, codec: str) -> Samples:
    """G.711 to linear samples."""
    return _DECODE[codec][np.frombuffer(payload, dtype=np.uint8)]
