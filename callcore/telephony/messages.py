"""Fetches voicemail messages from an Asterisk whose spool directory we do not see."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import aiohttp

from callcore.errors import BackendUnavailable
from callcore.telephony.ari import AriSettings, new_session, part
from callcore.types import RecordingId

TIMEOUT = 60.0


class MessageStore:
    """ARI's stored recordings."""

    def __init__(self, settings: AriSettings) -> None:
        self._settings = settings

    async def collect(self, recording: RecordingId, raw: Path) -> None:
        """Move a message to `raw`; nothing happens where there is none."""
        url = f"{self._settings.base}/recordings/stored/{part(recording)}"
        try:
            async with asyncio.timeout(TIMEOUT), new_session(self._settings) as session:
                async with session.get(f"{url}/file") as response:
                    if response.status == 404:
                        return
                    response.raise_for_status()
                    content = await response.read()
                await asyncio.to_thread(_write, raw, content)
                async with session.delete(url):
                    pass
        except (TimeoutError, aiohttp.ClientError, OSError) as exc:
            raise BackendUnavailable(f"message {recording} cannot be fetched: {exc}") from exc


def _write(path: Path, content: bytes) -> None:
    """In one step: a fetch that was cut off leaves nothing that looks like a message."""
    waiting = path.with_name(f".{path.name}.new")
    with waiting.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    waiting.replace(path)
