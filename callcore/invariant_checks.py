"""The distributor's invariants, checked while it serves: for whoever wants to know, at a price.

A violation is a fault of callcore. It is told once, with its ids, and counted in `/metrics`; calls
go on, because an agent who is offered something wrong is better than a caller who is cut off.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog

from callcore.acd.distributor import Distributor
from callcore.acd.invariants import violations

log = structlog.get_logger(__name__)

#: Violations that are told and remembered; further ones are counted only.
KEPT = 1000


class InvariantChecks:
    """A watcher of the dispatcher: every so many events it looks at all tables."""

    def __init__(
        self, distributor: Distributor, every: Callable[[], int], count: Callable[[], None]
    ) -> None:
        """`every` is asked each time (0: no checks); `count` is told of each violation once."""
        self._distributor = distributor
        self._every = every
        self._count = count
        self._events = 0
        self._told: set[str] = set()

    def __call__(self, *_: Any) -> None:
        """An event has been handled."""
        every = self._every()
        if not every:
            return
        self._events += 1
        if self._events >= every:
            self._events = 0
            self._check()

    def _check(self) -> None:
        try:
            found = list(violations(self._distributor))
        except LookupError as exc:  # one table names what another does not have
            found = [f"the tables do not fit together: {exc!r}"]
        for each in found:
            if each in self._told:
                continue
            self._count()
            if len(self._told) < KEPT:
                self._told.add(each)
                log.error("invariant_violated", violation=each)
