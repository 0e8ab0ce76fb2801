"""One stream: sources, payload types, positions, pauses, and telephone-events exactly once."""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callcore.native import _audio
from tests.native.voices import say

rates = pytest.mark.parametrize("rate", [8000, 16000])

START = 10**12
FRAME_NS = 20_000_000
PCMU, PCMA, L16 = range(3)
EVENTS = 101

Samples = npt.NDArray[np.int16]


def rtp(number: int, timestamp: int, payload: bytes = b"\xff" * 160, ssrc: int = 7,
        payload_type: int = 0, marker: bool = False) -> bytes:  # fmt: skip
    """A packet."""
    return (
        struct.pack("!BBHII", 0x80, marker << 7 | payload_type, number % 65536,
                    timestamp % 2**32, ssrc) + payload
    )  # fmt: skip


def key(number: int, timestamp: int, code: int = 5, duration: int = 160, end: bool = False,
        marker: bool = False, ssrc: int = 7) -> bytes:  # fmt: skip
    """A packet of a telephone-event (RFC 4733 §2.3), volume -10 dBm0."""
    payload = struct.pack("!BBH", code, end << 7 | 10, duration)
    return rtp(number, timestamp, payload, ssrc, EVENTS, marker)


def press(number: int, timestamp: int, code: int, frames: int = 4) -> list[bytes]:
    """All packets of a key press: one each 20 ms, the last three times."""
    packets = [key(number + n, timestamp, code, 160 * (n + 1), marker=n == 0)
               for n in range(frames)]  # fmt: skip
    ends = [key(number + frames + n, timestamp, code, 160 * (frames + 1), True) for n in range(3)]
    return packets + ends


def stream(rate: int = 8000, **settings: int) -> _audio.Stream:
    """One that takes events and has no VAD, unless asked for."""
    return _audio.Stream(rate, **{"event_type": EVENTS, "vad_mode": -1, **settings})


def digits(events: list[_audio.AudioEvent]) -> list[int]:
    return [code for _, kind, code, *_ in events if kind == _audio.EVENT_DIGIT]


def kinds(events: list[_audio.AudioEvent]) -> list[int]:
    return [kind for _, kind, *_ in events]


# ---- sources ----


def test_a_new_source_takes_over_with_its_second_packet() -> None:
    """SSRC 8 begins where it likes; what it brought is told, and counted from there."""
    heard = stream()
    for n in range(10):
        assert heard.receive(rtp(n, 160 * n), START + n * FRAME_NS) == []
    assert heard.receive(rtp(40000, 5, ssrc=8), START + 10 * FRAME_NS) == []
    (event,) = heard.receive(rtp(40001, 165, ssrc=8), START + 11 * FRAME_NS)
    assert event[1] == _audio.EVENT_SOURCE_CHANGED
    report = heard.report()
    assert (report["packets"], report["strays"], report["source_changes"]) == (11, 1, 1)
    assert (report["lost"], report["malformed"]) == (0, 0)


def test_one_packet_of_another_source_is_a_stray() -> None:
    """Also every second one, and numbers that do not follow each other."""
    heard = stream()
    for n in range(40):
        events = heard.receive(rtp(n, 160 * n), START + n * FRAME_NS)
        events += heard.receive(rtp(100 + n, 160 * n, ssrc=9), START + n * FRAME_NS)
        assert events == []
    heard.receive(rtp(5, 0, ssrc=10), START)
    assert heard.receive(rtp(7, 320, ssrc=10), START) == []
    report = heard.report()
    assert (report["packets"], report["strays"], report["source_changes"]) == (40, 42, 0)


def test_a_restarted_source_is_followed() -> None:
    """Same SSRC, other numbers, other timestamps: digits and play-out go on."""
    heard = stream(frames=True)
    now = START
    for n in range(20):
        now += FRAME_NS
        heard.receive(rtp(60000 + n, 2**31 + 160 * n), now)
    assert digits(heard.receive(press(60020, 2**31 + 3200, 4)[0], now)) == [4]
    for n in range(20):
        now += FRAME_NS
        heard.receive(rtp(100 + n, 1000 + 160 * n), now)
    assert digits(heard.receive(press(120, 1000 + 3200, 4)[0], now)) == [4]
    report = heard.report()
    assert report["strays"] == 1
    assert report["stored"] == 39
    assert report["late"] == 0


# ---- packets ----


