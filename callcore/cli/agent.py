"""`callcore agent`: agents, and their sessions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from callcore.cli.common import (
    BAD_USAGE,
    CONFIG,
    JSON,
    ask_secret,
    fail,
    print_table,
    settings_of,
    tell,
    tell_change,
)
from callcore.types import Reach

if TYPE_CHECKING:
    from callcore.directory_additions import DirectoryFile

app = typer.Typer(help="Agents and their sessions.", no_args_is_help=True)

AGENT = typer.Argument(help="Id of the agent.")


@app.command()
def add(
    agent: str = AGENT,
    name: str = typer.Option("", help="The person's name."),
    phone: str = typer.Option("", help="Phone used when a login names none."),
    pin: bool = typer.Option(
        False, "--pin", help="Ask for a PIN (4 to 12 digits) to log in with at a phone."
    ),
    reach: Reach = typer.Option(Reach.RING, help="How the agent's phone is reached."),
    skill: list[str] = typer.Option([], help="NAME=LEVEL; can be repeated."),
    language: list[str] = typer.Option([], help="Spoken with customers; can be repeated."),
    group: list[str] = typer.Option([], help="Group belonged to; can be repeated."),
    queue: list[str] = typer.Option([], help="Queue to serve; can be repeated."),
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Add an agent."""
    from callcore.cli.client import edit_directory
    from callcore.directory import Agent
    from callcore.directory_file import hash_pin
    from callcore.errors import Refused

    settings = settings_of(config)
    if agent in settings.directory.agents:
        place = settings.places.get(f"agents.{agent}", "")
        raise Refused(f"there is an agent {agent!r} already, in {place}")
    pin_hash = hash_pin(ask_secret("PIN")) if pin else ""
    new = Agent(
        id=agent,
        name=name,
        phone=phone,
        pin_hash=pin_hash,
        reach=reach,
        skills=_numbers("--skill", skill),
        languages=tuple(language),
        groups=tuple(group),
    )

    def put(file: DirectoryFile) -> None:
        file.put(new)
        for name in queue:
            file.put_member(name, agent)

    tell_change({"id": agent}, as_json, f"agent {agent} added", edit_directory(settings, put))


def _numbers(option: str, given: list[str]) -> dict[str, int]:
    numbers: dict[str, int] = {}
    for word in given:
        name, _, number = word.partition("=")
        if not name or not (number.isascii() and number.isdigit()):
            example = "english=5" if option == "--skill" else "chat=3"
            fail(f"{option} {word!r}: expected NAME=NUMBER, as in {example}", BAD_USAGE)
        numbers[name] = int(number)
    return numbers


@app.command()
def remove(agent: str = AGENT, as_json: bool = JSON, config: Path | None = CONFIG) -> None:
    """Remove an agent that was added at run time."""
    from callcore.cli.client import remove_entity

    applied = remove_entity(settings_of(config), "agents", agent)
    tell_change({"id": agent}, as_json, f"agent {agent} removed", applied)


