"""The distributor's deadlines: heaps whose dead entries are dropped when met.

Deadlines come in any order, so that a new one is as often in the middle as last.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heappush

Due = tuple[float, str]

_SLACK = 32


class Timers:
    """At most one deadline per id; the earliest is one look away."""

    __slots__ = ("_heap", "_live")

    def __init__(self) -> None:
        self._heap: list[Due] = []
        self._live: dict[str, Due] = {}

    def set(self, ident: str, when: float | None) -> None:
        """Set or (None) clear the deadline of an id."""
        if when is None:
            self._live.pop(ident, None)
        else:
            due = self._live[ident] = (when, ident)
            heappush(self._heap, due)
        if len(self._heap) > 2 * len(self._live) + _SLACK:
            self._compact()

    def next(self) -> float | None:
        """The earliest deadline."""
        heap, live = self._heap, self._live
        while heap:
            due = heap[0]
            if live.get(due[1]) is due:
                return due[0]
            heappop(heap)
        return None

    def get(self, ident: str) -> float | None:
        due = self._live.get(ident)
        return None if due is None else due[0]

    def due(self, now: float) -> Iterator[Due]:
        """Take out what is due, earliest first."""
        while (when := self.next()) is not None and when <= now:
            due = heappop(self._heap)
            del self._live[due[1]]
            yield due

    def _compact(self) -> None:
        self._heap = list(self._live.values())
        heapify(self._heap)
