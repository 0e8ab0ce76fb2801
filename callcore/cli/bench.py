"""`callcore bench`: measurements; each file of benchmarks adds its command here."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from callcore.cli.common import FAILED, JSON, fail, print_table

app = typer.Typer(help="Measurements.", no_args_is_help=True)

NUMBER = typer.Option(190, min=1, max=254, help="The addresses used are 127.0.NUMBER.x.")
KEEP = typer.Option(None, help="Keep logs and captures of the run in this directory.")


@app.callback()
def options() -> None:
    """Measurements."""


BACKEND = typer.Option("asterisk", help="What the calls run on: asterisk, or pjsip beside it.")
MANY = typer.Option(5000, min=0, help="pjsip: short calls after which nothing may have grown.")


@app.command()
def calls(
    as_json: bool = JSON,
    number: int = NUMBER,
    keep: Path | None = KEEP,
    backend: str = BACKEND,
    many: int = MANY,
) -> None:
    """Calls through callcore beside Asterisk's own Queue(), or the SIP stack inside callcore beside
    Asterisk; with --json the last line is JSON."""
    import asyncio

    import msgspec

    from callcore.bench.calls import Scale, measure
    from callcore.bench.figures import COLUMNS, row, summarise
    from callcore.lab.errors import LabTimeout, ToolError

    if backend == "pjsip":
        _embedded(as_json, number, keep, many)
        return
    try:
        runs = asyncio.run(measure(Scale(), number, _tell, keep))
    except (ToolError, LabTimeout) as exc:
        fail(str(exc))
    print_table("Calls", COLUMNS, [row(run) for run in runs])
    figures = summarise(runs)
    if as_json:
        typer.echo(msgspec.json.encode(figures).decode())
    if figures.lost or figures.double_offers:
        sys.exit(FAILED)


def _embedded(as_json: bool, number: int, keep: Path | None, many: int) -> None:
    import asyncio

    import msgspec

    from callcore.bench.embedded import Scale, measure
    from callcore.lab.errors import LabTimeout, ToolError

    try:
        figures = asyncio.run(measure(Scale(many=many), number, _tell, keep))
    except (ToolError, LabTimeout) as exc:
        fail(str(exc))
    told = msgspec.to_builtins(figures)
    print_table("Calls", ("figure", "value"), [(name, str(told[name])) for name in told])
    if as_json:
        typer.echo(msgspec.json.encode(figures).decode())
    if figures.lost or figures.many_lost or figures.recordings < figures.pairs:
        sys.exit(FAILED)


CONTACTS = typer.Option(50_000, min=1, help="Contacts played with faults; a million: two minutes.")
SEED = typer.Option(1, help="Of everything drawn at random; the same seed plays the same.")


@app.command()
def acd(as_json: bool = JSON, contacts: int = CONTACTS, seed: int = SEED) -> None:
    """The distributor: throughput, invariants under faults, estimated waits, service level."""
    import msgspec

    from callcore.bench.acd import Scale, measure_all

    figures = measure_all(Scale(contacts=contacts, seed=seed), _tell)
    if as_json:
        typer.echo(msgspec.json.encode(figures).decode())
    if figures.invariant_violations:
        sys.exit(FAILED)


SOAK = typer.Option(0.0, min=0.0, help="Hear 1,000 streams for so many seconds more.")


@app.command()
def media(as_json: bool = JSON, soak: float = SOAK) -> None:
    """The audio path: streams a core hears, beside asyncio, uvloop and the kernel's own ceiling."""
    import msgspec

    from callcore.bench.media import Scale, measure_all

    figures = measure_all(Scale(soak_seconds=soak), _tell)
    if as_json:
        typer.echo(msgspec.json.encode(figures).decode())


def _tell(what: str) -> None:
    print(what, file=sys.stderr, flush=True)
