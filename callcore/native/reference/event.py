"""What the numpy detectors tell: the same tuples, with the same numbers, as the C ones."""

from __future__ import annotations

#: kind (EVENT_…), code, position (samples since the stream's first), value, extra.
Event = tuple[int, int, int, float, float]
