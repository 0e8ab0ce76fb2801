"""What commands share: options, settings, output, exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from callcore.errors import (
    BackendUnavailable,
    CallcoreError,
    ConfigError,
    ServerUnreachable,
)

if TYPE_CHECKING:
    from callcore.config import Settings

OK, FAILED, BAD_USAGE, NOT_REACHABLE = 0, 1, 2, 3

JSON = typer.Option(False, "--json", help="Print JSON.")
CONFIG = typer.Option(
    None, "--config", "-c", help="Settings file; callcore.toml here, or CALLCORE_CONFIG."
)


def settings_of(config: Path | None) -> Settings:
    """The settings a command works with, checked."""
    from callcore.config import find_settings_file, load_settings

    if config is not None and not config.exists():
        raise ConfigError("no such file", file=str(config))
    return load_settings(config or find_settings_file(os.environ), os.environ)


def exit_code(error: CallcoreError) -> int:
    """0 done, 1 failed, 2 what was written or asked is wrong, 3 nobody answers."""
    if isinstance(error, ConfigError):
        return BAD_USAGE
    return NOT_REACHABLE if isinstance(error, ServerUnreachable | BackendUnavailable) else FAILED


def tell(value: Any, as_json: bool, text: str) -> None:
    """The result of a command: JSON for programs, text for people."""
    if as_json:
        import msgspec

        typer.echo(msgspec.json.encode(value).decode())
    elif text:
        typer.echo(text)


def fail(message: str, code: int = FAILED) -> NoReturn:
    typer.echo(f"callcore: {message}", err=True)
    sys.exit(code)


def tell_change(value: dict[str, Any], as_json: bool, text: str, applied: bool) -> None:
    """The result of a change to the directory; `applied`: a running callcore took it over."""
    later = "" if applied else " (callcore does not run: in force at its next start)"
    tell({**value, "applied": applied}, as_json, text + later)


def ask_secret(what: str) -> str:
    """From the terminal without echo, or the first line of a pipe: never an argument, which every
    user of the machine could read in the process list."""
    if sys.stdin.isatty():
        answer: str = typer.prompt(what, hide_input=True, confirmation_prompt=True)
        return answer
    return sys.stdin.readline().strip()


def print_table(title: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """A table as wide as the terminal allows; outside text is never markup."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        grid.add_column(column, overflow="fold")
    for row in rows:
        grid.add_row(*(Text(cell) for cell in row))
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    console.print(grid)
    if not rows:
        console.print("(none)", highlight=False)
