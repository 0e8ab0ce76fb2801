"""Events that cross each other on the way: nobody is stuck, nothing is done twice."""

from __future__ import annotations

import pytest

from callcore.acd import events as ev
from callcore.acd.events import OfferResult


@pytest.fixture
def ringing(floor, make_queue):
    """c1 rings at ann; bob is free; cyd is known and serves nothing."""
    floor.configure(make_queue(agents=["ann", "bob"], rona_limit=3), agents=["cyd"])
    floor.login("ann", "bob")
    floor.call("c1")
    assert floor.offers() == [("c1", "ann")]
    return floor


C1_ANN = {"contact": "c1", "agent": "ann"}

#: What happens before, the event that does not fit, and the code it is counted under.
MISFITS = {
    "answer after the time-out": ([15.0], ev.OfferAnswered(**C1_ANN), "late_answer"),
    "answer after the caller left": (
        [ev.ContactLeft(contact="c1")],
        ev.OfferAnswered(**C1_ANN),
        "late_answer",
    ),
    "answer after a pause": (
        [ev.Paused(agent="ann", reason="x")],
        ev.OfferAnswered(**C1_ANN),
        "late_answer",
    ),
    "answer twice": ([ev.OfferAnswered(**C1_ANN)], ev.OfferAnswered(**C1_ANN), "duplicate_answer"),
    "answer of somebody never offered": (
        [],
        ev.OfferAnswered(contact="c1", agent="bob"),
        "late_answer",
    ),
    "answer of nobody": ([], ev.OfferAnswered(contact="c1", agent="zoe"), "unknown_agent"),
    "failure after the time-out": (
        [15.0],
        ev.OfferFailed(**C1_ANN, result=OfferResult.BUSY),
        "no_such_offer",
    ),
    "failure after the answer": (
        [ev.OfferAnswered(**C1_ANN)],
        ev.OfferFailed(**C1_ANN, result=OfferResult.BUSY),
        "no_such_offer",
    ),
    "caller leaves after the answer": (
        [ev.OfferAnswered(**C1_ANN)],
        ev.ContactLeft(contact="c1"),
        "unknown_contact",
    ),
    "caller leaves twice": (
        [ev.ContactLeft(contact="c1")],
        ev.ContactLeft(contact="c1"),
        "unknown_contact",
    ),
    "queued twice": ([], ev.ContactQueued(contact="c1", queue="q"), "already_queued"),
    "release while ringing": ([], ev.ContactReleased(**C1_ANN), "not_connected"),
    "release of a stranger": ([], ev.ContactReleased(contact="c9", agent="bob"), "not_connected"),
    "release twice": (
        [ev.OfferAnswered(**C1_ANN), ev.ContactReleased(**C1_ANN)],
        ev.ContactReleased(**C1_ANN),
        "not_connected",
    ),
    "hold while ringing": ([], ev.HoldChanged(**C1_ANN, on_hold=True), "not_connected"),
    "resume without hold": (
        [ev.OfferAnswered(**C1_ANN)],
        ev.HoldChanged(**C1_ANN, on_hold=False),
        "no_change",
    ),
    "assigned from the queue while talking": (
        [ev.OfferAnswered(**C1_ANN), ev.ContactQueued(contact="c2", queue="q")],
        ev.ContactAssigned(contact="c2", agent="ann"),
        "agent_holds_contact",
    ),
    "assigned twice": (
        [ev.OfferAnswered(**C1_ANN)],
        ev.ContactAssigned(**C1_ANN),
        "duplicate_assignment",
    ),
    "log-in twice": ([], ev.LoggedIn(agent="bob"), "already_logged_in"),
    "log-out of one who is not in": ([], ev.LoggedOut(agent="cyd"), "not_logged_in"),
    "pause of one who is not in": ([], ev.Paused(agent="cyd", reason="x"), "not_logged_in"),
    "ready of one who is not in": ([], ev.Ready(agent="cyd"), "not_logged_in"),
    "ready twice": ([], ev.Ready(agent="bob"), "already_ready"),
    "pause twice": (
        [ev.Paused(agent="bob", reason="x")],
        ev.Paused(agent="bob", reason="x"),
        "already_paused",
    ),
    "reachable as before": ([], ev.ReachableChanged(agent="bob", reachable=True), "no_change"),
    "busy as before": ([], ev.BusyChanged(agent="bob", busy=False), "no_change"),
}


@pytest.mark.parametrize("case", MISFITS)
def test_events_that_do_not_fit_are_ignored_with_a_reason(ringing, case):
    """Nothing is emitted, nothing changes, one code is counted."""
    before, event, code = MISFITS[case]
    for step in before:
        if isinstance(step, float):
            ringing.until(ringing.now + step)
        else:
            ringing.feed(step)
    agents = ringing.distributor.agents(ringing.now)
    assert ringing.feed(event) == []
    assert ringing.distributor.ignored == {code: 1}
    assert ringing.distributor.agents(ringing.now) == agents


