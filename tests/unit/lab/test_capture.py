"""Questions to captured SIP are answered from the packets alone."""

import socket
import struct

from callcore.lab import capture
from callcore.lab.capture import WireMessage

PHONE, CALLER, SERVER = ("127.0.0.24", 5600), ("127.0.0.25", 5700), ("127.0.0.20", 5260)


def message(at, to_phone, call_id, *, method="", status=0, cseq="INVITE", user="601", caller="91"):
    """A message between the server and a phone (or a caller)."""
    peer = PHONE if call_id.startswith("p") else CALLER
    ends = (SERVER, peer) if to_phone else (peer, SERVER)
    uri = f"sip:{user}@127.0.0.24:5600" if method else ""
    return WireMessage(at, *ends, method, status, call_id, 1, cseq, caller, user, uri)


def test_join_to_ring_is_the_first_invite_naming_the_caller():
    """From the caller's 200 OK to the INVITE, retransmissions and other phones notwithstanding."""
    wire = [
        message(10.0, True, "c1", status=200),
        message(10.002, True, "p1", method="INVITE"),
        message(10.5, True, "p1", method="INVITE"),
        message(11.0, True, "p2", method="INVITE", user="602"),
        message(12.0, True, "c2", status=200, caller="92"),
    ]
    latencies = capture.join_to_ring(wire, [CALLER], [PHONE])
    assert list(latencies) == ["91"]
    assert round(latencies["91"], 6) == 0.002


def test_double_offers_are_overlaps_at_one_phone():
    """A second INVITE before the first dialog is over counts; after it or elsewhere not."""
    wire = [
        message(1.0, True, "p1", method="INVITE"),
        message(1.1, True, "p9", method="INVITE", user="602"),
        message(2.0, False, "p1", status=486),
        message(2.1, True, "p2", method="INVITE"),
        message(2.5, False, "p2", status=200),
        message(2.6, True, "p3", method="INVITE"),
        message(3.0, False, "p2", status=200, cseq="BYE"),
    ]
    found = capture.offers(wire, [PHONE])
    doubled = capture.double_offers(found)
    assert [(a.call_id, b.call_id) for a, b in doubled] == [("p2", "p3")]
    assert round(capture.idle_gaps(found)[0], 3) == 0.1


def test_packets_are_read_and_noise_is_not():
    """An IPv4/UDP packet with SIP is read; RTP and short packets are nothing."""
    sip = b"OPTIONS sip:601@x SIP/2.0\r\nFrom: <sip:9@y>\r\nCSeq: 4 OPTIONS\r\nCall-ID: z\r\n\r\n"
    address = socket.inet_aton("127.0.0.20") + socket.inet_aton("127.0.0.24")
    header = b"\x45" + b"\0" * 8 + b"\x11\0\0" + address
    packet = header + struct.pack("!HHHH", 5260, 5600, len(sip) + 8, 0) + sip
    read = capture.read_packet(5.0, packet)
    assert read is not None
    assert (read.source, read.destination) == (SERVER, PHONE)
    assert (read.method, read.call_id, read.from_user, read.cseq_number) == ("OPTIONS", "z", "9", 4)
    assert capture.read_packet(5.0, packet[:24]) is None
    assert (
        capture.read_packet(5.0, header + struct.pack("!HHHH", 1, 2, 20, 0) + b"\x80" * 12) is None
    )
