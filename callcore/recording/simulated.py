"""A tap without telephony: writes the raw file that a test describes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from callcore.errors import ActionRefused, BackendUnavailable
from callcore.recording.align import CHANNELS, RATE
from callcore.types import ChannelId

if TYPE_CHECKING:
    from callcore.recording.align import Samples


class SimulatedTap:
    """Keeps raw files open by channel; `write` is the call's sound."""

    def __init__(self) -> None:
        self.raws: dict[ChannelId, Path] = {}
        self.muted: set[ChannelId] = set()
        #: Requests fail with `BackendUnavailable`.
        self.away = False
        #: `start` fails with this reason.
        self.refusal = ""

    async def start(self, channel: ChannelId, raw: Path) -> None:
        self._check()
        if self.refusal:
            raise ActionRefused(self.refusal)
        self.raws[channel] = _create(raw)

    async def mute(self, channel: ChannelId, on: bool) -> None:
        self._check()
        if on:
            self.muted.add(channel)
        else:
            self.muted.discard(channel)

    async def stop(self, channel: ChannelId) -> None:
        self._check()
        if self.raws.pop(channel, None) is None:
            raise ActionRefused(f"no such channel: {channel}", 404)

    def write(self, channel: ChannelId, samples: Samples) -> None:
        """Two-channel sound goes into the file, silence while muted."""
        if samples.ndim != 2 or samples.shape[1] != CHANNELS:
            raise ValueError("samples must be (frames, 2)")
        silent = np.zeros_like(samples) if channel in self.muted else samples
        with self.raws[channel].open("ab") as file:
            file.write(silent.astype("<i2").tobytes())

    def _check(self) -> None:
        if self.away:
            raise BackendUnavailable("the simulated link is down")


def _create(raw: Path) -> Path:
    raw.parent.mkdir(parents=True, exist_ok=True)
    raw.touch(mode=0o600)
    return raw


def both(left: Samples, right: Samples) -> Samples:
    """Two equally long channels as one array."""
    return np.stack((left, right), axis=1)


def quiet(seconds: float) -> Samples:
    return np.zeros((round(seconds * RATE), CHANNELS), dtype=np.int16)
