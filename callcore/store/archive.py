"""Reads ended calls and recordings back, for the API and the CLI."""

from __future__ import annotations

from pathlib import Path
from time import time

from sqlalchemy import select

from callcore.call.record import CallEvent, CallRecord
from callcore.store import intervals, tables
from callcore.store.intervals import AgentSums, ContactSums, Present, Range
from callcore.store.queries import as_struct, read
from callcore.store.rows import RecordingRow
from callcore.store.store import Store
from callcore.types import CallId, RecordingId

CATCH_UP_SECONDS = 5.0


class StoreArchive:
    """Implements the API's `Archive` on the database."""

    def __init__(self, store: Store, recordings: Path) -> None:
        self._store = store
        self._engine = store.engine
        self._recordings = recordings.resolve()

    async def calls(self, limit: int, before: float | None) -> list[CallRecord]:
        table = tables.calls
        query = select(table).order_by(table.c.arrived_at.desc(), table.c.call).limit(limit)
        if before is not None:
            query = query.where(table.c.arrived_at < before)
        return [as_struct(CallRecord, row) for row in await read(self._engine, query)]

    async def call(self, name: CallId) -> tuple[CallRecord, list[CallEvent]] | None:
        calls = tables.calls
        found = await read(self._engine, select(calls).where(calls.c.call == name))
        if not found:
            return None
        return as_struct(CallRecord, found[0]), await self._events(name)

    async def events(self, name: CallId) -> list[CallEvent]:
        await self._store.flush(CATCH_UP_SECONDS)
        return await self._events(name)

    async def _events(self, name: CallId) -> list[CallEvent]:
        table = tables.call_events
        query = select(table).where(table.c.call == name).order_by(table.c.sequence)
        return [as_struct(CallEvent, row) for row in await read(self._engine, query)]

    async def recordings(self, limit: int, before: float | None) -> list[RecordingRow]:
        table = tables.recordings
        query = select(table).order_by(table.c.started_at.desc(), table.c.recording).limit(limit)
        if before is not None:
            query = query.where(table.c.started_at < before)
        return [as_struct(RecordingRow, row) for row in await read(self._engine, query)]

    async def recording(self, name: RecordingId) -> RecordingRow | None:
        table = tables.recordings
        found = await read(self._engine, select(table).where(table.c.recording == name))
        return as_struct(RecordingRow, found[0]) if found else None

    async def queue_sums(self, wanted: Range, present: Present) -> list[ContactSums]:
        await self._catch_up(present)
        return await intervals.queues(self._engine, wanted, present)

    async def skill_sums(self, wanted: Range, present: Present) -> list[ContactSums]:
        await self._catch_up(present)
        return await intervals.skills(self._engine, wanted, present)

    async def agent_sums(self, wanted: Range, present: Present) -> list[AgentSums]:
        await self._catch_up(present)
        return await intervals.agents(self._engine, wanted, present)

    async def _catch_up(self, present: Present) -> None:
        """Just after a quarter of an hour its rows may be on their way to the database."""
        if time() - present.begin < CATCH_UP_SECONDS:
            await self._store.flush(CATCH_UP_SECONDS)

    def recording_file(self, row: RecordingRow) -> Path | None:
        path = (self._recordings / row.path).resolve()
        if not row.path or not path.is_relative_to(self._recordings) or not path.is_file():
            return None
        return path
