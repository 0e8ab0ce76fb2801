"""SDP of one audio stream."""

import pytest

from callcore.lab import sdp
from callcore.lab.errors import SipSyntaxError


def test_a_written_description_is_read_again():
    """Codecs keep their order, events and direction survive."""
    made = sdp.AudioDescription("127.0.0.5", 24000, {8: "PCMA", 0: "PCMU"}, 96, "sendonly")
    read = sdp.parse_sdp(sdp.format_sdp(made, 1, 1))
    assert read == made
    assert list(read.codecs) == [8, 0]


def test_session_level_lines_apply_and_other_streams_do_not():
    """c= and direction of the session count when the stream has none; video is ignored."""
    text = (
        b"v=0\r\nc=IN IP4 10.0.0.1\r\na=inactive\r\nm=audio 4000 RTP/AVP 0 9 101\r\n"
        b"a=rtpmap:101 telephone-event/8000\r\n"
        b"m=video 5000 RTP/AVP 99\r\nc=IN IP4 10.0.0.2\r\na=sendrecv\r\n"
    )
    read = sdp.parse_sdp(text)
    assert (read.host, read.port, read.direction) == ("10.0.0.1", 4000, "inactive")
    assert (read.codecs, read.event_type) == ({0: "PCMU", 9: "G722"}, 101)
    assert sdp.answer_codecs(read, ("PCMA", "PCMU")) == {0: "PCMU"}


def test_no_audio_is_refused():
    """A description without audio is an error, not an empty answer."""
    with pytest.raises(SipSyntaxError):
        sdp.parse_sdp(b"v=0\r\nm=video 5000 RTP/AVP 99\r\n")


@pytest.mark.parametrize(
    ("offered", "on_hold", "answered"),
    [
        ("sendrecv", False, "sendrecv"),
        ("sendonly", False, "recvonly"),
        ("recvonly", False, "sendonly"),
        ("inactive", False, "inactive"),
        ("sendrecv", True, "sendonly"),
        ("sendonly", True, "inactive"),
        ("recvonly", True, "sendonly"),
        ("inactive", True, "inactive"),
    ],
)
def test_directions_are_mirrored_and_hold_stays(offered, on_hold, answered):
    """A refresh by the other side does not end a hold of ours."""
    assert sdp.answer_direction(offered, on_hold) == answered
