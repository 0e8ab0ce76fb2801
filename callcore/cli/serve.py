"""`callcore serve`: the server in the foreground."""

from __future__ import annotations

from pathlib import Path

from callcore.cli.common import CONFIG, settings_of


def command(config: Path | None = CONFIG) -> None:
    """Serve calls until told to stop (Ctrl-C, SIGTERM); SIGHUP reads the settings again."""
    settings = settings_of(config)

    from callcore.log import set_up_logging

    set_up_logging(settings.log.format, settings.log.level)

    from callcore.app import serve

    serve(settings)
