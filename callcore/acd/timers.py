"""The distributor's deadlines: one order per kind of thing that can have one."""

from __future__ import annotations

from callcore.acd.order import Order

Due = tuple[float, str]


class Timers(Order[Due]):
    """At most one deadline per id; the earliest is one look away."""

    __slots__ = ()

    def set(self, ident: str, when: float | None) -> None:
        """Set or (None) clear the deadline of an id."""
        if when is None:
            self.discard(ident)
        else:
            self.add((when, ident))

    def next(self) -> float | None:
        return None if self.head is None else self.head[0]

    def get(self, ident: str) -> float | None:
        entry = self._live.get(ident)
        return None if entry is None else entry[0]
