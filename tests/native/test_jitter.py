"""The jitter buffer in C and its reference: packets in, frames out, the clock an argument."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from types import ModuleType

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callcore.native import _audio, reference
from tests.native.voices import say

both = pytest.mark.parametrize("native", [_audio, reference], ids=["c", "reference"])
rates = pytest.mark.parametrize("rate", [8000, 16000])

STORED, LATE, DUPLICATE, RESYNC = range(4)
PLAYED, CONCEALED, SILENT, NOTHING = range(4)
MS = 10**6
START = 1000 * 10**9
"""ns"""

Samples = npt.NDArray[np.int16]


@dataclass
class Packet:
    """When it arrives (ms), its numbers, and what it holds."""

    at: float
    sequence: int
    timestamp: int
    samples: Samples


@dataclass
class Played:
    """What play-out gave."""

    results: list[int] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)
    frames: list[Samples] = field(default_factory=list)
    report: dict[str, int] = field(default_factory=dict)
    depths: list[int] = field(default_factory=list)

    @property
    def audio(self) -> Samples:
        return np.concatenate(self.frames)


def play(
    jitter: _audio.Jitter, packets: Iterable[Packet], ticks: int, first_tick: float = 0.0
) -> Played:
    """Put each packet when it arrives, take a frame every 20 ms."""
    played = Played()
    waiting = sorted(packets, key=lambda packet: packet.at)
    for tick in range(ticks):
        now = first_tick + 20 * tick
        while waiting and waiting[0].at <= now:
            packet = waiting.pop(0)
            at = START + round(packet.at * MS)
            result = jitter.put(
                packet.sequence % 2**32, packet.timestamp % 2**32, packet.samples, at
            )
            played.results.append(result)
        kind, frame, _ = jitter.get(START + round(now * MS))
        played.kinds.append(kind)
        played.frames.append(np.frombuffer(frame, np.int16))
    played.report = jitter.report()
    return played


# ---- tables: 8 kHz, packets of 20 ms, a delay of 40 ms that does not change ----


def marked(number: int, at: float, sequence: int | None = None, base: int = 0) -> Packet:
    """The packet of frame `number`: a level of its own."""
    level = np.full(160, 1000 + 100 * number, np.int16)
    return Packet(at, number if sequence is None else sequence, base + 160 * number, level)


def letters(played: Played) -> str:
    """Each frame: its packet's number, c concealed, s silent, n nothing yet, _ played silence."""
    text = ""
    for kind, frame in zip(played.kinds, played.frames, strict=True):
        if kind != PLAYED:
            text += {CONCEALED: "c", SILENT: "s", NOTHING: "n"}[kind]
        elif not frame.any():
            text += "_"
        else:
            assert frame[-1] == frame[len(frame) // 2], "frames fit packets here"
            text += format((int(frame[-1]) - 1000) // 100, "x")
    return text


S, L, D, R = STORED, LATE, DUPLICATE, RESYNC
TABLE = {
    "in order": ([(0, 0), (1, 20), (2, 40), (3, 60)], [S] * 4, "ss0123"),
    "nobody has come yet": ([(0, 60), (1, 80)], [S] * 2, "nnnss01"),
    "reordered": ([(0, 0), (2, 40), (1, 45), (3, 60)], [S] * 4, "ss0123"),
    "the first is overtaken": ([(1, 0), (0, 5), (2, 20)], [S] * 3, "s012"),
    "twice": ([(0, 0), (0, 1), (1, 20), (1, 30)], [S, D, S, D], "ss01"),
    "twice, the second after it was played": ([(0, 0), (1, 20), (0, 70)], [S, S, L], "ss01c"),
    "one lost": ([(0, 0), (1, 20), (3, 60), (4, 80)], [S] * 4, "ss01c34"),
    "two lost": ([(0, 0), (1, 20), (4, 80), (5, 100)], [S] * 4, "ss01cc45"),
    "late by a little": ([(0, 0), (1, 59), (2, 79)], [S] * 3, "ss012"),
    "too late": ([(0, 0), (1, 61), (2, 62), (3, 63)], [S, L, S, S], "ss0c23"),
    "many lost fade": ([(0, 0), (1, 20), (9, 180)], [S] * 3, "ss01cccssss9"),
    "a burst": ([(0, 0), (1, 55), (2, 55), (3, 60), (4, 80)], [S] * 5, "ss01234"),
}


@both
@pytest.mark.parametrize("base", [0, 12345 * 8, 2**32 - 320, 2**31 - 160])
@pytest.mark.parametrize("row", TABLE)
def test_packets_are_played_where_they_belong(native: ModuleType, row: str, base: int) -> None:
    """Also where the timestamp, or its sign, wraps."""
    arrivals, results, frames = TABLE[row]
    packets = [marked(number, at, 70000 + number, base) for number, at in arrivals]
    played = play(native.Jitter(8000, 40, 40), packets, len(frames))
    assert letters(played) == frames
    assert played.results == results


@both
def test_silence_that_was_not_sent_is_no_loss(native: ModuleType) -> None:
    """The sequence number is the next, the timestamp is not: made up until that is known."""
    packets = [marked(0, 0), marked(1, 20), marked(10, 200, 2), marked(11, 220, 3)]
    played = play(native.Jitter(8000, 40, 40), packets, 14)
    assert letters(played) == "ss01cccsss__ab"


@both
def test_a_source_that_says_it_pauses_is_silent_at_once(native: ModuleType) -> None:
    """Comfort noise (RFC 3389) has a sequence number, too."""
    jitter = native.Jitter(8000, 40, 40)
    jitter.skip(4)  # nobody has come: no matter
    first = play(jitter, [marked(0, 0), marked(1, 20)], 3)
    jitter.skip(2)
    after = play(jitter, [marked(10, 200, 3), marked(11, 220, 4)], 11, first_tick=60)
    assert letters(first) + letters(after) == "ss01ssssss__ab"
    assert after.report["concealed"] == 0


@both
def test_telephone_events_between_audio_are_no_loss(native: ModuleType) -> None:
    """Ten packets of a key press take sequence numbers; only what never came is missing."""
    jitter = native.Jitter(8000, 40, 40)
    first = play(jitter, [marked(0, 0), marked(1, 20)], 3)
    for sequence in range(2, 10):
        jitter.skip(sequence)
    after = play(jitter, [marked(10, 200, 10)], 10, first_tick=60)
    assert letters(first) + letters(after) == "ss01ssssss__a"


@both
@pytest.mark.parametrize("jump", [-(2**31) + 800, -40_000_000, -9000, -4000, 9000, 2**31 - 8000])
def test_a_jump_of_the_timestamp_begins_anew(native: ModuleType, jump: int) -> None:
    """The source's clock is another: within 200 ms it plays again with the same delay."""
    jump = jump // 8 * 8
    packets = [marked(n, 20 * n) for n in range(10)]
    packets += [marked(n % 10, 20 * n, n, jump + 1600 * (n // 10)) for n in range(10, 40)]
    played = play(native.Jitter(8000, 40, 40), packets, 42)
    assert played.report["resyncs"] == 1
    assert letters(played)[-20:] == "0123456789" * 2


@both
def test_one_packet_from_long_ago_disturbs_nobody(native: ModuleType) -> None:
    """A second and a half late: late, and no new beginning."""
    packets = [marked(n % 16, 20 * n, n, 160 * (n - n % 16)) for n in range(90)]
    packets.append(marked(5, 1699, 5))
    played = play(native.Jitter(8000, 40, 40), packets, 90)
    assert played.report["resyncs"] == 0
    assert played.report["late"] == 1
    assert letters(played)[2:] == ("0123456789abcdef" * 6)[:88]


@both
def test_a_late_packet_s_second_half_is_played(native: ModuleType) -> None:
    """60 ms of audio of which 20 came too late."""
    samples = np.repeat(np.array([1000, 1100, 1200], np.int16), 160)
    later = np.repeat(np.array([1300, 1400, 1500], np.int16), 160)
    packets = [Packet(0, 0, 0, samples), Packet(110, 1, 480, later)]
    played = play(native.Jitter(8000, 40, 40), packets, 8)
    assert letters(played) == "ss012c45"
    assert played.results == [STORED, STORED]


@both
@rates
@pytest.mark.parametrize("ptime", [10, 20, 30, 60])
def test_packets_of_any_length_give_the_same_audio(
    native: ModuleType, rate: int, ptime: int
) -> None:
    """A sine in pieces comes out as it went in, 40 ms later, whatever the ticks' phase."""
    size = rate * ptime // 1000
    sine = (8000 * np.sin(np.arange(rate) * 2 * np.pi * 300 / rate)).astype(np.int16)
    packets = [
        Packet(ptime * (n + 1), n, size * n, sine[size * n : size * (n + 1)])
        for n in range(rate // size)
    ]
    for phase in (0, 3, 11):
        played = play(native.Jitter(rate, 40, 40), packets, 45, ptime + phase)
        begin = rate * (40 - phase) // 1000
        assert np.array_equal(played.audio[begin:], sine[: len(played.audio) - begin])


@both
def test_what_cannot_be_stored_is_refused(native: ModuleType) -> None:
    """No samples, or more than a quarter of a second's ring; the bounds of delay are met."""
    jitter = native.Jitter(8000, 5000, 10000)
    assert jitter.put(0, 0, np.zeros(0, np.int16), START) == LATE
    assert jitter.put(0, 0, np.ones(2049, np.int16), START) == LATE
    assert jitter.put(0, 0, np.ones(2048, np.int16), START) == STORED
    assert jitter.report()["delay_ms"] <= 448
    with pytest.raises(ValueError, match="8000 or 16000"):
        native.Jitter(44100)


# ---- concealment ----


@both
@rates
@pytest.mark.parametrize("hertz", [120, 210, 330])
def test_a_lost_packet_goes_on_at_the_same_pitch(native: ModuleType, rate: int, hertz: int) -> None:
    """A voice-like sound: no step at either end, as loud, and as the lost audio was."""
    time = np.arange(rate) / rate
    voice = sum(np.sin(2 * np.pi * hertz * k * time + k) / k for k in (1, 2, 3, 4))
    voice = (5000 * voice).astype(np.int16)
    size = rate // 50
    packets = [Packet(20 * n, n, size * n, voice[size * n :][:size]) for n in range(20) if n != 10]
    played = play(native.Jitter(rate, 40, 40), packets, 20)
    assert played.kinds[12] == CONCEALED
    made_up, real = played.frames[12].astype(float), voice[10 * size : 11 * size].astype(float)
    assert 10 * np.log10(np.sum(real**2) / np.sum((made_up - real) ** 2)) > 6
    steps = np.abs(np.diff(np.concatenate(played.frames[11:14]).astype(int)))
    assert steps.max() < 1.5 * np.abs(np.diff(voice.astype(int))).max()


def likeness(speech: Samples, at: int, size: int, rate: int) -> float:
    """How much a frame is like what came 2.5 to 15 ms before it; 1: it repeats."""
    wide, frame = speech.astype(float), speech[at : at + size].astype(float)
    earlier = [wide[at - lag : at - lag + size] for lag in range(rate // 400, rate * 15 // 1000)]
    return max(frame @ e / (np.linalg.norm(frame) * np.linalg.norm(e) + 1) for e in earlier)


def losses(voice: str, seed: int, rate: int) -> list[tuple[float, float, float]]:
    """One packet in twenty lost: for each with speech in it, the signal-to-noise ratio of what was
    made up, how much louder it is (dB), and how much the lost frame repeats."""
    speech = say("The number you have dialled is not in service, please try again.", voice,
                 rate=rate)  # fmt: skip
    size, rng = rate // 50, np.random.default_rng(seed)
    count = len(speech) // size
    lost = sorted(rng.choice(np.arange(3, count), count // 20, replace=False).tolist())
    packets = [Packet(20 * n, n, size * n, speech[size * n : size * (n + 1)])
               for n in range(count) if n not in lost]  # fmt: skip
    played = play(_audio.Jitter(rate, 40, 40), packets, count + 2).audio[2 * size :].astype(float)
    found = []
    for at in (size * n for n in lost):
        real, made_up = speech[at : at + size].astype(float), played[at : at + size]
        power, noise = np.sum(real**2), np.sum((real - made_up) ** 2)
        if power > size * 100**2:
            louder = 10 * np.log10((np.sum(made_up**2) + 1) / power)
            found.append((10 * np.log10(power / noise), louder, likeness(speech, at, size, rate)))
    return found


@rates
def test_concealed_speech_is_like_what_was_lost(rate: int) -> None:
    """Mean segmental SNR 1 dB (silence has 0), 3 dB where the voice repeats; as loud."""
    voices = ("en-us", "en-us+f3", "de+m3", "fr-fr+f2", "it", "nl+f1")
    found = np.array([loss for voice in voices for seed in range(5)
                      for loss in losses(voice, seed, rate)])  # fmt: skip
    ratio, louder, repeats = found.T
    assert len(found) > 150
    assert np.mean(ratio) > 1
    assert np.mean(ratio[repeats > 0.8]) > 3
    assert abs(np.median(louder)) < 1
    assert np.percentile(np.abs(louder), 90) < 10


# ---- the delay follows the path ----


def tone_packets(
    seconds: float, rate: int, delays: npt.NDArray[np.float64], drift: float = 0.0,
    lost: frozenset[int] = frozenset(),
) -> list[Packet]:  # fmt: skip
    """Packets of 20 ms, each held up by its delay (ms), from a clock that is `drift` fast."""
    size = rate // 50
    cycle = (6000 * np.sin(np.arange(rate) * 2 * np.pi * 250 / rate)).astype(np.int16)
    return [
        Packet(20 * n / (1 + drift) + delays[n], n, size * n, np.take(
            cycle, np.arange(size * n, size * (n + 1)), mode="wrap"))
        for n in range(int(seconds * 50))
        if n not in lost
    ]  # fmt: skip


@rates
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("shape", ["uniform", "exponential", "bursts"])
def test_99_of_100_that_arrive_in_the_depth_are_played(rate: int, seed: int, shape: str) -> None:
    """60 ms of jitter and 5 % loss for two minutes."""
    rng, count = np.random.default_rng(seed), 120 * 50
    delays = {
        "uniform": rng.uniform(0, 60, count),
        "exponential": np.minimum(rng.exponential(20, count), 200),
        "bursts": np.repeat(rng.uniform(0, 60, count // 10), 10),
    }[shape]
    lost = frozenset(np.nonzero(rng.random(count) < 0.05)[0].tolist())
    played = play(_audio.Jitter(rate), tone_packets(120, rate, delays, lost=lost), count + 10)
    report = played.report
    late_share_recovered = report["stored"] / (report["stored"] + report["late"])
    assert late_share_recovered >= 0.99
    assert report["resyncs"] == 0
    assert report["delay_ms"] <= 150


def test_the_reference_recovers_as_many(  # slow: a quarter of a minute of audio
) -> None:
    """15 s of the uniform case: packet for packet what C does."""
    rng, count = np.random.default_rng(1), 15 * 50
    delays = rng.uniform(0, 60, count)
    lost = frozenset(np.nonzero(rng.random(count) < 0.05)[0].tolist())
    one, other = (
        play(native.Jitter(8000), tone_packets(15, 8000, delays, lost=lost), count + 10)
        for native in (_audio, reference)
    )
    assert one.results == other.results
    assert one.kinds == other.kinds
    assert one.report == other.report
    assert np.array_equal(one.audio, other.audio)


@rates
@pytest.mark.parametrize("drift", [-200e-6, 200e-6])
def test_a_clock_that_drifts_is_followed(rate: int, drift: float) -> None:
    """Five minutes at 200 ppm (60 ms): never late, nothing made up, delay and depth as before."""
    delays = np.random.default_rng(4).uniform(0, 5, 301 * 50)
    jitter, packets = _audio.Jitter(rate), tone_packets(301, rate, delays, drift)
    size = rate // 50
    depths = []
    for minute in range(5):
        begin = 3000 * minute
        part = [p for p in packets if 60_000 * minute < p.at + 20 <= 60_000 * (minute + 1)]
        played = play(jitter, part, 3000, first_tick=20 * begin)
        depths.append((part[-1].timestamp + size - played.report["cursor"]) * 1000 // rate)
        assert played.report["late"] == 0
        assert played.report["concealed"] == 0
    assert max(depths) - min(depths) <= 20
    assert max(depths) <= 80
    steps = played.report["stretched"] + played.report["shrunk"]
    assert 0 < steps <= 40


@both
def test_the_delay_grows_when_it_has_to_and_shrinks_again(native: ModuleType) -> None:
    """Ten calm seconds, five of 100 ms jitter, forty calm ones."""
    rng = np.random.default_rng(3)
    seconds = {"calm": 10, "rough": 5, "calm again": 40}
    delays = np.concatenate([rng.uniform(0, 5, 500), rng.uniform(0, 100, 250),
                             rng.uniform(0, 5, 2000)])  # fmt: skip
    packets = tone_packets(55, 8000, delays)
    jitter, begin, told = native.Jitter(8000), 0, []
    for length in seconds.values():
        part = [p for p in packets if 1000 * begin < p.at + 20 <= 1000 * (begin + length)]
        told.append(play(jitter, part, 50 * length, first_tick=1000 * begin).report["delay_ms"])
        begin += length
    calm, rough, again = told
    assert calm == again == 40
    assert 90 <= rough <= 110


# ---- both alike, whatever happens ----


@st.composite
def scripts(draw: st.DrawFn) -> tuple[int, list[Packet], int]:
    """A rate, packets with loss, jitter, reordering, repeats, pauses and jumps, and the ticks."""
    rate = draw(st.sampled_from([8000, 16000]))
    size = rate // 1000 * draw(st.sampled_from([10, 20, 30, 60]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    timestamp, packets, at = draw(st.sampled_from([0, 2**32 - 800, 2**31 - 800])), [], 0.0
    for n in range(draw(st.integers(1, 60))):
        what = draw(st.sampled_from(["sent"] * 12 + ["lost", "twice", "pause", "jump", "quiet"]))
        loud = 20 if what == "quiet" else 8000
        wave = np.sin(np.arange(size) * 2 * np.pi * 200 / rate) * loud + rng.normal(0, 20, size)
        delay = draw(st.integers(0, 10)) * draw(st.sampled_from([0, 1, 5, 15]))
        if what == "pause":
            timestamp, at = timestamp + 50 * size, at + 50_000 * size / rate
        if what == "jump":
            timestamp += draw(st.integers(-100_000, 100_000)) * 8
        packet = Packet(at + delay, n, timestamp, wave.astype(np.int16))
        packets += [packet] * {"lost": 0, "twice": 2}.get(what, 1)
        timestamp += size
        at += 1000 * size / rate
    return rate, packets, int(at) // 20 + 5


@settings(max_examples=150)
@given(scripts())
def test_any_arrivals_are_played_alike(script: tuple[int, list[Packet], int]) -> None:
    """Sample for sample."""
    rate, packets, ticks = script
    one, other = (play(native.Jitter(rate), packets, ticks) for native in (_audio, reference))
    assert one.results == other.results
    assert one.kinds == other.kinds
    assert np.array_equal(one.audio, other.audio)
    assert one.report == other.report
