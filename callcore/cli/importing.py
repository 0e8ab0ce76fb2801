"""What the import commands share: every wrong row is told, and none is applied then."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

import typer

from callcore.cli.common import BAD_USAGE

T = TypeVar("T")


def rows_of(read: Callable[[], list[T]]) -> list[T]:
    from callcore.directory_import import RowsRefused

    try:
        return read()
    except RowsRefused as exc:
        for error in exc.errors:
            typer.echo(f"callcore: {error}", err=True)
        typer.echo(f"callcore: {len(exc.errors)} wrong rows: nothing was imported", err=True)
        sys.exit(BAD_USAGE)