@app.command("set")
def set_keys(
    agent: str = AGENT,
    name: str = typer.Option(None, help="The person's name."),
    phone: str = typer.Option(None, help="Phone used when a login names none."),
    pin: bool = typer.Option(False, "--pin", help="Ask for a new PIN."),
    reach: Reach = typer.Option(None, help="How the agent's phone is reached."),
    skill: list[str] = typer.Option([], help="NAME=LEVEL, 0: has it no longer; repeatable."),
    language: list[str] = typer.Option([], help="All the languages; repeatable. '': none."),
    group: list[str] = typer.Option([], help="All the groups; repeatable. '': none."),
    capacity: list[str] = typer.Option([], help="KIND=CONTACTS at once; repeatable."),
    cost: float = typer.Option(None, help="What an hour costs."),
    site: str = typer.Option(None, help="Where the agent sits."),
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Change an agent's skills, groups …: in force at once, and waiting callers keep their places.

    Skills and capacities that are not named stay as they are."""
    from callcore.cli.client import edit_directory, find
    from callcore.directory_file import hash_pin

    settings = settings_of(config)
    before = find(settings, "agents", agent)
    given = {"name": name, "phone": phone, "reach": reach, "cost": cost, "site": site}
    changes = {key: value for key, value in given.items() if value is not None}
    if pin:
        changes["pin_hash"] = hash_pin(ask_secret("PIN"))
    if skill:
        levels = {**before.skills, **_numbers("--skill", skill)}
        changes["skills"] = {key: level for key, level in levels.items() if level}
    if capacity:
        changes["capacity"] = {**before.capacity, **_numbers("--capacity", capacity)}
    for key, words in (("languages", language), ("groups", group)):
        if words:
            changes[key] = [word for word in words if word]
    if not changes:
        fail("expected something to change: see callcore agent set --help", BAD_USAGE)
    applied = edit_directory(settings, lambda file: file.set_agent(agent, changes))
    tell_change({"id": agent}, as_json, f"agent {agent}: {', '.join(changes)} changed", applied)


@app.command()
def reset(
    agent: str = AGENT,
    keys: list[str] = typer.Argument(None, metavar="[KEY]...", help="Only these."),
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Back to what callcore.toml says of an agent."""
    from callcore.cli.client import reset_entity

    applied = reset_entity(
        config, "agents", agent, lambda file: file.reset_agent(agent, keys or [])
    )
    tell_change({"id": agent}, as_json, f"agent {agent} is as in callcore.toml", applied)


@app.command("list")
def list_all(as_json: bool = JSON, config: Path | None = CONFIG) -> None:
    """All agents; with their states when callcore runs."""
    from callcore.cli.monitor import fetch
    from callcore.errors import ServerUnreachable
    from callcore.monitor.view import AgentView, Snapshot, agent_table

    try:
        snapshot = fetch(config)
    except ServerUnreachable:
        agents = settings_of(config).directory.agents.values()
        rows = tuple(
            AgentView(id=a.id, name=a.name, state="unknown", phone=a.phone) for a in agents
        )
        snapshot = Snapshot(at=0.0, agents=rows)
    if as_json:
        tell({"agents": snapshot.agents}, True, "")
        return
    table = agent_table(snapshot)
    print_table(table.title, table.columns, table.rows)


@app.command()
def show(agent: str = AGENT, as_json: bool = JSON, config: Path | None = CONFIG) -> None:
    """One agent: the state now, and the settings."""
    import time

    import msgspec

    from callcore.cli.client import Server
    from callcore.cli.explaining import SETTINGS, settings_rows
    from callcore.monitor.view import Snapshot, agent_table

    settings = settings_of(config)
    server = Server(settings)
    state = server.get("agents", agent)
    answer = server.get("agents", agent, "settings")
    if as_json:
        tell({"agent": state, **answer}, True, "")
        return
    table = agent_table(msgspec.convert({"at": time.time(), "agents": [state]}, Snapshot))
    print_table(table.title, table.columns, table.rows)
    typer.echo()
    base = msgspec.to_builtins(settings.configured.agents.get(agent))
    print_table("Settings", SETTINGS, settings_rows(answer["settings"], answer["changed"], base))


@app.command("import")
def import_file(
    file: Path = typer.Argument(help="CSV; its first line names columns: id,name,pin,phone,…"),
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Add agents from a CSV file, all or none (id,name,pin,phone,reach,skills,queues)."""
    from callcore.cli.client import edit_directory
    from callcore.cli.importing import rows_of
    from callcore.directory_import import put_agents, read_agents

    settings = settings_of(config)
    rows = rows_of(lambda: read_agents(str(file), file.read_bytes(), settings.directory))
    applied = edit_directory(settings, lambda directory: put_agents(directory, rows))
    tell_change({"agents": len(rows)}, as_json, f"{len(rows)} agents added or changed", applied)


@app.command()
def login(
    agent: str = AGENT,
    phone: str = typer.Option("", help="Where the agent sits; else the default phone."),
    paused: bool = typer.Option(False, "--paused", help="Log in without taking calls yet."),
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Log an agent in."""
    body = {"phone": phone, "ready": not paused}
    command(config, agent, "login", body, as_json, "logged in")


@app.command()
def logout(agent: str = AGENT, as_json: bool = JSON, config: Path | None = CONFIG) -> None:
    """Log an agent out; a call in progress goes on."""
    command(config, agent, "logout", None, as_json, "logged out")


@app.command()
def pause(
    agent: str = AGENT,
    reason: str = typer.Option("", help="Why, as the reports show it; else the usual reason."),
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """No more calls until ready."""
    command(config, agent, "pause", {"reason": reason}, as_json, "paused")


@app.command()
def ready(agent: str = AGENT, as_json: bool = JSON, config: Path | None = CONFIG) -> None:
    """Ends a pause, or the wrap-up."""
    command(config, agent, "ready", None, as_json, "ready")


@app.command()
def why(agent: str = AGENT, as_json: bool = JSON, config: Path | None = CONFIG) -> None:
    """Why an agent is offered nothing now, in general and in each queue served."""
    from callcore.cli import explaining
    from callcore.cli.client import Server

    answer = Server(settings_of(config)).get("agents", agent, "why")
    if as_json:
        tell(answer, True, "")
    else:
        explaining.agent(answer)


@app.command()
def status(
    agent: str = AGENT,
    status: str = typer.Argument(help="One of [statuses]."),
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Put an agent in a status of the site's own; `ready` ends it."""
    command(config, agent, "status", {"status": status}, as_json, status)


@app.command()
def wrap_up(
    agent: str = AGENT,
    extend: float = typer.Option(
        0.0, "--extend", min=0.0, max=86_400.0, help="Seconds by which the present one is longer."
    ),
    ask: bool = typer.Option(False, "--ask", help="One after the present call, where optional."),
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Make the present wrap-up longer, or ask for one after the present call."""
    if ask == bool(extend):
        fail("expected either --extend SECONDS or --ask", BAD_USAGE)
    done = "asked for a wrap-up" if ask else f"wraps up for {extend:g} s more"
    command(config, agent, "wrap-up", {"extend_seconds": extend}, as_json, done)


@app.command()
def pin_hash() -> None:
    """Ask for a PIN and print the pin_hash for callcore.toml."""
    from callcore.directory_file import hash_pin

    typer.echo(hash_pin(ask_secret("PIN")))


def command(
    config: Path | None, agent: str, verb: str, body: object, as_json: bool, done: str
) -> None:
    from callcore.cli.client import Server

    answer = Server(settings_of(config)).post("agents", agent, verb, body=body)
    tell(answer, as_json, f"agent {agent}: {done}")
