"""Receivers of the same packets, each in a process of its own: what one packet costs each of them.

The work per packet: parse, reorder slot, G.711 decode, voice activity, energy. The baselines are
`asyncio.DatagramProtocol`s as one writes them in Python, with the fastest decoder the standard
library or numpy has; callcore's media server does its play-out besides, and has a reader. All get
the load in real time, streams spread evenly, as many as the sender can carry: what a receiver
cannot take the kernel drops. What was handled counts, by the processor time of the thread that
receives; what callcore's reader takes besides is told, and is the GIL's share in media_streams.py.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from multiprocessing.connection import Connection

import numpy as np
import uvloop
import webrtcvad

from callcore.bench.media_load import FRAME, RATE, address
from callcore.media.server import MediaServer
from callcore.media.settings import StreamSettings
from callcore.media.stream import MediaStream, Port
from callcore.media.vad import load_vad
from callcore.native import _audio

VAD_MODE = 2
SLICE_SECONDS = 0.1
#: Of a baseline's reorder buffer.
SLOTS = 64
#: Of the socket buffers of all receivers, as callcore's.
SOCKET_BUFFER = 4 << 20
_SO_RCVBUFFORCE = 33


@dataclass(frozen=True)
class Job:
    """What one receiver is to do."""

    system: str
    streams: int
    source_port: int
    warm: float
    """Seconds before measuring."""
    seconds: float
    vad: bool = True


@dataclass(frozen=True)
class Received:
    packets: int
    seconds: float
    thread_ns: list[float]
    """Processor time of the receiving thread for a packet, in each slice of the time."""
    process_ns: float
    """Of the whole process, over all the time: callcore's has a reader, too."""
    vad_ns: list[float] = field(default_factory=list)
    """A frame of webrtcvad in a tight loop, again and again; of the ceiling only."""


def receive(job: Job, answers: Connection) -> None:
    """The receiving process: answers with its port, then with a `Received`."""
    if job.system == "ceiling":
        _ceiling(job, answers)
        return
    loop = asyncio.new_event_loop if job.system == "asyncio" else uvloop.new_event_loop
    work = _callcore if job.system == "callcore" else _baseline
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(work(job, answers))


def _bound() -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, SOCKET_BUFFER)
    except PermissionError:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER)
    bound.bind(("127.0.0.1", 0))
    bound.setblocking(False)
    return bound


async def _measured(job: Job, read: Callable[[], tuple[int, int]]) -> Received:
    """`read` gives packets and ns of the receiving thread so far."""
    await asyncio.sleep(job.warm)
    began, cpu = time.monotonic(), time.process_time_ns()
    marks = [read()]
    for _ in range(_slices(job)):
        await asyncio.sleep(SLICE_SECONDS)
        marks.append(read())
    packets = marks[-1][0] - marks[0][0]
    costs = [
        (after[1] - before[1]) / (after[0] - before[0])
        for before, after in pairwise(marks)
        if after[0] > before[0]
    ]
    process_ns = (time.process_time_ns() - cpu) / packets
    return Received(packets, time.monotonic() - began, costs, process_ns)


def _slices(job: Job) -> int:
    return max(1, round(job.seconds / SLICE_SECONDS))


# ---- the baselines ----


