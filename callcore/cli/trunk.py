"""`callcore trunk`: SIP trunks."""

from __future__ import annotations

from pathlib import Path

import typer

from callcore.cli.common import (
    CONFIG,
    JSON,
    ask_secret,
    print_table,
    settings_of,
    tell,
    tell_change,
)
from callcore.directory import CODECS, Dtmf, Srtp, Transport

app = typer.Typer(help="SIP trunks.", no_args_is_help=True)

TRUNK = typer.Argument(help="Id of the trunk.")


@app.command()
def add(
    trunk: str = TRUNK,
    host: str = typer.Argument(help="The provider's address."),
    port: int = typer.Option(5060, min=1, max=65535),
    user: str = typer.Option("", help="User name at the provider."),
    secret: bool = typer.Option(
        False, "--secret", help="Ask for its password; a random one when left out with --user."
    ),
    register: bool = typer.Option(False, "--register", help="Register with the provider."),
    match: list[str] = typer.Option([], help="Address or network it calls from; repeatable."),
    transport: Transport = typer.Option(Transport.UDP),
    srtp: Srtp = typer.Option(Srtp.OFF, help="Encrypted audio."),
    codec: list[str] = typer.Option(list(CODECS), help="In order of preference; repeatable."),
    dtmf: Dtmf = typer.Option(Dtmf.RFC4733, help="How keys travel."),
    nat: bool = typer.Option(False, "--nat", help="The provider is behind NAT."),
    qualify: int = typer.Option(60, min=0, help="Seconds between pings; 0: none."),
    max_channels: int = typer.Option(0, min=0, help="Calls at once; 0: no limit."),
    caller_number: str = typer.Option("", help="Number shown on calls going out."),
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Add a trunk."""
    from callcore.cli.client import add_entity
    from callcore.directory import Trunk
    from callcore.directory_file import with_secret

    given = Trunk(
        id=trunk, host=host, port=port, user=user,
        secret=ask_secret("Password of the trunk") if secret else "", register=register,
        match=tuple(match), transport=transport, srtp=srtp, codecs=tuple(codec), dtmf=dtmf,
        nat=nat, qualify_seconds=qualify, max_channels=max_channels, caller_number=caller_number,
    )  # fmt: skip
    entity, made = with_secret(given)
    applied = add_entity(settings_of(config), entity)
    shown = f": user {user}, password {made}" if made else ""
    told = {"id": trunk, **({"secret": made} if made else {})}
    tell_change(told, as_json, f"trunk {trunk} added{shown}", applied)


@app.command()
def remove(trunk: str = TRUNK, as_json: bool = JSON, config: Path | None = CONFIG) -> None:
    """Remove a trunk that was added at run time."""
    from callcore.cli.client import remove_entity

    applied = remove_entity(settings_of(config), "trunks", trunk)
    tell_change({"id": trunk}, as_json, f"trunk {trunk} removed", applied)


@app.command("list")
def list_all(as_json: bool = JSON, config: Path | None = CONFIG) -> None:
    """All trunks; their state and calls when callcore runs."""
    from callcore.cli.monitor import fetch
    from callcore.errors import ServerUnreachable
    from callcore.monitor.view import TrunkView

    settings = settings_of(config)
    try:
        live = {row.id: row for row in fetch(config).trunks}
    except ServerUnreachable:
        live = {}
    trunks = settings.directory.trunks.values()
    rows = [live.get(t.id) or TrunkView(id=t.id, host=t.host, state="unknown") for t in trunks]
    if as_json:
        tell({"trunks": rows}, True, "")
        return
    lines = [(row.id, row.host, row.state or "-", str(row.calls)) for row in rows]
    print_table("Trunks", ("trunk", "address", "state", "calls"), lines)
