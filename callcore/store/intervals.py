"""Reads the counters of the intervals back, summed up over the hours or days asked for.

The rows are quarters of an hour; the database adds them up. Hours and days are those of the wall
clock here: a day on which the clocks change has 23 or 25 of its hours.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from callcore.acd.counts import AgentStats, Counts, Handling, QueueStats
from callcore.store import tables
from callcore.store.queries import read
from callcore.types import DEFAULT_TENANT


class Every(StrEnum):
    """How long a stretch one row sums up."""

    QUARTER = "15"
    HALF = "30"
    HOUR = "60"
    DAY = "day"
    #: The whole range in one.
    ALL = "all"


_SECONDS = {Every.QUARTER: 900, Every.HALF: 1800, Every.HOUR: 3600}


class Range(msgspec.Struct, frozen=True, kw_only=True):
    """Which intervals, and how they are summed up: those that began at `begin` ≤ t < `end`."""

    begin: float
    end: float
    every: Every = Every.ALL
    #: Only this queue, skill or agent; empty: all.
    name: str = ""
    tenant: str = DEFAULT_TENANT

    def stretches(self) -> Iterator[tuple[float, float]]:
        """What is asked of the database at once: days one by one, as not all are equally long."""
        begin = self.begin
        while self.every is Every.DAY and (midnight := _next_midnight(begin)) < self.end:
            yield begin, midnight
            begin = midnight
        yield begin, self.end

    def stretch_of(self, at: float) -> tuple[float, float]:
        """The row in which an interval that began then is counted."""
        seconds = _SECONDS.get(self.every)
        if seconds is not None:
            begin = at - (at + _offset(self.begin, seconds)) % seconds
            return max(begin, self.begin), min(begin + seconds, self.end)
        return next(each for each in self.stretches() if each[0] <= at < each[1])


class ContactSums(msgspec.Struct, frozen=True, kw_only=True):
    """What a queue (or the contacts that need a skill) did in one stretch."""

    name: str
    begin: float
    end: float
    counts: QueueStats


class AgentSums(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent did in one stretch."""

    name: str
    begin: float
    end: float
    counts: AgentStats


class Present(msgspec.Struct, frozen=True, kw_only=True):
    """The interval that is not over: counted, and not in the database yet."""

    begin: float
    counts: Counts


async def queues(
    engine: AsyncEngine, wanted: Range, present: Present | None = None
) -> list[ContactSums]:
    """By queue, then time; stretches without anything are left out."""
    live = present.counts.queues if present is not None else {}
    return await _contacts(engine, tables.queue_intervals, "queue", wanted, present, live)


async def skills(
    engine: AsyncEngine, wanted: Range, present: Present | None = None
) -> list[ContactSums]:
    """The same by skill."""
    live = present.counts.skills if present is not None else {}
    return await _contacts(engine, tables.skill_intervals, "skill", wanted, present, live)


def over_all(sums: list[ContactSums]) -> list[ContactSums]:
    """The stretches of all queues together, under no name."""
    found: dict[float, ContactSums] = {}
    for each in sums:
        empty = ContactSums(name="", begin=each.begin, end=each.end, counts=QueueStats())
        total = found.setdefault(each.begin, empty).counts
        total.merge(each.counts)
        total.carried += each.counts.carried
    return [found[begin] for begin in sorted(found)]


async def agents(
    engine: AsyncEngine, wanted: Range, present: Present | None = None
) -> list[AgentSums]:
    """By agent, then time."""
    found: dict[tuple[str, float], AgentStats] = {}
    for row in await _rows(engine, tables.agent_intervals, ("agent",), wanted):
        found[row["agent"], row["stretch"]] = _stats(AgentStats, row)
    for row in await _rows(engine, tables.agent_seconds, ("agent", "state"), wanted):
        counted = found.setdefault((row["agent"], row["stretch"]), AgentStats())
        counted.spend(row["state"], row["seconds"])
    if present is not None and wanted.begin <= present.begin < wanted.end:
        for name, live in present.counts.agents.items():
            if wanted.name in ("", name):
                key = (name, wanted.stretch_of(present.begin)[0])
                found.setdefault(key, AgentStats()).merge(live)
    return [
        AgentSums(
            name=name, begin=begin, end=wanted.stretch_of(begin)[1], counts=found[name, begin]
        )
        for name, begin in sorted(found)
    ]


