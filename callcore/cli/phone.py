"""`callcore phone`: desk phones."""

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
from callcore.directory import CODECS, Dtmf, Srtp, Transport, srtp_of

app = typer.Typer(help="Desk phones.", no_args_is_help=True)

_SRTP = {"off": "", "optional": "+srtp?", "required": "+srtp"}

PHONE = typer.Argument(help="Id of the phone; also its SIP user name.")


@app.command()
def add(
    phone: str = PHONE,
    secret: bool = typer.Option(
        False, "--secret", help="Ask for the SIP password; a random one when left out."
    ),
    host: str = typer.Option("", help="Address of a phone that does not register."),
    transport: Transport = typer.Option(Transport.UDP),
    srtp: Srtp = typer.Option(Srtp.OFF, help="Encrypted audio."),
    codec: list[str] = typer.Option(list(CODECS), help="In order of preference; can be repeated."),
    dtmf: Dtmf = typer.Option(Dtmf.RFC4733, help="How its keys travel."),
    nat: bool = typer.Option(False, "--nat", help="It is behind NAT."),
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Add a phone; prints the SIP password it must be given, this once."""
    from callcore.cli.client import add_entity
    from callcore.directory import Phone
    from callcore.directory_file import with_secret

    given = Phone(
        id=phone, secret=ask_secret("SIP password") if secret else "", host=host,
        transport=transport, srtp=srtp, codecs=tuple(codec), dtmf=dtmf, nat=nat,
    )  # fmt: skip
    entity, made = with_secret(given)
    applied = add_entity(settings_of(config), entity)
    shown = f": user {phone}, password {made}" if made else ""
    told = {"id": phone, **({"secret": made} if made else {})}
    tell_change(told, as_json, f"phone {phone} added{shown}", applied)


@app.command()
def remove(phone: str = PHONE, as_json: bool = JSON, config: Path | None = CONFIG) -> None:
    """Remove a phone that was added at run time."""
    from callcore.cli.client import remove_entity

    applied = remove_entity(settings_of(config), "phones", phone)
    tell_change({"id": phone}, as_json, f"phone {phone} removed", applied)


@app.command("list")
def list_all(
    secrets: bool = typer.Option(False, "--secrets", help="With SIP passwords."),
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """All phones; whether they are reachable when callcore runs."""
    from callcore.cli.monitor import fetch
    from callcore.errors import ServerUnreachable

    settings = settings_of(config)
    try:
        live = {row.id: row for row in fetch(config).phones}
    except ServerUnreachable:
        live = {}
    rows = []
    for phone in settings.directory.phones.values():
        now = live.get(phone.id)
        row: dict[str, object] = {
            "id": phone.id,
            "reachable": None if now is None else now.reachable,
            "agent": "" if now is None else now.agent,
            "host": phone.host,
            "transport": phone.transport.value,
            "srtp": srtp_of(phone).value,
            "dtmf": phone.dtmf.value,
            "codecs": list(phone.codecs),
        }
        rows.append(row | ({"secret": phone.secret} if secrets else {}))
    if as_json:
        tell({"phones": rows}, True, "")
        return
    columns = ("phone", "reachable", "agent", "address", "transport", "dtmf", "codecs")
    lines = [_line(row) for row in rows]
    print_table("Phones", columns + (("password",) if secrets else ()), lines)


def _line(row: dict[str, object]) -> tuple[str, ...]:
    reachable = {None: "-", True: "yes", False: "no"}[row["reachable"]]  # type: ignore[index]
    codecs = row["codecs"]
    assert isinstance(codecs, list)
    line = (
        str(row["id"]), reachable, str(row["agent"] or "-"), str(row["host"] or "registers"),
        f"{row['transport']}{_SRTP[str(row['srtp'])]}", str(row["dtmf"]), " ".join(codecs),
    )  # fmt: skip
    return (*line, str(row["secret"])) if "secret" in row else line


@app.command("import")
def import_file(
    file: Path = typer.Argument(help="CSV; its first line names columns: id,secret,host,…"),
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Add phones from a CSV file, all or none; made passwords: `callcore phone list --secrets`."""
    from callcore.cli.client import edit_directory
    from callcore.cli.importing import rows_of
    from callcore.directory_additions import DirectoryFile
    from callcore.directory_import import read_phones

    rows = rows_of(lambda: read_phones(str(file), file.read_bytes()))

    def put(directory: DirectoryFile) -> None:
        for _, phone in rows:
            directory.put(phone)

    applied = edit_directory(settings_of(config), put)
    tell_change({"phones": len(rows)}, as_json, f"{len(rows)} phones added or changed", applied)
