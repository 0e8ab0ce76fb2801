"""What fuzzing has found worth keeping, replayed: whole, cut, repeated, mangled; no crash, no leak.

`make fuzz` makes `corpus/` (tests/native/fuzz says how each file is read); under `make test-native`
the sanitizers watch.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from callcore.native import _audio, reference
from callcore.native.reference import rtcp as reference_rtcp

CORPUS = Path(__file__).parent / "corpus"
BEGIN = 10**12
MS = 10**6
ALL = 0x7FFFFFFF


class Input:
    """The octets of a file as the C targets read them (fuzz.h)."""

    def __init__(self, octets: bytes) -> None:
        self._octets, self._at = octets, 0

    def __bool__(self) -> bool:
        return self._at < len(self._octets)

    def take(self, count: int) -> bytes:
        taken = self._octets[self._at : self._at + count]
        self._at += len(taken)
        return taken

    def octet(self) -> int:
        return int.from_bytes(self.take(1), "little")

    def signed(self, size: int = 1) -> int:
        return int.from_bytes(self.take(size).ljust(size, b"\0"), "little", signed=True)


def replay_rtp(octets: bytes) -> None:
    """Read alike by C and reference."""
    assert _audio.parse_rtp(octets) == reference.parse_rtp(octets)
    _audio.l16_decode(octets)


def replay_rtcp(octets: bytes) -> None:
    """Read alike, and taken in by a stream of ours."""
    parsed = _audio.rtcp_parse(octets)
    assert parsed == reference_rtcp.rtcp_parse(octets)
    assert (_audio.Rtcp(1, "callcore").receive(octets, BEGIN) == 0) == isinstance(parsed, tuple)


def replay_stream(octets: bytes) -> None:
    """Datagrams, the time between them, and every packet counted as one thing."""
    source = Input(octets)
    choice = source.octet()
    stream = _audio.Stream(
        16000 if choice & 32 else 8000, codec=choice % 3, event_type=101, frames=bool(choice & 4),
        vad_mode=2 if choice & 8 else -1, detect=ALL if choice & 16 else 0, silence_ms=1000,
    )  # fmt: skip
    now, datagrams = BEGIN, 0
    while source:
        ms = source.octet()
        for _ in range(ms // 20):
            now += 20 * MS
            stream.tick(now)
        stream.receive(source.take(int.from_bytes(source.take(2), "little")), now)
        datagrams += 1
    report = stream.report()
    accepted = report["packets"] + report["malformed"]
    assert accepted <= datagrams <= accepted + report["strays"]


def replay_events(octets: bytes) -> None:
    """At most one digit for each packet, and only keys."""
    source, stream = Input(octets), _audio.Stream(8000, event_type=101, vad_mode=-1, frames=False)
    number, timestamp = 1, 0
    while source:
        number, timestamp = number + source.signed(), timestamp + 160 * source.signed()
        code, flags, duration = source.octet(), source.octet(), source.octet()
        header = struct.pack("!BBHII", 0x80, (flags & 1) << 7 | 101, number % 65536,
                             timestamp % 2**32, 2 if flags & 4 else 1)  # fmt: skip
        payload = struct.pack("!BBH", code, (flags & 2) << 6, 160 * duration % 65536)
        told = [e for e in stream.receive(header + payload, BEGIN) if e[1] == 4]
        assert all(event[2] <= 16 for event in told)
        assert len(told) <= 1


def replay_jitter(octets: bytes) -> None:
    """Played alike by C and reference."""
    source = Input(octets)
    choice = source.octet()
    bounds = (16000 if choice & 1 else 8000, 40 if choice & 6 else 0, 300 if choice & 4 else 80)
    both = [_audio.Jitter(*bounds), reference.Jitter(*bounds)]
    now, sequence, timestamp = BEGIN, 1 << 16, 0
    while source:
        what = source.octet()
        if what == 0:
            one, other = (jitter.get(now) for jitter in both)
            now += 20 * MS
        elif what == 1:
            sequence += 1
            one, other = (jitter.skip(sequence % 2**32) for jitter in both)
        else:
            sequence, timestamp = sequence + source.signed(), timestamp + 8 * source.signed(2)
            count, level = 8 * source.octet(), source.octet()
            samples = square(count, level)
            one, other = (
                jitter.put(sequence % 2**32, timestamp % 2**32, samples, now) for jitter in both
            )
        assert one == other
    assert both[0].report() == both[1].report()


def square(count: int, level: int) -> np.ndarray:
    """As fuzz/jitter.c makes its samples."""
    high = np.array([level << 8], np.uint16).astype(np.int16)[0]
    low = np.int16(-int(high / 2))
    return np.where(np.arange(count) % 40 < 20, high, low).astype(np.int16)


REPLAYS: dict[str, Callable[[bytes], None]] = {
    "rtp": replay_rtp,
    "rtcp": replay_rtcp,
    "stream": replay_stream,
    "events": replay_events,
    "jitter": replay_jitter,
}


def variants(octets: bytes, rng: np.random.Generator) -> Iterator[bytes]:
    """Itself, twice over, cut, longer than any datagram, and with octets changed."""
    yield octets
    yield octets * 2
    for length in rng.integers(0, len(octets) + 1, 8).tolist():
        yield octets[:length]
    yield octets + rng.bytes(3000)
    for _ in range(8):
        mangled = bytearray(octets)
        for at in rng.integers(0, len(octets), 4).tolist():
            mangled[at] = int(rng.integers(256))
        yield bytes(mangled)


@pytest.mark.parametrize("target", REPLAYS)
def test_the_corpus_is_survived(target: str) -> None:
    """Every file of the target, in every variant."""
    rng = np.random.default_rng(4)
    files = sorted((CORPUS / target).iterdir())
    assert files
    for file in files:
        for octets in variants(file.read_bytes(), rng):
            REPLAYS[target](octets)


@pytest.mark.parametrize("target", REPLAYS)
def test_random_octets_are_survived(target: str) -> None:
    """Of any length up to a little more than a datagram's."""
    rng = np.random.default_rng(5)
    for length in (0, 1, 2, *rng.integers(3, 2200, 40).tolist()):
        REPLAYS[target](rng.bytes(length))


def test_the_corpus_is_small() -> None:
    """200 KiB in the repository."""
    assert sum(file.stat().st_size for file in CORPUS.rglob("*") if file.is_file()) < 200 * 1024
