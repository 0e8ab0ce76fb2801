"""Keeps the logs of a managed Asterisk from growing for ever: it rotates only when told to."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import structlog

from callcore.errors import SetupError
from callcore.telephony import managed
from callcore.telephony.layout import AsteriskPaths, find_program

log = structlog.get_logger(__name__)

LOOK_SECONDS = 60.0
LARGEST_BYTES = 10 << 20
#: Older ones are removed: ``messages.log.0`` is the newest.
KEPT = 5


class LogKeeper:
    """Watches the two logs of one managed Asterisk."""

    def __init__(self, paths: AsteriskPaths, largest: int = LARGEST_BYTES) -> None:
        self._paths = paths
        self._largest = largest

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Rotate what has become too large."""
        try:
            if _size(self._paths.messages) > self._largest:
                # Asterisk holds it open: only Asterisk can begin a new one.
                await managed.run_command(find_program(), self._paths, "logger rotate")
                log.info("asterisk_log_rotated", file=str(self._paths.messages))
            self._remove_old()
            if _size(self._paths.console) > self._largest:
                # Opened for appending by a shell that is gone: what follows begins at its new end.
                os.truncate(self._paths.console, 0)
        except (SetupError, OSError) as exc:
            log.warning("asterisk_log_not_rotated", reason=str(exc))

    def _remove_old(self) -> None:
        current = self._paths.messages
        for path in current.parent.glob(f"{current.name}.*"):
            number = path.suffix.removeprefix(".")
            if number.isdigit() and int(number) >= KEPT:
                path.unlink(missing_ok=True)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
