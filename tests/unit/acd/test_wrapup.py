"""What follows a contact, by the queue's mode."""

from __future__ import annotations

import pytest

from callcore.acd import events as ev
from callcore.directory_queue import WrapUp

NONE, OPTIONAL, UNTIL_READY, TIMED = "none", "optional", "until_ready", "timed"


@pytest.fixture
def talking(floor, make_queue):
    """ann talks to c1 in a queue with these settings."""

    def start(wrap_up, seconds):
        floor.configure(
            make_queue(agents=["ann"], wrap_up=WrapUp(wrap_up), wrap_up_seconds=seconds)
        )
        floor.login("ann")
        floor.call("c1")
        floor.answer("c1", "ann")
        return floor

    return start


#: Mode, seconds, asked for: seconds until the next contact can come (None: until she is ready).
MODES = [
    (NONE, 0.0, False, 0.0),
    (NONE, 0.0, True, 0.0),
    (TIMED, 0.0, False, 0.0),
    (TIMED, 10.0, False, 10.0),
    (TIMED, 10.0, True, 10.0),
    (OPTIONAL, 10.0, False, 0.0),
    (OPTIONAL, 10.0, True, 10.0),
    (OPTIONAL, 0.0, True, None),
    (UNTIL_READY, 0.0, False, None),
    (UNTIL_READY, 30.0, False, 30.0),
]


@pytest.mark.parametrize(("mode", "seconds", "asked", "lasts"), MODES)
def test_each_mode_lasts_as_it_says(talking, mode, seconds, asked, lasts):
    """The waiting contact comes when the wrap-up is over, not a moment earlier or later."""
    floor = talking(mode, seconds)
    floor.call("c2")
    if asked:
        floor.feed(ev.WrapUpAsked(agent="ann"))
    begins = floor.now
    floor.release("c1", "ann")
    if lasts == 0.0:
        assert floor.offers() == [("c2", "ann")]
        return
    assert floor.agent("ann").state == "wrapping_up"
    floor.until(begins + (lasts or 3600.0) - 0.001)
    assert floor.offered == [("c1", "ann")]
    if lasts is None:
        floor.feed(ev.Ready(agent="ann"))
    else:
        floor.until(begins + lasts)
    assert floor.offered[-1] == ("c2", "ann")


@pytest.mark.parametrize("end", [ev.Ready(agent="ann"), ev.LoggedOut(agent="ann")])
def test_the_agent_ends_it_early(talking, end):
    """And the record is told how long it took."""
    floor = talking(TIMED, 10.0)
    floor.release("c1", "ann")
    floor.now += 4.0
    ended = [each for each in floor.feed(end) if isinstance(each, ev.WrapUpEnded)]
    assert [(each.contact, each.seconds) for each in ended] == [("c1", 4.0)]


def test_a_pause_lets_it_run_out(talking):
    """Paused in wrap-up: it ends at its time, then she is paused."""
    floor = talking(TIMED, 10.0)
    floor.release("c1", "ann")
    floor.feed(ev.Paused(agent="ann", reason="lunch"))
    assert floor.agent("ann").state == "wrapping_up"
    floor.until(floor.now + 10.0)
    assert floor.agent("ann").state == "paused"


def test_extending_adds_to_the_end(talking):
    """Twice is more; a contact of another queue does not shorten it."""
    floor = talking(TIMED, 10.0)
    floor.release("c1", "ann")
    ends = floor.now + 10.0
    floor.feed(ev.WrapUpExtended(agent="ann", seconds=20.0))
    floor.feed(ev.WrapUpExtended(agent="ann", seconds=5.0))
    assert floor.out[0].until == ends + 25.0
    floor.until(ends + 24.9)
    assert floor.agent("ann").state == "wrapping_up"
    floor.until(ends + 25.0)
    assert floor.agent("ann").state == "idle"


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (ev.WrapUpExtended(agent="ann", seconds=5.0), "no_timed_wrap_up"),
        (ev.WrapUpExtended(agent="zoe", seconds=5.0), "unknown_agent"),
        (ev.WrapUpAsked(agent="zoe"), "unknown_agent"),
    ],
)
def test_what_cannot_be_extended_or_asked_for_is_ignored(talking, event, code):
    """She still talks."""
    floor = talking(TIMED, 10.0)
    floor.feed(event)
    assert floor.distributor.ignored == {code: 1}


def test_asked_without_a_talk_is_ignored(talking):
    """Asking comes before the release."""
    floor = talking(OPTIONAL, 10.0)
    floor.release("c1", "ann")
    floor.feed(ev.WrapUpAsked(agent="ann"))
    assert floor.distributor.ignored == {"not_connected": 1}


def test_only_time_that_was_set_is_extended(talking):
    """Until ready has no end that could be moved; nor does a negative time."""
    floor = talking(UNTIL_READY, 0.0)
    floor.release("c1", "ann")
    floor.feed(ev.WrapUpExtended(agent="ann", seconds=5.0))
    assert floor.distributor.ignored == {"no_timed_wrap_up": 1}


def test_it_is_one_state_for_all_queues(floor, make_queue):
    """A queue without wrap-up gets the agent no earlier (the known fault of app_queue)."""
    floor.configure(make_queue("q", ["ann"], wrap_up_seconds=10.0), make_queue("r", ["ann"]))
    floor.login("ann")
    floor.call("c1")
    floor.answer("c1", "ann")
    floor.call("c2", "r")
    ends = floor.now + 10.0
    floor.release("c1", "ann")
    floor.until(ends - 0.1)
    assert floor.offered == [("c1", "ann")]
    floor.until(ends)
    assert floor.offered[-1] == ("c2", "ann")
