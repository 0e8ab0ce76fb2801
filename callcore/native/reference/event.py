"""What the numpy detectors tell: the same tuples and numbers as the C ones."""

from __future__ import annotations

#: kind, code, position (samples since the stream's first), value, extra: as in audio.h.
Event = tuple[int, int, int, float, float]

EVENT_TONE_DIGIT = 5
EVENT_TONE = 6
EVENT_WORD_STARTED = 10
EVENT_WORD_ENDED = 11

TONE_NONE = 0
TONE_CNG = 1
TONE_CED = 2
TONE_SIT = 3
TONE_BUSY = 4
TONE_CONGESTION = 5
TONE_RINGBACK = 6
TONE_BEEP = 7
