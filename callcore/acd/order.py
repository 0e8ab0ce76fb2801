"""Ordered tables that are cheap to change: sorted lists whose dead entries are dropped when met.

Both directions of choosing rest on them. An entry is a tuple whose last part is the id; an id has
at most one live entry. Nearly every entry comes last, being the youngest, and costs O(1) to add and
to take from the front: a heap would sift through a dozen entries each time. One that comes between
others (a priority, an older wait) is put there by moving the pointers behind it. Removing is O(1),
too: the entry stays until it surfaces, and the list is cleared when more than half of it is dead.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

#: A tuple ending with an id; the parts before it decide the order.
Entry = TypeVar("Entry", bound="tuple[int | float | str, ...]")

_SLACK = 32


class Order(Generic[Entry]):
    """Ids in an order that each one's entry decides."""

    __slots__ = ("_begin", "_entries", "_live", "head")

    def __init__(self) -> None:
        #: Sorted from `_begin` on; what is before it is dead.
        self._entries: list[Entry] = []
        self._begin = 0
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
        live, entries, head = self._live, self._entries, self.head
        ident = entry[-1]
        live[ident] = entry
        if head is None or entries[-1] < entry:
            entries.append(entry)
        else:
            insort(entries, entry, lo=self._begin)
        if head is None or entry < head:
            self.head = entry
        elif head[-1] == ident:
            self._find_head()
        if len(entries) > 2 * len(live) + _SLACK:
            self._compact()

    def discard(self, ident: str) -> bool:
        """Take an id out; False: it had no place."""
        live = self._live
        entry = live.pop(ident, None)
        if entry is None:
            return False
        if not live:
            self.clear()
            return True
        if entry is self.head:
            self._find_head()
        if len(self._entries) > 2 * len(live) + _SLACK:
            self._compact()
        return True

    def clear(self) -> None:
        self._entries.clear()
        self._begin = 0
        self._live.clear()
        self.head = None

    def _find_head(self) -> None:
        """Pass over dead entries until a live one shows; there is one."""
        entries, live, begin = self._entries, self._live, self._begin
        while live.get(entries[begin][-1]) is not entries[begin]:
            begin += 1
        self._begin, self.head = begin, entries[begin]

    def first_where(self, accepts: Callable[[Entry], bool]) -> Entry | None:
        """The first entry that is accepted."""
        live, entries = self._live, self._entries
        for at in range(self._begin, len(entries)):
            entry = entries[at]
            if live.get(entry[-1]) is entry and accepts(entry):
                return entry
        return None

    def entries(self) -> Iterable[Entry]:
        """All, in no particular order."""
        return self._live.values()

    def sorted(self) -> list[Entry]:
        return sorted(self._live.values())

    def _compact(self) -> None:
        live = self._live
        self._entries = [each for each in self._entries if live.get(each[-1]) is each]
        self._begin = 0
