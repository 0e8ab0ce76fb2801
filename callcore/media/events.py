"""What the audio path tells of its streams: one frozen record per thing that happened.

`at` is when the audio in question arrived or left, seconds of `time.monotonic()`; `position` counts
seconds of the stream's audio since its first sample, by its RTP timestamps.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

#: `AudioEvent` of native/_audio.pyi, named here so that pure modules can use the records.
RawEvent = tuple[int, int, int, int, int, float, float]

#: RFC 4733 §3.2: codes 0 to 15.
DIGITS = "0123456789*#ABCD"


@dataclass(frozen=True, slots=True)
class MediaEvent:
    """Something heard on, or sent to, one stream."""

    stream: int
    at: float
    position: float


@dataclass(frozen=True, slots=True)
class SpeechStarted(MediaEvent):
    """Somebody began to speak at `position`, after `silence` seconds."""

    silence: float


@dataclass(frozen=True, slots=True)
class SpeechEnded(MediaEvent):
    """Speech ended at `position`; told once the hang-over has passed."""


@dataclass(frozen=True, slots=True)
class SilenceReached(MediaEvent):
    """Nobody has spoken for the time asked for in the stream's settings."""

    seconds: float


@dataclass(frozen=True, slots=True)
class DigitHeard(MediaEvent):
    """A key was pressed; told once, `inband` when it came as a tone."""

    digit: str
    inband: bool


class Tone(IntEnum):
    """`enum tone_kind` of native/audio.h."""

    CNG = 1
    CED = 2
    SPECIAL_INFORMATION = 3
    BUSY = 4
    CONGESTION = 5
    RINGBACK = 6
    BEEP = 7


@dataclass(frozen=True, slots=True)
class ToneHeard(MediaEvent):
    """A tone that means something was recognised; `position` is where it began."""

    tone: Tone
    seconds: float
    hertz: float


class PlayEnd(IntEnum):
    """`enum play_end` of native/send.h: why a play ended."""

    FINISHED = 0
    STOPPED = 1
    BARGED_IN = 2


@dataclass(frozen=True, slots=True)
class PlayEnded(MediaEvent):
    """A prompt, or pushed speech, ended after `position` seconds of it."""

    play: int
    """Its number on this stream, as `play` returned it."""
    end: PlayEnd


@dataclass(frozen=True, slots=True)
class DigitsSent(MediaEvent):
    """The last key of one `send_digits` has left."""


@dataclass(frozen=True, slots=True)
class SourceChanged(MediaEvent):
    """Another sender (SSRC) took the stream over; what was waiting for play-out is gone."""


@dataclass(frozen=True, slots=True)
class WordStarted(MediaEvent):
    """A burst of sound began at `position`; told once it is 100 ms long."""

    level: float
    """dB of full scale."""


@dataclass(frozen=True, slots=True)
class WordEnded(MediaEvent):
    """The burst of sound that began at `position` lasted `seconds`; told after 50 ms of pause."""

    seconds: float
    level: float


class Kind(IntEnum):
    """`enum audio_event_kind` of native/audio.h."""

    SPEECH_STARTED = 1
    SPEECH_ENDED = 2
    SILENCE = 3
    DIGIT = 4
    TONE_DIGIT = 5
    TONE = 6
    SOURCE_CHANGED = 7
    PLAY_ENDED = 8
    DIGITS_SENT = 9
    WORD_STARTED = 10
    WORD_ENDED = 11


def media_event(raw: RawEvent, rate: int) -> MediaEvent | None:
    """The record of one event of `native/` on a stream of `rate` Hz; None: of an unknown kind."""
    stream, kind, code, at_ns, samples, value, extra = raw
    at, position = at_ns / 1e9, samples / rate
    match kind:
        case Kind.SPEECH_STARTED:
            return SpeechStarted(stream, at, position, value)
        case Kind.SPEECH_ENDED:
            return SpeechEnded(stream, at, position)
        case Kind.SILENCE:
            return SilenceReached(stream, at, position, value)
        case Kind.DIGIT | Kind.TONE_DIGIT if code < len(DIGITS):
            inband = kind == Kind.TONE_DIGIT
            return DigitHeard(stream, at, position, DIGITS[code], inband)
        case Kind.TONE:
            return ToneHeard(stream, at, position, Tone(code), value, extra)
        case Kind.PLAY_ENDED:
            return PlayEnded(stream, at, position, int(value), PlayEnd(code))
        case Kind.DIGITS_SENT:
            return DigitsSent(stream, at, position)
        case Kind.WORD_STARTED:
            return WordStarted(stream, at, position, extra)
        case Kind.WORD_ENDED:
            return WordEnded(stream, at, position, value, extra)
        case Kind.SOURCE_CHANGED:
            return SourceChanged(stream, at, position)
    return None
