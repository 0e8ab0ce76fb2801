"""`callcore call`: live and ended calls, and what an operator can do to one."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import typer

from callcore.cli.common import CONFIG, JSON, print_table, settings_of, tell

app = typer.Typer(help="Calls.", no_args_is_help=True)

CALL = typer.Argument(help="Id of the call.")


@app.command("list")
def list_all(
    ended: bool = typer.Option(False, "--ended", help="Ended calls, newest first."),
    limit: int = typer.Option(50, min=1, max=1000, help="How many ended calls."),
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Live calls, or ended ones."""
    if ended:
        _list_ended(limit, as_json, config)
        return
    from callcore.cli.monitor import fetch
    from callcore.monitor.view import call_table

    snapshot = fetch(config)
    if as_json:
        tell({"calls": snapshot.calls}, True, "")
        return
    table = call_table(snapshot)
    print_table(table.title, table.columns, table.rows)


def _list_ended(limit: int, as_json: bool, config: Path | None) -> None:
    from callcore.cli.client import Server
    from callcore.monitor.view import printable

    answer = Server(settings_of(config)).get("calls", "ended", query={"limit": str(limit)})
    if as_json:
        tell(answer, True, "")
        return
    columns = ("call", "arrived", "caller", "dialled", "queue", "agent", "outcome", "talk")
    rows = [
        (
            str(row["call"]), when(row.get("arrived_at")), printable(row.get("caller_number", "")),
            printable(row.get("dialled", "")), row.get("queue", "-"), row.get("agent", "-"),
            str(row.get("outcome", "failed")), f"{row.get('talk_seconds', 0.0):.0f} s",
        )
        for row in answer["calls"]
    ]  # fmt: skip
    print_table("Ended calls", columns, rows)


def when(at: float | None) -> str:
    """A point in time, as the clock on the wall shows it."""
    return "-" if not at else datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M:%S")


@app.command()
def show(call: str = CALL, as_json: bool = JSON, config: Path | None = CONFIG) -> None:
    """One call with all its times, and its events once it ended."""
    from callcore.cli.client import Server

    answer = Server(settings_of(config)).get("calls", call)
    if as_json:
        tell(answer, True, "")
        return
    facts = dict(answer.get("live") or answer["record"])
    segments = facts.pop("segments", [])
    print_table(f"Call {call}", ("", ""), [_fact(k, v) for k, v in facts.items()])
    if segments:
        columns = ("from", "seconds", "what", "who or where", "result")
        print_table("Segments", columns, [_segment(one) for one in segments])
    rows = [
        (when(row["at"])[11:], row["name"], _plain(row.get("details", {})))
        for row in answer.get("events", [])
    ]
    if rows:
        print_table("Events", ("at", "event", ""), rows)


def _segment(segment: dict[str, Any]) -> tuple[str, ...]:
    places = [str(segment[key]) for key in ("tree", "queue", "agent", "target") if key in segment]
    end = segment.get("end")
    seconds = "goes on" if end is None else f"{end - segment['start']:.1f}"
    result = str(segment.get("result", ""))
    return when(segment["start"])[11:], seconds, str(segment["kind"]), " ".join(places), result


def _fact(name: str, value: Any) -> tuple[str, str]:
    if isinstance(value, float) and (name.endswith("_at") or name == "since"):
        return name, when(value)
    return name, _plain(value)


def _plain(value: Any) -> str:
    from callcore.monitor.view import printable

    if isinstance(value, dict):
        return " ".join(f"{k}={_plain(v)}" for k, v in value.items())
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, list):
        return "; ".join(_plain(v) for v in value)
    return printable("" if value is None else str(value), 500)


@app.command()
def hangup(call: str = CALL, as_json: bool = JSON, config: Path | None = CONFIG) -> None:
    """End a call."""
    command(config, call, ("hangup",), None, as_json, "ends")


@app.command()
def transfer(
    call: str = CALL,
    target: str = typer.Argument(help="A number, queue:ID or agent:ID."),
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Move a call to a number, a queue or an agent."""
    command(config, call, ("transfer",), {"target": target}, as_json, f"goes to {target}")


@app.command()
def move(
    call: str = CALL,
    queue: str = typer.Argument(help="Id of the queue."),
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Move a waiting caller to another queue."""
    command(config, call, ("move",), {"queue": queue}, as_json, f"waits in {queue}")


PHONE = typer.Option(help="Id of the supervisor's phone.")


@app.command()
def listen(
    call: str = CALL, phone: str = PHONE, as_json: bool = JSON, config: Path | None = CONFIG
) -> None:
    """Ring a supervisor's phone; it hears the call, and nobody hears it."""
    _supervise(config, call, phone, "listen", as_json, "listens")


@app.command()
def whisper(
    call: str = CALL, phone: str = PHONE, as_json: bool = JSON, config: Path | None = CONFIG
) -> None:
    """As `listen`, and the agent alone hears the supervisor."""
    _supervise(config, call, phone, "whisper", as_json, "whispers to the agent")


@app.command()
def barge(
    call: str = CALL, phone: str = PHONE, as_json: bool = JSON, config: Path | None = CONFIG
) -> None:
    """The supervisor takes part: all hear each other."""
    _supervise(config, call, phone, "barge", as_json, "takes part")


def _supervise(
    config: Path | None, call: str, phone: str, mode: str, as_json: bool, does: str
) -> None:
    body = {"phone": phone, "mode": mode}
    command(config, call, ("supervise",), body, as_json, f"phone {phone} {does}")


def command(
    config: Path | None, call: str, verb: tuple[str, ...], body: object, as_json: bool, done: str
) -> None:
    from callcore.cli.client import Server

    answer = Server(settings_of(config)).post("calls", call, *verb, body=body)
    tell(answer, as_json, f"call {call}: {done}")
