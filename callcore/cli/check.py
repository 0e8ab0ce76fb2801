"""`callcore check`: settings, IVR trees and the machine, each fault with its place."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from callcore.cli.common import BAD_USAGE, CONFIG, FAILED, JSON, OK, settings_of
from callcore.errors import ConfigError

if TYPE_CHECKING:
    from callcore.findings import Finding

GRAPH = typer.Option(
    None, "--graph", help="Draw the trees: FILE.dot as text, .svg .png .pdf by Graphviz."
)
TREE = typer.Option("", "--tree", help="Draw only this tree.")
FILES_ONLY = typer.Option(False, "--files-only", help="Leave the machine and Asterisk out.")


def command(
    graph: Path | None = GRAPH,
    tree: str = TREE,
    files_only: bool = FILES_ONLY,
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Check callcore.toml, the IVR trees, and what the machine and Asterisk lack.

    Exit status 0: all is well, 1: the machine or Asterisk lacks something, 2: a file is wrong.
    """
    from callcore.cli import checks
    from callcore.findings import Level

    findings: list[Finding] = []
    try:
        settings = settings_of(config)
    except ConfigError as exc:
        findings.append(checks.of_error("settings", exc))
    else:
        findings += checks.site(settings)
        if graph is not None:
            from callcore.cli.graph import draw

            findings += draw(settings, graph, tree)
        if not files_only:
            findings += checks.machine(settings)
    _show(findings, as_json)
    wrong = [f for f in findings if f.level is Level.ERROR]
    if not wrong:
        sys.exit(OK)
    sys.exit(BAD_USAGE if any(f.file for f in wrong) else FAILED)


def _show(findings: list[Finding], as_json: bool) -> None:
    from callcore.findings import Level

    errors = sum(f.level is Level.ERROR for f in findings)
    warnings = sum(f.level is Level.WARNING for f in findings)
    if as_json:
        import msgspec

        told = {"errors": errors, "warnings": warnings, "findings": findings}
        typer.echo(msgspec.json.encode(told).decode())
        return
    for finding in findings:
        typer.echo(str(finding), err=finding.level is Level.ERROR)
    typer.echo(f"{_counted(errors, 'error')}, {_counted(warnings, 'warning')}")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
