"""Counters and the field's formulas, on a small day worked out by hand."""

from __future__ import annotations

import pytest

from callcore.acd import events as ev
from callcore.acd.counts import QueueStats, ServiceLevel
from callcore.directory import Agent


@pytest.fixture
def day(floor, make_queue):
    """Six contacts: answered after 0 and 30 s, abandoned after 2, 10 and 40 s, one overflow."""
    floor.configure(
        make_queue(
            agents=["ann"],
            wrap_up_seconds=10,
            max_wait_seconds=60,
            service_level_seconds=20,
            short_abandon_seconds=5,
        )
    )
    floor.login("ann")
    start = floor.now
    floor.call("c1")
    floor.answer("c1", "ann")
    for contact in ("c2", "c3", "c4", "c5", "c6"):
        floor.call(contact)
    for contact, leaves in (("c3", 2), ("c4", 10)):
        floor.until(start + leaves)
        floor.feed(ev.ContactLeft(contact=contact))
    floor.until(start + 20)
    floor.release("c1", "ann")
    floor.until(start + 30)
    floor.answer("c2", "ann")
    floor.until(start + 40)
    floor.feed(ev.ContactLeft(contact="c5"))
    floor.until(start + 60)
    floor.release("c2", "ann")
    floor.until(start + 70)
    return floor


def test_every_contact_is_counted_once(day):
    """entered = answered + abandoned + short + overflowed."""
    (view,) = day.distributor.queues(day.now)
    counted = view.stats
    assert (counted.entered, counted.answered, counted.overflowed) == (6, 2, 1)
    assert (counted.abandoned, counted.short_abandoned) == (2, 1)
    assert (counted.answered_within, counted.abandoned_within) == (1, 1)
    assert counted.offers == 2
    assert counted.longest_wait == 60.0


def test_averages_and_occupancy(day):
    """ASA (0 + 30) / 2; AHT (20 + 10 + 30 + 10) / 2; ann was busy all the 70 s but one."""
    (view,) = day.distributor.queues(day.now)
    assert view.average_speed_of_answer == 15.0
    assert view.average_handling_time == 35.0
    (agent,) = day.distributor.agents(day.now)
    assert agent.occupancy == pytest.approx(70 / 71)


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        (ServiceLevel.ABANDONS_IGNORED, 70 / 90),
        (ServiceLevel.ABANDONS_NEGATIVE, 70 / 100),
        (ServiceLevel.ABANDONS_POSITIVE, 80 / 100),
    ],
)
def test_service_level_formulas(formula, value):
    """Of 100 contacts 70 answered in time, 10 abandoned in time, 20 later."""
    stats = QueueStats(
        answered=85, answered_within=70, abandoned=13, abandoned_within=10, overflowed=2
    )
    assert stats.service_level(formula) == pytest.approx(value)


def test_formulas_of_an_empty_day_are_unknown():
    """No contacts: neither 0 nor 100 per cent."""
    stats = QueueStats(short_abandoned=3, taken_out=1)
    assert [stats.service_level(formula) for formula in ServiceLevel] == [None] * 3
    assert stats.average_speed_of_answer is None
    assert stats.abandon_rate is None
    assert stats.handling.average is None


def test_rona_and_refusals_are_counted(floor, make_queue):
    """Unanswered offers by queue and agent; a contact refused at the door never entered."""
    floor.configure(make_queue(agents=["ann"], max_size=1, rona_limit=1))
    floor.login("ann")
    floor.call("c1")
    floor.call("c2")
    floor.until(floor.now + 15)
    stats = floor.distributor.snapshot().stats
    assert (stats.queues["q"].entered, stats.queues["q"].refused) == (1, 1)
    assert (stats.queues["q"].rona, stats.agents["ann"].rona) == (1, 1)
    assert stats.agents["ann"].rona_pauses == 1


def test_taken_out_is_not_abandoned(floor, make_queue):
    """A contact moved by an operator is neither abandoned nor part of the service level."""
    floor.configure(make_queue(agents=["ann"]))
    floor.call("c1")
    floor.now += 30
    floor.feed(ev.ContactLeft(contact="c1", abandoned=False))
    stats = floor.distributor.snapshot().stats.queues["q"]
    assert (stats.taken_out, stats.abandoned, stats.concluded) == (1, 0, 0)


def test_skills_are_counted_where_they_are_needed(floor, make_queue):
    """Entered, answered, handled by skill; a contact without needs leaves no entry."""
    floor.configure(
        make_queue(agents=["ann"]), agents=[Agent(id="ann", skills={"french": 3, "billing": 1})]
    )
    floor.login("ann")
    floor.call("c1", skills={"french": 2, "billing": 1})
    floor.answer("c1", "ann")
    floor.call("c2")
    floor.call("c3", skills={"french": 2})
    floor.now += 30
    floor.release("c1", "ann")
    floor.feed(ev.ContactLeft(contact="c3"))
    skills = floor.distributor.today(floor.now).skills
    assert list(skills) == ["french", "billing"]
    french = skills["french"]
    assert (french.entered, french.answered, french.abandoned) == (2, 1, 1)
    assert (french.handling.handled, french.handling.talk_seconds) == (1, 30.0)
    assert skills["billing"].answered_within == 1


def test_outbound_contacts_are_dropped_not_abandoned(floor, make_queue):
    """Counted apart, in no service level, and the sums still add up."""
    floor.configure(make_queue(agents=["ann"]))
    floor.call("c1", direction=ev.Direction.OUTBOUND)
    floor.now += 30
    floor.feed(ev.ContactLeft(contact="c1"))
    stats = floor.distributor.today(floor.now).queues["q"]
    assert (stats.dropped, stats.abandoned, stats.concluded, stats.waiting) == (1, 0, 0, 0)


def test_the_intervals_of_a_day_add_up_to_it(day):
    """Closed in the middle or not: the day's figures are the same, the longest wait is kept."""
    before = day.distributor.today(day.now)
    (ended,) = day.feed(ev.IntervalBegan(at=day.now)) or [None]
    assert ended is None, "nothing had begun: nothing to tell"
    day.call("late")
    day.now += 900
    (ended,) = day.feed(ev.IntervalBegan(at=day.now))
    assert ended.counts.queues["q"].entered == 1
    after = day.distributor.today(day.now)
    assert after.queues["q"].entered == before.queues["q"].entered + 1
    assert after.queues["q"].longest_wait == before.queues["q"].longest_wait
    assert after.queues["q"].handling == before.queues["q"].handling
    assert day.distributor.interval(day.now)[1].queues["q"].carried == 1
