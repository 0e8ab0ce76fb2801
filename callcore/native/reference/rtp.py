"""RFC 3550 §5.1: the header of an RTP packet."""

from __future__ import annotations

import struct

TOO_SHORT, WRONG_VERSION, BAD_PADDING = 1, 2, 3
HEADER = 12


def parse_rtp(datagram: bytes) -> tuple[int, bool, int, int, int, bytes] | int:
    """Payload type, marker, sequence, timestamp, SSRC, payload; or what is wrong."""
    if len(datagram) < HEADER:
        return TOO_SHORT
    first, second, sequence, timestamp, ssrc = struct.unpack_from("!BBHII", datagram)
    if first >> 6 != 2:
        return WRONG_VERSION
    start = HEADER + 4 * (first & 0x0F)
    if first & 0x10:
        if len(datagram) < start + 4:
            return TOO_SHORT
        start += 4 + 4 * int.from_bytes(datagram[start + 2 : start + 4], "big")
    if len(datagram) < start:
        return TOO_SHORT
    end = len(datagram)
    if first & 0x20:
        padding = datagram[-1]
        if padding == 0 or padding > end - start:
            return BAD_PADDING
        end -= padding
    return second & 0x7F, bool(second >> 7), sequence, timestamp, ssrc, datagram[start:end]