#: What takes ann away while her phone rings, and what she is shown as then.
GONE = {
    "logged out": (ev.LoggedOut(agent="ann"), "logged_out"),
    "paused": (ev.Paused(agent="ann", reason="lunch"), "paused"),
    "unreachable": (ev.ReachableChanged(agent="ann", reachable=False), "unreachable"),
    "busy": (ev.BusyChanged(agent="ann", busy=True), "busy"),
}


@pytest.mark.parametrize("case", GONE)
def test_agent_gone_while_offered(ringing, case):
    """The phone stops, the next agent rings in the same breath, nothing counts as unanswered."""
    event, state = GONE[case]
    ringing.feed(event)
    assert ringing.withdrawals() == [("c1", "ann", "agent_gone")]
    assert ringing.offers() == [("c1", "bob")]
    assert (ringing.agent("ann").state, ringing.agent("ann").missed) == (state, 0)


@pytest.mark.parametrize(
    ("result", "missed"),
    [
        (OfferResult.NO_ANSWER, 1),
        (OfferResult.BUSY, 1),
        (OfferResult.REJECTED, 1),
        (OfferResult.UNREACHABLE, 0),
        (OfferResult.FAILED, 0),
    ],
)
def test_failed_offers_go_to_the_next_agent(ringing, result, missed):
    """Nothing is withdrawn (the leg is gone), the next rings at once, this agent rests."""
    ringing.feed(ev.OfferFailed(**C1_ANN, result=result))
    assert ringing.withdrawals() == []
    assert ringing.offers() == [("c1", "bob")]
    assert ringing.agent("ann").missed == missed
    assert ringing.agent("ann").resting_until == ringing.now + 5.0


def test_refusing_phone_and_lonely_contact_do_not_chase_each_other(floor, make_queue):
    """Even with retry_seconds 0 a phone that refuses at once is left alone for a moment."""
    floor.configure(make_queue(agents=["ann"], retry_seconds=0))
    floor.login("ann")
    floor.call("c1")
    floor.feed(ev.OfferFailed(**C1_ANN, result=OfferResult.BUSY))
    assert floor.offers() == []
    floor.until(floor.now + 1.0)
    assert floor.offers() == [("c1", "ann")]


def test_two_answers_to_ring_all(floor, make_queue):
    """The first wins; the second was already told to stop and is ignored."""
    floor.configure(make_queue(agents=["ann", "bob"], strategy="ring_all"))
    floor.login("ann", "bob")
    floor.call("c1")
    floor.answer("c1", "bob")
    assert floor.withdrawals() == [("c1", "ann", "answered_elsewhere")]
    assert floor.answer("c1", "ann") == []
    assert floor.distributor.ignored == {"late_answer": 1}
    assert floor.agent("ann").state == "idle"


def test_late_answer_while_the_next_contact_rings(floor, make_queue):
    """The answer to the old offer is not taken for one to the new offer."""
    floor.configure(make_queue(agents=["ann"]))
    floor.login("ann")
    floor.call("c1")
    floor.call("c2")
    floor.feed(ev.ContactLeft(contact="c1"))
    assert floor.offers() == [("c2", "ann")]
    assert floor.answer("c1", "ann") == []
    assert floor.agent("ann").contact == "c2"


def test_answer_at_the_moment_of_the_time_out(ringing):
    """Whichever is told first counts: the answer here, although the timer is due."""
    ringing.now += 15.0
    ringing.answer("c1", "ann")
    assert ringing.fire() == []
    assert ringing.agent("ann").state == "talking"


def test_time_going_backwards_changes_nothing(ringing):
    """An earlier stamp counts as the latest one seen: no wait and no talk is negative."""
    ringing.feed(ev.OfferAnswered(**C1_ANN), at=ringing.now - 3.0)
    ringing.feed(ev.ContactReleased(**C1_ANN), at=ringing.now - 9.0)
    stats = ringing.distributor.snapshot().stats.queues["q"]
    assert stats.answered_wait_seconds == 0.0
    assert stats.handling.talk_seconds == 0.0


def test_transfer_to_a_queue_before_the_release(floor, make_queue):
    """A contact may wait for its next agent while the last one is not yet released."""
    floor.configure(make_queue(agents=["ann", "bob"]), make_queue("r", ["ann"]))
    floor.login("ann")
    floor.call("c1")
    floor.answer("c1", "ann")
    floor.call("c1", "r")
    assert floor.offers() == []
    floor.release("c1", "ann")
    assert floor.offers() == [("c1", "ann")]


def test_two_timers_at_the_same_moment(floor, make_queue):
    """The contact's time is over at the moment the ringing is: its agent takes the next contact,
    and the ringing that was over does not end the new one."""
    floor.configure(make_queue(agents=["ann"], ring_seconds=10, max_wait_seconds=10))
    floor.login("ann")
    floor.call("a1")
    floor.now += 5
    floor.call("a2")
    floor.until(floor.now + 5)
    assert [each.contact for each in floor.out if isinstance(each, ev.Overflow)] == ["a1"]
    assert floor.phones == {"ann": ("a2", "rings")}