def _decoder() -> Callable[[bytes], tuple[bytes, float]]:
    """From µ-law to samples and their energy; audioop is fastest where there still is one."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            import audioop
    except ImportError:
        return _decode_by_numpy

    def decode(payload: bytes) -> tuple[bytes, float]:
        samples = audioop.ulaw2lin(payload, 2)
        return samples, audioop.rms(samples, 2)

    return decode


_TABLE = np.frombuffer(_audio.ulaw_decode(bytes(range(256))), np.int16)


def _decode_by_numpy(payload: bytes) -> tuple[bytes, float]:
    samples = _TABLE.take(np.frombuffer(payload, np.uint8))
    loud = samples.astype(np.float32)
    return samples.tobytes(), float(loud.dot(loud))


class _Heard:
    """One stream of a baseline."""

    __slots__ = ("energy", "newest", "next", "slots", "speech", "vad")

    def __init__(self, sequence: int) -> None:
        self.next = self.newest = sequence
        self.slots: list[bytes | None] = [None] * SLOTS
        self.vad = webrtcvad.Vad(VAD_MODE)
        self.speech = False
        self.energy = 0.0


class _Protocol(asyncio.DatagramProtocol):
    """All streams by their source; packets in order, each decoded and looked at."""

    def __init__(self, vad: bool) -> None:
        self.packets = 0
        self._vad = vad
        self._streams: dict[tuple[str, int], _Heard] = {}
        self._decode = _decoder()
        self._header = struct.Struct("!BBHII").unpack_from

    def datagram_received(self, data: bytes, source: tuple[str, int]) -> None:
        self.packets += 1
        if len(data) < 12 or data[0] >> 6 != 2:
            return
        _, _, sequence, _, _ = self._header(data)
        heard = self._streams.get(source)
        if heard is None:
            heard = self._streams[source] = _Heard(sequence)
        ahead = (sequence - heard.next) & 0xFFFF
        if ahead >= 0x8000:
            return  # too late
        if ahead >= SLOTS:  # far from what is due: begin again there
            heard.next = heard.newest = sequence
            heard.slots = [None] * SLOTS
        elif (sequence - heard.newest) & 0xFFFF < 0x8000:
            heard.newest = sequence
        heard.slots[sequence % SLOTS] = data[12:]
        self._take(heard)

    def _take(self, heard: _Heard) -> None:
        """What is next in order; what does not come is given up once three have overtaken it."""
        slots, waiting = heard.slots, (heard.newest - heard.next) & 0xFFFF
        while True:
            place = heard.next % SLOTS
            payload = slots[place]
            if payload is not None:
                slots[place] = None
                samples, heard.energy = self._decode(payload)
                if self._vad:
                    heard.speech = heard.vad.is_speech(samples, RATE)
            elif waiting < 3:
                return
            heard.next = (heard.next + 1) & 0xFFFF
            waiting -= 1


async def _baseline(job: Job, answers: Connection) -> None:
    loop = asyncio.get_running_loop()
    bound = _bound()
    transport, protocol = await loop.create_datagram_endpoint(
        lambda: _Protocol(job.vad), sock=bound
    )
    answers.send(bound.getsockname()[1])
    answers.send(await _measured(job, lambda: (protocol.packets, time.thread_time_ns())))
    transport.close()


# ---- callcore ----


@asynccontextmanager
async def listening(
    streams: int, source_port: int, settings: StreamSettings
) -> AsyncIterator[tuple[MediaServer, Port, list[MediaStream]]]:
    """A media server that hears the streams of a load; its frames are taken by a reader."""
    async with MediaServer(streams=streams, rate=8000) as server:
        port = server.bind()
        heard = [
            server.open(port, (address(number), source_port), settings) for number in range(streams)
        ]
        reader = asyncio.create_task(_take_frames(server))
        try:
            yield server, port, heard
        finally:
            reader.cancel()


async def _take_frames(server: MediaServer) -> None:
    async for batch in server.frames():
        assert batch.samples.shape[1] == FRAME


async def _callcore(job: Job, answers: Connection) -> None:
    settings = StreamSettings(vad_mode=VAD_MODE if job.vad else None)
    async with listening(job.streams, job.source_port, settings) as (server, port, _):
        reader = asyncio.create_task(_take_events(server))
        answers.send(port.port)

        def read() -> tuple[int, int]:
            counts = server.counts()
            return counts["packets"], counts["cpu_ns"]

        found = await _measured(job, read)
        reader.cancel()
        answers.send(found)


async def _take_events(server: MediaServer) -> None:
    async for _ in server.events():
        pass


# ---- the ceiling ----


def _ceiling(job: Job, answers: Connection) -> None:
    """Receive and throw away; then webrtcvad by itself, with the load still coming in."""
    load_vad()
    samples = np.frombuffer(answers.recv_bytes(), np.int16)
    with _bound() as bound:
        answers.send(bound.getsockname()[1])
        _discard(bound, job.warm)
        began = time.monotonic()
        slices = [_discard(bound, SLICE_SECONDS) for _ in range(_slices(job))]
        seconds = time.monotonic() - began
        vad_ns = [_audio.time_vad(samples, VAD_MODE, 10) for _ in range(2 * _slices(job))]
    packets = sum(packets for packets, _ in slices)
    thread_ns = [cpu / packets for packets, cpu in slices if packets]
    process_ns = sum(cpu for _, cpu in slices) / packets
    answers.send(Received(packets, seconds, thread_ns, process_ns, vad_ns))


def _discard(bound: socket.socket, seconds: float) -> tuple[int, int]:
    return _audio.discard(bound.fileno(), time.monotonic_ns() + int(seconds * 1e9))
