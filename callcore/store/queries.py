"""Named questions to the database, for reports, the API and the CLI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from callcore.call.record import CallEvent, CallRecord
from callcore.directory import Queue
from callcore.errors import BackendUnavailable
from callcore.store import tables
from callcore.store.metrics import Interval, by_interval
from callcore.store.rows import AgentStateRow, RecordingKind, RecordingRow
from callcore.types import DEFAULT_TENANT, AgentId, CallId, Outcome, QueueId

T = TypeVar("T", bound=msgspec.Struct)

#: Calls read at a time for a report.
REPORT_PAGE = 2000


class Cursor(msgspec.Struct, frozen=True):
    """Where a page ended; the next one begins behind it, however many calls came meanwhile."""

    at: float
    name: str


class Page(msgspec.Struct, frozen=True):
    """Calls, newest first; `next` is None on the last page."""

    calls: tuple[CallRecord, ...]
    next: Cursor | None = None


class CallFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which calls; an empty field takes all. Times are arrivals, `begin` ≤ t < `end`."""

    tenant: str = DEFAULT_TENANT
    begin: float | None = None
    end: float | None = None
    queue: QueueId = ""
    agent: AgentId = ""
    outcome: Outcome | None = None
    direction: str = ""
    #: Part of the caller's or the dialled number.
    number: str = ""


class CallDetail(msgspec.Struct, frozen=True):
    """A call with all that is known of it."""

    record: CallRecord
    events: tuple[CallEvent, ...]
    recordings: tuple[RecordingRow, ...]


async def calls(
    engine: AsyncEngine, wanted: CallFilter, limit: int = 100, after: Cursor | None = None
) -> Page:
    """One page of calls, newest first."""
    table = tables.calls
    query = sa.select(table).where(*_conditions(wanted))
    if after is not None:
        behind = sa.tuple_(table.c.arrived_at, table.c.call) < sa.tuple_(
            sa.literal(after.at), sa.literal(after.name)
        )
        query = query.where(behind)
    query = query.order_by(table.c.arrived_at.desc(), table.c.call.desc()).limit(limit + 1)
    found = [as_struct(CallRecord, row) for row in await read(engine, query)]
    if len(found) <= limit:
        return Page(tuple(found))
    last = found[limit - 1]
    return Page(tuple(found[:limit]), Cursor(last.arrived_at, last.call))


async def call(engine: AsyncEngine, name: CallId) -> CallDetail | None:
    """One call, its event list in order and its recordings."""
    table, events, sounds = tables.calls, tables.call_events, tables.recordings
    records = await read(engine, sa.select(table).where(table.c.call == name))
    if not records:
        return None
    lines = await read(
        engine, sa.select(events).where(events.c.call == name).order_by(events.c.sequence)
    )
    files = await read(
        engine, sa.select(sounds).where(sounds.c.call == name).order_by(sounds.c.started_at)
    )
    return CallDetail(
        as_struct(CallRecord, records[0]),
        tuple(as_struct(CallEvent, row) for row in lines),
        tuple(as_struct(RecordingRow, row) for row in files),
    )


async def recordings(
    engine: AsyncEngine,
    *,
    tenant: str = DEFAULT_TENANT,
    kind: RecordingKind | None = None,
    before: float | None = None,
    limit: int = 100,
) -> list[RecordingRow]:
    """Newest first; `before`: started earlier than that."""
    table = tables.recordings
    query = sa.select(table).where(table.c.tenant == tenant)
    if kind is not None:
        query = query.where(table.c.kind == kind.value)
    if before is not None:
        query = query.where(table.c.started_at < before)
    query = query.order_by(table.c.started_at.desc(), table.c.recording).limit(limit)
    return [as_struct(RecordingRow, row) for row in await read(engine, query)]


async def agent_states(
    engine: AsyncEngine,
    begin: float,
    end: float,
    *,
    agent: AgentId = "",
    tenant: str = DEFAULT_TENANT,
) -> list[AgentStateRow]:
    """Changes of agents' states in the order they happened."""
    table = tables.agent_states
    query = sa.select(table).where(table.c.tenant == tenant, table.c.at >= begin, table.c.at < end)
    if agent:
        query = query.where(table.c.agent == agent)
    rows = await read(engine, query.order_by(table.c.id))
    return [as_struct(AgentStateRow, row) for row in rows]


async def queue_metrics(
    engine: AsyncEngine,
    queues: Mapping[QueueId, Queue],
    begin: float,
    end: float,
    *,
    seconds: float = 900.0,
    tenant: str = DEFAULT_TENANT,
) -> list[Interval]:
    """Figures per queue and interval of the calls that arrived from a day before `begin` on (a
    call enters a queue after it arrived)."""
    wanted = CallFilter(tenant=tenant, begin=begin - 86400.0, end=end)
    records: list[CallRecord] = []
    page = await calls(engine, wanted, REPORT_PAGE)
    records += page.calls
    while page.next is not None:
        page = await calls(engine, wanted, REPORT_PAGE, page.next)
        records += page.calls
    return by_interval(records, queues, begin, end, seconds)


def _conditions(wanted: CallFilter) -> list[sa.ColumnElement[bool]]:
    column = tables.calls.c
    conditions: list[sa.ColumnElement[bool]] = [column.tenant == wanted.tenant]
    if wanted.begin is not None:
        conditions.append(column.arrived_at >= wanted.begin)
    if wanted.end is not None:
        conditions.append(column.arrived_at < wanted.end)
    for name in ("queue", "agent", "direction"):
        value = getattr(wanted, name)
        if value:
            conditions.append(column[name] == value)
    if wanted.outcome is not None:
        conditions.append(column.outcome == wanted.outcome.value)
    if wanted.number:
        conditions.append(
            column.caller_number.contains(wanted.number, autoescape=True)
            | column.dialled.contains(wanted.number, autoescape=True)
        )
    return conditions


async def read(engine: AsyncEngine, query: sa.Select[Any]) -> list[dict[str, Any]]:
    """Rows by column; `BackendUnavailable` while the database is away."""
    try:
        async with engine.connect() as connection:
            return [dict(row) for row in (await connection.execute(query)).mappings()]
    except (SQLAlchemyError, OSError) as exc:
        raise BackendUnavailable(f"the database cannot be read: {exc}") from exc


def as_struct(kind: type[T], row: dict[str, Any]) -> T:
    """A row as the struct it was written from; columns of a newer schema are left out."""
    names = kind.__struct_fields__
    return msgspec.convert({n: row[n] for n in names if n in row}, kind, strict=False)
