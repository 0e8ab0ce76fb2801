"""The distributor's figures, measured small: everything that is asked for is there."""

from __future__ import annotations

import msgspec

from callcore.bench.acd import Scale, measure_all
from callcore.bench.throughput import Crowd, Size, bare_heaps

SMALL = Size(agents=400, queues=40, queues_per_agent=5, waiting=8000)


def test_all_figures_are_measured_and_told():
    """The keys of the last line; what is told names each part."""
    told = []
    figures = measure_all(Scale(SMALL, events=2000, contacts=300, days=1), told.append)
    row = msgspec.to_builtins(figures)
    assert list(row["us_per_event"]) == ["80", "800", "8000"]
    assert row["invariant_violations"] == 0
    assert set(row["ewt_median_abs_error_s"]) == {"callcore", "average_hold"}
    assert set(row["service_level"]) == {"callcore", "longest_idle", "penalty"}
    assert figures.events_per_s > 0
    assert figures.rss_mib > 1
    assert [each for each in told if each.startswith("faults (seed 1): 300 contacts")]
    assert len([each for each in told if each.startswith("service level")]) == 12


def test_the_crowd_keeps_its_mix():
    """About so many wait and so many are idle after some thousand events as before."""
    crowd = Crowd(SMALL, seed=1)
    timing = crowd.run(3000)
    idle = sum(bool(seat.listed) for seat in crowd.distributor.floor.seats.values())
    assert timing.mixed == 3000
    assert len(timing.durations) > 3600
    assert abs(len(crowd.waiting) - SMALL.waiting) < 100
    assert 0.03 < idle / SMALL.agents < 0.07


def test_bare_heaps_serve_the_same_mix():
    assert bare_heaps(SMALL, 2000, seed=1) > 1000
