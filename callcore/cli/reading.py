"""What `callcore report` reads from the database itself, without a running callcore."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from callcore.acd.counts import QueueStats
    from callcore.config import Settings
    from callcore.store.intervals import Range

#: What records and counters are compared in: counts that no changed setting moves.
COMPARED = ("entered", "refused", "answered", "overflowed", "taken_out", "handled")


def figures_from_database(
    settings: Settings, what: str, between: tuple[float, float], every: str, name: str
) -> list[dict[str, Any]]:
    """The rows of `queues`, `intervals`, `skills` or `agents`, as the API gives them."""
    from callcore.store.intervals import Every, Range

    begin, end = between
    wanted = Range(begin=begin, end=end, every=Every(every), name=name)
    found: list[dict[str, Any]] = _with_engine(
        settings, lambda engine: _figures(engine, what, wanted)
    )
    return found


async def _figures(engine: AsyncEngine, what: str, wanted: Range) -> list[Any]:
    import msgspec

    from callcore.acd import figures
    from callcore.store import intervals

    if what == "agents":
        did = await intervals.agents(engine, wanted)
        return [
            msgspec.to_builtins(figures.agent_figures(e.name, e.begin, e.end, e.counts))
            for e in did
        ]
    sums = await (intervals.skills if what == "skills" else intervals.queues)(engine, wanted)
    if what == "intervals":
        return [
            msgspec.to_builtins(figures.interval_figures(e.begin, e.end, e.counts))
            for e in intervals.over_all(sums)
        ]
    make: Any = figures.skill_figures if what == "skills" else figures.queue_figures
    return [msgspec.to_builtins(make(e.name, e.begin, e.end, e.counts)) for e in sums]


def differences(settings: Settings, begin: float, end: float) -> list[dict[str, Any]]:
    """Where the counters of a quarter of an hour and the call records do not agree."""
    begin = begin // 900 * 900
    found: list[dict[str, Any]] = _with_engine(
        settings, lambda engine: _differences(engine, settings, begin, end)
    )
    return found


async def _differences(
    engine: AsyncEngine, settings: Settings, begin: float, end: float
) -> list[Any]:
    from callcore.acd.counts import QueueStats
    from callcore.store import intervals
    from callcore.store.queries import queue_metrics

    wanted = intervals.Range(begin=begin, end=end, every=intervals.Every.QUARTER)
    counted = {(e.name, e.begin): e.counts for e in await intervals.queues(engine, wanted)}
    recorded = {
        (each.queue, each.begin): each.stats
        for each in await queue_metrics(engine, settings.directory.queues, begin, end)
    }
    return [
        {"queue": queue, "begin": at, "counter": name, "counted": one, "in_records": other}
        for queue, at in sorted(counted.keys() | recorded.keys())
        for name, one, other in _unequal(
            counted.get((queue, at), QueueStats()), recorded.get((queue, at), QueueStats())
        )
    ]


def _unequal(one: QueueStats, other: QueueStats) -> Iterator[tuple[str, int, int]]:
    for name, here, there in zip(
        (*COMPARED, "abandoned"), _counts(one), _counts(other), strict=True
    ):
        if here != there:
            yield name, here, there


def _counts(stats: QueueStats) -> list[int]:
    """With short abandons among the others: where the line is drawn is a setting."""
    plain = [getattr(stats, name) for name in COMPARED if name != "handled"]
    return [*plain, stats.handling.handled, stats.abandoned + stats.short_abandoned]


def _with_engine(settings: Settings, read: Callable[[AsyncEngine], Awaitable[list[Any]]]) -> Any:
    import asyncio

    from callcore.store.database import database_url

    url = database_url(settings.store.url)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        return []  # no call yet; a reader makes no database
    return asyncio.run(_reading(url, read))


async def _reading(url: Any, read: Callable[[AsyncEngine], Awaitable[list[Any]]]) -> list[Any]:
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine(url)
    try:
        return await read(engine)
    finally:
        await engine.dispose()
