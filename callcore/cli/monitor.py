"""`callcore monitor`: queues, agents and calls now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from callcore.cli.common import BAD_USAGE, CONFIG, JSON, fail, print_table, settings_of

if TYPE_CHECKING:
    from callcore.monitor.view import Snapshot

ONCE = typer.Option(False, "--once", help="Print what there is now, and end.")


def command(once: bool = ONCE, as_json: bool = JSON, config: Path | None = CONFIG) -> None:
    """Queues, agents and calls as they are now."""
    if not once and not as_json:
        fail("the live screen does not exist yet: use --once", BAD_USAGE)
    show(fetch(config), as_json)


def fetch(config: Path | None) -> Snapshot:
    """The snapshot of the running callcore."""
    import msgspec

    from callcore.cli.client import Server
    from callcore.monitor.view import Snapshot

    return msgspec.convert(Server(settings_of(config)).get("snapshot"), Snapshot)


def show(snapshot: Snapshot, as_json: bool) -> None:
    if as_json:
        import msgspec

        typer.echo(msgspec.json.encode(snapshot).decode())
        return
    from callcore.monitor.view import tables

    for table in tables(snapshot):
        print_table(table.title, table.columns, table.rows)
        typer.echo()
