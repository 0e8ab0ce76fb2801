"""RTCP (RFC 3550 §6) written for reading: `rtcp.c` gives the same, tests run on both."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

SR, RR, SDES, BYE = 200, 201, 202, 203
CNAME = 1
LONGEST_NAME, MOST_BLOCKS = 63, 31
LONGEST_TRIP = 10 * 65536

OK, TOO_SHORT, WRONG_VERSION, NO_REPORT, BAD_LENGTH, BAD_PADDING = range(6)

#: ssrc, fraction lost, lost, highest sequence number, jitter, last SR, delay since it
Block = tuple[int, int, int, int, int, int, int]
#: NTP time, RTP timestamp, packets, octets
Info = tuple[int, int, int, int]
#: ssrc, info of an SR, blocks, CNAME, whether ssrc leaves
Compound = tuple[int, Info | None, list[Block], bytes, bool]


class _Fault(Exception):
    def __init__(self, number: int) -> None:
        self.number = number


def rtcp_parse(datagram: bytes) -> Compound | int:
    """What a compound packet says, or the number of what is wrong with it."""
    if len(datagram) < 8:
        return TOO_SHORT
    ssrc, info = int.from_bytes(datagram[4:8], "big"), None
    blocks: list[Block] = []
    name, bye = b"", False
    try:
        for first, kind, count, body in _parts(datagram):
            if kind in (SR, RR):
                said, found = _report(kind, count, body)
                info = said if first else info
                blocks += found
            elif kind == SDES:
                name = _name(count, body, ssrc, name)
            elif kind == BYE:
                bye |= ssrc in _leaving(count, body)
    except _Fault as fault:
        return fault.number
    return ssrc, info, blocks[:MOST_BLOCKS], name, bye


def _parts(datagram: bytes) -> Iterator[tuple[bool, int, int, bytes]]:
    at = 0
    while at < len(datagram):
        if len(datagram) - at < 4:
            raise _Fault(BAD_LENGTH)
        first, kind, words = struct.unpack_from("!BBH", datagram, at)
        if first >> 6 != 2:
            raise _Fault(WRONG_VERSION)
        if at == 0 and kind not in (SR, RR):
            raise _Fault(NO_REPORT)
        end = at + 4 * (words + 1)
        if end > len(datagram):
            raise _Fault(BAD_LENGTH)
        padding = 0
        if first & 0x20:
            padding = datagram[end - 1]
            bad = padding == 0 or padding % 4 != 0 or padding + 4 > end - at
            if end != len(datagram) or bad:
                raise _Fault(BAD_PADDING)
        yield at == 0, kind, first & 31, datagram[at + 4 : end - padding]
        at = end


def _report(kind: int, count: int, body: bytes) -> tuple[Info | None, list[Block]]:
    start = 24 if kind == SR else 4
    if len(body) < start + 24 * count:
        raise _Fault(BAD_LENGTH)
    info = struct.unpack_from("!QIII", body, 4) if kind == SR else None
    return info, [_block(body[at : at + 24]) for at in range(start, start + 24 * count, 24)]


def _block(octets: bytes) -> Block:
    ssrc, fraction, highest, jitter, last, delay = struct.unpack("!IB3xIIII", octets)
    return (
        ssrc,
        fraction,
        int.from_bytes(octets[5:8], "big", signed=True),
        highest,
        jitter,
        last,
        delay,
    )


def _name(count: int, body: bytes, ssrc: int, name: bytes) -> bytes:
    at = 0
    for _ in range(count):
        if len(body) - at < 4:
            raise _Fault(BAD_LENGTH)
        wanted = int.from_bytes(body[at : at + 4], "big") == ssrc
        item = at + 4
        while item < len(body) and body[item] != 0:
            if item + 2 > len(body) or item + 2 + body[item + 1] > len(body):
                raise _Fault(BAD_LENGTH)
            following = item + 2 + body[item + 1]
            if wanted and body[item] == CNAME:
                name = body[item + 2 : following][:LONGEST_NAME].partition(b"\0")[0]
            item = following
        at += (item - at) // 4 * 4 + 4
    return name


def _leaving(count: int, body: bytes) -> tuple[int, ...]:
    if len(body) < 4 * count:
        raise _Fault(BAD_LENGTH)
    return struct.unpack_from(f"!{count}I", body)


def rtcp_write(compound: Compound) -> bytes:
    """SR or RR, SDES, and BYE if asked."""
    ssrc, info, blocks, name, bye = compound
    said = struct.pack("!QIII", *info) if info is not None else b""
    body = struct.pack("!I", ssrc) + said + b"".join(map(_block_octets, blocks))
    whole = _part(SR if info is not None else RR, len(blocks), body)
    item = bytes((CNAME, len(name))) + name + b"\0"
    item += bytes(-len(item) % 4)
    whole += _part(SDES, 1, struct.pack("!I", ssrc) + item)
    return whole + (_part(BYE, 1, struct.pack("!I", ssrc)) if bye else b"")


def _part(kind: int, count: int, body: bytes) -> bytes:
    return struct.pack("!BBH", 0x80 | count, kind, len(body) // 4) + body


def _block_octets(block: Block) -> bytes:
    ssrc, fraction, lost, *rest = block
    return (
        struct.pack("!IB", ssrc, fraction)
        + lost.to_bytes(3, "big", signed=True)
        + struct.pack("!IIII", *rest)
    )


def ntp_time(since_1970: int) -> int:
    """32.32 bits of seconds since 1900 for ns since 1970 (§4)."""
    seconds, rest = divmod(since_1970, 10**9)
    return (seconds + 2208988800) << 32 | (rest << 32) // 10**9


class Reception(NamedTuple):
    """What the receiver counted of one source."""

    ssrc: int
    expected: int
    received: int
    highest: int
    jitter: int


class Rtcp:
    """Reports of one stream, both ways; times are ns since 1970."""

    def __init__(self, ssrc: int, name: str) -> None:
        self.round_trip: float | None = None
        self.remote: Block | None = None
        self._ssrc = ssrc
        self._name = name.encode()[:LONGEST_NAME]
        self._reception: Reception | None = None
        self._counted = (0, 0)
        self._packets = (0, 0)
        self._peer, self._last, self._last_at = 0, 0, 0

    def reception(self, ssrc: int, expected: int, received: int, highest: int, jitter: int) -> None:
        """Note what was counted of the far end's source."""
        before = self._reception
        anew = expected < self._counted[0] or received < self._counted[1]
        if before is None or before.ssrc != ssrc or anew:
            self._counted = (0, 0)
        self._reception = Reception(ssrc, expected, received, highest, jitter)

    def receive(self, datagram: bytes, wall: int) -> int:
        """Take in a compound packet; returns the fault, 0 if none."""
        said = rtcp_parse(datagram)
        if isinstance(said, int):
            return said
        ssrc, info, blocks, _, _ = said
        if info is not None:
            self._peer, self._last, self._last_at = ssrc, info[0] >> 16 & 0xFFFFFFFF, wall
        for block in blocks:
            if block[0] == self._ssrc:
                self.remote = block
                self._note_round_trip(block, wall)
        return OK

    def report(
        self, timestamp: int, packets: int, octets: int, wall: int, bye: bool = False
    ) -> bytes:
        """The next compound packet: SR while packets were sent since the last but one."""
        info = (ntp_time(wall), timestamp, packets, octets)
        blocks = [] if self._reception is None else [self._compose(self._reception, wall)]
        sends = packets != self._packets[1]
        self._packets = (packets, self._packets[0])
        return rtcp_write((self._ssrc, info if sends else None, blocks, self._name, bye))

    def _note_round_trip(self, block: Block, wall: int) -> None:
        trip = (ntp_time(wall) >> 16) - block[5] - block[6] & 0xFFFFFFFF
        trip -= (trip & 0x80000000) << 1
        if block[5] != 0 and -65 <= trip <= LONGEST_TRIP:
            self.round_trip = max(trip, 0) / 65536

    def _compose(self, seen: Reception, wall: int) -> Block:
        expected = seen.expected - self._counted[0]
        lost = expected - (seen.received - self._counted[1])
        fraction = 0 if lost <= 0 else 255 if lost >= expected else lost * 256 // expected
        all_lost = min(max(seen.expected - seen.received, -0x800000), 0x7FFFFF)
        self._counted = (seen.expected, seen.received)
        last, delay = 0, 0
        if self._last and self._peer == seen.ssrc:
            last, delay = self._last, (wall - self._last_at) * 65536 // 10**9
        return seen.ssrc, fraction, all_lost, seen.highest, seen.jitter, last, delay
