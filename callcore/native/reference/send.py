"""One stream that is sent to, written for reading: `outgoing.c`, `play.c` and `digits.c` in Python.

Rate 8000 Hz. G.711 itself is the C module's: its tests are elsewhere.
"""

from __future__ import annotations

import math
import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from callcore.native import _audio

if TYPE_CHECKING:
    from callcore.native._audio import AudioEvent

FRAME = 160
"""Samples of 20 ms."""
TICK_NS = 20_000_000
PLAYS, DIGITS = 16, 64
END_PACKETS = 3
VOLUME = 10
KEYS = "0123456789*#ABCD"

PCMU, PCMA, L16 = _audio.CODEC_PCMU, _audio.CODEC_PCMA, _audio.CODEC_L16
NOTHING, SILENCE, NOISE = _audio.IDLE_NOTHING, _audio.IDLE_SILENCE, _audio.IDLE_NOISE
FINISHED, STOPPED = _audio.PLAY_FINISHED, _audio.PLAY_STOPPED
INTERRUPTED = _audio.PLAY_INTERRUPTED
PLAY_ENDED, DIGITS_SENT = _audio.EVENT_PLAY_ENDED, _audio.EVENT_DIGITS_SENT

Samples = npt.NDArray[np.int16]


def encode(samples: Samples, codec: int) -> bytes:
    """Samples as they stand in packets."""
    if codec == L16:
        return samples.astype(">i2").tobytes()
    return (_audio.alaw_encode if codec == PCMA else _audio.ulaw_encode)(samples)


@cache
def noise(level: float = -60.0, rate: int = 8000) -> Samples:
    """One second of white noise: Numerical Recipes' generator, evenly spread about zero."""
    values = np.empty(rate, dtype=np.float32)
    random = 1
    for at in range(rate):
        random = (random * 1664525 + 1013904223) & 0xFFFFFFFF
        values[at] = np.float32(random >> 8) / np.float32(8388608) - np.float32(1)
    rounded: Samples = np.rint(32768 * math.sqrt(3) * 10 ** (level / 20) * values).astype(np.int16)
    return rounded


class Prompt:
    """Samples that any number of streams play."""

    def __init__(self, samples: Samples) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)


@dataclass
class PromptPlay:
    """A prompt, some turns of it; 0: until it is stopped."""

    number: int
    interruptible: bool
    octets: bytes
    width: int
    turns: int
    at: int = 0
    played: int = 0

    def take(self, count: int) -> bytes:
        taken = self.octets[self.at * self.width : (self.at + count) * self.width]
        self.at += len(taken) // self.width
        self.played += len(taken) // self.width
        return taken

    def is_over(self) -> bool:
        if self.at * self.width < len(self.octets):
            return False
        if not self.octets or self.turns == 1:
            return True
        self.at, self.turns = 0, max(self.turns - 1, 0)
        return False

    def waits(self) -> bool:
        return False


@dataclass
class PushedPlay:
    """Speech as it comes."""

    number: int
    interruptible: bool
    width: int
    octets: bytes = b""
    open: bool = True
    played: int = 0

    def take(self, count: int) -> bytes:
        taken, self.octets = self.octets[: count * self.width], self.octets[count * self.width :]
        self.played += len(taken) // self.width
        return taken

    def is_over(self) -> bool:
        return not self.octets and not self.open

    def waits(self) -> bool:
        return not self.octets and self.open


@dataclass
class DigitStep:
    """What one frame brings: a telephone-event packet, or (payload None) the gap after it."""

    payload: bytes | None
    since_start: int = 0
    ends_digit: bool = False
    ends_call: bool = False


def digit_steps(code: int, duration: int, gap: int, last: bool) -> Iterator[DigitStep]:
    """All frames of one digit; RFC 4733 §2.5.1."""
    elapsed = list(range(FRAME, duration, FRAME)) + [duration] * END_PACKETS
    for step, told in enumerate(elapsed):
        end = step >= len(elapsed) - END_PACKETS
        payload = struct.pack("!BBH", code, VOLUME | (0x80 if end else 0), told)
        final = step == len(elapsed) - 1
        yield DigitStep(payload, step * FRAME, final, final and last)
    for _ in range(math.ceil((gap - (END_PACKETS - 1) * FRAME) / FRAME)):
        yield DigitStep(None)


