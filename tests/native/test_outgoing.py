"""The packets of one stream, in C and by the reference: sequence, timestamps, plays and digits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcore.lab import dtmf
from callcore.native import _audio
from callcore.native.reference import send as reference_send
from callcore.native.reference.send import (
    DIGITS_SENT,
    FINISHED,
    FRAME,
    INTERRUPTED,
    L16,
    NOISE,
    NOTHING,
    PCMA,
    PCMU,
    PLAY_ENDED,
    SILENCE,
    STOPPED,
    Samples,
    encode,
    noise,
)

pytestmark = pytest.mark.parametrize("native", [_audio, reference_send], ids=["c", "reference"])

SSRC = 0xC0FFEE
EVENTS = 101


def outgoing(native: Any, codec: int = PCMU, idle: int = NOTHING, **settings: int) -> Any:
    return native.Outgoing(
        7, -1, codec, 0, ("127.0.0.1", 9), SSRC, 65534, 0xFFFFFF00, event_type=EVENTS, idle=idle,
        **settings,
    )  # fmt: skip


@dataclass(frozen=True)
class Packet:
    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    payload: bytes


def packets(stream: Any, ticks: range) -> list[Packet | None]:
    return [None if octets is None else parse(octets) for octets in map(stream.packet, ticks)]


def parse(octets: bytes) -> Packet:
    kind, marker, sequence, timestamp, ssrc, payload = _audio.parse_rtp(octets)  # type: ignore[misc]
    assert ssrc == SSRC
    return Packet(kind, marker, sequence, timestamp, payload)


def ramp(count: int, start: int = 0) -> Samples:
    return (np.arange(start, start + count, dtype=np.int64) * 37 % 20000 - 10000).astype(np.int16)


def ended(stream: Any) -> list[tuple[int, int, int]]:
    """Number, end and samples of the plays that ended."""
    return [(int(told[5]), told[2], told[4]) for told in stream.events() if told[1] == PLAY_ENDED]


@pytest.mark.parametrize("codec", [PCMU, PCMA, L16])
def test_a_prompt_is_sent_frame_by_frame(native: Any, codec: int) -> None:
    """Both numbers wrap, the marker stands on the first, the last frame is filled with silence."""
    stream = outgoing(native, codec)
    samples = ramp(2 * FRAME + 30)
    stream.play(native.Prompt(samples))
    sent = packets(stream, range(5, 10))
    octets = encode(np.concatenate([samples, np.zeros(130, np.int16)]), codec)
    size = len(octets) // 3
    assert sent == [
        Packet(0, True, 65534, 0xFFFFFF00, octets[:size]),
        Packet(0, False, 65535, 0xFFFFFFA0, octets[size : 2 * size]),
        Packet(0, False, 0, 0x40, octets[2 * size :]),
        None,
        None,
    ]
    assert ended(stream) == [(1, FINISHED, len(samples))]


def test_the_timestamp_goes_on_through_silence_that_is_not_sent(native: Any) -> None:
    """And the packet after it begins a talk spurt."""
    stream = outgoing(native)
    prompt = native.Prompt(ramp(FRAME))
    stream.play(prompt)
    first = packets(stream, range(4))[0]
    stream.play(prompt)
    second = stream.packet(4)
    assert first is not None
    assert parse(second) == Packet(0, True, 65535, 0xFFFFFF00 + 640 - 2**32, first.payload)


def test_ticks_given_up_show_in_the_timestamp_only(native: Any) -> None:
    """A thread that was held up goes on with the next samples."""
    stream = outgoing(native)
    stream.play(native.Prompt(ramp(10 * FRAME)))
    sent = [parse(stream.packet(tick)) for tick in (0, 1, 9)]
    assert [packet.sequence for packet in sent] == [65534, 65535, 0]
    assert sent[2].timestamp - sent[1].timestamp + 2**32 == 8 * FRAME
    assert sent[2].payload == encode(ramp(FRAME, 2 * FRAME), PCMU)


@pytest.mark.parametrize(("codec", "octet"), [(PCMU, b"\xff"), (PCMA, b"\xd5"), (L16, b"\0\0")])
def test_silence_is_the_codec_s_own(native: Any, codec: int, octet: bytes) -> None:
    """A continuous stream: one marker."""
    sent = packets(outgoing(native, codec, SILENCE), range(3))
    assert {packet.payload for packet in sent if packet} == {octet * FRAME}
    assert [packet.marker for packet in sent if packet] == [True, False, False]


def test_noise_is_low_and_goes_on_where_it_stood(native: Any) -> None:
    """-60 dB of full scale; a prompt in between takes nothing out of it."""
    stream = outgoing(native, L16, NOISE, random=7990)
    sent = packets(stream, range(60))
    heard = b"".join(packet.payload for packet in sent if packet)
    expected = np.concatenate([noise()[7990:], noise(), noise()])[: 60 * FRAME]
    assert np.abs(np.frombuffer(heard, ">i2") - expected).max() <= 1
    level = 20 * np.log10(np.std(expected.astype(float)) / 32768)
    assert level == pytest.approx(-60, abs=0.5)
    stream.play(native.Prompt(ramp(FRAME)))
    after = packets(stream, range(60, 62))[1]
    assert after is not None
    going_on = noise()[(7990 + 60 * FRAME) % 8000 :][:FRAME]
    assert np.abs(np.frombuffer(after.payload, ">i2") - going_on[:FRAME]).max() <= 1


def test_prompts_follow_each_other_without_a_gap(native: Any) -> None:
    """Also in the middle of a frame, and when one is shorter than a frame or empty."""
    stream = outgoing(native)
    lengths = [200, 10, 0, 300]
    for length in lengths:
        stream.play(native.Prompt(ramp(length)))
    sent = packets(stream, range(5))
    octets = b"".join(encode(ramp(length), PCMU) for length in lengths)
    heard = b"".join(packet.payload for packet in sent if packet)
    assert heard == octets.ljust(4 * FRAME, b"\xff")
    assert ended(stream) == [(n, FINISHED, length) for n, length in enumerate(lengths, 1)]


def test_a_prompt_takes_turns(native: Any) -> None:
    """Two turns end by themselves, none (0) only when stopped."""
    stream = outgoing(native)
    stream.play(native.Prompt(ramp(100)), 2)
    stream.play(native.Prompt(ramp(100)), 0)
    sent = packets(stream, range(10))
    assert b"".join(p.payload for p in sent if p) == encode(ramp(100), PCMU) * 16
    assert ended(stream) == [(1, FINISHED, 200)]
    stream.stop()
    assert ended(stream) == [(2, STOPPED, 1400)]
    assert stream.packet(10) is None


def test_stopping_ends_all_that_is_queued(native: Any) -> None:
    """The next frame has none of it."""
    stream = outgoing(native, idle=SILENCE)
    for _ in range(3):
        stream.play(native.Prompt(ramp(1000)))
    stream.packet(0)
    stream.stop()
    assert parse(stream.packet(1)).payload == b"\xff" * FRAME
    assert ended(stream) == [(1, STOPPED, FRAME), (2, STOPPED, 0), (3, STOPPED, 0)]


def test_speech_interrupts_what_may_be_interrupted(native: Any) -> None:
    """Up to what must be heard, and nothing while that is playing."""
    stream = outgoing(native)
    must = native.Prompt(ramp(FRAME, 500))
    stream.play(native.Prompt(ramp(1000)))
    stream.play(must, 1, False)
    stream.play(native.Prompt(ramp(1000)))
    stream.packet(0)
    stream.stop(INTERRUPTED)
    stream.stop(INTERRUPTED)
    assert parse(stream.packet(1)).payload == encode(ramp(FRAME, 500), PCMU)
    assert ended(stream) == [(1, INTERRUPTED, FRAME), (2, FINISHED, FRAME)]


def test_the_queue_has_room_for_sixteen(native: Any) -> None:
    """More are refused, also pushed speech."""
    stream = outgoing(native)
    prompt = native.Prompt(ramp(10))
    assert [stream.play(prompt) for _ in range(17)] == [*range(1, 17), 0]
    assert stream.push(ramp(10)) == 0


def test_pushed_speech_is_taken_as_it_fits(native: Any) -> None:
    """A ring of the stated length, wrapped again and again; spoken in order, ended by `last`."""
    stream = outgoing(native, push_ms=50)
    speech, at, heard = ramp(3000), 0, b""
    assert stream.push(speech) == 400
    at = 400
    for tick in range(100):
        octets = stream.packet(tick)
        if octets is None:
            break
        heard += parse(octets).payload
        if at < len(speech):
            at += stream.push(speech[at : at + 170], at + 170 >= len(speech))
    assert at == len(speech)
    assert heard[: len(speech)] == encode(speech, PCMU)
    assert ended(stream) == [(1, FINISHED, len(speech))]


def test_speech_that_comes_too_late_leaves_a_pause(native: Any) -> None:
    """A frame begun is filled up; the play goes on when more comes."""
    stream = outgoing(native)
    stream.push(ramp(200))
    sent = packets(stream, range(4))
    assert [packet is None for packet in sent] == [False, False, True, True]
    assert sent[1] is not None
    assert sent[1].payload[40:] == b"\xff" * 120
    assert stream.push(ramp(160), True) == 160
    assert parse(stream.packet(4)).marker
    assert ended(stream) == [(1, FINISHED, 360)]


def test_pushed_speech_waits_for_the_prompt_before_it(native: Any) -> None:
    """And a prompt for the end of the speech before it."""
    stream = outgoing(native)
    stream.play(native.Prompt(ramp(100)))
    stream.push(ramp(100, 1000), True)
    stream.play(native.Prompt(ramp(120, 5000)))
    heard = b"".join(p.payload for p in packets(stream, range(2)) if p)
    parts = [ramp(100), ramp(100, 1000), ramp(120, 5000)]
    assert heard == encode(np.concatenate(parts), PCMU)


def test_speech_stopped_makes_room_in_the_ring(native: Any) -> None:
    """What was pushed and not spoken is gone."""
    stream = outgoing(native, push_ms=20)
    assert stream.push(ramp(200)) == 160
    stream.stop(INTERRUPTED)
    assert stream.push(ramp(160, 900), True) == 160
    assert parse(stream.packet(0)).payload == encode(ramp(160, 900), PCMU)
    assert ended(stream) == [(1, INTERRUPTED, 0), (2, FINISHED, 160)]


def test_a_digit_is_sent_as_rfc_4733_wants_it(native: Any) -> None:
    """Marker on the first, timestamp of its start, growing duration, the end three times."""
    stream = outgoing(native)
    stream.send_digits("5", 70, 100)
    sent = packets(stream, range(8))
    start = 0xFFFFFF00
    told = [(False, 160), (False, 320), (False, 480), (True, 560), (True, 560), (True, 560)]
    assert sent == [
        Packet(
            EVENTS, at == 0, (65534 + at) & 0xFFFF, start,
            bytes((5, 0x80 * end | 10)) + duration.to_bytes(2, "big"),
        )
        for at, (end, duration) in enumerate(told)
    ] + [None, None]  # fmt: skip
    assert [told[:4] for told in stream.events()] == [(7, DIGITS_SENT, 0, 5 * 20_000_000)]


def test_the_lab_reads_the_digits_sent(native: Any) -> None:
    """All sixteen keys, by another implementation; each with a timestamp of its own."""
    stream = outgoing(native)
    stream.send_digits("0123456789*#ABCD", 40, 40)
    sent = [packet for packet in packets(stream, range(200)) if packet is not None]
    keys = {packet.timestamp: dtmf.event_digit(packet.payload)[0] for packet in sent}
    assert "".join(keys.values()) == "0123456789*#ABCD"
    assert len(sent) == 16 * 4
    assert [told[1] for told in stream.events()] == [DIGITS_SENT]


def test_digits_suspend_the_audio_which_goes_on_where_it_stood(native: Any) -> None:
    """The gap is silence, then the prompt's next sample, beginning a talk spurt."""
    stream = outgoing(native, idle=SILENCE)
    stream.play(native.Prompt(ramp(3 * FRAME)))
    first = parse(stream.packet(0))
    stream.send_digits("1", 40, 80)
    sent = [parse(stream.packet(tick)) for tick in range(1, 9)]
    assert [packet.payload_type for packet in sent] == [EVENTS] * 4 + [0] * 4
    assert [packet.payload == b"\xff" * FRAME for packet in sent[4:]] == [True, True, False, False]
    audio = first.payload + sent[6].payload + sent[7].payload
    assert audio == encode(ramp(3 * FRAME), PCMU)
    assert sent[6].timestamp == (first.timestamp + 7 * FRAME) & 0xFFFFFFFF
    assert [packet.marker for packet in sent] == [True, *[False] * 3, True, *[False] * 3]


