"""Sequence numbers in C and with every number kept: RFC 3550 A.1, A.3, A.8."""

from __future__ import annotations

from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcore.native import _audio, reference

both = pytest.mark.parametrize("native", [_audio, reference], ids=["c", "reference"])

NEXT, LATE, DUPLICATE, STRAY, RESTARTED = range(5)


@both
@pytest.mark.parametrize(
    ("numbers", "verdicts", "lost"),
    [
        ([7], [NEXT], 0),
        ([7, 8, 9], [NEXT] * 3, 0),
        ([65534, 65535, 0, 1], [NEXT] * 4, 0),
        ([7, 10], [NEXT, NEXT], 2),
        ([7, 10, 8], [NEXT, NEXT, LATE], 1),
        ([7, 8, 8, 7], [NEXT, NEXT, DUPLICATE, DUPLICATE], 0),
        ([7, 9, 8, 8], [NEXT, NEXT, LATE, DUPLICATE], 0),
        ([8, 7], [NEXT, LATE], 0),
        ([0, 65535], [NEXT, LATE], 0),
        ([65535, 1, 0], [NEXT, NEXT, LATE], 0),
        ([100, 37], [NEXT, LATE], 62),
        ([100, 36], [NEXT, STRAY], 0),
        ([100, 3099], [NEXT, NEXT], 2998),
        ([100, 3100], [NEXT, STRAY], 0),
        ([100, 40000, 101], [NEXT, STRAY, NEXT], 0),
        ([100, 40000, 40001, 40002], [NEXT, STRAY, RESTARTED, NEXT], 0),
        ([100, 40000, 101, 40001], [NEXT, STRAY, NEXT, STRAY], 0),
        ([100, 40000, 40002], [NEXT, STRAY, STRAY], 0),
        ([100, 65535, 0], [NEXT, STRAY, RESTARTED], 0),
    ],
)
def test_each_number_has_its_verdict(
    native: ModuleType, numbers: list[int], verdicts: list[int], lost: int
) -> None:
    """First, in order, wrapped, lost, late, twice, from elsewhere, begun anew."""
    sequence = native.Sequence()
    assert [sequence.update(number) for number in numbers] == verdicts
    assert sequence.lost() == lost


def test_many_wraps_are_counted() -> None:
    """Half a million packets, every tenth lost, in C (the reference keeps every number)."""
    sequence = _audio.Sequence()
    for number in range(500_000):
        if number % 10 != 5:
            assert sequence.update(number % 65536) == NEXT
    assert sequence.lost() == 50_000


@both
def test_the_fraction_is_that_since_the_last_report(native: ModuleType) -> None:
    """A.3: 1 of 5 is 51/256; what came late mends the next one, not below nothing."""
    sequence = native.Sequence()
    fractions = []
    for numbers in ([0, 1, 2, 4], [5, 6, 7, 8, 9], [10, 14], [11, 12, 13, 15], []):
        for number in numbers:
            sequence.update(number)
        fractions.append(sequence.fraction_lost())
    assert fractions == [256 // 5, 0, 3 * 256 // 5, 0, 0]


@both
def test_jitter_is_a_sixteenth_of_each_change(native: ModuleType) -> None:
    """A.8, over the wraps of both clocks."""
    sequence = native.Sequence()
    start, arrival = 2**32 - 320, 2**32 - 100
    expected, jitter = [], 0.0
    for n, delay in enumerate([0, 0, 160, 0, 40, 40, 0]):
        before = [0, 0, 160, 0, 40, 40, 0][n - 1] if n else 0
        jitter += (abs(delay - before) - jitter) / 16
        expected.append(jitter)
        now = sequence.arrival((start + 160 * n) % 2**32, (arrival + 160 * n + delay) % 2**32)
        assert now == pytest.approx(expected[-1])


@st.composite
def arrivals(draw: st.DrawFn) -> list[int]:
    """Numbers with loss, reordering, repeats, wraps, strays and jumps."""
    number = draw(st.integers(0, 65535))
    numbers = []
    steps = st.one_of(
        st.integers(-3, 5), st.sampled_from([1, 1, 1, -63, -64, 2999, 3000, 30000, -20000])
    )
    for step in draw(st.lists(steps, max_size=60)):
        number = (number + step) % 65536
        numbers.append(number)
        if draw(st.booleans()):
            number = (number - step + 1) % 65536
    return numbers


@both
@given(arrivals())
def test_any_arrivals_are_counted_alike(native: ModuleType, numbers: list[int]) -> None:
    """The 64-bit window against all numbers kept."""
    sequence, kept = native.Sequence(), reference.Sequence()
    for number in numbers:
        assert sequence.update(number) == kept.update(number)
        assert sequence.lost() == kept.lost()
    assert sequence.fraction_lost() == kept.fraction_lost()
