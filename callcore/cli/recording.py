"""`callcore recording`: finished recordings, and pausing one that runs."""

from __future__ import annotations

from pathlib import Path

import typer

from callcore.cli.common import CONFIG, JSON, fail, print_table, settings_of, tell

app = typer.Typer(help="Recordings.", no_args_is_help=True)

CALL = typer.Argument(help="Id of the call.")


@app.command("list")
def list_all(
    limit: int = typer.Option(50, min=1, max=1000),
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Recordings, newest first."""
    from callcore.cli.call import when
    from callcore.cli.client import Server

    answer = Server(settings_of(config)).get("recordings", query={"limit": str(limit)})
    if as_json:
        tell(answer, True, "")
        return
    rows = [
        (
            row["recording"], row["call"], when(row.get("started_at")),
            f"{row.get('seconds', 0.0):.0f} s", row.get("queue") or "-", row.get("agent") or "-",
            row.get("path") or f"none: {row.get('failure') or 'unknown'}",
        )
        for row in answer["recordings"]
    ]  # fmt: skip
    columns = ("recording", "call", "started", "length", "queue", "agent", "file")
    print_table("Recordings", columns, rows)


@app.command()
def get(
    recording: str = typer.Argument(help="Id of the recording."),
    output: Path | None = typer.Option(None, "--output", "-o", help="Where to; else its name."),
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Copy the audio of a recording into a file."""
    from callcore.cli.client import Server

    server = Server(settings_of(config))
    row = server.get("recordings", recording)
    suffix = row.get("format") or "flac"
    file = output or Path(
        f"{''.join(c if c.isalnum() or c in '-_' else '_' for c in recording)}.{suffix}"
    )
    if output is None and file.exists():
        fail(f"{file} exists already: name another with --output")
    audio = server.download("recordings", recording, "audio")
    file.write_bytes(audio)
    tell({"file": str(file), "bytes": len(audio)}, as_json, f"{file}: {len(audio)} bytes")


@app.command()
def pause(call: str = CALL, as_json: bool = JSON, config: Path | None = CONFIG) -> None:
    """Silence in the recording of a call until resumed."""
    from callcore.cli.call import command

    command(config, call, ("recording", "pause"), None, as_json, "recording paused")


@app.command()
def resume(call: str = CALL, as_json: bool = JSON, config: Path | None = CONFIG) -> None:
    """Record a call's sound again."""
    from callcore.cli.call import command

    command(config, call, ("recording", "resume"), None, as_json, "recording goes on")
