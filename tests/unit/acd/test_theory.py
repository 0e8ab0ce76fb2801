"""The distributor against what is known: Erlang C and A."""

from __future__ import annotations

import math

import pytest

from callcore.bench.day import HOUR, Day, Load, Shift, draw_callers
from callcore.bench.erlang import Erlang
from callcore.bench.simulation import Simulation
from callcore.directory import Agent, Member, Queue

#: Erlangs, agents, handling time; patience. The two known points come first.
GRID = [
    Erlang(10.0, 14, 180.0),
    Erlang(10.0, 14, 180.0, 180.0),
    Erlang(2.0, 4, 60.0),
    Erlang(20.0, 25, 300.0),
    Erlang(5.0, 5, 120.0, 60.0),
    Erlang(30.0, 28, 240.0, 300.0),
    Erlang(80.0, 84, 200.0, 120.0),
]
BATCHES, CONTACTS = 20, 2000


def played(theory):
    """Fates in order of arrival: Poisson arrivals, exponential talk and patience."""
    names = [f"a{n:03}" for n in range(theory.agents)]
    per_hour = theory.arrival_rate * HOUR
    ends = (BATCHES + 1) * CONTACTS / theory.arrival_rate
    load = Load(
        queue="q",
        rate=((0.0, per_hour), (ends, per_hour)),
        talk_seconds=theory.handling_seconds,
        patience_seconds=theory.patience_seconds,
        spread=None,
    )
    queue = Queue(id="q", members=tuple(Member(agent=name) for name in names))
    day = Day(
        queues={"q": queue},
        agents={name: Agent(id=name) for name in names},
        callers=draw_callers([load], seed=1),
        shifts=[Shift(name, 0.0, 2 * ends) for name in names],
    )
    return list(Simulation(day).play().values())


def agrees(values, expected):
    """Batch means without the first, a warm-up: within 3 standard errors."""
    batches = [
        sum(values[begins : begins + CONTACTS]) / CONTACTS
        for begins in range(CONTACTS, len(values) - CONTACTS, CONTACTS)
    ]
    mean = sum(batches) / len(batches)
    spread = sum((each - mean) ** 2 for each in batches) / (len(batches) - 1)
    error = math.sqrt(spread / len(batches))
    assert error < 0.2 * expected, "too few to say anything"
    assert abs(mean - expected) < 3 * error, (mean, expected, error)


@pytest.mark.parametrize(
    "theory", GRID, ids=lambda t: f"{t.erlangs:g}-{t.agents}-{t.patience_seconds:g}"
)
def test_waits_are_those_of_erlang(theory):
    """P(wait), mean wait, share within 20 s (Erlang C) and share of abandons (Erlang A)."""
    fates = played(theory)
    agrees([fate.wait > 0 for fate in fates], theory.waits)
    agrees([fate.wait for fate in fates], theory.mean_wait)
    if math.isinf(theory.patience_seconds):
        agrees([fate.wait <= 20.0 for fate in fates], theory.within(20.0))
    else:
        agrees([fate.abandoned is not None for fate in fates], theory.abandons)
