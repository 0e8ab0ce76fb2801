"""What a media server does to its streams: delay, GIL, memory; loss and jitter; what it sends.

The GIL's share is the processor time of the only thread that runs Python, the event loop's, by the
clock: an upper bound, since its system calls run without the GIL. The delay of an event counts
from the moment just before the packet that brought it was sent, by the sender's note of it, until
the typed event is in the hands of the reader.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections import defaultdict
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import numpy.typing as npt
import uvloop

from callcore.bench.media_load import sent_times
from callcore.bench.media_receivers import SOCKET_BUFFER, Job, listening
from callcore.media.server import MediaServer
from callcore.media.settings import StreamSettings
from callcore.media.stream import MediaStream
from callcore.native import _audio

_SO_TIMESTAMPNS = 35
_PAGE = 4096


class Delays:
    """Delays in a histogram of 0.1 ms: its size does not grow."""

    def __init__(self) -> None:
        self._bins = np.ones(20_000, np.int64) * 0

    def add(self, ns: int) -> None:
        self._bins[min(max(ns, 0) // 100_000, len(self._bins) - 1)] += 1

    @property
    def count(self) -> int:
        return int(self._bins.sum())

    def quantile_ms(self, share: float) -> float:
        """Upper edge of the bin below which that share lies."""
        reached = np.cumsum(self._bins) >= share * self.count
        return float(np.argmax(reached) + 1) / 10


@dataclass(frozen=True)
class Heard:
    """What was found while many streams were heard."""

    seconds: float
    packets: int
    events: int
    gil_share: float
    delay_ms: dict[str, float]
    bytes_per_stream: int
    blocks: int
    """Blocks of memory that C holds at the end."""
    growth: int
    """Bytes of resident memory, from the tenth part of the time to its end."""
    fewest: float
    """Of the stream that got least: packets handled of those sent meanwhile."""
    overruns: int
    stored: int
    late: int
    concealed: int


def hear(job: Job, answers: Connection, times: str | None) -> None:
    """The process: answers with its port, then with a `Heard`."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_hear(job, answers, times))


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


async def _hear(job: Job, answers: Connection, times: str | None) -> None:
    delays = Delays()
    sent = None if times is None else sent_times(times, job.streams)
    before = _resident()
    async with listening(job.streams, job.source_port, StreamSettings()) as (server, port, heard):
        numbers = {stream.id: number for number, stream in enumerate(heard)}
        reader = asyncio.create_task(_note_events(server, numbers, sent, delays))
        answers.send(port.port)
        await asyncio.sleep(job.warm)
        packets = [stream.report()["packets"] for stream in heard]
        began, cpu = time.monotonic(), time.thread_time()
        await asyncio.sleep(job.seconds / 10)
        settled = _resident()
        await asyncio.sleep(job.seconds * 9 / 10)
        cpu, seconds = time.thread_time() - cpu, time.monotonic() - began
        reader.cancel()
        answers.send(
            _found(
                server,
                heard,
                packets,
                seconds,
                delays,
                gil_share=cpu / seconds,
                bytes_per_stream=round((_resident() - before) / job.streams),
                growth=_resident() - settled,
            )
        )


def _found(
    server: MediaServer,
    heard: list[MediaStream],
    before: list[int],
    seconds: float,
    delays: Delays,
    *,
    gil_share: float,
    bytes_per_stream: int,
    growth: int,
) -> Heard:
    reports = [stream.report() for stream in heard]
    each = [report["packets"] - had for report, had in zip(reports, before, strict=True)]
    return Heard(
        seconds=seconds,
        packets=sum(each),
        events=delays.count,
        gil_share=gil_share,
        delay_ms={name: delays.quantile_ms(share) for name, share in QUANTILES.items()}
        if delays.count
        else {},
        bytes_per_stream=bytes_per_stream,
        blocks=_audio.blocks(),
        growth=growth,
        fewest=min(each) / max(each) if max(each) else 0.0,
        overruns=server.counts()["overruns"],
        stored=sum(report["stored"] for report in reports),
        late=sum(report["late"] for report in reports),
        concealed=sum(report["concealed"] for report in reports),
    )


QUANTILES = {"p50": 0.5, "p99": 0.99, "max": 1.0}


async def _note_events(
    server: MediaServer,
    numbers: dict[int, int],
    sent: npt.NDArray[np.int64] | None,
    delays: Delays,
) -> None:
    async for event in server.events():
        seen = time.monotonic_ns()
        if sent is not None:
            delays.add(seen - _left(sent[:, numbers[event.stream]], round(event.at * 1e9)))


def _left(times: npt.NDArray[np.int64], at: int) -> int:
    """When the newest packet of a stream that was there at that moment had been sent."""
    return int(times[times <= at + 1000].max(initial=0))


# ---- sending ----


def speak(samples: npt.NDArray[np.int16], port: int, streams: int, answers: Connection) -> None:
    """The process that sends: one prompt to many streams until told to end; answers with counts."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.bind(("127.0.0.1", 0))
        sender = _audio.Sender(8000, streams)
        prompt = _audio.Prompt(samples)
        for number in range(streams):
            handle = sender.open(number, out.fileno(), 0, 0, ("127.0.0.1", port), number + 1, 0, 0)
            sender.play(handle, prompt, 0)
        answers.recv()
        answers.send(sender.counts())
        sender.close()


def send_jitter(
    samples: npt.NDArray[np.int16], streams: int, seconds: float
) -> tuple[npt.NDArray[np.float64], _audio.SenderReport]:
    """Distances in ms between the packets of each stream, by the kernel's time of their arrival."""
    context = get_context("spawn")
    mine, theirs = context.Pipe()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as heard:
        heard.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER)
        heard.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        heard.bind(("127.0.0.1", 0))
        heard.settimeout(10)
        process = context.Process(
            target=speak, args=(samples, heard.getsockname()[1], streams, theirs), daemon=True
        )
        process.start()
        try:
            arrivals = _arrivals(heard, seconds)
            mine.send(None)
            counts: _audio.SenderReport = mine.recv()
        finally:
            process.terminate()
            process.join()
    return np.concatenate([np.diff(each) for each in arrivals.values()]) / 1e6, counts


def _arrivals(heard: socket.socket, seconds: float) -> dict[int, list[int]]:
    """ns at which each SSRC's packets came; its first second left out: streams are being opened."""
    arrivals: dict[int, list[int]] = defaultdict(list)
    first = None
    while True:
        data, ancillary, _, _ = heard.recvmsg(2048, 64)
        whole, rest = struct.unpack("qq", ancillary[0][2][:16])
        at = whole * 1_000_000_000 + rest
        first = first or at
        if at > first + (seconds + 1) * 1e9:
            return arrivals
        if at > first + 1e9:
            arrivals[int.from_bytes(data[8:12], "big")].append(at)
