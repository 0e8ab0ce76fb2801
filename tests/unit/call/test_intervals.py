"""Quarters of an hour: closed on time, before anything else of that moment, and carried over."""

from __future__ import annotations

import pytest

from callcore.call import actions as act
from callcore.call import events as ev

from .desk import Desk


@pytest.fixture
def desk() -> Desk:
    """1000 s after the epoch: the first interval is the one from 900."""
    desk = Desk()
    desk.login("ann")
    return desk


def begins(desk: Desk) -> list[float]:
    return [row.begin for row in desk.every(act.WriteInterval)]


def test_an_interval_ends_by_itself_on_the_quarter(desk: Desk) -> None:
    """Without any call: the agent was there, and the next one is under way."""
    desk.wait(799)
    assert begins(desk) == []
    desk.wait(1)
    (row,) = desk.every(act.WriteInterval)
    assert (row.begin, desk.now) == (900.0, 1800.0)
    assert row.counts.agents["ann"].seconds == {"idle": 800.0}
    assert row.counts.queues == {}
    desk.wait(900)
    assert begins(desk) == [900.0, 1800.0]
    assert desk.last(act.WriteInterval).counts.agents["ann"].seconds == {"idle": 900.0}


def test_what_happens_on_the_stroke_belongs_to_the_new_interval(desk: Desk) -> None:
    """Closed before the event that finds it over, even before the timer fires."""
    desk.now = 1800.0
    desk.arrive()
    assert isinstance(desk.out[0], act.WriteInterval)
    assert "sales" not in desk.out[0].counts.queues
    desk.now = 2700.0
    desk.hang_up("x1")
    second = desk.only(act.WriteInterval).counts.queues["sales"]
    assert (second.entered, second.carried, second.waiting) == (1, 0, 1)
    desk.now = 3600.0
    third = desk.feed(ev.AgentLogout(agent="ann"))[0]
    assert isinstance(third, act.WriteInterval)
    counted = third.counts.queues["sales"]
    assert (counted.carried, counted.entered, counted.abandoned) == (1, 0, 1)


def test_seconds_of_a_state_that_goes_on_are_split(desk: Desk) -> None:
    """A talk over the quarter: its seconds so far, and the rest in the next interval."""
    desk.wait(700)
    desk.arrive()
    desk.answer(desk.last(act.Dial))
    desk.wait(200)
    (row,) = desk.every(act.WriteInterval)
    assert row.counts.agents["ann"].seconds == {"idle": 700.0, "talking": 100.0}
    assert row.counts.queues["sales"].handling.handled == 0
    desk.hang_up("x1")
    desk.wait(800)
    following = desk.last(act.WriteInterval).counts
    assert following.agents["ann"].seconds == {
        "talking": 100.0, "wrapping_up": 5.0, "idle": 795.0,
    }  # fmt: skip
    assert following.queues["sales"].handling.talk_seconds == 200.0


def test_while_callcore_was_away_nobody_was_anything(desk: Desk) -> None:
    """The old interval ends where it ended; the hours between have no rows and no seconds."""
    desk.now = 20000.0
    desk.feed(ev.AgentPaused(agent="ann", reason="lunch"))
    (row,) = desk.every(act.WriteInterval)
    assert (row.begin, row.counts.agents["ann"].seconds) == (900.0, {"idle": 800.0})
    desk.wait(1000)
    row = desk.last(act.WriteInterval)
    assert (row.begin, row.counts.agents["ann"].seconds) == (
        19800.0, {"idle": 200.0, "paused": 700.0},
    )  # fmt: skip


def test_transfers_are_counted_on_both_sides(desk: Desk) -> None:
    """Out of the queue that answered and of the agent, into the queue the caller is sent to."""
    desk.arrive()
    desk.answer(desk.last(act.Dial))
    desk.wait(5)
    desk.feed(ev.TransferAsked(channel=desk.last(act.Dial).channel, target="600"))
    today = desk.switch.distributor.today(desk.now)
    counted = today.queues["sales"]
    assert (counted.transferred_out, counted.transferred_in, counted.entered) == (1, 1, 2)
    assert today.agents["ann"].transferred_out == 1


def test_who_hangs_up_in_the_second_queue_abandons_it(desk: Desk) -> None:
    """Answered once, abandoned once: a talk before does not make a lost caller a moved one."""
    desk.arrive()
    desk.answer(desk.last(act.Dial))
    desk.wait(5)
    desk.feed(ev.TransferAsked(channel=desk.last(act.Dial).channel, target="600"))
    desk.wait(4)
    desk.hang_up("x1")
    counted = desk.switch.distributor.today(desk.now).queues["sales"]
    assert (counted.answered, counted.short_abandoned, counted.taken_out) == (1, 1, 0)


@pytest.mark.parametrize("early", [0.5, -0.001])
def test_midnight_a_little_early_or_late_takes_no_quarter_along(desk: Desk, early: float) -> None:
    """The clock that tells midnight is not the one that ends the interval."""
    desk.arrive()
    desk.now = 1800.0 - early
    desk.feed(ev.DayBegan())
    desk.now = 1801.0
    desk.arrive(channel="x2")
    counted = desk.switch.distributor.today(desk.now).queues["sales"]
    assert (counted.carried, counted.entered) == (1, 1)
