"""In-band DTMF in C and its reference: the conditions of ITU-T Q.24, noise, gaps, speech."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callcore.native import _audio
from callcore.native.reference import detectors as reference_detectors
from tests.native.tones import Samples, Signal, noisy, pair, pieces, samples, silence, tone
from tests.native.voices import say, speech

both = pytest.mark.parametrize("native", [_audio, reference_detectors], ids=["c", "reference"])
rates = pytest.mark.parametrize("rate", [8000, 16000])

DTMF = 1
LOW = (697, 770, 852, 941)
HIGH = (1209, 1336, 1477, 1633)
CODES = ((1, 2, 3, 12), (4, 5, 6, 13), (7, 8, 9, 14), (10, 0, 11, 15))
DIGITS = [(row, column) for row in range(4) for column in range(4)]

#: Deviations, levels (low, high group) and length that Q.24 table A-1 has accepted.
ACCEPTED = {
    "shortest": {},
    "long": {"seconds": 0.3},
    "all higher": {"off": (0.015, 0.015)},
    "all lower": {"off": (-0.015, -0.015)},
    "apart": {"off": (-0.015, 0.015)},
    "nearer": {"off": (0.015, -0.015)},
    "loudest": {"dbm0": (0, 0)},
    "quietest": {"dbm0": (-25, -25)},
    "normal twist": {"dbm0": (-12, -20)},
    "reverse twist": {"dbm0": (-20, -16)},
    "quiet, normal twist": {"dbm0": (-25, -33)},
    "normal twist, deviating": {"dbm0": (-12, -20), "off": (0.015, -0.015)},
    "reverse twist, deviating": {"dbm0": (-20, -16), "off": (-0.015, 0.015)},
}
#: What it has not taken for a digit.
REJECTED = {
    "too short": {"seconds": 0.0229},
    "low group 3.5 % higher": {"off": (0.035, 0), "seconds": 0.1},
    "low group 3.5 % lower": {"off": (-0.035, 0), "seconds": 0.1},
    "high group 3.5 % higher": {"off": (0, 0.035), "seconds": 0.1},
    "high group 3.5 % lower": {"off": (0, -0.035), "seconds": 0.1},
    "too quiet": {"dbm0": (-55, -55), "seconds": 0.1},
    "far too much normal twist": {"dbm0": (-10, -22), "seconds": 0.1},
    "far too much reverse twist": {"dbm0": (-18, -10), "seconds": 0.1},
}


def digit(row: int, column: int, rate: int = 8000, seconds: float = 0.04,
          off: tuple[float, float] = (0, 0), dbm0: tuple[float, float] = (-10, -10),
          phases: tuple[float, float] = (0.3, 1.7)) -> Signal:  # fmt: skip
    """The two tones of a digit, off by that share of their frequency."""
    low, high = LOW[row] * (1 + off[0]), HIGH[column] * (1 + off[1])
    return pair(low, high, seconds, dbm0, rate, phases)


def heard(native: ModuleType, audio: Samples, rate: int = 8000) -> list[int]:
    """Codes of the digits."""
    return [code for _, code, *_ in native.Detectors(rate, DTMF).feed(audio)]


@both
@rates
@pytest.mark.parametrize("condition", ACCEPTED)
def test_every_digit_of_the_table_is_heard_once(
    native: ModuleType, rate: int, condition: str
) -> None:
    """16 digits, 40 ms each with 40 ms between, each condition, not aligned with any frame."""
    rng = np.random.default_rng(24)
    parts = [silence(0.0531, rate)]
    for row, column in DIGITS:
        phases = tuple(rng.uniform(0, 6, 2))
        parts.append(digit(row, column, rate, phases=phases, **ACCEPTED[condition]))
        parts.append(silence(0.0402, rate))
    parts.append(silence(0.05, rate))
    assert heard(native, samples(*parts), rate) == [CODES[r][c] for r, c in DIGITS]


@both
@rates
@pytest.mark.parametrize("condition", REJECTED)
def test_what_the_table_rejects_is_no_digit(native: ModuleType, rate: int, condition: str) -> None:
    """Too short, too quiet, off by 3.5 %, too unequal."""
    parts = [silence(0.05, rate)]
    for row, column in DIGITS:
        parts += [digit(row, column, rate, **REJECTED[condition]), silence(0.06, rate)]
    assert heard(native, samples(*parts), rate) == []


@both
@rates
def test_a_digit_is_told_with_its_time(native: ModuleType, rate: int) -> None:
    """Onset and length to 3 ms, kind and code as in audio.h."""
    for lead in (0.1, 0.1013, 0.1027):
        audio = samples(silence(lead, rate), digit(3, 0, rate, 0.08), silence(0.1, rate))
        ((kind, code, position, seconds, _),) = native.Detectors(rate, DTMF).feed(audio)
        assert (kind, code) == (_audio.EVENT_TONE_DIGIT, 10)
        assert position / rate == pytest.approx(lead, abs=0.003)
        assert seconds == pytest.approx(0.08, abs=0.003)


@both
@pytest.mark.parametrize(
    ("gap", "times"), [(0.005, 1), (0.0099, 1), (0.02, 1), (0.04, 2), (0.06, 2)]
)
def test_short_gaps_are_bridged_and_pauses_separate(
    native: ModuleType, gap: float, times: int
) -> None:
    """10 ms is an interruption, a lost packet of 20 ms too; 40 ms is a pause."""
    for row, column in DIGITS:
        one, two = digit(row, column), digit(row, column, phases=(2.0, 4.0))
        audio = samples(silence(0.05), one, silence(gap), two, silence(0.06))
        assert heard(native, audio) == [CODES[row][column]] * times


@both
def test_samples_that_never_came_are_a_gap(native: ModuleType) -> None:
    """A lost packet does not make two digits of one; a long hole ends a digit."""
    tones = samples(digit(1, 1, seconds=0.2))
    for lost, times in ((160, 1), (800, 2), (8000 * 3600, 2)):
        detectors = native.Detectors(8000, DTMF)
        events = detectors.feed(samples(silence(0.06))) + detectors.feed(tones[:640])
        detectors.skip(lost)
        events += detectors.feed(tones[640 + 160 :]) + detectors.feed(samples(silence(0.06)))
        assert [event[1] for event in events] == [5] * times


@pytest.mark.parametrize("law", ["ulaw", "alaw"])
@pytest.mark.parametrize("condition", ACCEPTED)
def test_g711_changes_nothing(law: str, condition: str) -> None:
    """The whole table again as it comes off the wire."""
    parts = [silence(0.0531)]
    for row, column in DIGITS:
        parts += [digit(row, column, **ACCEPTED[condition]), silence(0.0402)]
    codes = getattr(_audio, f"{law}_encode")(samples(*parts, silence(0.05)))
    audio = np.frombuffer(getattr(_audio, f"{law}_decode")(codes), np.int16)
    assert heard(_audio, audio) == [CODES[r][c] for r, c in DIGITS]


def test_99_of_100_are_heard_at_15_db() -> None:
    """White noise 15 dB below the digit, deviation and twist anywhere within the limits."""
    rng = np.random.default_rng(15)
    missed = wrong = 0
    for turn in range(1600):
        row, column = DIGITS[turn % 16]
        twist = rng.uniform(-8, 4)
        signal = digit(row, column, off=tuple(rng.uniform(-0.015, 0.015, 2)),
                       dbm0=(-12, -12 + twist), phases=tuple(rng.uniform(0, 6, 2)))  # fmt: skip
        power = float(np.mean(signal**2))
        whole = np.concatenate([silence(rng.uniform(0.05, 0.06)), signal, silence(0.06)])
        codes = heard(_audio, samples(noisy(whole, 15, power, rng)))
        missed += CODES[row][column] not in codes
        wrong += codes not in ([], [CODES[row][column]])
    assert missed <= 16
    assert wrong == 0


def test_speech_is_no_digit() -> None:
    """Five minutes of 16 languages: none is heard (hours: scripts/talk-off.py)."""
    detectors = _audio.Detectors(8000, DTMF)
    assert [event for piece in speech(300) for event in detectors.feed(piece)] == []


@both
def test_speech_is_no_digit_to_the_reference_either(native: ModuleType) -> None:
    """A little of it: the reference is slow."""
    detectors = native.Detectors(8000, DTMF)
    assert [event for piece in speech(20) for event in detectors.feed(piece)] == []


def test_a_digit_over_a_prompt_s_echo_is_heard() -> None:
    """Speech 12 dB below the digit."""
    echo = say("Please enter your customer number", level_db=-25).astype(float)[4000:]
    for row, column in DIGITS:
        signal = digit(row, column, seconds=0.08, dbm0=(-8, -8))
        audio = echo[:4000].copy()
        audio[2000 : 2000 + len(signal)] += signal
        assert heard(_audio, samples(audio)) == [CODES[row][column]]


@both
def test_a_single_tone_or_three_are_no_digit(native: ModuleType) -> None:
    """Purity: a row alone, and a digit with a second harmonic as strong as it is."""
    assert heard(native, samples(tone(697, 0.2), silence(0.1))) == []
    voice = pair(697, 1209, 0.2) + tone(1394, 0.2) + tone(2418, 0.2)
    assert heard(native, samples(voice, silence(0.1))) == []


@both
@settings(max_examples=20)
@given(lengths=st.lists(st.integers(1, 320), min_size=1, max_size=8),
       rate=st.sampled_from([8000, 16000]))  # fmt: skip
def test_pieces_of_any_size_give_the_same_digits(
    native: ModuleType, lengths: list[int], rate: int
) -> None:
    """1 to 320 samples."""
    parts = [silence(0.0331, rate)]
    for row, column in DIGITS[::3]:
        parts += [digit(row, column, rate), silence(0.045, rate)]
    audio = samples(*parts)
    whole = native.Detectors(rate, DTMF).feed(audio)
    detectors = native.Detectors(rate, DTMF)
    assert [e for piece in pieces(audio, lengths) for e in detectors.feed(piece)] == whole
    assert len(whole) == 6


@both
@rates
def test_the_reference_hears_what_c_hears(native: ModuleType, rate: int) -> None:
    """Event for event, in pieces of 20 ms, digits in noise."""
    rng = np.random.default_rng(5)
    parts = [silence(0.05, rate)]
    for row, column in DIGITS:
        parts += [digit(row, column, rate, seconds=rng.uniform(0.02, 0.1)), silence(0.05, rate)]
    audio = samples(noisy(np.concatenate(parts), 20, 1e7, rng))
    whole = _audio.Detectors(rate, DTMF).feed(audio)
    detectors = native.Detectors(rate, DTMF)
    events = [e for piece in pieces(audio, [rate // 50]) for e in detectors.feed(piece)]
    assert len(events) == len(whole)
    assert np.array(events) == pytest.approx(np.array(whole))
