"""Ordered tables that are cheap to change: heaps whose dead entries are dropped when met.

Both directions of choosing and all timers rest on them. An entry is a tuple whose last part is
the id; an id has at most one live entry. Adding costs log n, removing O(1): the entry stays in the
heap until it surfaces, and the heap is rebuilt when more than half of it is dead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

#: A tuple ending with an id; the parts before it decide the order.
Entry = TypeVar("Entry", bound="tuple[int | float | str, ...]")

_SLACK = 32
#: So many entries are looked through faster than taken from the heap and put back.
_FEW = 32


class Order(Generic[Entry]):
    """Ids in an order that each one's entry decides."""

    __slots__ = ("_heap", "_live", "head")

    def __init__(self) -> None:
        self._heap: list[Entry] = []
        self._live: dict[object, Entry] = {}
        #: The first entry, kept at hand: it is looked at much more often than it changes.
        self.head: Entry | None = None

    def __len__(self) -> int:
        return len(self._live)

    def __contains__(self, ident: object) -> bool:
        return ident in self._live

    def entry(self, ident: object) -> Entry | None:
        return self._live.get(ident)

    def add(self, entry: Entry) -> None:
        """Put an id in its place; the place it had before, if any, is forgotten."""
        ident = entry[-1]
        self._live[ident] = entry
        heappush(self._heap, entry)
        head = self.head
        if head is None or entry < head:
            self.head = entry
        elif head[-1] == ident:
            self._find_head()
        if len(self._heap) > 2 * len(self._live) + _SLACK:
            self._compact()

    def discard(self, ident: str) -> None:
        entry = self._live.pop(ident, None)
        if entry is not None:
            if not self._live:
                self._heap.clear()
                self.head = None
                return
            if entry is self.head:
                self._find_head()
            if len(self._heap) > 2 * len(self._live) + _SLACK:
                self._compact()

    def clear(self) -> None:
        self._heap.clear()
        self._live.clear()
        self.head = None

    def _find_head(self) -> None:
        """Drop dead entries from the top until a live one shows."""
        heap, live = self._heap, self._live
        while heap:
            entry = heap[0]
            if live.get(entry[-1]) is entry:
                self.head = entry
                return
            heappop(heap)
        self.head = None

    def first_where(self, accepts: Callable[[Entry], bool]) -> Entry | None:
        """The first entry that is accepted; those passed over keep their places."""
        found = self.head
        if found is None or accepts(found):
            return found
        if len(self._live) <= _FEW:
            return min(filter(accepts, self._live.values()), default=None)
        heap, live = self._heap, self._live
        passed: list[Entry] = []
        found = None
        while heap:
            entry = heappop(heap)
            if live.get(entry[-1]) is entry:
                passed.append(entry)
                if accepts(entry):
                    found = entry
                    break
        for entry in passed:
            heappush(heap, entry)
        return found

    def due(self, now: float) -> Iterator[Entry]:
        """Take out what is due, for orders whose entries begin with a time."""
        while (entry := self.head) is not None and entry[0] <= now:  # type: ignore[operator]
            heappop(self._heap)
            del self._live[entry[-1]]
            self._find_head()
            yield entry

    def entries(self) -> Iterable[Entry]:
        """All, in no particular order."""
        return self._live.values()

    def sorted(self) -> list[Entry]:
        return sorted(self._live.values())

    def _compact(self) -> None:
        self._heap = list(self._live.values())
        heapify(self._heap)
