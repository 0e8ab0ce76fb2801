"""Reads ended calls and recordings back, for the API and the CLI."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Select, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from callcore.call.record import CallEvent, CallRecord
from callcore.errors import BackendUnavailable
from callcore.store import tables
from callcore.store.rows import RecordingRow
from callcore.types import CallId, RecordingId

T = TypeVar("T", bound=msgspec.Struct)
Found = Mapping[str, Any]


class StoreArchive:
    """Implements the API's `Archive` on the database."""

    def __init__(self, engine: AsyncEngine, recordings: Path) -> None:
        self._engine = engine
        self._recordings = recordings.resolve()

    async def calls(self, limit: int, before: float | None) -> list[CallRecord]:
        table = tables.calls
        query = select(table).order_by(table.c.arrived_at.desc(), table.c.call).limit(limit)
        if before is not None:
            query = query.where(table.c.arrived_at < before)
        return [_as(CallRecord, row) for row in await self._read(query)]

    async def call(self, name: CallId) -> tuple[CallRecord, list[CallEvent]] | None:
        calls, events = tables.calls, tables.call_events
        found = await self._read(select(calls).where(calls.c.call == name))
        if not found:
            return None
        query = select(events).where(events.c.call == name).order_by(events.c.sequence)
        lines = [_as(CallEvent, row) for row in await self._read(query)]
        return _as(CallRecord, found[0]), lines

    async def recordings(self, limit: int, before: float | None) -> list[RecordingRow]:
        table = tables.recordings
        query = select(table).order_by(table.c.started_at.desc(), table.c.recording).limit(limit)
        if before is not None:
            query = query.where(table.c.started_at < before)
        return [_as(RecordingRow, row) for row in await self._read(query)]

    async def recording(self, name: RecordingId) -> RecordingRow | None:
        table = tables.recordings
        found = await self._read(select(table).where(table.c.recording == name))
        return _as(RecordingRow, found[0]) if found else None

    def recording_file(self, row: RecordingRow) -> Path | None:
        path = (self._recordings / row.path).resolve()
        if not row.path or not path.is_relative_to(self._recordings) or not path.is_file():
            return None
        return path

    async def _read(self, query: Select[Any]) -> list[Found]:
        try:
            async with self._engine.connect() as connection:
                return [dict(row) for row in (await connection.execute(query)).mappings()]
        except (SQLAlchemyError, OSError) as exc:
            raise BackendUnavailable(f"the database cannot be read: {exc}") from exc


def _as(kind: type[T], row: Found) -> T:
    """A row as the record it was written from; columns of a newer schema are left out."""
    names = kind.__struct_fields__
    return msgspec.convert({n: row[n] for n in names if n in row}, kind, strict=False)
