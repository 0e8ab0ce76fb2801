"""Phones on others' calls are told busy once, and free again; our own calls change nothing."""

from __future__ import annotations

import asyncio

import pytest

from callcore.telephony import devices
from callcore.telephony.devices import DeviceWatch


class Desk:
    """AMI's list and callcore's legs, changed by the test; each look takes one list."""

    def __init__(self) -> None:
        self.states: dict[str, str] = {}
        self.ours: list[str] = []
        self.told: list[tuple[str, bool]] = []
        self.watch = DeviceWatch(
            lambda phone, busy: self.told.append((phone, busy)), self._list, lambda: self.ours
        )
        self.watch.known = frozenset({"p1", "p2"})
        self._looked = asyncio.Semaphore(0)

    async def _list(self) -> dict[str, str]:
        self._looked.release()
        return {f"PJSIP/{phone}": state for phone, state in self.states.items()}

    async def looks(self, p1: str, *ours: str) -> list[tuple[str, bool]]:
        """What is told when p1 is like this and stays so."""
        self.states = {"p1": p1, "stranger": "INUSE", "p2": "UNAVAILABLE"}
        self.ours = list(ours)
        self.told.clear()
        for _ in range(4):  # a look under way may have seen the former state
            await self._looked.acquire()
        return self.told


async def test_busy_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Told at the first look, then changes only; our own calls neither make nor end it."""
    monkeypatch.setattr(devices, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(devices, "CONFIRM_SECONDS", 0.0)
    desk = Desk()
    desk.states = {"p1": "NOT_INUSE"}
    running = asyncio.create_task(desk.watch.run())
    assert await desk.looks("NOT_INUSE") == [("p1", False)]
    assert await desk.looks("INUSE") == [("p1", True)]
    assert await desk.looks("ONHOLD") == []
    assert await desk.looks("NOT_INUSE") == [("p1", False)]
    assert await desk.looks("INUSE", "p1") == []
    assert await desk.looks("INUSE") == [("p1", True)], "ours ended, another goes on"
    assert await desk.looks("UNAVAILABLE") == []
    desk.watch.forget()
    assert await desk.looks("INUSE") == [("p1", True)]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_state_that_does_not_last_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call of ours ended a moment ago: Asterisk's list is behind."""
    monkeypatch.setattr(devices, "CONFIRM_SECONDS", 0.0)
    lists = [{"PJSIP/p1": "INUSE"}, {"PJSIP/p1": "NOT_INUSE"}]
    asked = asyncio.Event()

    async def states() -> dict[str, str]:
        if len(lists) == 1:
            asked.set()
        return lists.pop(0)

    told: list[tuple[str, bool]] = []
    watch = DeviceWatch(lambda phone, busy: told.append((phone, busy)), states, list)
    watch.known = frozenset({"p1"})
    running = asyncio.create_task(watch.run())
    await asked.wait()
    await asyncio.sleep(0)
    assert told == []
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
