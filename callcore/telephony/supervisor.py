"""Starts the managed Asterisk again when it died: killed, crashed, out of memory.

One that was stopped on purpose stays stopped: it takes its pid file with it, one that died does
not. A start that fails is tried again, ever more slowly.
"""

from __future__ import annotations

import asyncio

import structlog

from callcore.errors import SetupError
from callcore.telephony import managed
from callcore.telephony.layout import AsteriskPaths, ManagedSettings

log = structlog.get_logger(__name__)

LOOK_SECONDS = 0.5
FIRST_RETRY = 1.0
LONGEST_RETRY = 30.0
#: One that dies again sooner than this after its start counts as a start that failed.
SETTLED_SECONDS = 60.0


class Supervisor:
    """Watches one managed Asterisk."""

    def __init__(self, paths: AsteriskPaths, settings: ManagedSettings) -> None:
        self._paths = paths
        self._settings = settings
        self._failed = False

    def died(self) -> bool:
        """It is gone, and nobody stopped it."""
        return self._paths.pid_file.exists() and managed.find_pid(self._paths) is None

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        delay, started = FIRST_RETRY, -SETTLED_SECONDS
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if not (self._failed or self.died()):
                continue
            if loop.time() - started < SETTLED_SECONDS:
                await asyncio.sleep(delay)
                delay = min(delay * 2, LONGEST_RETRY)
            else:
                delay = FIRST_RETRY
            started = loop.time()
            await self._start()

    async def _start(self) -> None:
        if not self._failed:
            log.error("asterisk_died", last_words=managed.last_lines(self._paths))
        self._failed = True
        try:
            asterisk = await managed.start(self._paths, self._settings)
        except SetupError as exc:
            log.error("asterisk_not_started", reason=str(exc))
        else:
            self._failed = False
            log.warning("asterisk_started_again", pid=asterisk.pid)