@dataclass
class Outgoing:
    """The packets of one stream; its socket and addresses do not matter here."""

    stream: int
    fd: int
    codec: int
    payload_type: int
    to: tuple[str, int]
    ssrc: int
    sequence: int
    timestamp: int
    event_type: int = 255
    idle: int = NOTHING
    push_ms: int = 1000
    random: int = 0
    _plays: deque[PromptPlay | PushedPlay] = field(default_factory=deque)
    _digits: deque[DigitStep] = field(default_factory=deque)
    _digits_left: int = 0
    _events: list[AudioEvent] = field(default_factory=list)
    _numbered: int = 0
    _first_tick: int | None = None
    _at: int = 0
    _talking: bool = False

    def __post_init__(self) -> None:
        self._width = 2 if self.codec == L16 else 1
        self._noise = encode(noise(), self.codec)
        self._noise_at = self.random % 8000

    def play(self, prompt: Prompt, turns: int = 1, interruptible: bool = True) -> int:
        """Queue a prompt; its number, 0: no room."""
        if len(self._plays) == PLAYS:
            return 0
        self._numbered += 1
        octets = encode(prompt.samples, self.codec)
        self._plays.append(PromptPlay(self._numbered, interruptible, octets, self._width, turns))
        return self._numbered

    def push(self, samples: Samples, last: bool = False, interruptible: bool = True) -> int:
        """Speak samples after what is queued; how many were taken."""
        newest = self._plays[-1] if self._plays else None
        if not isinstance(newest, PushedPlay) or not newest.open:
            if len(self._plays) == PLAYS:
                return 0
            self._numbered += 1
            newest = PushedPlay(self._numbered, interruptible, self._width)
            self._plays.append(newest)
        held = sum(len(play.octets) for play in self._plays if isinstance(play, PushedPlay))
        taken = min(len(samples), 8 * max(self.push_ms, 20) - held // self._width)
        newest.octets += encode(samples[:taken], self.codec)
        if last and taken == len(samples):
            newest.open = False
        return taken

    def stop(self, end: int = STOPPED) -> None:
        """End all, or (interrupted) what comes before the first that is not interruptible."""
        while self._plays and (end != INTERRUPTED or self._plays[0].interruptible):
            self._end_first(end)

    def send_digits(self, keys: str, duration_ms: int = 100, gap_ms: int = 100) -> bool:
        """Send keys; whether there was room."""
        if self._digits_left + len(keys) > DIGITS:
            return False
        self._digits_left += len(keys)
        for at, key in enumerate(keys, 1):
            steps = digit_steps(KEYS.index(key), 8 * duration_ms, 8 * gap_ms, at == len(keys))
            self._digits.extend(steps)
        return True

    def events(self) -> list[AudioEvent]:
        """Those that wait."""
        told, self._events = self._events, []
        return told

    def packet(self, tick: int) -> bytes | None:
        """The packet of a frame by its number, None if none is sent."""
        if self._first_tick is None:
            self._first_tick = tick
        stamp = self.timestamp + (tick - self._first_tick) * FRAME & 0xFFFFFFFF
        self._at = tick * TICK_NS
        step = self._digits.popleft() if self._digits else None
        if step is not None and step.payload is not None:
            return self._event(step, step.payload, stamp)
        frame = self._frame() if step is None else b""
        if not frame and self.idle == NOTHING:
            self._talking = False
            return None
        marker, self._talking = not self._talking, True
        return self._write(self.payload_type, marker, stamp, frame + self._filling(frame))

    def _event(self, step: DigitStep, payload: bytes, stamp: int) -> bytes:
        self._talking = False
        self._digits_left -= step.ends_digit
        if step.ends_call:
            self._events.append((self.stream, DIGITS_SENT, 0, self._at, 0, 0.0, 0.0))
        begun = stamp - step.since_start & 0xFFFFFFFF
        return self._write(self.event_type, step.since_start == 0, begun, payload)

    def _frame(self) -> bytes:
        frame = b""
        while self._plays and len(frame) < FRAME * self._width:
            play = self._plays[0]
            frame += play.take(FRAME - len(frame) // self._width)
            if play.is_over():
                self._end_first(FINISHED)
            elif play.waits():
                break
        return frame

    def _filling(self, frame: bytes) -> bytes:
        missing = FRAME - len(frame) // self._width
        if self.idle != NOISE:
            return {PCMU: b"\xff", PCMA: b"\xd5", L16: b"\0\0"}[self.codec] * missing
        start, self._noise_at = self._noise_at, (self._noise_at + missing) % 8000
        return (self._noise * 2)[start * self._width : (start + missing) * self._width]

    def _write(self, payload_type: int, marker: bool, timestamp: int, payload: bytes) -> bytes:
        second = payload_type | (0x80 if marker else 0)
        header = struct.pack("!BBHII", 0x80, second, self.sequence, timestamp, self.ssrc)
        self.sequence = self.sequence + 1 & 0xFFFF
        return header + payload

    def _end_first(self, end: int) -> None:
        play = self._plays.popleft()
        told = (self.stream, PLAY_ENDED, end, self._at, play.played, float(play.number), 0.0)
        self._events.append(told)
