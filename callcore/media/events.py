"""What the audio path tells of its streams: one frozen record per thing that happened.

`at` is when the audio in question arrived or left, seconds of `time.monotonic()`; `position` counts
seconds of the stream's audio since its first sample, by its RTP timestamps.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

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


class Tone(Enum):
    """What a tone means; `enum tone_kind` of native/common/audio.h says how each sounds."""

    CNG = auto()
    CED = auto()
    SPECIAL_INFORMATION = auto()
    BUSY = auto()
    CONGESTION = auto()
    RINGBACK = auto()
    BEEP = auto()


@dataclass(frozen=True, slots=True)
class ToneHeard(MediaEvent):
    """A tone that means something was recognised; `position` is where it began."""

    tone: Tone
    seconds: float
    hertz: float


class PlayEnd(Enum):
    """Why a play ended."""

    FINISHED = auto()
    STOPPED = auto()
    BARGED_IN = auto()


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
