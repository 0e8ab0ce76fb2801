"""`callcore queue`: queues, the callers in them, and members added at run time."""

from __future__ import annotations

from pathlib import Path

import typer

from callcore.cli.common import CONFIG, JSON, print_table, settings_of, tell, tell_change

app = typer.Typer(help="Queues.", no_args_is_help=True)

QUEUE = typer.Argument(help="Id of the queue.")
AGENT = typer.Argument(help="Id of the agent.")
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
    """One queue: its callers, first in line first, and its members."""
    import msgspec

    from callcore.cli.monitor import fetch
    from callcore.errors import UnknownEntity
    from callcore.monitor.view import agent_table, call_table, queue_table

    now = fetch(config)
    found = tuple(row for row in now.queues if row.id == queue)
    if not found:
        raise UnknownEntity("queue", queue)
    waiting = (row for row in now.calls if row.queue == queue and row.position)
    calls = tuple(sorted(waiting, key=lambda row: row.position))
    agents = tuple(row for row in now.agents if row.id in found[0].members)
    if as_json:
        tell({"queue": found[0], "waiting": calls, "members": agents}, True, "")
        return
    part = msgspec.structs.replace(now, queues=found, calls=calls, agents=agents)
    for table in (queue_table(part), call_table(part), agent_table(part)):
        print_table(table.title, table.columns, table.rows)
        typer.echo()


@app.command()
def add_member(
    queue: str = QUEUE,
    agent: str = AGENT,
    penalty: int = typer.Option(0, min=0, max=1000, help="Lower is offered first."),
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Add an agent to a queue, or set the penalty of one added before."""
    from callcore.cli.client import edit_directory

    settings = settings_of(config)
    applied = edit_directory(settings, lambda file: file.put_member(queue, agent, penalty))
    tell_change({"queue": queue, "agent": agent}, as_json, f"{agent} serves {queue}", applied)


@app.command()
def remove_member(
    queue: str = QUEUE, agent: str = AGENT, as_json: bool = JSON, config: Path | None = CONFIG
) -> None:
    """Remove a member that was added at run time."""
    from callcore.cli.client import edit_directory

    applied = edit_directory(settings_of(config), lambda file: file.remove_member(queue, agent))
    told = {"queue": queue, "agent": agent}
    tell_change(told, as_json, f"{agent} no longer serves {queue}", applied)


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
