"""`callcore bench`: measurements; each file of benchmarks adds its command here."""

from __future__ import annotations

import typer

app = typer.Typer(help="Measurements.", no_args_is_help=True)


@app.callback()
def options() -> None:
    """Measurements."""
