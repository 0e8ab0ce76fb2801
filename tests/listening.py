"""A back end's events one after the other, for tests that want the next one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from callcore.call.events import Event
from callcore.telephony.backend import Backend


async def events_of(backend: Backend) -> AsyncIterator[Event]:
    """All of them, until the back end is closed."""
    told: asyncio.Queue[Event | None] = asyncio.Queue()
    running = asyncio.create_task(backend.run(told.put_nowait))
    running.add_done_callback(lambda _: told.put_nowait(None))
    while (event := await told.get()) is not None:
        yield event
    await running
