"""DTMF digits as RFC 4733 events and as in-band tones."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from callcore.lab.g711 import Samples

EVENT_CODES = {digit: code for code, digit in enumerate("0123456789*#ABCD")}
_DIGITS = {code: digit for digit, code in EVENT_CODES.items()}

# ITU-T Q.23: row and column frequencies.
FREQUENCIES = {
    digit: (row, column)
    for row, digits in zip((697, 770, 852, 941), ("123A", "456B", "789C", "*0#D"), strict=True)
    for column, digit in zip((1209, 1336, 1477, 1633), digits, strict=True)
}

FRAME = 160
END_PACKETS = 3  # RFC 4733 §2.5.1.4: the end is sent three times


@dataclass(frozen=True)
class EventFrame:
    """One 20 ms step of an RFC 4733 event."""

    payload: bytes
    first: bool
    since_start: int
    """Samples between the start of the event (its timestamp) and this packet."""


def event_frames(digit: str, milliseconds: int) -> list[EventFrame]:
    """All packets of one key press."""
    code = EVENT_CODES[digit.upper()]
    steps = max(2, milliseconds // 20)
    volume = 10
    frames = [
        EventFrame(struct.pack("!BBH", code, volume, step * FRAME), step == 1, (step - 1) * FRAME)
        for step in range(1, steps + 1)
    ]
    total = steps * FRAME
    frames += [
        EventFrame(struct.pack("!BBH", code, volume | 0x80, total), False, total + again * FRAME)
        for again in range(END_PACKETS)
    ]
    return frames


def event_digit(payload: bytes) -> tuple[str, bool]:
    """The key and whether this packet ends it; an empty key for unknown events."""
    if len(payload) < 4:
        return "", False
    return _DIGITS.get(payload[0], ""), bool(payload[1] & 0x80)


def tone(digit: str, milliseconds: int, amplitude: int = 8000) -> Samples:
    """The in-band tone pair of a key."""
    low, high = FREQUENCIES[digit.upper()]
    time = np.arange(8 * milliseconds) / 8000
    wave = np.sin(2 * np.pi * low * time) + np.sin(2 * np.pi * high * time)
    return (wave * amplitude / 2).astype(np.int16)


def tone_sequence(digits: str, milliseconds: int, gap_milliseconds: int) -> Samples:
    """Several keys in band with gaps of silence."""
    gap = np.zeros(8 * gap_milliseconds, dtype=np.int16)
    parts = [part for digit in digits for part in (tone(digit, milliseconds), gap)]
    return np.concatenate(parts) if parts else gap[:0]
