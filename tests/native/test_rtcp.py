"""RTCP in C and its reference: compound packets byte by byte, reports, round trip, forged input."""

from __future__ import annotations

import struct
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcore.native import _audio
from callcore.native.reference import rtcp as reference_rtcp

pytestmark = pytest.mark.parametrize("native", [_audio, reference_rtcp], ids=["c", "reference"])

WALL = 1_790_000_000 * 10**9 + 123_456_789
"""ns since 1970."""
SECOND = 10**9


def test_the_first_report_of_a_sender_is_an_sr_with_sdes(native: ModuleType) -> None:
    """RFC 3550 §6.4.1, §6.5, octet by octet."""
    octets = native.Rtcp(0x11223344, "callcore").report(4711, 50, 8000, WALL)
    seconds, fraction = 1_790_000_000 + 2_208_988_800, (123_456_789 << 32) // 10**9
    assert octets == (
        struct.pack("!BBHI", 0x80, 200, 6, 0x11223344)
        + struct.pack("!IIIII", seconds, fraction, 4711, 50, 8000)
        + struct.pack("!BBHI", 0x81, 202, 4, 0x11223344)
        + b"\x01\x08callcore\0\0"
    )


def test_who_has_sent_nothing_lately_reports_as_receiver(native: ModuleType) -> None:
    """SR as long as packets went since the last report but one, then RR (§6.4)."""
    rtcp = native.Rtcp(1, "c")
    kinds = [rtcp.report(0, packets, 0, WALL)[1] for packets in (0, 50, 50, 50, 60)]
    assert kinds == [201, 200, 200, 201, 200]


def test_bye_ends_a_compound_packet(native: ModuleType) -> None:
    """A report and SDES stand before it (§6.1)."""
    rtcp = native.Rtcp(7, "c")
    assert rtcp.report(0, 0, 0, WALL, True)[-8:] == struct.pack("!BBHI", 0x81, 203, 1, 7)


def test_loss_is_told_as_in_appendix_a3(native: ModuleType) -> None:
    """The fraction is that since the last report, the number that since the beginning."""
    rtcp = native.Rtcp(1, "c")
    told = []
    for expected, received in [(100, 90), (200, 190), (300, 240), (400, 500)]:
        rtcp.reception(9, expected, received, 0x10000 + expected, 33)
        _, _, blocks, _, _ = native.rtcp_parse(rtcp.report(0, 0, 0, WALL))
        told.append(blocks[0][1:3])
        assert blocks[0] == (9, *told[-1], 0x10000 + expected, 33, 0, 0)
    assert told == [(25, 10), (0, 10), (128, 60), (0, -100)]


def test_another_source_is_counted_from_its_own_beginning(native: ModuleType) -> None:
    """What the one before had lost is not held against it."""
    rtcp = native.Rtcp(1, "c")
    rtcp.reception(9, 100, 50, 100, 0)
    rtcp.report(0, 0, 0, WALL)
    rtcp.reception(10, 120, 114, 200, 0)
    _, _, blocks, _, _ = native.rtcp_parse(rtcp.report(0, 0, 0, WALL))
    assert blocks[0][:3] == (10, 6 * 256 // 120, 6)


def test_two_ends_measure_the_round_trip(native: ModuleType) -> None:
    """Report there in 40 ms, kept 700 ms, back in 60 ms: 100 ms; and seen as sent (§6.4.1)."""
    here, there = native.Rtcp(1, "here"), native.Rtcp(2, "there")
    there.reception(1, 50, 50, 50, 0)
    assert here.round_trip is None
    assert there.receive(here.report(0, 50, 8000, WALL), WALL + 40 * SECOND // 1000) == 0
    answer = there.report(0, 0, 0, WALL + 740 * SECOND // 1000)
    assert here.receive(answer, WALL + 800 * SECOND // 1000) == 0
    assert here.round_trip == pytest.approx(0.1, abs=0.0001)
    assert here.remote[:5] == (1, 0, 0, 50, 0)


@pytest.mark.parametrize("last", [0, 1, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_round_trip_nobody_could_have_is_not_believed(native: ModuleType, last: int) -> None:
    """A forged LSR gives none."""
    rtcp = native.Rtcp(1, "c")
    block = (1, 0, 0, 0, 0, last, 0)
    rtcp.receive(reference_rtcp.rtcp_write((2, None, [block], b"x", False)), WALL)
    assert rtcp.round_trip is None
    assert rtcp.remote == block


SR = reference_rtcp.rtcp_write((1, (2, 3, 4, 5), [(6, 7, -8, 9, 10, 11, 12)], b"name", True))


@pytest.mark.parametrize(
    ("datagram", "fault"),
    [
        (b"", 1),
        (SR[:7], 1),
        (b"\x40" + SR[1:], 2),
        (SR[52:], 3),  # SDES first
        (SR[:-1], 4),
        (SR[:51], 4),
        (b"\x82" + SR[1:], 4),  # two blocks announced, one there
        (SR[:52] + b"\x83\xcb\x00\x01" + bytes(4), 4),  # BYE of three with room for one
        (b"\xa1" + SR[1:], 5),  # padding before the end
        (SR + b"\xa0\xc9\x00\x01" + bytes(4), 5),  # padding of nothing
        (SR + b"\xa0\xcc\x00\x01" + b"\0\0\0\x08", 5),  # padding over the header
    ],
)
def test_what_is_wrong_is_told(native: ModuleType, datagram: bytes, fault: int) -> None:
    """Each check of RFC 3550 A.2 by a packet that fails it alone."""
    assert native.rtcp_parse(datagram) == fault
    assert native.Rtcp(1, "c").receive(datagram, WALL) == fault


def test_padding_and_unknown_parts_are_stepped_over(native: ModuleType) -> None:
    """XR and APP between, padding at the end: the report is still read."""
    xr = b"\x80\xcf\x00\x02" + bytes(8)
    padded = b"\xa0\xcc\x00\x02" + bytes(7) + b"\x04"
    whole = native.rtcp_parse(SR + xr + padded)
    assert whole == (1, (2, 3, 4, 5), [(6, 7, -8, 9, 10, 11, 12)], b"name", True)


def test_a_long_name_is_cut(native: ModuleType) -> None:
    """255 octets of CNAME are legal; 63 are kept."""
    item = bytes((1, 255)) + b"n" * 255 + b"\0"
    item += bytes(-len(item) % 4)
    description = struct.pack("!BBHI", 0x81, 202, 1 + len(item) // 4, 1) + item
    report = struct.pack("!BBHI", 0x80, 201, 1, 1)
    assert native.rtcp_parse(report + description)[3] == b"n" * 63


@given(st.data())
def test_mangled_packets_are_read_alike(native: ModuleType, data: st.DataObject) -> None:
    """Cut, stretched and with octets changed: the same verdict from both, and never a crash."""
    mangled = bytearray(SR + b"\x80\xcf\x00\x02" + bytes(8) + SR)
    places = st.integers(0, len(mangled) - 1)
    for at, octet in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=6)):
        mangled[at] = octet
    cut = bytes(mangled[: data.draw(st.integers(0, len(mangled)))])
    assert native.rtcp_parse(cut) == reference_rtcp.rtcp_parse(cut)


@given(st.binary(max_size=120))
def test_random_datagrams_are_read_alike(native: ModuleType, datagram: bytes) -> None:
    """With a header that lets them in."""
    report = b"\x80\xc9\x00\x01" + bytes(4) + datagram
    assert native.rtcp_parse(report) == reference_rtcp.rtcp_parse(report)
