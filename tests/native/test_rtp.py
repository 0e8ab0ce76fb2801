"""RTP headers in C and by struct: everything RFC 3550 §5.1 allows, cut anywhere."""

from __future__ import annotations

import struct
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcore.native import _audio, reference

pytestmark = pytest.mark.parametrize("native", [_audio, reference], ids=["c", "reference"])

TOO_SHORT, WRONG_VERSION, BAD_PADDING = 1, 2, 3


def datagram(payload: bytes = b"payload", csrc: int = 0, extension: int | None = None,
             padding: int = 0, version: int = 2, marker: bool = False,
             payload_type: int = 0) -> bytes:  # fmt: skip
    """With so many CSRC, so many words of extension and octets of padding."""
    first = version << 6 | bool(padding) << 5 | (extension is not None) << 4 | csrc
    head = struct.pack("!BBHII", first, marker << 7 | payload_type, 0xFEDC, 0x89ABCDEF, 0xDEADBEEF)
    head += b"".join(struct.pack("!I", 0x11111111 * n) for n in range(csrc))
    if extension is not None:
        head += struct.pack("!HH", 0xBEDE, extension) + b"\xee" * 4 * extension
    tail = bytes(padding - 1) + bytes([padding]) if padding else b""
    return head + payload + tail


@pytest.mark.parametrize("csrc", [0, 1, 15])
@pytest.mark.parametrize("extension", [None, 0, 1, 20])
@pytest.mark.parametrize("padding", [0, 1, 4, 255])
def test_the_payload_is_found(
    native: ModuleType, csrc: int, extension: int | None, padding: int
) -> None:
    """Behind CSRC list and extension, before the padding."""
    whole = datagram(b"\x01\x02\x03", csrc, extension, padding, marker=True, payload_type=101)
    assert native.parse_rtp(whole) == (101, True, 0xFEDC, 0x89ABCDEF, 0xDEADBEEF, b"\x01\x02\x03")


def test_a_payload_may_be_empty(native: ModuleType) -> None:
    """Header only, and padding that is all there is."""
    assert native.parse_rtp(datagram(b""))[5] == b""
    assert native.parse_rtp(datagram(b"", padding=4))[5] == b""


@pytest.mark.parametrize("version", [0, 1, 3])
def test_only_version_2_is_rtp(native: ModuleType, version: int) -> None:
    """0 is STUN, 1 the draft, 3 nothing."""
    assert native.parse_rtp(datagram(version=version)) == WRONG_VERSION


def test_cut_at_any_length_it_is_too_short_or_shorter(native: ModuleType) -> None:
    """Below the end of the header a fault, above it less payload."""
    whole = datagram(b"\x01\x02\x03", csrc=2, extension=1)
    header = 12 + 8 + 8
    for length in range(len(whole)):
        parsed = native.parse_rtp(whole[:length])
        assert parsed == TOO_SHORT if length < header else parsed[5] == whole[header:length]


@pytest.mark.parametrize("count", [0, 8, 255])
def test_padding_has_to_fit(native: ModuleType, count: int) -> None:
    """None of it, or more than there is payload."""
    whole = datagram(b"\x01\x02\x03", padding=4)
    assert native.parse_rtp(whole[:-1] + bytes([count])) == BAD_PADDING


def test_an_extension_longer_than_the_datagram_is_refused(native: ModuleType) -> None:
    """65,535 words announced."""
    whole = bytearray(datagram(extension=1))
    whole[14:16] = b"\xff\xff"
    assert native.parse_rtp(bytes(whole)) == TOO_SHORT


@given(st.data())
def test_anything_is_read_alike(native: ModuleType, data: st.DataObject) -> None:
    """Random octets behind a version that lets them in, cut anywhere."""
    octets = data.draw(st.binary(max_size=90))
    if octets:
        octets = bytes([octets[0] & 0x3F | 0x80]) + octets[1:]
    assert native.parse_rtp(octets) == reference.parse_rtp(octets)
