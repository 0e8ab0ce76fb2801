"""How one stream is received and listened to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from callcore.native._audio import (
    DETECT_DTMF,
    DETECT_SPECTRUM,
    DETECT_TONES,
    DETECT_WORDS,
)


class Idle(IntEnum):
    """`enum send_idle` of native/send.h: what is sent while nothing is played."""

    NOTHING = 0
    SILENCE = 1
    COMFORT_NOISE = 2


class Codec(IntEnum):
    """`enum codec` of native/audio.h: the payloads callcore reads itself."""

    PCMU = 0
    PCMA = 1
    L16 = 2


#: RFC 3551 table 4; L16 at 8 or 16 kHz has no number of its own: 118 is what Asterisk gives slin16.
PAYLOAD_TYPE = {Codec.PCMU: 0, Codec.PCMA: 8, Codec.L16: 118}
_NO_PAYLOAD_TYPE = 255


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """What arrives and what is wanted of it; times in seconds."""

    codec: Codec = Codec.PCMU
    payload_type: int | None = None
    """Of the audio; None: the one usual for the codec."""
    event_type: int | None = 101
    """Of telephone-events (RFC 4733); None: none are expected."""
    frames: bool = True
    """Take part in the batches of play-out; without it the stream only tells events."""
    vad_mode: int | None = 2
    """0 (takes most for speech) to 3 (takes least); None: no speech events."""
    dtmf: bool = False
    """Listen for keys pressed as tones, in-band (ITU-T Q.24)."""
    tones: bool = False
    """Listen for fax, information, busy and ring-back tones and the beep of a voicemail box."""
    greeting: bool = False
    """Gather what answering-machine detection needs: tones, words, spectral features."""
    onset: float = 0.04
    """So much speech within 100 ms begins an utterance."""
    hangover: float = 0.2
    """So much silence ends it."""
    silence: float | None = None
    """Tell `SilenceReached` after so long without speech."""
    least_delay: float = 0.04
    most_delay: float = 0.3
    """Bounds of the play-out delay beyond what the path itself takes."""
    idle: Idle = Idle.NOTHING
    """What the far end gets once something was played to it, and nothing is being played."""

    def payload_types(self) -> tuple[int, int]:
        """Of the audio and of telephone-events, as `native/` wants them."""
        audio = PAYLOAD_TYPE[self.codec] if self.payload_type is None else self.payload_type
        return audio, _NO_PAYLOAD_TYPE if self.event_type is None else self.event_type

    def for_native(self) -> dict[str, Any]:
        """The keyword arguments of `native/`."""
        payload_type, event_type = self.payload_types()
        return {
            "codec": int(self.codec),
            "payload_type": payload_type,
            "event_type": event_type,
            "frames": self.frames,
            "vad_mode": -1 if self.vad_mode is None else self.vad_mode,
            "detect": self._detect(),
            "onset_ms": _ms(self.onset),
            "hangover_ms": _ms(self.hangover),
            "silence_ms": _ms(self.silence or 0.0),
            "least_delay_ms": _ms(self.least_delay),
            "most_delay_ms": _ms(self.most_delay),
        }

    def _detect(self) -> int:
        answer = DETECT_TONES | DETECT_WORDS | DETECT_SPECTRUM
        return DETECT_DTMF * self.dtmf | DETECT_TONES * self.tones | answer * self.greeting


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
