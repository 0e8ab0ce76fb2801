"""Estimated waits over simulated days with a lunch dip and a burst."""

from __future__ import annotations

import pytest

from callcore.bench.floors import one_queue, shared_agents
from callcore.bench.waiting import Announced, AverageHold, errors


@pytest.mark.parametrize("floor", [one_queue, shared_agents])
def test_estimates_beat_the_average_of_past_waits(floor):
    """Median absolute error at most 0.75 of that of app_queue's average, two days each; the P90
    announced covers about nine in ten."""
    told = []
    for seed in (1, 2):
        simulation = Announced(*floor(seed))
        simulation.play()
        told += simulation.told
    found = errors(told)
    assert found["callcore"].median <= 0.75 * found["average_hold"].median
    assert found["callcore"].p90 <= found["average_hold"].p90
    assert 0.85 < found["callcore_p90"].covered < 0.99


def test_average_hold_is_that_of_app_queue():
    """`holdtime = (holdtime * 3 + new) >> 2` in whole seconds; the first call sets it."""
    average = AverageHold()
    for waited in (10.9, 30.0, 3.2):
        average.answered(waited)
    assert average.seconds == (((10 * 3 + 30) >> 2) * 3 + 3) >> 2
