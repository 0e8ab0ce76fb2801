"""Who may enter a queue and stay in it, and where the others go."""

from __future__ import annotations

import pytest

from callcore.acd import events as ev
from callcore.directory_queue import OverflowOn, OverflowRule, Staffing
from callcore.ivr.calendar import Hours

NOBODY, LOGGED_IN, READY = Staffing.NOBODY, Staffing.LOGGED_IN, Staffing.READY
#: Open until 1200 s after the epoch; the floor begins at 1000.
HOURS = Hours(zone="UTC", weekly={"mon-sun": ("00:00-00:20",)})


def rule(on, at, to):
    return OverflowRule(on=on, at=at, to=to)


#: Where each cause leads.
RULES = (
    rule(OverflowOn.WAIT, 30.0, "queue:second"),
    rule(OverflowOn.WAIT, 20.0, "number:123"),
    rule(OverflowOn.SIZE, 2.0, "voicemail"),
    rule(OverflowOn.UNSTAFFED, 0.0, "tree:nobody"),
    rule(OverflowOn.CLOSED, 0.0, "tree:closed"),
)
ABSENCES = {
    "nobody": [],
    "logged_in": [ev.LoggedIn(agent="ann", ready=False)],
    "unreachable": [ev.LoggedIn(agent="ann", reachable=False)],
    "ready": [ev.LoggedIn(agent="ann")],
    "talking": [ev.LoggedIn(agent="ann"), ev.ContactAssigned(contact="x", agent="ann")],
}


def overflows(floor):
    return [(e.contact, str(e.reason), e.to) for e in floor.out if isinstance(e, ev.Overflow)]


@pytest.mark.parametrize("needs", ["join_needs", "stay_needs"])
@pytest.mark.parametrize(
    ("staffing", "enough"),
    [
        (NOBODY, {"nobody", "logged_in", "unreachable", "ready", "talking"}),
        (LOGGED_IN, {"logged_in", "unreachable", "ready", "talking"}),
        (READY, {"ready", "talking"}),
    ],
)
@pytest.mark.parametrize("there", ABSENCES)
def test_who_must_be_there_to_enter(floor, make_queue, needs, staffing, enough, there):
    """What is needed to stay is needed to enter."""
    settings = {needs: staffing, "overflow_rules": RULES}
    floor.configure(make_queue(agents=["ann"], **settings), make_queue("r", ["bob"]))
    floor.login("bob")  # serves another queue: does not count
    for event in ABSENCES[there]:
        floor.feed(event)
    floor.call("c1")
    refused = [("c1", "unstaffed", "tree:nobody")]
    assert overflows(floor) == ([] if there in enough else refused)


#: Who must stay, what happens to ann, the last one, and whether callers leave.
LEAVING = [
    (LOGGED_IN, ev.LoggedOut(agent="ann"), True),
    (LOGGED_IN, ev.Paused(agent="ann", reason="x"), False),
    (LOGGED_IN, ev.ReachableChanged(agent="ann", reachable=False), False),
    (READY, ev.LoggedOut(agent="ann"), True),
    (READY, ev.Paused(agent="ann", reason="x"), True),
    (READY, ev.StatusChosen(agent="ann", status="training"), True),
    (READY, ev.ReachableChanged(agent="ann", reachable=False), True),
    (READY, ev.BusyChanged(agent="ann", busy=True), False),
    (NOBODY, ev.LoggedOut(agent="ann"), False),
]


@pytest.mark.parametrize(("staffing", "event", "leave"), LEAVING)
def test_the_last_agent_leaves(floor, make_queue, staffing, event, leave):
    """All who wait overflow, those ringing included, in order."""
    settings = {"stay_needs": staffing, "overflow_rules": RULES[3:]}
    floor.configure(make_queue(agents=["ann"], **settings), statuses={"training": ()})
    floor.login("ann")
    for contact in ("c1", "c2"):
        floor.call(contact)
    floor.feed(event)
    expected = [(contact, "left_unstaffed", "tree:nobody") for contact in ("c1", "c2")]
    assert overflows(floor) == (expected if leave else [])


def test_an_agent_paused_for_missed_offers_leaves_the_queue_too(floor, make_queue):
    """As if she had paused herself."""
    floor.configure(make_queue(agents=["ann"], stay_needs=READY, rona_limit=1))
    floor.login("ann").call("c1")
    floor.until(floor.now + 15.0)
    assert floor.queued == set()


