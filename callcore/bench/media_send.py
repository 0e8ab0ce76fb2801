"""How evenly the sending thread paces: intervals between packets of hundreds of streams.

Measured where it counts: when the kernel had each packet, by the receiving socket's time stamps.
"""

from __future__ import annotations

import socket
import struct
import time
from typing import NamedTuple

import numpy as np

from callcore.native import _audio

_SO_TIMESTAMPNS, _SO_RCVBUFFORCE = 35, 33
_TIMESPEC = struct.Struct("@qq")
_WARM_UP_SECONDS = 0.2


class SendPacing(NamedTuple):
    """Figures in ms."""

    streams: int
    packets: int
    lost: int
    """Not received: the reader or its buffer."""
    jitter_p50: float
    """How far intervals of one stream are from 20 ms, over all streams."""
    jitter_p99: float
    jitter_max: float
    lateness_p99: float
    """From the time a packet was due until the kernel had taken it, by the thread itself."""
    processor_share: float
    """Of one core, the thread that reads left out."""


def measure_pacing(streams: int = 500, seconds: float = 10.0) -> SendPacing:
    """Play a prompt to that many streams on loopback and read all of it."""
    samples = (np.arange(8000) * 31 % 9000).astype(np.int16)
    prompt = _audio.Prompt(samples)
    sender = _audio.Sender(room=streams)
    with _socket() as ear, _socket() as mouth:
        for number in range(streams):
            handle = sender.open(number, mouth.fileno(), 0, 0, ear.getsockname(), number, 0, 0)
            sender.play(handle, prompt, 0)
        used = time.process_time() - time.thread_time()
        begun = time.monotonic()
        times = _read(ear, streams, begun + seconds)
        used = time.process_time() - time.thread_time() - used
        took = time.monotonic() - begun
        counts = sender.counts()
        sender.close()
    return _pacing(times, counts, used / took)


def _socket() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    made.settimeout(5)
    made.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    try:
        made.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 32 << 20)
    except PermissionError:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 << 20)
    return made


def _read(ear: socket.socket, streams: int, until: float) -> list[list[float]]:
    """Kernel times of each stream's packets, in ms since the first; the SSRC is its number."""
    times: list[list[float]] = [[] for _ in range(streams)]
    ear.recv(64)
    zero = time.time()
    while time.monotonic() < until:
        data, control, _, _ = ear.recvmsg(64, 64)
        whole, part = _TIMESPEC.unpack(control[0][2])
        at = whole - zero + part / 1e9
        if at > _WARM_UP_SECONDS:
            times[int.from_bytes(data[8:12], "big")].append(at * 1000)
    return times


def _pacing(
    times: list[list[float]], counts: _audio.SenderReport, processor_share: float
) -> SendPacing:
    away = np.concatenate([np.abs(np.diff(of_one) - 20) for of_one in times])
    late = np.cumsum(counts["lateness"]) / sum(counts["lateness"])
    return SendPacing(
        streams=len(times),
        packets=counts["packets"],
        lost=int((away > 15).sum()),
        jitter_p50=float(np.quantile(away, 0.5)),
        jitter_p99=float(np.quantile(away, 0.99)),
        jitter_max=float(away.max()),
        lateness_p99=float(np.searchsorted(late, 0.99) + 1) / 10,
        processor_share=processor_share,
    )
