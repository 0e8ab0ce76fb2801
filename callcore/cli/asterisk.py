"""`callcore asterisk`: start, stop and look at the Asterisk that callcore manages."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from callcore.cli.common import CONFIG, JSON, settings_of, tell
from callcore.errors import ConfigError

# Imported where needed: aiohttp and cryptography would cost every `callcore --help` 0.1 s.
if TYPE_CHECKING:
    from callcore.config import Settings
    from callcore.telephony.layout import AsteriskPaths

app = typer.Typer(help="The Asterisk that callcore manages.", no_args_is_help=True)


@app.command()
def start(config: Path | None = CONFIG, as_json: bool = JSON) -> None:
    """Start Asterisk in a session of its own; an already running one is left as it is."""
    import asyncio

    from callcore.telephony import managed
    from callcore.telephony.layout import ManagedSettings

    settings = settings_of(config)
    asterisk = asyncio.run(managed.start(paths_of(settings), ManagedSettings.of(settings)))
    for warning in asterisk.warnings:
        typer.echo(f"warning: {warning}", err=True)
    told = {
        "running": True,
        "adopted": asterisk.adopted,
        "pid": asterisk.pid,
        "version": asterisk.program.version,
        "ari_url": asterisk.ari_url,
        "config": str(asterisk.paths.config),
    }
    verb = "was running already" if asterisk.adopted else "started"
    tell(
        told, as_json, f"{asterisk.program.version} {verb}: pid {asterisk.pid}, {asterisk.ari_url}"
    )


@app.command()
def stop(config: Path | None = CONFIG, as_json: bool = JSON) -> None:
    """Stop Asterisk; calls in progress end."""
    import asyncio

    from callcore.telephony import managed

    stopped = asyncio.run(managed.stop(paths_on_disk(config)))
    tell({"stopped": stopped}, as_json, "stopped" if stopped else "Asterisk was not running")


@app.command()
def status(config: Path | None = CONFIG, as_json: bool = JSON) -> None:
    """Say whether Asterisk runs. Exit status 0: runs and answers, 3: not running, 4: no answer."""
    import asyncio

    import msgspec

    from callcore.telephony import managed

    now = asyncio.run(managed.status(paths_on_disk(config)))
    if now.running:
        state = "answering" if now.responding else "NOT answering"
        text = f"running: pid {now.pid}, user {now.user}, {state}, {now.config}"
    else:
        text = "not running"
    tell(msgspec.to_builtins(now), as_json, text)
    if not now.responding:
        sys.exit(4 if now.running else 3)


def paths_of(settings: Settings) -> AsteriskPaths:
    from callcore.telephony.layout import AsteriskPaths

    own = settings.paths.prompts
    return AsteriskPaths.under(settings.paths.var, own if own.is_dir() else None)


def paths_on_disk(config: Path | None) -> AsteriskPaths:
    """Where the Asterisk is that runs, whatever is wrong with callcore.toml meanwhile."""
    from callcore.config import configured_var, find_settings_file
    from callcore.telephony.layout import AsteriskPaths

    try:
        return paths_of(settings_of(config))
    except ConfigError as exc:
        file = config or find_settings_file(os.environ)
        if not file.exists():
            raise
        var = configured_var(file, os.environ)
        typer.echo(f"warning: {exc}; looking at the Asterisk of {var}", err=True)
        return AsteriskPaths.under(var)