def test_digits_wait_in_a_queue_of_sixty_four(native: Any) -> None:
    """A call's are taken as a whole or not at all; each call is told when its last is out."""
    stream = outgoing(native)
    assert stream.send_digits("1" * 60, 20, 40)
    assert not stream.send_digits("2" * 5, 20, 40)
    assert stream.send_digits("2" * 4, 20, 40)
    sent = [packet for packet in packets(stream, range(400)) if packet is not None]
    assert len(sent) == 64 * 3
    assert len([told for told in stream.events() if told[1] == DIGITS_SENT]) == 2
    assert stream.send_digits("3" * 64, 20, 40)


STEPS = st.one_of(
    st.tuples(st.just("packet"), st.integers(1, 12)),
    st.tuples(st.just("play"), st.integers(0, 700), st.integers(0, 3), st.booleans()),
    st.tuples(st.just("push"), st.integers(0, 700), st.booleans(), st.booleans()),
    st.tuples(st.just("stop"), st.sampled_from([STOPPED, INTERRUPTED])),
    st.tuples(st.just("digits"), st.text("0123456789*#ABCD", min_size=1, max_size=5),
              st.integers(20, 130), st.integers(0, 130)),
)  # fmt: skip


def follow(native: Any, steps: list[tuple[Any, ...]], codec: int, idle: int) -> list[Any]:
    """What one implementation makes of it, step by step."""
    stream, tick, told = outgoing(native, codec, idle, push_ms=60, random=123456789), 0, []
    for what, *with_ in steps:
        if what == "packet":
            told += [stream.packet(at) for at in range(tick, tick + with_[0])]
            tick += with_[0]
        elif what == "play":
            told.append(stream.play(native.Prompt(ramp(with_[0], tick)), with_[1], with_[2]))
        elif what == "push":
            told.append(stream.push(ramp(with_[0], tick), with_[1], with_[2]))
        elif what == "stop":
            told.append(stream.stop(with_[0]))
        else:
            told.append(stream.send_digits(*with_))
    return [*told, *stream.events()]


@given(st.lists(STEPS, max_size=40), st.sampled_from([PCMU, PCMA, L16]), st.booleans())
def test_whatever_is_asked_both_send_the_same(
    native: Any, steps: list[tuple[Any, ...]], codec: int, silent: bool
) -> None:
    """Any order of plays, pushes, stops and digits: the same packets, answers and events."""
    idle = SILENCE if silent else NOTHING
    assert follow(native, steps, codec, idle) == follow(reference_send, steps, codec, idle)
