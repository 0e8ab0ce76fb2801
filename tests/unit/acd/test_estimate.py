"""Estimated waits against exact sums and against sampling; the memory against what it was told."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

import msgspec
import pytest

from callcore.acd.estimate import (
    MEMORY,
    QUANTILES,
    WaitEstimator,
    estimated_wait,
    wait_quantile,
)


@dataclass
class Line:
    """A queue as an estimate sees it."""

    waiting: int = 0
    waiting_since: float | None = None
    occupied: int = 10
    staffed: int = 10
    estimator: WaitEstimator = field(default_factory=WaitEstimator)


def ask(line, neighbours=(), ahead=0, since=100.0, now=100.0, quantile=0.5):
    return estimated_wait(line, neighbours, ahead=ahead, since=since, now=now, quantile=quantile)


@pytest.mark.parametrize(
    ("ahead", "rate", "hazard"),
    [(0, 0.1, 0.003), (5, 0.1, 0.003), (40, 0.1, 0.01), (10, 0.01, 0.01), (10, 0.005, 0.05)],
)
def test_quantiles_are_those_of_a_sum_of_exponential_steps(ahead, rate, hazard):
    """Median and P90 of 20,000 samples, also where callers leave faster than they are served."""
    draw = random.Random(ahead)
    sums = sorted(
        sum(draw.expovariate(rate + i * hazard) for i in range(ahead + 1)) for _ in range(20_000)
    )
    for quantile in QUANTILES:
        exact = sums[int(quantile * len(sums))]
        assert wait_quantile(ahead, rate, hazard, quantile) == pytest.approx(exact, rel=0.07)


def test_memory_learns_handling_time_and_patience():
    """Means of what it was told, also from censored patience; then it follows a change."""
    draw = random.Random(1)
    memory = WaitEstimator()
    for _ in range(3000):
        memory.finished(draw.expovariate(1 / 180))
        patience, needed = draw.expovariate(1 / 120), draw.expovariate(1 / 60)
        if patience < needed:
            memory.abandoned(patience)
        else:
            memory.answered(needed, 4.0)
    assert memory.handling_seconds == pytest.approx(180, rel=0.25)
    assert 1 / memory.hazard == pytest.approx(120, rel=0.4)
    assert memory.ring_seconds == pytest.approx(4.0, abs=0.01)
    for _ in range(int(3 * MEMORY)):
        memory.finished(300.0)
    assert memory.handling_seconds == pytest.approx(300, rel=0.1)


def test_sane_before_anything_happened():
    """With the priors alone: some minutes with a line, none infinite; nobody there: infinite."""
    assert 10 < ask(Line()) < 60
    assert 100 < ask(Line(), ahead=10) < 600
    assert ask(Line(staffed=0)) == math.inf
    assert ask(Line(occupied=0)) < 60


def test_lines_of_others_count_by_the_members_shared():
    """Nobody shared: as if alone. All shared: one line for all."""
    line, other = Line(), Line(waiting=8, waiting_since=40.0)
    assert ask(line, [(other, 0.0)]) == ask(line)
    assert ask(line, [(other, 1.0)]) == pytest.approx(ask(line, ahead=8))
    assert ask(line, [(other, 0.5)]) == pytest.approx(ask(line, ahead=4))


def test_only_those_who_came_before_are_ahead():
    """After half of the head's wait half of the other line came later than this contact."""
    line, other = Line(), Line(waiting=8, waiting_since=40.0)
    assert ask(line, [(other, 1.0)], since=70.0) == pytest.approx(ask(line, ahead=4))
    assert ask(line, [(other, 1.0)], since=30.0) == pytest.approx(ask(line))


def test_handling_time_is_that_of_the_work_under_way():
    """Slow contacts of a neighbour occupy the agents shared."""
    slow = Line(estimator=WaitEstimator(handling_seconds=720.0))
    ring = WaitEstimator().ring_seconds
    assert ask(Line(), [(slow, 1.0)]) - ring == pytest.approx(2 * (ask(Line()) - ring), rel=0.01)


def test_estimates_that_prove_too_short_become_longer():
    """Whatever the formula does not know: the ratio of waited and told is learnt, outliers are
    bounded, and what was told before anything was known does not count."""
    line = Line()
    first = ask(line)
    for _ in range(int(5 * MEMORY)):
        line.estimator.answered(2 * first, line.estimator.ring_seconds, told=ask(line))
    assert ask(line) == pytest.approx(2 * first, rel=0.15)
    fresh = WaitEstimator()
    fresh.answered(1e9, 3.0, told=1.0)
    fresh.answered(10.0, 3.0, told=math.inf)
    assert fresh.correction == pytest.approx(1.5 / MEMORY)


def test_the_memory_survives_a_snapshot():
    memory = WaitEstimator()
    memory.finished(100.0)
    memory.abandoned(30.0)
    data = msgspec.msgpack.encode(memory)
    assert msgspec.msgpack.decode(data, type=WaitEstimator) == memory
