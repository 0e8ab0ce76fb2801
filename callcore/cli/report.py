"""`callcore report`: figures per queue and interval, from the call records."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from callcore.cli.common import BAD_USAGE, CONFIG, JSON, fail, print_table, settings_of, tell

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

    from callcore.config import Settings
    from callcore.directory import Queue
    from callcore.store.metrics import Interval

BEGIN = typer.Option("", "--from", help="2026-03-01 or 2026-03-01T08:00; else today.")
END = typer.Option("", "--to", help="Up to, not including; else now.")
MINUTES = typer.Option(0, "--interval", min=0, max=44640, help="Minutes per row; 0: one row.")
QUEUE = typer.Option("", "--queue", help="Only this queue.")
COLUMNS = (
    "queue", "from", "calls", "answered", "in time", "abandoned", "short", "overflowed",
    "level", "ASA", "AHT", "abandon rate", "longest",
)  # fmt: skip


def command(
    begin: str = BEGIN,
    end: str = END,
    minutes: int = MINUTES,
    queue: str = QUEUE,
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Service level, ASA, AHT and abandons per queue; callcore need not run."""
    midnight = datetime.now().replace(hour=0, minute=0, second=0, microsecond=0)
    first = _moment(begin, midnight, "--from")
    last = _moment(end, datetime.now(), "--to")
    if last <= first:
        fail(f"--to {last:%Y-%m-%dT%H:%M} is not after --from {first:%Y-%m-%dT%H:%M}", BAD_USAGE)
    seconds = minutes * 60.0 or (last - first).total_seconds()
    settings = settings_of(config)
    intervals = _figures(settings, first.timestamp(), last.timestamp(), seconds)
    if queue:
        intervals = [row for row in intervals if row.queue == queue]
    if as_json:
        tell({"queues": [figures(row) for row in intervals]}, True, "")
        return
    print_table("Report", COLUMNS, [_line(figures(row)) for row in intervals])


def _moment(text: str, default: datetime, option: str) -> datetime:
    if not text:
        return default
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        fail(f"{option} {text!r}: expected a date like 2026-03-01 or 2026-03-01T08:00", BAD_USAGE)
    # `--to 2026-03-01` means that day is in.
    whole_day = len(text) == 10 and option == "--to"
    return (moment + timedelta(days=1) if whole_day else moment).astimezone().replace(tzinfo=None)


def _figures(settings: Settings, begin: float, end: float, seconds: float) -> list[Interval]:
    import asyncio

    from callcore.store.database import database_url

    url = database_url(settings.store.url)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        return []  # no call yet; a reader makes no database
    return asyncio.run(_read(url, settings.directory.queues, (begin, end), seconds))


async def _read(
    url: URL, queues: dict[str, Queue], between: tuple[float, float], seconds: float
) -> list[Interval]:
    from sqlalchemy.ext.asyncio import create_async_engine

    from callcore.store.queries import queue_metrics

    engine = create_async_engine(url)
    try:
        return await queue_metrics(engine, queues, *between, seconds=seconds)
    finally:
        await engine.dispose()


def figures(row: Interval) -> dict[str, Any]:
    """One row as JSON shows it: counts, and the field's formulas over them."""
    from callcore.acd.counts import ServiceLevel

    stats = row.stats
    return {
        "queue": row.queue,
        "begin": row.begin,
        "end": row.end,
        "entered": stats.entered,
        "answered": stats.answered,
        "answered_in_time": stats.answered_within,
        "abandoned": stats.abandoned,
        "short_abandoned": stats.short_abandoned,
        "overflowed": stats.overflowed,
        "taken_out": stats.taken_out,
        "refused": stats.refused,
        "offers": stats.offers,
        "service_level": stats.service_level(ServiceLevel.ABANDONS_NEGATIVE),
        "average_speed_of_answer": stats.average_speed_of_answer,
        "average_handling_time": stats.handling.average,
        "abandon_rate": stats.abandon_rate,
        "longest_wait": stats.longest_wait,
    }


def _line(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        row["queue"],
        datetime.fromtimestamp(row["begin"]).strftime("%Y-%m-%d %H:%M"),
        *(str(row[name]) for name in
          ("entered", "answered", "answered_in_time", "abandoned", "short_abandoned",
           "overflowed")),
        _share(row["service_level"]),
        _seconds(row["average_speed_of_answer"]),
        _seconds(row["average_handling_time"]),
        _share(row["abandon_rate"]),
        _seconds(row["longest_wait"]),
    )  # fmt: skip


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} s"