@pytest.mark.parametrize(
    ("codec", "octets"), [(PCMU, b"\x80\x00\xff"), (PCMA, b"\xaa\x2a\xd5"), (L16, b"\x7f\xff\x80")]
)
def test_each_codec_is_heard(codec: int, octets: bytes) -> None:
    """Full scale in each; half a sample of L16 is left out."""
    heard = stream(codec=codec)
    heard.receive(rtp(1, 0, octets * 160), START)
    assert heard.report()["level"] > -6
    assert heard.report()["position"] == (160 * 3 // (2 if codec == L16 else 1) // 160) * 160


def test_other_payload_types_are_counted_and_not_heard() -> None:
    """G.722 where µ-law was announced; comfort noise is known."""
    heard = stream()
    heard.receive(rtp(1, 0, payload_type=9), START)
    heard.receive(rtp(2, 160, b"\x40", payload_type=13), START + FRAME_NS)
    report = heard.report()
    assert (report["unknown_type"], report["position"], report["lost"]) == (1, 0, 0)


def test_what_is_no_rtp_is_counted() -> None:
    """Short, another version, padding, longer than any stream's packets."""
    heard = stream()
    for datagram in (b"", b"\x80" * 11, b"\x00" * 20, rtp(1, 0, b"")[:1] + b"\xff" * 3,
                     b"\xa0" + rtp(1, 0, b"\x00")[1:], rtp(1, 0, bytes(2037))):  # fmt: skip
        heard.receive(datagram, START)
    report = heard.report()
    assert (report["malformed"], report["packets"]) == (6, 0)
    heard.receive(rtp(1, 0, bytes(2036)), START)
    assert heard.report()["position"] == 2036 // 160 * 160


def test_late_and_repeated_packets_are_counted_once() -> None:
    """One lost, one late, one twice, one from before the beginning."""
    heard = stream()
    for n in (10, 11, 13, 14, 12, 14, 9, 16):
        heard.receive(rtp(n, 160 * n), START + n * FRAME_NS)
    report = heard.report()
    assert (report["lost"], report["reordered"], report["duplicates"]) == (1, 2, 1)


# ---- positions ----


@rates
@pytest.mark.parametrize("ptime", [10, 20, 30, 60])
def test_positions_count_samples_by_timestamps(rate: int, ptime: int) -> None:
    """Over loss and over the wrap, for packets of any length."""
    heard = stream(rate, codec=L16)
    size = rate * ptime // 1000
    for n in range(40):
        if n % 7 != 3:
            heard.receive(rtp(65530 + n, 2**32 - 1000 + size * n, bytes(2 * size)),
                          START + n * ptime * 10**6)  # fmt: skip
    assert heard.report()["position"] == pytest.approx(40 * size, abs=rate // 50 - 1)


def test_silence_that_was_not_sent_keeps_its_length() -> None:
    """Twenty seconds without packets, then the timestamp says so."""
    heard = stream()
    heard.receive(rtp(1, 0), START)
    heard.receive(rtp(2, 160_000), START + 20 * 10**9)
    assert heard.report()["position"] == 160_160


@pytest.mark.parametrize("jump", [2**31 - 1, 100_000_000, -100_000_000, -(2**31)])
def test_a_clock_that_jumps_moves_no_position(jump: int) -> None:
    """A second of audio, the jump, a second of audio."""
    heard = stream()
    for n in range(100):
        heard.receive(rtp(n, 160 * n + (jump if n >= 50 else 0)), START + n * FRAME_NS)
    assert heard.report()["position"] == pytest.approx(16_000, abs=160)


# ---- speech events through packets ----


def packets_of(sound: Samples, first: int = 0) -> list[bytes]:
    codes = _audio.ulaw_encode(sound)
    return [rtp(first + n, 160 * n, codes[160 * n : 160 * (n + 1)])
            for n in range(len(codes) // 160)]  # fmt: skip


def test_a_source_that_falls_silent_ends_the_utterance() -> None:
    """No packet more: the ticks tell, dated to the last packet."""
    heard, now, events = stream(vad_mode=2), START, []
    sound = say("Good morning to everybody")
    voiced = sound[: len(sound) * 2 // 3 // 160 * 160]
    for packet in packets_of(voiced):
        now += FRAME_NS
        events += heard.receive(packet, now)
    assert kinds(events) == [_audio.EVENT_SPEECH_STARTED]
    for _ in range(20):
        now += FRAME_NS
        events += heard.tick(now)
    assert kinds(events) == [_audio.EVENT_SPEECH_STARTED, _audio.EVENT_SPEECH_ENDED]
    assert events[-1][4] == pytest.approx(len(voiced), abs=8 * 60)


def test_comfort_noise_and_keys_do_not_keep_it_alive() -> None:
    """Comfort noise each 60 ms, then a key held down: the utterance has ended."""
    for others in (
        [rtp(1000 + n, 160 * n, b"\x40", payload_type=13) for n in range(8)],
        press(1000, 16000, 3, frames=20)[:8],
    ):
        heard, now, events = stream(vad_mode=2), START, []
        sound = say("Good morning to everybody")
        for n, packet in enumerate(packets_of(sound[: len(sound) * 2 // 3], 1000 - 500)):
            now += FRAME_NS
            events += heard.receive(packet, now)
            last = 500 + n
        for packet in others:
            last += 1
            events += heard.receive(packet[:2] + struct.pack("!H", last) + packet[4:], now)
            for _ in range(3):
                now += FRAME_NS
                events += heard.tick(now)
        assert [k for k in kinds(events) if k != _audio.EVENT_DIGIT] == [
            _audio.EVENT_SPEECH_STARTED, _audio.EVENT_SPEECH_ENDED
        ]  # fmt: skip


def test_silence_is_told_when_nobody_speaks() -> None:
    """After 500 ms; a stream without VAD says nothing."""
    for mode, told in ((2, [_audio.EVENT_SILENCE]), (-1, [])):
        heard, events = stream(vad_mode=mode, silence_ms=500), []
        for n in range(60):
            events += heard.receive(rtp(n, 160 * n), START + n * FRAME_NS)
        assert kinds(events) == told


@settings(max_examples=30)
@given(lengths=st.lists(st.integers(1, 2000), min_size=1, max_size=8))
def test_pushed_pieces_of_any_size_tell_the_same(lengths: list[int]) -> None:
    """A back end that receives RTP itself pushes what it has."""
    sound = np.concatenate([np.zeros(4000, np.int16), say("Yes."), np.zeros(8000, np.int16)])
    whole = [event[1:3] + event[4:] for event in stream(vad_mode=2).push(sound, START)]
    heard, at, turn, events = stream(vad_mode=2), 0, 0, []
    while at < len(sound):
        size = lengths[turn % len(lengths)]
        events += heard.push(sound[at : at + size], START)
        at, turn = at + size, turn + 1
    assert [event[1:3] + event[4:] for event in events] == whole
    assert [event[0] for event in whole] == [_audio.EVENT_SPEECH_STARTED, _audio.EVENT_SPEECH_ENDED]


# ---- telephone-events ----


def test_a_key_press_is_told_once_and_at_once() -> None:
    """Seven packets, of which the first is enough."""
    heard = stream()
    told = [digits(heard.receive(packet, START)) for packet in press(1, 0, 11)]
    assert told == [[11], [], [], [], [], [], []]


def test_the_same_key_twice_is_two() -> None:
    """Their timestamps differ."""
    heard = stream()
    packets = press(1, 0, 5) + press(8, 1600, 5)
    assert [c for p in packets for c in digits(heard.receive(p, START))] == [5, 5]


def test_only_keys_are_digits() -> None:
    """0 to 16; fax and line events of RFC 4733 are none, too short payloads neither."""
    heard = stream()
    told = []
    for n, code in enumerate((0, 15, 16, 17, 36, 64, 255)):
        told += digits(heard.receive(key(n, 1600 * n, code, marker=True), START))
    told += digits(heard.receive(rtp(8, 99999, b"\x05\x0a\x00", payload_type=EVENTS), START))
    assert told == [0, 15, 16]


def test_a_key_held_for_long_is_one() -> None:
    """RFC 4733 §2.5.1.3: where the duration would overflow a new segment begins, without marker."""
    heard, told = stream(), []
    for n in range(900):  # 18 s
        segment, place = divmod(n, 409)
        packet = key(n, 65440 * segment, 9, 160 * (place + 1), marker=n == 0)
        told += digits(heard.receive(packet, START + n * FRAME_NS))
    assert told == [9]


def test_keys_are_heard_after_the_timestamp_went_back() -> None:
    """Two calls put through to the same far end, one after the other: another clock."""
    heard = stream()
    assert digits(heard.receive(press(1, 2**31, 1)[0], START)) == [1]
    assert digits(heard.receive(press(2, 2**31 - 90_000, 2)[0], START)) == [2]


@st.composite
def presses(draw: st.DrawFn) -> tuple[list[int], list[bytes]]:
    """Keys, and their packets as they arrive: lost, late or twice, but never all of one key, nor
    its first after the next key's."""
    codes = draw(st.lists(st.integers(0, 15), min_size=1, max_size=6))
    number, timestamp = draw(st.integers(0, 65535)), draw(st.integers(0, 2**32 - 1))
    arrived: list[bytes] = []
    stragglers: list[bytes] = []
    for code in codes:
        packets = press(number, timestamp, code, draw(st.integers(1, 8)))
        number, timestamp = number + len(packets), timestamp + 160 * len(packets) + 400
        kept = draw(st.lists(st.sampled_from(packets), min_size=1, max_size=2 * len(packets)))
        late = draw(st.integers(0, len(kept) - 1))
        arrived += kept[: len(kept) - late]
        arrived += stragglers
        stragglers = kept[len(kept) - late :]
    return codes, arrived + stragglers


@settings(max_examples=300)
@given(presses())
def test_digits_come_exactly_once(script: tuple[list[int], list[bytes]]) -> None:
    """Under loss, duplication and reordering of their packets."""
    codes, packets = script
    heard = stream()
    assert [c for p in packets for c in digits(heard.receive(p, START))] == codes
