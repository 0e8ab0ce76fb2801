"""Call progress tones, fax, information tones and beeps, in C and the reference."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callcore.native import _audio
from callcore.native._audio import (
    TONE_BEEP,
    TONE_BUSY,
    TONE_CED,
    TONE_CNG,
    TONE_CONGESTION,
    TONE_RINGBACK,
    TONE_SIT,
)
from callcore.native.reference import detectors as reference_detectors
from tests.native.tones import Signal, noisy, pair, pieces, samples, silence, tone
from tests.native.voices import say, speech

both = pytest.mark.parametrize("native", [_audio, reference_detectors], ids=["c", "reference"])
rates = pytest.mark.parametrize("rate", [8000, 16000])

TONES = 2
Event = tuple[int, int, int, float, float]

#: Repeated: (Hz, …), seconds; no Hz: silence. Then what it is, which burst is told of, its time.
CALL_PROGRESS = {
    "busy, E.180": ([((425,), 0.5), ((), 0.5)], 4, TONE_BUSY, 1.0, 0.5),
    "busy, United Kingdom": ([((400,), 0.375), ((), 0.375)], 4, TONE_BUSY, 0.75, 0.375),
    "busy, China": ([((450,), 0.35), ((), 0.35)], 4, TONE_BUSY, 0.7, 0.35),
    "busy, North America": ([((480, 620), 0.5), ((), 0.5)], 4, TONE_BUSY, 1.0, 0.5),
    "congestion, E.180": ([((425,), 0.25), ((), 0.25)], 6, TONE_CONGESTION, 0.5, 0.25),
    "congestion, fast": ([((425,), 0.2), ((), 0.2)], 6, TONE_CONGESTION, 0.4, 0.2),
    "reorder, North America": ([((480, 620), 0.25), ((), 0.25)], 6, TONE_CONGESTION, 0.5, 0.25),
    "ring-back, E.180": ([((425,), 1.0), ((), 4.0)], 3, TONE_RINGBACK, 0.0, 1.0),
    "ring-back, North America": ([((440, 480), 2.0), ((), 4.0)], 2, TONE_RINGBACK, 0.0, 0.8),
    "ring-back, United Kingdom": (
        [((400, 450), 0.4), ((), 0.2), ((400, 450), 0.4), ((), 2.0)],
        2, TONE_RINGBACK, 0.6, 0.4,
    ),
}  # fmt: skip


def sound(hertz: tuple[float, ...], seconds: float, rate: int, dbm0: float = -15) -> Signal:
    """No tone, one or two."""
    if len(hertz) == 2:
        return pair(hertz[0], hertz[1], seconds, (dbm0, dbm0), rate)
    return tone(hertz[0], seconds, dbm0, rate) if hertz else silence(seconds, rate)


def heard(native: ModuleType, *parts: Signal, rate: int = 8000) -> list[Event]:
    """The tones in the parts, one after the other."""
    events: list[Event] = native.Detectors(rate, TONES).feed(samples(*parts))
    assert all(kind == _audio.EVENT_TONE for kind, *_ in events)
    return events


@both
@rates
@pytest.mark.parametrize("name", CALL_PROGRESS)
def test_call_progress_is_told_once(native: ModuleType, rate: int, name: str) -> None:
    """However often it repeats: the first burst that left no doubt, its time and frequency."""
    pattern, times, expected, at, length = CALL_PROGRESS[name]
    parts = [sound(hertz, seconds, rate) for hertz, seconds in pattern]
    ((_, kind, position, seconds, hertz),) = heard(
        native, silence(0.737, rate), *parts * times, rate=rate
    )
    assert kind == expected
    assert position / rate == pytest.approx(0.737 + at, abs=0.01)
    assert seconds == pytest.approx(length, abs=0.02)
    assert hertz == pytest.approx(pattern[0][0][0], abs=2)


@both
@rates
def test_calling_fax_is_known_at_its_first_end(native: ModuleType, rate: int) -> None:
    """T.30: 1100 Hz ± 38 Hz, half a second ± 15 %, every 3 s: each is told."""
    for hertz, seconds in ((1100, 0.5), (1065, 0.43), (1135, 0.57)):
        parts = [silence(1, rate), sound((hertz,), seconds, rate), silence(3, rate)]
        events = heard(native, *parts * 2, rate=rate)
        assert [event[1] for event in events] == [TONE_CNG, TONE_CNG]
        assert events[0][2] / rate == pytest.approx(1, abs=0.01)
        assert events[0][4] == pytest.approx(hertz, abs=2)


@both
@rates
@pytest.mark.parametrize("hertz", [2085, 2100, 2115])
def test_answering_fax_is_known_while_it_sounds(
    native: ModuleType, rate: int, hertz: float
) -> None:
    """T.30: 2100 Hz ± 15 Hz; told once, after half a second."""
    detectors = native.Detectors(rate, TONES)
    early = detectors.feed(samples(silence(0.5, rate), tone(hertz, 0.6, rate=rate)))
    late = detectors.feed(samples(tone(hertz, 2.4, rate=rate), silence(1, rate)))
    assert [event[1] for event in early] == [TONE_CED]
    assert late == []


@both
def test_an_answering_modem_that_turns_its_phase_is_heard(native: ModuleType) -> None:
    """V.25: 2100 Hz reversed every 450 ms, V.8: its level swaying at 15 Hz by a fifth."""
    time = np.arange(8000 * 3) / 8000
    sway = 1 + 0.2 * np.sin(2 * np.pi * 15 * time)
    turned = np.where((time // 0.45) % 2, -1, 1)
    for shaped in (tone(2100, 3) * sway, tone(2100, 3)[: 8000 * 3] * turned * sway):
        events = heard(native, silence(0.5), shaped, silence(1))
        assert [event[1] for event in events][:1] == [TONE_CED]


@both
@rates
@pytest.mark.parametrize(("lengths", "gap"), [
    ((0.33, 0.33, 0.33), 0.0), ((0.276, 0.276, 0.38), 0.0), ((0.38, 0.276, 0.38), 0.03),
    ((0.4, 0.4, 0.4), 0.03), ((0.26, 0.26, 0.26), 0.0),
])  # fmt: skip
def test_special_information_tones_are_one_event(
    native: ModuleType, rate: int, lengths: tuple[float, float, float], gap: float
) -> None:
    """E.180: 950, 1400, 1800 Hz in this order, 330 ± 70 ms, up to 30 ms apart."""
    parts = [silence(0.5, rate)]
    for hertz, seconds in zip((950, 1400, 1800), lengths, strict=True):
        parts += [sound((hertz,), seconds, rate), silence(gap, rate)]
    ((_, kind, position, seconds, _),) = heard(native, *parts, silence(1, rate), rate=rate)
    assert kind == TONE_SIT
    assert position / rate == pytest.approx(0.5, abs=0.01)
    assert seconds == pytest.approx(sum(lengths) + 2 * gap, abs=0.02)


@both
def test_information_tones_in_another_order_are_none(native: ModuleType) -> None:
    """Nor are they a beep."""
    parts = [sound((hertz,), 0.33, 8000) for hertz in (1800, 1400, 950)]
    assert heard(native, silence(0.5), *parts, silence(1)) == []


@both
@rates
@pytest.mark.parametrize("hertz", [400, 425, 620, 1000, 1100, 1400, 2000])
@pytest.mark.parametrize("seconds", [0.1, 0.25, 0.5, 1.5])
def test_a_beep_after_a_greeting_is_heard(
    native: ModuleType, rate: int, hertz: float, seconds: float
) -> None:
    """At any frequency and length, also where silence would have made it busy or a fax."""
    greeting = say("at the tone", rate=rate).astype(float)
    lead = len(greeting) / rate + 0.1
    ((_, kind, position, length, found),) = heard(
        native, greeting, silence(0.1, rate), tone(hertz, seconds, -20, rate),
        silence(0.4, rate), rate=rate,
    )  # fmt: skip
    assert kind == TONE_BEEP
    assert position / rate == pytest.approx(lead, abs=0.01)
    assert length == pytest.approx(seconds, abs=0.01)
    assert found == pytest.approx(hertz, abs=3)


@both
def test_a_quiet_beep_in_noise_is_heard(native: ModuleType) -> None:
    """-38 dBm0 with white noise 12 dB below."""
    greeting = say("leave a message", level_db=-30).astype(float)
    signal = np.concatenate([greeting, tone(850, 0.3, -38), silence(0.4)])
    power = float(np.mean(tone(850, 0.3, -38) ** 2))
    audio = noisy(signal, 12, power, np.random.default_rng(3))
    assert [event[1] for event in heard(native, audio)] == [TONE_BEEP]


@both
def test_a_beep_is_told_within_a_quarter_of_a_second(native: ModuleType) -> None:
    """The message may begin: 160 ms of quiet and half a window."""
    detectors = native.Detectors(8000, TONES)
    beep = say("hello").astype(float)[:4000], tone(1000, 0.3)
    assert detectors.feed(samples(*beep)) == []
    assert len(detectors.feed(samples(silence(0.25)))) == 1


@both
def test_what_goes_on_sounding_is_no_beep(native: ModuleType) -> None:
    """A tone that speech follows, a melody, a digit, a chord with harmonics, a plucked string."""
    voice = say("please hold the line").astype(float)
    assert heard(native, tone(1000, 0.3), voice, silence(0.5)) == []
    melody = [tone(hertz, 0.3) for hertz in (440, 494, 523, 587, 659)]
    assert heard(native, silence(1), *melody, silence(0.5)) == []
    assert heard(native, silence(1), pair(697, 1209, 0.2), silence(0.5)) == []
    chord = sum((tone(220 * k, 0.5, -12 - 3 * k) for k in range(1, 7)), start=silence(0.5))
    assert heard(native, silence(1), chord, silence(0.5)) == []
    string = tone(880, 1.0) * np.exp(-np.arange(8000) / 1200)
    assert heard(native, silence(1), string, silence(0.5)) == []


@both
def test_a_syllable_is_no_beep(native: ModuleType) -> None:
    """100 ms of one strong harmonic, the others 13 dB below; noise as loud, which stays, is."""
    loud = tone(400, 0.1)
    syllable = loud + tone(200, 0.1, -23) + tone(600, 0.1, -23)
    assert heard(native, silence(0.5), syllable, silence(0.5)) == []
    power = float(np.mean(loud**2))
    audio = noisy(
        np.concatenate([silence(0.5), tone(600, 0.1), silence(0.5)]),
        10, power, np.random.default_rng(6),
    )  # fmt: skip
    assert [event[1] for event in heard(native, audio)] == [TONE_BEEP]


def test_speech_is_no_tone() -> None:
    """Five minutes of 16 languages."""
    detectors = _audio.Detectors(8000, TONES)
    assert [event for piece in speech(300) for event in detectors.feed(piece)] == []


@both
@settings(max_examples=20)
@given(lengths=st.lists(st.integers(1, 320), min_size=1, max_size=8),
       rate=st.sampled_from([8000, 16000]))  # fmt: skip
def test_pieces_of_any_size_give_the_same_tones(
    native: ModuleType, lengths: list[int], rate: int
) -> None:
    """1 to 320 samples."""
    parts = [sound((425,), 0.5, rate), silence(0.5, rate)] * 3
    parts += [say("tone", rate=rate).astype(float), tone(900, 0.2, rate=rate), silence(0.5, rate)]
    audio = samples(*parts)
    whole = native.Detectors(rate, TONES).feed(audio)
    detectors = native.Detectors(rate, TONES)
    assert [e for piece in pieces(audio, lengths) for e in detectors.feed(piece)] == whole
    assert [event[1] for event in whole] == [TONE_BUSY, TONE_BEEP]


@rates
def test_the_reference_hears_what_c_hears(rate: int) -> None:
    """Event for event: random tones, pauses and noise."""
    rng = np.random.default_rng(rate)
    parts = []
    for _ in range(60):
        hertz = tuple(rng.uniform(400, 2150, rng.integers(0, 3)))
        parts.append(sound(hertz, rng.uniform(0.05, 0.7), rate, rng.uniform(-35, -5)))
        parts.append(silence(rng.uniform(0, 0.6), rate))
    audio = samples(noisy(np.concatenate(parts), 40, 1e7, rng))
    whole = _audio.Detectors(rate, TONES).feed(audio)
    reference = reference_detectors.Detectors(rate, TONES).feed(audio)
    assert len(whole) >= 5
    assert len(reference) == len(whole)
    assert np.array(reference) == pytest.approx(np.array(whole), abs=0.1)
