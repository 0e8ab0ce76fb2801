"""`callcore asterisk`: start, stop and look at the Asterisk that callcore manages."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import msgspec
import typer

from callcore.config import Settings, find_settings_file, load_settings
from callcore.telephony import managed
from callcore.telephony.layout import AsteriskPaths, ManagedSettings

app = typer.Typer(help="The Asterisk that callcore manages.", no_args_is_help=True)

CONFIG = typer.Option(None, "--config", help="Settings file; else callcore.toml.")
JSON = typer.Option(False, "--json", help="Print JSON.")


@app.command()
def start(config: Path | None = CONFIG, as_json: bool = JSON) -> None:
    """Start Asterisk in a session of its own; an already running one is left as it is."""
    settings = read_settings(config)
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
    show(
        told, as_json, f"{asterisk.program.version} {verb}: pid {asterisk.pid}, {asterisk.ari_url}"
    )


@app.command()
def stop(config: Path | None = CONFIG, as_json: bool = JSON) -> None:
    """Stop Asterisk; calls in progress end."""
    stopped = asyncio.run(managed.stop(paths_of(read_settings(config))))
    show({"stopped": stopped}, as_json, "stopped" if stopped else "Asterisk was not running")


@app.command()
def status(config: Path | None = CONFIG, as_json: bool = JSON) -> None:
    """Say whether Asterisk runs. Exit status 0: runs and answers, 3: not running, 4: no answer."""
    now = asyncio.run(managed.status(paths_of(read_settings(config))))
    if now.running:
        state = "answering" if now.responding else "NOT answering"
        text = f"running: pid {now.pid}, user {now.user}, {state}, {now.config}"
    else:
        text = "not running"
    show(msgspec.to_builtins(now), as_json, text)
    if not now.responding:
        sys.exit(4 if now.running else 3)


def show(told: dict[str, object], as_json: bool, text: str) -> None:
    typer.echo(msgspec.json.encode(told).decode() if as_json else text)


def read_settings(config: Path | None) -> Settings:
    return load_settings(config or find_settings_file(os.environ))


def paths_of(settings: Settings) -> AsteriskPaths:
    own = settings.paths.prompts
    return AsteriskPaths.under(settings.paths.var, own if own.is_dir() else None)
