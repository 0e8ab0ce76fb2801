"""DTMF is made as RFC 4733 and Q.23 say."""

import pytest

from callcore.lab import audio, dtmf


@pytest.mark.parametrize("digit", list("0123456789*#ABCD"))
def test_an_event_grows_and_ends_three_times(digit):
    """One timestamp, growing duration, three ends, and the key comes back."""
    frames = dtmf.event_frames(digit, 100)
    durations = [int.from_bytes(frame.payload[2:4], "big") for frame in frames]
    assert durations == [160, 320, 480, 640, 800, 800, 800, 800]
    assert [frame.first for frame in frames] == [True] + [False] * 7
    assert [frame.since_start for frame in frames] == [160 * n for n in range(8)]
    assert [dtmf.event_digit(frame.payload) for frame in frames] == [
        *[(digit, False)] * 5,
        *[(digit, True)] * 3,
    ]


def test_unknown_events_are_no_keys():
    """Events above 15 and cut payloads are not keys."""
    assert dtmf.event_digit(b"\x63\x0a\0\xa0") == ("", False)
    assert dtmf.event_digit(b"\x05") == ("", False)


def test_tones_have_both_frequencies():
    """Each key sounds its row and its column, with silence between keys."""
    sound = dtmf.tone_sequence("5#", 100, 60)
    assert len(sound) == 8 * 320
    assert audio.tone_level(sound[:800], 770) > 3000
    assert audio.tone_level(sound[:800], 1336) > 3000
    assert audio.tone_level(sound[800:1280], 770) < 1
    assert audio.tone_level(sound[1280:2080], 941) > 3000
    assert audio.tone_level(sound[1280:2080], 1477) > 3000
