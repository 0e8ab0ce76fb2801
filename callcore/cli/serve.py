"""`callcore serve`: the server in the foreground."""

from __future__ import annotations

import fcntl
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from callcore.cli.common import CONFIG, settings_of
from callcore.errors import SetupError

BACKEND = typer.Option(
    "", "--backend", help="asterisk, or pjsip: the SIP stack inside callcore; else the settings'."
)


def command(config: Path | None = CONFIG, backend: str = BACKEND) -> None:
    """Serve calls until told to stop (Ctrl-C, SIGTERM); SIGHUP reads the settings again."""
    # All that is loaded now stays; the collector, a sixth of a start, begins after that.
    gc.disable()
    if backend:
        # As a setting from outside: it holds when the file is read again.
        os.environ["CALLCORE_TELEPHONY_BACKEND"] = backend
    settings = settings_of(config)

    from callcore.log import set_up_logging

    set_up_logging(settings.log.format, settings.log.level)

    from callcore.app import serve

    with only_one(settings.paths.var):
        serve(settings)


@contextmanager
def only_one(var: Path) -> Iterator[None]:
    """One server per directory: a second would take Asterisk and the journal from the first."""
    var.mkdir(parents=True, exist_ok=True)
    path = var / "serve.pid"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    with os.fdopen(handle, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            pid = file.read().strip() or "?"
            raise SetupError(
                f"another callcore (pid {pid}) serves from {var}: stop it first"
            ) from exc
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
