"""The narrow door between the recorder and telephony: a two-channel raw file of one channel.

How the file stays aligned to the clock (measured on Asterisk 22.10.1, 2 cores, G.711, 20 ms):

- MixMonitor writes nothing while neither side sends packets, and its file grows in stdio blocks of
  32 KiB (1.02 s of stereo): in an ordinary bridge a mutual pause of 3.7 s moved everything behind
  it by 3.7 s, and the blocks do not tell where in a second the pause was. 11.1 s gave 6.7 s.
- A bridge that mixes by a clock (type ``mixing,video_sfu`` keeps Asterisk's softmix technology also
  for two parties) writes a frame to each party every 20 ms, and with it MixMonitor: the same call
  gave 11.12 s, every tone within 22 ms of its place on the clock, both channels, no re-INVITE; 25
  calls of 30 s, half of it without packets, ended 4 ms before to 24 ms behind the clock.
- Two snoop channels (in, out), each recorded by ARI, fill pauses with silence by a timer: tones
  within 14 ms, in an ordinary bridge.
- Asterisk's cost per call, 25–30 calls: ordinary bridge 0.26 % of a core; with MixMonitor 0.51;
  with two recorded snoops 0.56; clocked bridge with MixMonitor 0.75–0.78.

Chosen: the clocked bridge, for calls that may be recorded only (`CreateBridge.clocked`). It needs
one file and two AMI requests, and goes on by itself when callcore dies. Snoops are 0.2 % of a core
cheaper and leave the talk alone, but are two more channels in callcore's application for each
call: six requests and some ten events, to be told from callers at every recovery. They would be
another `Tap`, writing two files.

The price in sound: a packet later than the mixer's tick leaves 20 ms of silence once, after which
the mixer holds one packet more. A bridge of two has no such buffer; every conference has it.

Outside a clocked bridge (recording from the answer, a caller alone in the IVR) the times at which
blocks were written are noted, and `align.py` pads to the second; music on hold runs by a clock of
its own, so a caller in the queue is aligned as well.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Protocol

from callcore.errors import ActionRefused
from callcore.types import ChannelId

APPEAR_SECONDS = 2.0


class Tap(Protocol):
    """What recording needs from a back end. Errors are `BackendError`s."""

    async def start(self, channel: ChannelId, raw: Path) -> None:
        """Write what `channel` says (left) and hears (right) as 16-bit 8 kHz frames; returns when
        the file exists."""
        ...

    async def mute(self, channel: ChannelId, on: bool) -> None:
        """Silence both sides in the file, or stop doing so; time goes on."""
        ...

    async def stop(self, channel: ChannelId) -> None:
        """End the file. A channel that is gone has ended it already: `ActionRefused` 404."""
        ...


class MixMonitorControl(Protocol):
    """What is used of `telephony.ami.Ami`."""

    async def start_mixmonitor(self, channel: str, path: str) -> None: ...
    async def mute_mixmonitor(self, channel: str, on: bool) -> None: ...
    async def stop_mixmonitor(self, channel: str) -> None: ...


class MixMonitorTap:
    """Asterisk's MixMonitor with option D, over AMI.

    `raw_as_seen` is the raw directory as a foreign Asterisk sees it; empty: the same path."""

    def __init__(self, ami: MixMonitorControl, raw_as_seen: str = "") -> None:
        self._ami = ami
        self._raw_as_seen = raw_as_seen

    async def start(self, channel: ChannelId, raw: Path) -> None:
        seen = f"{self._raw_as_seen}/{raw.name}" if self._raw_as_seen else str(raw)
        await self._ami.start_mixmonitor(channel, seen)
        # AMI says yes before the file is opened; that it could not be shows in its absence only.
        deadline = asyncio.get_running_loop().time() + APPEAR_SECONDS
        wait = 0.001
        while not _is_there(raw):
            if asyncio.get_running_loop().time() > deadline:
                raise ActionRefused(f"Asterisk did not create {raw}: disk full or not writable?")
            await asyncio.sleep(wait)
            wait = min(wait * 2, 0.1)

    async def mute(self, channel: ChannelId, on: bool) -> None:
        await self._ami.mute_mixmonitor(channel, on)

    async def stop(self, channel: ChannelId) -> None:
        await self._ami.stop_mixmonitor(channel)


def _is_there(raw: Path) -> bool:
    return raw.exists()
