"""What the numpy detectors tell: the same tuples as the C ones."""

from __future__ import annotations

#: kind, code, position (samples since the stream's first), value, extra: as in audio.h.
Event = tuple[int, int, int, float, float]

EVENT_TONE_DIGIT = 5
