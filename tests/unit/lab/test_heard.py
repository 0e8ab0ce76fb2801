"""Received RTP becomes one array against the arrival clock."""

import struct

import numpy as np
import pytest

from callcore.lab import audio, g711
from callcore.lab.heard import lay_out, parse_rtp

CODECS = {0: "PCMU"}
START = 1_700_000_000.0


def packets(samples, begin, ssrc=1, timestamp=0, jitter=(0.0,)):
    """G.711 packets of 20 ms that arrive a little late each."""
    payload = g711.encode(samples, "PCMU")
    made = []
    for index, at in enumerate(range(0, len(payload), 160)):
        stamp = (timestamp + at) & 0xFFFFFFFF
        header = struct.pack("!BBHII", 0x80, 0, index & 0xFFFF, stamp, ssrc)
        arrived = begin + at / 8000 + jitter[index % len(jitter)]
        packet = parse_rtp(arrived, header + payload[at : at + 160])
        assert packet is not None
        made.append(packet)
    return made


def test_jitter_does_not_tear_the_sound():
    """Packets up to 40 ms late are placed by their timestamps."""
    tone = audio.tone(1000, 1.0)
    heard = lay_out(packets(tone, START, jitter=(0.0, 0.04, 0.013)), CODECS)
    assert heard.started == pytest.approx(START, abs=0.001)
    assert audio.tone_intervals(heard.samples, 1000) == [pytest.approx((0, 1), abs=0.01)]
    assert heard.gaps() == []


def test_a_pause_without_packets_keeps_its_length():
    """Two spurts 3 s apart are 3 s apart, whatever the timestamps say."""
    tone = audio.tone(1000, 0.5)
    for second_stamp in (4000, 28000, 0xFFFFFFF0):
        both = packets(tone, START) + packets(tone, START + 3.5, timestamp=second_stamp)
        heard = lay_out(both, CODECS)
        found = np.asarray(audio.tone_intervals(heard.samples, 1000))
        assert found == pytest.approx(np.asarray([(0, 0.5), (3.5, 4.0)]), abs=0.01)
        assert np.asarray(heard.gaps()) == pytest.approx(
            np.asarray([(START + 0.5, START + 3.5)]), abs=0.002
        )


def test_timestamps_may_wrap():
    """The 32-bit wrap in the middle of a spurt is not a gap."""
    tone = audio.tone(1000, 1.0)
    heard = lay_out(packets(tone, START, timestamp=0xFFFFFFFF - 3999), CODECS)
    assert len(heard.samples) == 8000
    assert heard.gaps() == []


def test_between_pads_with_zeros():
    """A span that begins before and ends after the audio has its full length."""
    heard = lay_out(packets(audio.tone(1000, 1.0), START), CODECS)
    span = heard.between(START - 0.5, START + 2)
    assert len(span) == 20000
    assert audio.tone_intervals(span, 1000) == [pytest.approx((0.5, 1.5), abs=0.01)]


def test_rtcp_and_noise_are_no_audio():
    """RTCP, short and foreign packets are dropped."""
    assert parse_rtp(0, b"\x80\xc8\0\1" + b"\0" * 20) is None
    assert parse_rtp(0, b"\x80\0\0") is None
    assert parse_rtp(0, b"\x10" + b"\0" * 20) is None
    assert lay_out([], CODECS).seconds == 0
