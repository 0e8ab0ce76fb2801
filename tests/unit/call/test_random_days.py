"""Whole days with everything that can go wrong: nothing is lost, stuck or counted twice."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from .random_day import AGENTS, RandomDay

#: More days: CALLCORE_RANDOM_DAYS=200.
DAYS = int(os.environ.get("CALLCORE_RANDOM_DAYS", "12"))


@pytest.mark.parametrize("seed", range(DAYS))
def test_a_day_ends_with_nothing_left_over(seed: int) -> None:
    """No channel, bridge or call is left; every call has one outcome; no agent is stuck."""
    day = RandomDay(seed)
    day.play(300)
    assert not day.backend.channels
    assert not day.backend.bridges
    assert not day.backend.listenings
    assert not day.switch.state.supervisions
    assert not day.switch.state.calls
    assert len(day.records) > 50
    for call, rows in day.records.items():
        assert len({row.outcome for row in rows[-1:]}) == 1, call
        last = rows[-1]
        assert last.ended_at is not None
        assert all(segment.end is not None for segment in last.segments), last
        for time in (last.ivr_at, last.queued_at, last.first_offered_at, last.answered_at):
            assert time is None or last.arrived_at <= time <= last.ended_at, last
    seats = day.switch.distributor.floor.seats
    for number in range(AGENTS):
        state = seats[f"a{number}"].agent.observed().value
        assert state in ("idle", "logged_out", "paused", "unreachable"), (number, state)


def test_the_same_day_twice_under_two_hash_seeds() -> None:
    """Same events in, same actions out: nothing hangs on the order of sets."""
    digests = []
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-m", "tests.unit.call.random_day", "7"],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        digests.append(done.stdout.strip())
    assert digests[0] == digests[1]
