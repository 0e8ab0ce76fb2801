"""What the receiving half does in C, written for reading: the same names, the same tests."""

from callcore.native.reference.codecs import (
    alaw_decode,
    alaw_encode,
    l16_decode,
    l16_encode,
    ulaw_decode,
    ulaw_encode,
)
from callcore.native.reference.jitter import Jitter
from callcore.native.reference.measures import NoiseFloor, measure
from callcore.native.reference.rtp import parse_rtp
from callcore.native.reference.sequence import Sequence
from callcore.native.reference.speech import Speech

__all__ = [
    "Jitter",
    "NoiseFloor",
    "Sequence",
    "Speech",
    "alaw_decode",
    "alaw_encode",
    "l16_decode",
    "l16_encode",
    "measure",
    "parse_rtp",
    "ulaw_decode",
    "ulaw_encode",
]
