"""A phone that comes while its state is read is reachable in the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from callcore.telephony import phones
from callcore.telephony.ami import ContactChange
from callcore.telephony.ari_models import Endpoint
from callcore.telephony.phones import PhoneWatch

CAME = ContactChange("p1", "Created")


class Asterisk:
    """Its endpoints as ARI shows them; `reading` is called while they are read."""

    def __init__(self) -> None:
        self.state = "offline"
        self.told: asyncio.Queue[bool] = asyncio.Queue()
        self.watch = PhoneWatch(lambda _, there: self.told.put_nowait(there), self._read)
        self.looks: asyncio.Queue[asyncio.Event] = asyncio.Queue()

    async def _read(self, _: str) -> tuple[Endpoint, ...]:
        seen = self.endpoints()
        answered = asyncio.Event()
        self.looks.put_nowait(answered)
        await answered.wait()
        return seen

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (Endpoint(technology="PJSIP", resource="p1", state=self.state),)

    async def answers(self) -> None:
        (await self.looks.get()).set()


@pytest.fixture
async def asterisk(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Asterisk]:
    monkeypatch.setattr(phones, "SETTLE", 0.0)
    made = Asterisk()
    running = asyncio.create_task(made.watch.run())
    yield made
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_look_that_was_under_way_takes_nothing_back(asterisk: Asterisk) -> None:
    """The next look, which it causes itself, does."""
    asterisk.watch.look_again()
    look = await asterisk.looks.get()
    asterisk.watch.changed(CAME)
    assert await asterisk.told.get() is True
    look.set()
    look = await asterisk.looks.get()
    assert asterisk.told.empty()
    look.set()
    assert await asterisk.told.get() is False, "it did not last"


async def test_a_snapshot_that_was_under_way_is_followed_by_a_look(asterisk: Asterisk) -> None:
    before = asterisk.endpoints()
    asterisk.state = "online"
    asterisk.watch.changed(CAME)
    assert await asterisk.told.get() is True
    assert asterisk.watch.snapshot(before) == ()
    await asterisk.answers()
    assert await asterisk.told.get() is True