def test_a_configuration_without_the_last_agent_empties_the_queue(floor, make_queue):
    """Taken out of the members, or out of everything."""
    floor.configure(make_queue(agents=["ann"], stay_needs=LOGGED_IN), agents=["bob"])
    floor.login("ann", "bob").call("c1")
    floor.configure(make_queue(agents=["bob"], stay_needs=LOGGED_IN), agents=["ann"])
    assert overflows(floor) == []
    floor.configure(make_queue(agents=[], stay_needs=LOGGED_IN), agents=["ann"])
    assert overflows(floor) == [("c1", "left_unstaffed", "")]


def test_nobody_enters_a_closed_queue_and_who_is_in_stays(floor, make_queue):
    """At the minute it closes."""
    floor.configure(make_queue(hours=HOURS, overflow_rules=RULES[4:]))
    floor.call("c1")
    floor.now = 1200.0
    floor.call("c2")
    assert overflows(floor) == [("c2", "closed", "tree:closed")]
    assert floor.queued == {"c1"}


#: Settings, contacts that enter, and where the next one goes.
SIZES = [
    ({"max_size": 1}, 1, ("queue_full", "")),
    ({"overflow_rules": RULES}, 2, ("queue_full", "voicemail")),
    ({"overflow_rules": RULES, "max_size": 1}, 1, ("queue_full", "")),
    ({"overflow_rules": RULES, "max_size": 5}, 2, ("queue_full", "voicemail")),
]


@pytest.mark.parametrize(("settings", "enter", "expected"), SIZES)
def test_a_full_queue_takes_no_more(floor, make_queue, settings, enter, expected):
    """The next overflows at once."""
    floor.configure(make_queue(agents=["ann"], **settings))
    for n in range(enter):
        floor.call(f"c{n}")
        assert overflows(floor) == []
    floor.call("c9")
    assert overflows(floor) == [("c9", *expected)]


def test_a_full_queue_takes_whom_somebody_idle_can_serve(floor, make_queue):
    """Size limits the wait, and this one does not wait."""
    floor.configure(make_queue(agents=["ann"], max_size=1))
    floor.call("c1", skills={"zh": 1})
    floor.login("ann")
    floor.call("c2")
    assert floor.offers() == [("c2", "ann")]


#: Settings, seconds until the queue gives up, and where to.
WAITS = [
    ({"max_wait_seconds": 10.0}, 10.0, ""),
    ({"overflow_rules": RULES}, 20.0, "number:123"),
    ({"overflow_rules": RULES[:1], "max_wait_seconds": 40.0}, 30.0, "queue:second"),
    ({"overflow_rules": RULES[:1], "max_wait_seconds": 25.0}, 25.0, ""),
]


@pytest.mark.parametrize(("settings", "seconds", "to"), WAITS)
@pytest.mark.parametrize("waited", [0.0, 4.0])
def test_the_wait_has_an_end(floor, make_queue, settings, seconds, to, waited):
    """The earliest rule decides when and where; the wait counts from since."""
    floor.configure(make_queue(agents=["ann"], **settings))
    floor.call("c1", since=floor.now - waited)
    ends = floor.now + seconds - waited
    assert floor.until(ends - 0.001) == []
    floor.until(ends)
    assert overflows(floor) == [("c1", "max_wait", to)]


def test_new_limits_hold_for_those_who_wait(floor, make_queue):
    """The wait so far counts."""
    floor.configure(make_queue(agents=["ann"]))
    floor.call("c1")
    floor.now += 15.0
    floor.configure(make_queue(agents=["ann"], overflow_rules=RULES))
    floor.until(floor.now + 5.0)
    assert overflows(floor) == [("c1", "max_wait", "number:123")]


def test_an_unknown_queue_and_one_twice(floor, make_queue):
    """Overflow to nowhere; a contact is in one queue at most."""
    floor.configure(make_queue(agents=["ann"]))
    floor.call("c1", "gone")
    assert overflows(floor) == [("c1", "no_such_queue", "")]
    floor.queued.discard("c1")
    floor.call("c2")
    assert floor.call("c2") == []
    assert floor.distributor.ignored == {"already_queued": 1}
