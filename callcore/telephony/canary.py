"""Proves that Asterisk reads callcore's prompts and writes recordings where callcore finds them.

A short-lived channel without a phone plays a file that only callcore knows, and is recorded to a
file that callcore looks for. Both have random names and are removed.
"""

from __future__ import annotations

import asyncio
import secrets
import wave
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import msgspec

from callcore.config import Settings
from callcore.errors import ActionRefused, BackendUnavailable
from callcore.findings import Finding, error, ok
from callcore.telephony.ami import Ami

APP = "callcore-check"
PATIENCE = 5.0
DISCARD = "127.0.0.1:9"


class CanaryFailed(Exception):
    """The trial itself could not be made; the text says why."""


async def canary(
    settings: Settings, session: aiohttp.ClientSession, base: str, ami: Ami
) -> list[Finding]:
    """Three findings: prompts, recordings and voicemail."""
    url = f"{base}/events?{urlencode({'app': APP})}"
    try:
        async with asyncio.timeout(4 * PATIENCE), session.ws_connect(url) as events:
            trial = _Trial(session, base, events)
            await trial.open()
            try:
                prompts = await _prompts(settings, trial)
                recordings = await _recordings(settings, trial, ami)
                return [prompts, recordings, await _messages(trial)]
            finally:
                await trial.close()
    except CanaryFailed as exc:
        return [error("canary", str(exc))]
    except TimeoutError:
        return [error("canary", "Asterisk did not carry the trial through in time")]
    except aiohttp.ClientError as exc:
        return [error("canary", f"the event socket {base}/events: {exc}")]


class _Trial:
    """The channel, and the events it causes."""

    def __init__(
        self, session: aiohttp.ClientSession, base: str, events: aiohttp.ClientWebSocketResponse
    ) -> None:
        self._session = session
        self._base = base
        self._events = events
        self.channel = f"callcore-check-{secrets.token_hex(6)}"

    async def open(self) -> None:
        values = {
            "channelId": self.channel, "app": APP, "external_host": DISCARD, "format": "slin",
            "transport": "udp", "encapsulation": "rtp",
        }  # fmt: skip
        await self.post("channels/externalMedia", values)
        await self.wait("StasisStart", lambda e: e["channel"]["id"] == self.channel)

    async def close(self) -> None:
        await self.discard(f"channels/{self.channel}")

    async def discard(self, path: str) -> None:
        async with self._session.delete(f"{self._base}/{path}"):
            pass

    async def post(self, path: str, values: dict[str, str]) -> None:
        async with self._session.post(f"{self._base}/{path}", params=values) as response:
            if response.status >= 400:
                text = (await response.text())[:200]
                raise CanaryFailed(f"{path.partition('/')[2] or path}: {response.status} {text}")

    async def play(self, sound: str) -> bool:
        """Whether Asterisk found the file."""
        playback = f"{self.channel}-play"
        values = {"media": f"sound:{sound}", "playbackId": playback}
        await self.post(f"channels/{self.channel}/play", values)
        end = await self.wait("PlaybackFinished", lambda e: e["playback"]["id"] == playback)
        return bool(end["playback"]["state"] == "done")

    async def wait(self, kind: str, matches: Any) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE):
            while True:
                message = await self._events.receive()
                if message.type is not aiohttp.WSMsgType.TEXT:
                    raise CanaryFailed("Asterisk closed the event socket")
                event = msgspec.json.decode(message.data)
                if event.get("type") == kind and matches(event):
                    return dict(event)


async def _prompts(settings: Settings, trial: _Trial) -> Finding:
    folder = settings.paths.prompts
    name = trial.channel
    file = folder / f"{name}.wav"
    seen = settings.asterisk.remote_prompts or str(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(_write_silence, file)
    except OSError as exc:
        return error("canary", f"cannot write in {folder}: {exc.strerror}", "set paths.prompts")
    try:
        found = await trial.play(f"{seen.rstrip('/')}/{name}")
    finally:
        file.unlink(missing_ok=True)
    if found:
        return ok("canary", f"Asterisk plays prompts of {folder}")
    hint = f"share {folder} with it and set asterisk.remote_prompts to its path there"
    return error("canary", f"Asterisk does not find prompts in {seen}", hint)


def _write_silence(file: Path) -> None:
    """50 ms, readable for whoever Asterisk runs as."""
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(bytes(800))
    file.chmod(0o644)


async def _recordings(settings: Settings, trial: _Trial, ami: Ami) -> Finding:
    folder = raw_directory(settings)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{trial.channel}.raw"
    seen = settings.asterisk.remote_recordings or str(folder)
    hint = f"share {folder} with it, writable, and set asterisk.remote_recordings to its path there"
    try:
        await ami.start_mixmonitor(trial.channel, f"{seen.rstrip('/')}/{file.name}")
        appeared = await _appears(file)
        await ami.stop_mixmonitor(trial.channel)
    except (ActionRefused, BackendUnavailable) as exc:
        return error("canary", f"recording was refused: {exc}", hint)
    finally:
        file.unlink(missing_ok=True)
    if appeared:
        return ok("canary", f"Asterisk records into {folder}")
    return error("canary", f"nothing recorded to {seen} appears in {folder}", hint)


async def _messages(trial: _Trial) -> Finding:
    """Asterisk keeps a message in its own spool until callcore fetches it."""
    values = {"name": trial.channel, "format": "wav"}
    try:
        await trial.post(f"channels/{trial.channel}/record", values)
    except CanaryFailed:
        hint = "make `recording` in its spool directory (astspooldir), writable for its user"
        return error("canary", "Asterisk cannot record voicemail messages", hint)
    # Discarded before it has begun it would begin all the same, and its file would stay.
    await trial.wait("RecordingStarted", lambda e: e["recording"]["name"] == trial.channel)
    await trial.discard(f"recordings/live/{trial.channel}")
    return ok("canary", "Asterisk records voicemail messages")


def raw_directory(settings: Settings) -> Path:
    """Where recordings in progress are, for an Asterisk that callcore does not manage."""
    return settings.paths.var / "recordings" / "raw"


async def _appears(file: Path) -> bool:
    """A file made by another machine may take a moment to be seen."""
    for _ in range(int(PATIENCE / 0.1)):
        if await asyncio.to_thread(file.exists):
            return True
        await asyncio.sleep(0.1)
    return False
