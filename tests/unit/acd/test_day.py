"""Midnight: the counters of the day start again, the work goes on."""

from __future__ import annotations

from callcore.acd import events as ev
from callcore.acd.distributor import Distributor
from callcore.acd.invariants import check
from callcore.directory import Agent, Member, Queue


def test_a_new_day_counts_from_zero_and_carries_the_waiting_over() -> None:
    """Yesterday's callers are gone from the sums; those who still wait are carried over."""
    distributor = Distributor()
    queue = Queue(id="q", members=(Member(agent="a"),))
    distributor.handle(ev.Configured(queues={"q": queue}, agents={"a": Agent(id="a")}), 0.0)
    for number in range(3):
        distributor.handle(ev.ContactQueued(contact=f"c{number}", queue="q"), 1.0)
    distributor.handle(ev.ContactLeft(contact="c0"), 2.0)
    distributor.handle(ev.IntervalBegan(at=9.0), 9.0)
    distributor.handle(ev.ContactQueued(contact="c3", queue="q"), 9.5)
    distributor.handle(ev.DayBegan(), 10.0)
    counted = distributor.queues(10.0)[0].stats
    assert (counted.carried, counted.entered) == (2, 1), "c3 came after midnight"
    assert counted.abandoned + counted.short_abandoned == 0
    check(distributor)
    distributor.handle(ev.ContactLeft(contact="c1"), 12.0)
    check(distributor)
