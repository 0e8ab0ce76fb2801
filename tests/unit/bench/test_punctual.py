"""Which packets left late, from times and RTP time stamps."""

from __future__ import annotations

import socket
import struct

from callcore.bench.punctual import RtpPacket, punctuality, read_packet

STREAM = (20016, b"\x7f\0\0\1\x4e\x20", 7)


def stream(*delays_ms: float, start: int = 0, name: tuple[int, bytes, int] = STREAM) -> list:
    """A packet every 20 ms, each so much later than due."""
    return [
        RtpPacket(100 + 0.02 * n + ms / 1000, name, (start + 160 * n) % 2**32)
        for n, ms in enumerate(delays_ms)
    ]


def test_late_is_more_than_five_ms_after_the_most_punctual_packet():
    found = punctuality(stream(3, 3, 7.9, 8.1, 3, 23))
    assert (found.streams, found.packets, found.late, found.worst_ms) == (1, 6, 2, 20.0)
    assert found.late_percent == 100 * 2 / 6


def test_the_first_packet_may_be_the_late_one():
    assert punctuality(stream(30, 0, 0, 0)).late == 1


def test_time_stamps_wrap():
    assert punctuality(stream(0, 0, 0, start=2**32 - 160)).worst_ms == 0.0


def test_each_stream_has_its_own_place_in_the_tick():
    other = (20032, *STREAM[1:])
    found = punctuality(stream(0, 0, 0) + stream(9, 9, 9, name=other))
    assert (found.streams, found.late) == (2, 0)


def test_nothing_seen_is_nothing_late():
    assert punctuality([]).late_percent == 0.0


def test_packets_are_read_and_others_left_out():
    addresses = socket.inet_aton("127.0.9.1") + socket.inet_aton("127.0.9.2")
    ip = b"\x45" + bytes(8) + b"\x11" + bytes(2) + addresses
    udp = struct.pack("!HHHH", 20016, 40000, 180, 0)
    rtp = struct.pack("!BBHII", 0x80, 0, 1, 320, 99)
    packet = read_packet(1.5, ip + udp + rtp)
    there = socket.inet_aton("127.0.9.2") + (40000).to_bytes(2, "big")
    assert packet == RtpPacket(1.5, (20016, there, 99), 320)
    assert read_packet(1.5, ip + udp + b"\x40" + rtp[1:]) is None
    for cut in range(len(ip + udp + rtp)):
        assert read_packet(1.5, (ip + udp + rtp)[:cut]) is None
