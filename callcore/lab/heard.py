"""What one side of a call heard: received RTP laid out against the arrival clock as one array."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from callcore.lab import g711
from callcore.lab.g711 import Samples

RATE = 8000

# An RTP timestamp that disagrees with the arrival clock by more than this starts a new segment:
# the sender stopped, or another source took over.
RESYNC_SECONDS = 0.1


@dataclass(frozen=True)
class ReceivedPacket:
    """One audio packet as it arrived."""

    arrived: float
    """Wall clock, from the kernel."""
    ssrc: int
    sequence: int
    timestamp: int
    marker: bool
    payload_type: int
    payload: bytes


def parse_rtp(arrived: float, data: bytes) -> ReceivedPacket | None:
    """Read one RTP packet (RFC 3550 §5.1); None for RTCP and for anything else."""
    if len(data) < 12 or data[0] >> 6 != 2 or 192 <= data[1] <= 223:
        return None
    sequence, timestamp, ssrc = struct.unpack_from("!HII", data, 2)
    start = 12 + 4 * (data[0] & 0x0F)
    if data[0] & 0x10 and len(data) >= start + 4:
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
    end = len(data) - (data[-1] if data[0] & 0x20 else 0)
    return ReceivedPacket(
        arrived, ssrc, sequence, timestamp, bool(data[1] & 0x80), data[1] & 0x7F, data[start:end]
    )


@dataclass(frozen=True)
class Heard:
    """Received audio from ``started`` (wall clock) on; zeros where nothing was received."""

    started: float
    samples: Samples
    present: np.ndarray[tuple[int], np.dtype[np.bool_]]
    """For each sample whether a packet carried it."""

    @property
    def seconds(self) -> float:
        return len(self.samples) / RATE

    def between(self, begin: float, end: float) -> Samples:
        """The samples of a span of wall clock, zeros where nothing is known."""
        span = np.zeros(max(0, round((end - begin) * RATE)), dtype=np.int16)
        offset = round((begin - self.started) * RATE)
        source = self.samples[max(0, offset) : max(0, offset + len(span))]
        place = max(0, -offset)
        span[place : place + len(source)] = source
        return span

    def gaps(self, at_least: float = 0.06) -> list[tuple[float, float]]:
        """Spans of wall clock without packets, between the first and the last packet."""
        edges = np.flatnonzero(np.diff(self.present.astype(np.int8)))
        spans = zip(edges[::2] + 1, edges[1::2] + 1, strict=False)
        return [
            (self.started + int(a) / RATE, self.started + int(b) / RATE)
            for a, b in spans
            if (b - a) / RATE >= at_least
        ]


def lay_out(packets: Iterable[ReceivedPacket], codecs: dict[int, str]) -> Heard:
    """Place the audio packets on the arrival clock: RTP timestamps inside a talk spurt, arrival
    between spurts, so that network jitter does not become audible and silence keeps its length."""
    audio = [p for p in packets if codecs.get(p.payload_type) in ("PCMU", "PCMA")]
    if not audio:
        return Heard(0.0, np.zeros(0, dtype=np.int16), np.zeros(0, dtype=np.bool_))
    placed: list[tuple[float, ReceivedPacket]] = []
    for segment in _segments(audio):
        first = segment[0].timestamp
        offsets = [_signed(p.timestamp - first) / RATE for p in segment]
        # Packets can only be late: an early quantile of (arrival - timestamp) is the true start.
        starts = sorted(p.arrived - offset for p, offset in zip(segment, offsets, strict=True))
        base = starts[len(starts) // 10]
        placed += [(base + offset, p) for p, offset in zip(segment, offsets, strict=True)]
    started = min(time for time, _ in placed)
    length = max(round((time - started) * RATE) + len(p.payload) for time, p in placed)
    samples = np.zeros(length, dtype=np.int16)
    present = np.zeros(length, dtype=np.bool_)
    for time, packet in placed:
        at = round((time - started) * RATE)
        samples[at : at + len(packet.payload)] = g711.decode(
            packet.payload, codecs[packet.payload_type]
        )
        present[at : at + len(packet.payload)] = True
    return Heard(started, samples, present)


def _segments(packets: Sequence[ReceivedPacket]) -> list[list[ReceivedPacket]]:
    segments: list[list[ReceivedPacket]] = []
    for packet in packets:
        if segments and _continues(segments[-1], packet):
            segments[-1].append(packet)
        else:
            segments.append([packet])
    return segments


def _continues(segment: list[ReceivedPacket], packet: ReceivedPacket) -> bool:
    first, last = segment[0], segment[-1]
    if packet.ssrc != first.ssrc:
        return False
    drift = (packet.arrived - last.arrived) - _signed(packet.timestamp - last.timestamp) / RATE
    return abs(drift) <= RESYNC_SECONDS


def _signed(difference: int) -> int:
    """Difference of 32-bit RTP timestamps across the wrap."""
    return (difference + 0x80000000) % 0x100000000 - 0x80000000
