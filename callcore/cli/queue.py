"""`callcore queue`: queues, the callers in them, and changes while they work."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import typer

from callcore.cli.common import (
    BAD_USAGE,
    CONFIG,
    JSON,
    fail,
    print_table,
    settings_of,
    tell,
    tell_change,
)
from callcore.errors import Refused

app = typer.Typer(help="Queues.", no_args_is_help=True)

QUEUE = typer.Argument(help="Id of the queue.")
MEMBER = typer.Argument(metavar="AGENT", help="Id of the agent, or @ and the name of a group.")
KEYS = "As in callcore.toml: strategy=ring_all weight=2 hours.zone=UTC 'overflow_rules=[]'."
CONTACT = typer.Argument(help="Id of the contact (of the call).")


@app.command("list")
def list_all(as_json: bool = JSON, config: Path | None = CONFIG) -> None:
    """All queues now."""
    from callcore.cli.monitor import fetch
    from callcore.monitor.view import queue_table

    snapshot = fetch(config)
    if as_json:
        tell({"queues": snapshot.queues}, True, "")
        return
    table = queue_table(snapshot)
    print_table(table.title, table.columns, table.rows)


@app.command()
def show(queue: str = QUEUE, as_json: bool = JSON, config: Path | None = CONFIG) -> None:
    """One queue: its callers, first in line first, its members, its settings."""
    import msgspec

    from callcore.cli.client import Server
    from callcore.cli.explaining import SETTINGS, settings_rows
    from callcore.monitor.view import Snapshot, agent_table, call_table, queue_table

    settings = settings_of(config)
    answer = Server(settings).get("queues", queue)
    if as_json:
        tell(answer, True, "")
        return
    now = msgspec.convert(
        {"at": time.time(), "queues": [answer["queue"]], "calls": answer["waiting"],
         "agents": answer["members"]},
        Snapshot,
    )  # fmt: skip
    for table in (queue_table(now), call_table(now), agent_table(now)):
        print_table(table.title, table.columns, table.rows)
        typer.echo()
    base = settings.configured.queues.get(queue)
    rows = settings_rows(answer["settings"], answer["changed"], msgspec.to_builtins(base))
    print_table("Settings", SETTINGS, rows)


@app.command()
def add(
    queue: str = QUEUE,
    settings: list[str] = typer.Argument(None, metavar="[KEY=VALUE]...", help=KEYS),
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Add a queue."""
    from callcore.cli.client import edit_directory

    known = settings_of(config)
    if queue in known.directory.queues:
        place = known.places.get(f"queues.{queue}", "")
        raise Refused(f"there is a queue {queue!r} already, in {place}")
    table = _changes(settings or [])
    applied = edit_directory(known, lambda file: file.add_queue(queue, table))
    tell_change({"id": queue}, as_json, f"queue {queue} added", applied)


@app.command()
def remove(queue: str = QUEUE, as_json: bool = JSON, config: Path | None = CONFIG) -> None:
    """Remove a queue that was added at run time; its callers overflow."""
    from callcore.cli.client import remove_entity

    applied = remove_entity(settings_of(config), "queues", queue)
    tell_change({"id": queue}, as_json, f"queue {queue} removed", applied)


