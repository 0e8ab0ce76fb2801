"""/api/v1/statistics: figures up to this moment, and what may be asked."""

from __future__ import annotations

import pytest

from callcore.acd.counts import QueueStats
from callcore.store.intervals import Every


@pytest.fixture
def counted(switch):
    """One queue, skill and agent with something in the present interval."""
    counts = switch.present.counts
    counts.queues["sales"] = QueueStats(carried=1, entered=4, answered=3, answered_within=2)
    counts.skills["french"] = QueueStats(entered=1)
    counts.agent("a1").spend("talking", 30.0)
    counts.agent("a1").spend("idle", 70.0)
    return counts


async def test_queues_with_their_formulas(api, archive, counted):
    """Counts, what waits at the end, all three service levels; the query reaches the archive."""
    path = "/api/v1/statistics/queues?begin=900&end=1800&every=30&id=sales"
    status, answer = await api("GET", path)
    (row,) = answer["queues"]
    assert (status, row["queue"], row["begin"], row["end"]) == (200, "sales", 900.0, 1800.0)
    assert (row["entered"], row["waiting"], row["answered_in_time"]) == (4, 2, 2)
    assert row["service_levels"] == {
        "abandons_ignored": 2 / 3, "abandons_negative": 2 / 3, "abandons_positive": 2 / 3,
    }  # fmt: skip
    assert row["average_handling_time"] is None
    wanted = archive.wanted
    assert (wanted.begin, wanted.end, wanted.every, wanted.name) == (
        900.0, 1800.0, Every.HALF, "sales",
    )  # fmt: skip


async def test_intervals_agents_and_skills(api, counted):
    """Each under its own name; without a range: today."""
    _, answer = await api("GET", "/api/v1/statistics/intervals?every=15")
    assert [(row["entered"], row["carried"]) for row in answer["intervals"]] == [(4, 1)]
    _, answer = await api("GET", "/api/v1/statistics/agents")
    (row,) = answer["agents"]
    assert (row["agent"], row["occupancy"], row["logged_in_seconds"]) == ("a1", 0.3, 100.0)
    assert row["seconds"] == {"talking": 30.0, "idle": 70.0}
    _, answer = await api("GET", "/api/v1/statistics/skills")
    assert [(row["skill"], row["entered"]) for row in answer["skills"]] == [("french", 1)]


@pytest.mark.parametrize(
    "query",
    ["begin=5&end=5", "begin=-1&end=5", "begin=0&end=1e99", "every=7", "begin=noon", "end=nan"],
)
async def test_ranges_that_cannot_be(api, query):
    """One sentence, status 400."""
    status, answer = await api("GET", f"/api/v1/statistics/queues?{query}")
    assert status == 400
    assert answer["error"].startswith("query: ")


async def test_metrics_of_the_day(api, counted):
    """What was counted since midnight, by queue; agents' time by state."""
    counted.queues["sales"].handling.add(40.0, 5.0, 10.0)
    _, text = await api("GET", "/metrics")
    for line in (
        'callcore_queue_contacts_total{counter="entered",queue="sales"} 4.0',
        'callcore_queue_contacts_total{counter="answered",queue="sales"} 3.0',
        'callcore_queue_handling_seconds_total{part="wrap_up",queue="sales"} 10.0',
        'callcore_agent_seconds_total{state="talking"} 30.0',
    ):
        assert line in text.decode().splitlines()
