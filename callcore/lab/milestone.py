"""A point in the life of a call that can be awaited, always with a bound."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar

from callcore.lab.errors import LabError, LabTimeout

T = TypeVar("T")


class Milestone(Generic[T]):
    """``await it`` waits the phone's patience, ``await it.within(3)`` another time."""

    def __init__(self, name: str, patience: float, transcript: Callable[[], list[str]]) -> None:
        self.name = name
        self.at: float | None = None
        """Wall clock when it was reached."""
        self._patience = patience
        self._transcript = transcript
        self._future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    @property
    def happened(self) -> bool:
        return self.at is not None

    def reach(self, value: T) -> None:
        """First time wins; later ones are the same fact again."""
        if not self._future.done():
            self.at = time.time()
            self._future.set_result(value)

    def fail(self, error: LabError) -> None:
        """It can no longer happen."""
        if not self._future.done():
            self._future.set_exception(error)
            self._future.exception()  # nobody has to await it

    def __await__(self) -> Generator[Any, None, T]:
        return self.within(self._patience).__await__()

    async def within(self, seconds: float) -> T:
        try:
            return await asyncio.wait_for(asyncio.shield(self._future), seconds)
        except TimeoutError:
            raise LabTimeout(f"not {self.name} within {seconds:g} s", self._transcript()) from None