@app.command("set")
def set_keys(
    queue: str = QUEUE,
    settings: list[str] = typer.Argument(metavar="KEY=VALUE...", help=KEYS),
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Change settings of a queue: in force at once, and waiting callers keep their places."""
    import msgspec

    from callcore.cli.client import edit_directory, find

    known = settings_of(config)
    before = msgspec.to_builtins(find(known, "queues", queue))
    changes = _changes(settings, before)
    applied = edit_directory(known, lambda file: file.set_queue(queue, changes))
    told = {"id": queue, "settings": changes}
    tell_change(told, as_json, f"queue {queue}: {', '.join(settings)}", applied)


@app.command()
def reset(
    queue: str = QUEUE,
    keys: list[str] = typer.Argument(None, metavar="[KEY]...", help="Only these; `members` too."),
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Back to what callcore.toml says: these settings, or all and the members."""
    from callcore.cli.client import reset_entity

    applied = reset_entity(
        config, "queues", queue, lambda file: file.reset_queue(queue, keys or [])
    )
    tell_change({"id": queue}, as_json, f"queue {queue} is as in callcore.toml", applied)


@app.command()
def add_member(
    queue: str = QUEUE,
    agent: str = MEMBER,
    penalty: int = typer.Option(0, min=0, max=1000, help="Lower is offered first."),
    position: int = typer.Option(
        0, min=0, max=10_000, help="Place, for strategies that go by it; 0: as listed."
    ),
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Add an agent or a group to a queue, or change penalty and position of a member."""
    from callcore.cli.client import edit_directory, find

    known = settings_of(config)
    find(known, "queues", queue)
    applied = edit_directory(known, lambda file: file.put_member(queue, agent, penalty, position))
    tell_change({"queue": queue, "agent": agent}, as_json, f"{agent} serves {queue}", applied)


@app.command()
def remove_member(
    queue: str = QUEUE, agent: str = MEMBER, as_json: bool = JSON, config: Path | None = CONFIG
) -> None:
    """Take a member out of a queue."""
    from callcore.cli.client import edit_directory, find

    known = settings_of(config)
    find(known, "queues", queue)
    base = known.configured.queues.get(queue)
    applied = edit_directory(known, lambda file: file.remove_member(queue, agent, base))
    told = {"queue": queue, "agent": agent}
    tell_change(told, as_json, f"{agent} no longer serves {queue}", applied)


def _changes(words: list[str], before: dict[str, Any] | None = None) -> dict[str, Any]:
    """Keys and values; a table of which only a part was named keeps the rest."""
    from callcore.directory import Queue
    from callcore.directory_read import read_changes

    try:
        changes = read_changes(words, Queue)
    except ValueError as exc:
        fail(f"{exc.args[0]!r}: expected KEY=VALUE, as in weight=2 or hours.zone=UTC", BAD_USAGE)
    for word in words:
        key, dot, _ = word.partition("=")[0].partition(".")
        table = (before or {}).get(key)
        if dot and isinstance(table, dict):
            changes[key] = {**table, **changes[key]}
    return changes


@app.command()
def why(contact: str = CONTACT, as_json: bool = JSON, config: Path | None = CONFIG) -> None:
    """What a contact waits for and what the rules say of each agent; or why it got its agent."""
    from callcore.cli import explaining
    from callcore.cli.client import Server

    answer = Server(settings_of(config)).get("calls", contact, "why")
    if as_json:
        tell(answer, True, "")
    else:
        explaining.contact(answer)


@app.command()
def priority(
    contact: str = CONTACT,
    priority: int = typer.Argument(min=-1000, max=1000, help="Higher is served first."),
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Move a waiting caller up or down (`-- -1` for a negative one)."""
    from callcore.cli.call import command

    done = f"has priority {priority}"
    command(config, contact, ("priority",), {"priority": priority}, as_json, done)


@app.command()
def move(
    contact: str = CONTACT,
    queue: str = QUEUE,
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Move a waiting caller to another queue; the wait so far counts there."""
    from callcore.cli.call import command

    command(config, contact, ("move",), {"queue": queue}, as_json, f"waits in {queue}")


@app.command()
def callbacks(
    queue: str = typer.Argument("", help="Id of a queue; of all without it."),
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Callers who hung up and will be called back when their turn comes."""
    import msgspec

    from callcore.cli.client import Server
    from callcore.monitor.callbacks import CallbackView, callback_table

    query = {"queue": queue} if queue else None
    answer = Server(settings_of(config)).get("callbacks", query=query)
    if as_json:
        tell(answer, True, "")
        return
    found = msgspec.convert(answer["callbacks"], list[CallbackView])
    table = callback_table(found, answer["at"])
    print_table(table.title, table.columns, table.rows)


@app.command()
def cancel_callback(
    callback: str = typer.Argument(help="Id of the callback."),
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Take a callback back: the customer will not be called."""
    from callcore.cli.client import Server

    answer = Server(settings_of(config)).post("callbacks", callback, "cancel")
    tell(answer, as_json, f"callback {callback}: cancelled")
