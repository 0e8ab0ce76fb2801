"""How punctual RTP leaves a host, by the kernel's own time stamps.

A packet is due when its RTP timestamp says, counted from the most punctual packet of its stream;
what leaves later was late, whoever is to blame: the clock, the mixer, the scheduler.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection

from callcore.lab.capture import PacketCapture

RATE = 8000
LATE_SECONDS = 0.005
TICK_SECONDS = 0.02
#: One stream in eight: what Python can read beside 200 streams without disturbing them.
SAMPLE_MASK = 0x0F
_HEADERS = 64
_OUTGOING = 4
#: filter.h: the offset at which BPF finds the kind of packet.
_PACKET_KIND = 0xFFFFF004


@dataclass(frozen=True)
class RtpPacket:
    """One that left, at a time in seconds; `stream` tells it from others."""

    at: float
    stream: tuple[int, bytes, int]
    timestamp: int


@dataclass(frozen=True)
class Punctuality:
    streams: int
    packets: int
    late: int
    worst_ms: float

    @property
    def late_percent(self) -> float:
        return 100 * self.late / max(1, self.packets)


def punctuality(packets: Iterable[RtpPacket]) -> Punctuality:
    """All streams together."""
    offsets: dict[tuple[int, bytes, int], list[float]] = {}
    first: dict[tuple[int, bytes, int], int] = {}
    for packet in packets:
        began = first.setdefault(packet.stream, packet.timestamp)
        ahead = (packet.timestamp - began + 2**31) % 2**32 - 2**31  # it wraps
        offsets.setdefault(packet.stream, []).append(packet.at - ahead / RATE)
    lateness = [at - min(stream) for stream in offsets.values() for at in stream]
    return Punctuality(
        streams=len(offsets),
        packets=len(lateness),
        late=sum(seconds > LATE_SECONDS for seconds in lateness),
        worst_ms=round(1000 * max(lateness, default=0.0), 1),
    )


@contextmanager
def pendulum(seconds: float) -> Iterator[Callable[[], float]]:
    """Share in percent of the wakings that come late in a process that wants to wake every 20 ms,
    with real-time priority where that is allowed, and does nothing else: what the machine takes
    from everybody. Ask when the time is over."""
    context = get_context("spawn")
    answer, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_swing, args=(seconds, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        yield answer.recv
    finally:
        process.terminate()
        process.join()


def _swing(seconds: float, answer: Connection) -> None:
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    ticks = round(seconds / TICK_SECONDS)
    late = 0
    due = time.monotonic()
    for _ in range(ticks):
        due += TICK_SECONDS
        time.sleep(max(0.0, due - time.monotonic()))
        late += time.monotonic() - due > LATE_SECONDS
    answer.send(100 * late / ticks)


class RtpCapture(PacketCapture):
    """Sees one in eight of the streams that leave `address`, over the loopback interface."""

    def __init__(self, address: str) -> None:
        super().__init__("lo", _filter(address), _HEADERS)

    def rtp(self) -> list[RtpPacket]:
        """What was seen; ask when nothing is measured any more."""
        read = (read_packet(at, data) for at, data in self.packets)
        return [packet for packet in read if packet is not None]


def read_packet(at: float, data: bytes) -> RtpPacket | None:
    """From the IPv4 header on; None if it is no RTP (RFC 3550, 5.1)."""
    header = (data[0] & 0x0F) * 4 if data else 0
    if len(data) < header + 20 or data[header + 8] >> 6 != 2:
        return None
    source, destination = struct.unpack_from("!HH", data, header)
    timestamp, ssrc = struct.unpack_from("!II", data, header + 12)
    return RtpPacket(at, (source, data[16:20] + destination.to_bytes(2, "big"), ssrc), timestamp)


def _filter(address: str) -> bytes:
    """BPF: UDP from that address, from an even port of the sample."""
    (source,) = struct.unpack("!I", socket.inet_aton(address))
    program = [
        (0x20, 0, 0, _PACKET_KIND),
        (0x15, 8, 0, _OUTGOING),  # on loopback each comes in as it goes out: one of both
        (0x20, 0, 0, 12),
        (0x15, 0, 6, source),
        (0x30, 0, 0, 9),
        (0x15, 0, 4, socket.IPPROTO_UDP),
        (0xB1, 0, 0, 0),  # X = length of the IP header
        (0x48, 0, 0, 0),  # source port
        (0x45, 1, 0, SAMPLE_MASK),
        (0x06, 0, 0, _HEADERS),
        (0x06, 0, 0, 0),
    ]
    return b"".join(struct.pack("HBBI", *instruction) for instruction in program)
