"""The distributor's deadlines: one order per kind of thing that can have one."""

from __future__ import annotations

from collections.abc import Iterator

from callcore.acd.order import Order

Due = tuple[float, str]


class Timers:
    """At most one deadline per id; the earliest is one look away."""

    __slots__ = ("_order",)

    def __init__(self) -> None:
        self._order: Order[Due] = Order()

    def set(self, ident: str, when: float | None) -> None:
        """Set or (None) clear the deadline of an id."""
        if when is None:
            self._order.discard(ident)
        else:
            self._order.add((when, ident))

    def next(self) -> float | None:
        first = self._order.head
        return None if first is None else first[0]

    def due(self, now: float) -> Iterator[Due]:
        """Take out everything due, earliest first."""
        return self._order.due(now)

    def get(self, ident: str) -> float | None:
        entry = self._order.entry(ident)
        return None if entry is None else entry[0]
