"""RFC 3550 appendix A: extended sequence numbers, loss and interarrival jitter of one source."""

from __future__ import annotations

NEXT, LATE, DUPLICATE, STRAY, RESTARTED = range(5)
MAX_DROPOUT = 3000
MAX_MISORDER = 64
WRAP = 1 << 16


class Sequence:
    """Every number that was received is kept."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._bad_next: int | None = None
        self._before = (0, 0)
        self._transit: int | None = None
        self._jitter = 0.0

    def update(self, number: int) -> int:
        """What a packet of that number is (A.1)."""
        if not self._seen:
            self._begin(number)
            return NEXT
        highest = max(self._seen)
        extended = highest + (number - highest + MAX_MISORDER - 1) % WRAP - MAX_MISORDER + 1
        if extended <= highest:
            known = extended in self._seen
            self._seen.add(extended)
            return DUPLICATE if known else LATE
        if extended < highest + MAX_DROPOUT:
            self._seen.add(extended)
            self._bad_next = None
            return NEXT
        if number == self._bad_next:
            self._begin(number)
            return RESTARTED
        self._bad_next = (number + 1) % WRAP
        return STRAY

    def _begin(self, number: int) -> None:
        self._seen = {WRAP + number}
        self._bad_next = None
        self._before = (0, 0)
        self._transit, self._jitter = None, 0.0

    def arrival(self, timestamp: int, arrival: int) -> float:
        """Interarrival jitter after this packet, in samples (A.8)."""
        transit = arrival - timestamp
        if self._transit is not None:
            change = (transit - self._transit + (1 << 31)) % (1 << 32) - (1 << 31)
            self._jitter += (abs(change) - self._jitter) / 16
        self._transit = transit
        return self._jitter

    def _expected(self) -> int:
        return max(self._seen) - min(self._seen) + 1 if self._seen else 0

    def lost(self) -> int:
        """Packets lost so far (A.3)."""
        return self._expected() - len(self._seen)

    def fraction_lost(self) -> int:
        """The share lost since the last call, in 1/256 (A.3)."""
        now = (self._expected(), len(self._seen))
        expected, received = (
            after - before for after, before in zip(now, self._before, strict=True)
        )
        self._before = now
        if expected <= 0 or received >= expected:
            return 0
        return min((expected - received) * 256 // expected, 255)
