"""The tuples in which `native/` tells of its streams, as records; numbers are the C side's own."""

from __future__ import annotations

from callcore.media.events import (
    DIGITS,
    DigitHeard,
    DigitsSent,
    MediaEvent,
    PlayEnd,
    PlayEnded,
    SilenceReached,
    SourceChanged,
    SpeechEnded,
    SpeechStarted,
    Tone,
    ToneHeard,
    WordEnded,
    WordStarted,
)
from callcore.native import _audio

TONES = {
    _audio.TONE_CNG: Tone.CNG,
    _audio.TONE_CED: Tone.CED,
    _audio.TONE_SIT: Tone.SPECIAL_INFORMATION,
    _audio.TONE_BUSY: Tone.BUSY,
    _audio.TONE_CONGESTION: Tone.CONGESTION,
    _audio.TONE_RINGBACK: Tone.RINGBACK,
    _audio.TONE_BEEP: Tone.BEEP,
}
PLAY_ENDS = {
    _audio.PLAY_FINISHED: PlayEnd.FINISHED,
    _audio.PLAY_STOPPED: PlayEnd.STOPPED,
    _audio.PLAY_INTERRUPTED: PlayEnd.BARGED_IN,
}


def media_event(raw: _audio.AudioEvent, rate: int) -> MediaEvent | None:
    """The record of one event on a stream of `rate` Hz; None: of an unknown kind."""
    stream, kind, code, at_ns, samples, value, extra = raw
    at, position = at_ns / 1e9, samples / rate
    match kind:
        case _audio.EVENT_SPEECH_STARTED:
            return SpeechStarted(stream, at, position, value)
        case _audio.EVENT_SPEECH_ENDED:
            return SpeechEnded(stream, at, position)
        case _audio.EVENT_SILENCE:
            return SilenceReached(stream, at, position, value)
        case _audio.EVENT_DIGIT | _audio.EVENT_TONE_DIGIT if code < len(DIGITS):
            inband = kind == _audio.EVENT_TONE_DIGIT
            return DigitHeard(stream, at, position, DIGITS[code], inband)
        case _audio.EVENT_TONE:
            return ToneHeard(stream, at, position, TONES[code], value, extra)
        case _audio.EVENT_PLAY_ENDED:
            return PlayEnded(stream, at, position, int(value), PLAY_ENDS[code])
        case _audio.EVENT_DIGITS_SENT:
            return DigitsSent(stream, at, position)
        case _audio.EVENT_WORD_STARTED:
            return WordStarted(stream, at, position, extra)
        case _audio.EVENT_WORD_ENDED:
            return WordEnded(stream, at, position, value, extra)
        case _audio.EVENT_SOURCE_CHANGED:
            return SourceChanged(stream, at, position)
    return None
