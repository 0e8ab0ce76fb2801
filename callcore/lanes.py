"""Lanes: actions of one call leave in order, those of different calls at once.

Most actions are sent without waiting (`Backend.begin`): the link keeps their order, nothing else is
needed on this side, and no task is made. An action that has to be awaited waits until those before
it are done, and those behind it wait for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial

from callcore.call.actions import AnyAction
from callcore.errors import BackendError
from callcore.telephony.backend import Done


@dataclass
class Lane:
    """`begun`: sent and not answered yet; `waiting`: behind an action that is being awaited."""

    begun: int = 0
    waiting: deque[AnyAction] = field(default_factory=deque)
    draining: bool = False
    all_answered: asyncio.Event = field(default_factory=asyncio.Event)


class Lanes:
    """All lanes by name; `failed` is told what went wrong with which action."""

    def __init__(
        self,
        begin: Callable[[AnyAction, Done], bool],
        execute: Callable[[AnyAction], Awaitable[None]],
        failed: Callable[[AnyAction, BackendError], None],
        spawn: Callable[[Coroutine[object, object, None]], object],
    ) -> None:
        self._begin = begin
        self._execute = execute
        self._failed = failed
        self._spawn = spawn
        self._lanes: dict[str, Lane] = {}

    def put(self, name: str, action: AnyAction) -> None:
        """Carry out an action behind those that the lane of this name was given before."""
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = Lane()
        if lane.draining:
            lane.waiting.append(action)
        elif not self._sent(name, lane, action):
            lane.waiting.append(action)
            lane.draining = True
            self._spawn(self._drain(name, lane))

    def _sent(self, name: str, lane: Lane, action: AnyAction) -> bool:
        lane.begun += 1
        if self._begin(action, partial(self._done, name, lane, action)):
            return True
        lane.begun -= 1
        return False

    def _done(self, name: str, lane: Lane, action: AnyAction, problem: BackendError | None) -> None:
        lane.begun -= 1
        if problem is not None:
            self._failed(action, problem)
        if not lane.begun:
            lane.all_answered.set()
            self._forget_when_empty(name, lane)

    async def _drain(self, name: str, lane: Lane) -> None:
        while lane.waiting:
            action = lane.waiting.popleft()
            if self._sent(name, lane, action):
                continue
            while lane.begun:
                lane.all_answered.clear()
                await lane.all_answered.wait()
            try:
                await self._execute(action)
            except BackendError as exc:
                self._failed(action, exc)
        lane.draining = False
        self._forget_when_empty(name, lane)

    def _forget_when_empty(self, name: str, lane: Lane) -> None:
        if not lane.begun and not lane.draining and self._lanes.get(name) is lane:
            del self._lanes[name]
