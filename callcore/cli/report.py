"""`callcore report`: counts and formulas of queues, agents and skills over any time."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from callcore.cli.common import (
    BAD_USAGE,
    CONFIG,
    FAILED,
    JSON,
    fail,
    print_table,
    settings_of,
    tell,
)
from callcore.cli.reading import differences, figures_from_database
from callcore.errors import ServerUnreachable

if TYPE_CHECKING:
    from callcore.config import Settings

app = typer.Typer(
    help="Figures of queues, agents and skills; callcore need not run.",
    invoke_without_command=True,
)


class Stretch(StrEnum):
    """How long a stretch one row sums up: minutes, days, or the whole range."""

    QUARTER = "15"
    HALF = "30"
    HOUR = "60"
    DAY = "day"
    ALL = "all"


BEGIN = typer.Option("", "--from", help="2026-03-01 or 2026-03-01T08:00; else today.")
END = typer.Option("", "--to", help="Up to a time, not including it; a date is all of that day.")
EVERY = typer.Option(Stretch.ALL, "--every", help="Minutes per row, day, or all in one row.")
QUARTERS = typer.Option(Stretch.QUARTER, "--every", help="Minutes per row, or day.")
QUEUE = typer.Option("", "--queue", help="Only this queue.")
AGENT = typer.Option("", "--agent", help="Only this agent.")
SKILL = typer.Option("", "--skill", help="Only this skill.")

CONTACT_COLUMNS = (
    "from", "entered", "answered", "in time", "abandoned", "short", "dropped", "overflowed",
    "refused", "level", "ASA", "AHT", "abandon rate", "longest",
)  # fmt: skip
AGENT_COLUMNS = (
    "agent", "from", "offers", "answered", "RONA", "sent on", "handled", "AHT", "occupancy",
    "logged in", "idle", "talking", "on hold", "wrap-up", "paused",
)  # fmt: skip


@app.callback()
def today(ctx: typer.Context) -> None:
    """Without a word more: today's queues."""
    if ctx.invoked_subcommand is None:
        queues("", "", Stretch.ALL, "", as_json=False, config=None)


@app.command()
def queues(
    begin: str = BEGIN,
    end: str = END,
    every: Stretch = EVERY,
    queue: str = QUEUE,
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Counts, service level, ASA, AHT and abandons per queue."""
    rows = _rows("queues", begin, end, every, queue, config)
    lines = [(row["queue"], *_contacts(row)) for row in rows]
    _show("queues", rows, ("queue", *CONTACT_COLUMNS), lines, as_json)


@app.command()
def intervals(
    begin: str = BEGIN,
    end: str = END,
    every: Stretch = QUARTERS,
    queue: str = QUEUE,
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """The same for all queues together, quarter of an hour by quarter."""
    rows = _rows("intervals", begin, end, every, queue, config)
    _show("intervals", rows, CONTACT_COLUMNS, [_contacts(row) for row in rows], as_json)


@app.command()
def skills(
    begin: str = BEGIN,
    end: str = END,
    every: Stretch = EVERY,
    skill: str = SKILL,
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """The same per skill that contacts needed."""
    rows = _rows("skills", begin, end, every, skill, config)
    lines = [(row["skill"], *_contacts(row)) for row in rows]
    _show("skills", rows, ("skill", *CONTACT_COLUMNS), lines, as_json)


@app.command()
def agents(
    begin: str = BEGIN,
    end: str = END,
    every: Stretch = EVERY,
    agent: str = AGENT,
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Offers, contacts handled, occupancy and time in each state per agent."""
    rows = _rows("agents", begin, end, every, agent, config)
    _show("agents", rows, AGENT_COLUMNS, [_agent(row) for row in rows], as_json)


@app.command()
def check(
    begin: str = typer.Option("", "--from", help="A day or a time; else yesterday."),
    end: str = typer.Option("", "--to", help="As for the others; else the end of yesterday."),
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Compare the counters with the call records; calls that go on have no record yet."""
    midnight = _midnight()
    first = _moment(begin, midnight - timedelta(days=1), "--from")
    last = _moment(end, midnight, "--to")
    _in_order(first, last)
    found = differences(settings_of(config), first.timestamp(), last.timestamp())
    if as_json:
        tell({"differences": found}, True, "")
    else:
        columns = ("queue", "from", "counter", "counted", "in the records")
        print_table("Differences", columns, [_difference(row) for row in found])
    if found:
        raise typer.Exit(FAILED)


# --- what is asked for -------------------------------------------------------------------------


def _rows(
    what: str, begin: str, end: str, every: Stretch, name: str, config: Path | None
) -> list[dict[str, Any]]:
    first, last = _moment(begin, _midnight(), "--from"), _moment(end, datetime.now(), "--to")
    _in_order(first, last)
    between = first.timestamp(), last.timestamp()
    return _figures(settings_of(config), what, between, every.value, name)


def _figures(
    settings: Settings, what: str, between: tuple[float, float], every: str, name: str
) -> list[dict[str, Any]]:
    """From a running callcore, which knows the present quarter as well, else the database."""
    from callcore.cli.client import Server

    begin, end = between
    query = {"begin": repr(begin), "end": repr(end), "every": every, "id": name}
    try:
        found: list[dict[str, Any]] = Server(settings).get("statistics", what, query=query)[what]
    except ServerUnreachable:
        return figures_from_database(settings, what, between, every, name)
    return found


def _midnight() -> datetime:
    return datetime.now().replace(hour=0, minute=0, second=0, microsecond=0)


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


def _in_order(first: datetime, last: datetime) -> None:
    if last <= first:
        fail(f"--to {last:%Y-%m-%dT%H:%M} is not after --from {first:%Y-%m-%dT%H:%M}", BAD_USAGE)


# --- what is shown -----------------------------------------------------------------------------


def _show(
    what: str,
    rows: list[dict[str, Any]],
    columns: tuple[str, ...],
    lines: list[tuple[str, ...]],
    as_json: bool,
) -> None:
    if as_json:
        tell({what: rows}, True, "")
    else:
        print_table(what.capitalize(), columns, lines)


def _contacts(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        _when(row["begin"]),
        *(str(row[name]) for name in
          ("entered", "answered", "answered_in_time", "abandoned", "short_abandoned", "dropped",
           "overflowed", "refused")),
        _share(row["service_level"]),
        _seconds(row["average_speed_of_answer"]),
        _seconds(row["average_handling_time"]),
        _share(row["abandon_rate"]),
        _seconds(row["longest_wait"]),
    )  # fmt: skip


def _agent(row: dict[str, Any]) -> tuple[str, ...]:
    spent = row["seconds"]
    states = ("idle", "talking", "on_hold", "wrapping_up", "paused")
    return (
        row["agent"],
        _when(row["begin"]),
        *(str(row[name]) for name in ("offers", "answered", "rona", "transferred_out", "handled")),
        _seconds(row["average_handling_time"]),
        _share(row["occupancy"]),
        _clock(row["logged_in_seconds"]),
        *(_clock(spent.get(state, 0.0)) for state in states),
    )


def _difference(row: dict[str, Any]) -> tuple[str, ...]:
    counts = str(row["counted"]), str(row["in_records"])
    return row["queue"], _when(row["begin"]), row["counter"], *counts


def _when(moment: float) -> str:
    return datetime.fromtimestamp(moment).strftime("%Y-%m-%d %H:%M")


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} s"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
