"""Follows the log of a running callcore: what the demo waits for, and prints in plain words."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from callcore.lab.demo_words import caller_of, in_words
from callcore.lab.errors import LabTimeout

Line = dict[str, Any]

POLL_SECONDS = 0.03
PATIENCE = float(os.environ.get("CALLCORE_TEST_PATIENCE", "1"))


class Timeline:
    """The log lines so far; `seen` waits for one, `tell` gets each in plain words."""

    def __init__(self, log: Path, tell: Callable[[str], None]) -> None:
        self.lines: list[Line] = []
        #: Who is behind a call.
        self.callers: dict[str, str] = {}
        self._log = log
        self._tell = tell
        self._arrived = asyncio.Condition()
        self._started: float | None = None

    async def follow(self) -> None:
        """Read on until cancelled."""
        rest = b""
        with self._log.open("rb") as log:
            while True:
                *whole, rest = (rest + log.read()).split(b"\n")
                for text in whole:
                    self._show(line := read(text))
                    self.lines.append(line)
                async with self._arrived:
                    self._arrived.notify_all()
                await asyncio.sleep(POLL_SECONDS)

    def _show(self, line: Line) -> None:
        if line["event"] == "arrived":
            self.callers[line["call_id"]] = caller_of(line)
        caller = self.callers.get(line.get("call_id", ""), "")
        who, what = in_words(line, caller)
        if what and not self._told(line):
            at = datetime.fromisoformat(line["time"]).timestamp()
            self._started = at if self._started is None else self._started
            self._tell(f"{at - self._started:6.1f} s  {who:<9}  {what}")

    def _told(self, line: Line) -> bool:
        """The rules and the recorder both say that a recording started."""
        same = ("event", "call_id", "recording")
        return line["event"] == "recording_started" and any(
            all(old.get(key) == line[key] for key in same) for old in self.lines
        )

    def find(self, event: str, caller: str = "", **like: Any) -> Line | None:
        """The first line of this event (of this caller, with these values)."""
        for line in self.lines:
            ours = not caller or self.callers.get(line.get("call_id", "")) == caller
            values = all(line.get(key) == value for key, value in like.items())
            if line["event"] == event and ours and values:
                return line
        return None

    async def seen(self, event: str, caller: str = "", seconds: float = 15.0, **like: Any) -> Line:
        """Wait until `find` finds it."""
        async with self._arrived:
            try:
                async with asyncio.timeout(seconds * PATIENCE):
                    while (line := self.find(event, caller, **like)) is None:
                        await self._arrived.wait()
            except TimeoutError:
                what = " ".join([event, caller, *(f"{k}={v}" for k, v in like.items())])
                raise LabTimeout(f"not within {seconds:g} s: {what}") from None
        return line


def read(text: bytes) -> Line:
    """One line of the log; what is no log line is an error worth seeing."""
    try:
        line: Line = msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError:
        return {"level": "error", "event": "no log line", "text": text.decode("utf-8", "replace")}
    return line