async def _contacts(
    engine: AsyncEngine,
    table: sa.Table,
    key: str,
    wanted: Range,
    present: Present | None,
    live: dict[str, QueueStats],
) -> list[ContactSums]:
    found = {
        (row[key], row["stretch"]): _stats(QueueStats, row)
        for row in await _rows(engine, table, (key,), wanted)
    }
    if present is not None and wanted.begin <= present.begin < wanted.end:
        for name, counted in live.items():
            if wanted.name in ("", name):
                where = (name, wanted.stretch_of(present.begin)[0])
                first = QueueStats(carried=counted.carried)
                found.setdefault(where, first).merge(counted)
    return [
        ContactSums(
            name=name, begin=begin, end=wanted.stretch_of(begin)[1], counts=found[name, begin]
        )
        for name, begin in sorted(found)
    ]


def _stats(kind: type[Any], row: dict[str, Any]) -> Any:
    """The columns of a row as the counters they were written from."""
    plain = {name: row[name] for name in kind.__struct_fields__ if name in row}
    handling = Handling(**{name: row[name] for name in Handling.__struct_fields__})
    return kind(**plain, handling=handling)


async def _rows(
    engine: AsyncEngine, table: sa.Table, keys: tuple[str, ...], wanted: Range
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for begin, end in wanted.stretches():
        for row in await read(engine, _sums(table, keys, wanted, begin, end)):
            # The first stretch begins where the range does.
            found.append({**row, "stretch": max(float(row["stretch"]), begin)})
    return found


def _sums(
    table: sa.Table, keys: tuple[str, ...], wanted: Range, begin: float, end: float
) -> sa.Select[Any]:
    """Sums by key and stretch; who was carried over is what the first interval says."""
    at = table.c.begin
    seconds = _SECONDS.get(wanted.every)
    stretch: sa.ColumnElement[Any] = sa.literal(int(begin), sa.BigInteger)
    if seconds is not None:
        stretch = at - (at + _offset(wanted.begin, seconds)) % seconds
    chosen = [table.c.tenant == wanted.tenant, at >= begin, at < end]
    if wanted.name:
        chosen.append(table.c[keys[0]] == wanted.name)
    columns: list[sa.ColumnElement[Any]] = [stretch.label("stretch")]
    columns += [each for each in table.columns if each.name not in ("tenant", "carried")]
    if "carried" in table.columns:
        by = [*(table.c[key] for key in keys), stretch]
        first = sa.func.first_value(table.c.carried).over(partition_by=by, order_by=at)
        columns.append(first.label("carried"))
    rows = sa.select(*columns).where(*chosen).subquery()
    by_stretch = [*(rows.c[key] for key in keys), rows.c.stretch]
    summed = [
        (sa.func.max if each.name in ("longest_wait", "carried") else sa.func.sum)(each).label(
            each.name
        )
        for each in rows.columns
        if each.name not in (*keys, "begin", "stretch")
    ]
    return sa.select(*by_stretch, *summed).group_by(*by_stretch)


def _offset(moment: float, seconds: int) -> int:
    """How far the wall clock's hours are from those of UTC."""
    ahead = datetime.fromtimestamp(moment).astimezone().utcoffset() or timedelta()
    return int(ahead.total_seconds()) % seconds


def _next_midnight(moment: float) -> float:
    day = datetime.fromtimestamp(moment) + timedelta(days=1)
    return day.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
