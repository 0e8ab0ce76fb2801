"""What monitors read."""

from __future__ import annotations

from callcore.acd import events as ev
from callcore.acd.agent import State


def test_waiting_contacts_have_positions_and_waits(floor, make_queue):
    """Positions follow the order of service over all skills of one queue."""
    floor.configure(make_queue(agents=["ann"]), make_queue("r"))
    floor.call("c1")
    floor.now += 10
    floor.call("c2", skills={"zh": 1})
    floor.call("c3", priority=1)
    floor.call("c9", "r")
    seen = floor.distributor.waiting(floor.now + 5, "q")
    assert [(each.contact, each.position, each.waited) for each in seen] == [
        ("c3", 1, 5.0),
        ("c1", 2, 15.0),
        ("c2", 3, 5.0),
    ]
    assert len(floor.distributor.waiting(floor.now)) == 4


def test_the_place_a_customer_is_told(floor, make_queue):
    """Those offered, or waiting for an agent they want, are ahead; who is offered is next."""
    floor.configure(make_queue(agents=["ann", "bob"], last_agent_seconds=60), make_queue("r"))
    floor.login("ann")
    for contact in ("c1", "c2", "c3"):
        floor.call(contact)
        floor.now += 1
    floor.call("c4", wanted="ann")
    floor.call("c5", skills={"zh": 1}, priority=1)
    floor.call("c9", "r")
    told = {name: floor.distributor.position(name) for name in ("c1", "c2", "c3", "c4", "c5", "c9")}
    assert told == {"c1": 1, "c2": 4, "c3": 5, "c4": 5, "c5": 3, "c9": 1}
    assert floor.distributor.position("nobody") is None


def test_queues_and_agents_as_they_are_now(floor, make_queue):
    """Members by state, the longest wait of those here, and until when a phone rings."""
    floor.configure(make_queue(agents=["ann", "bob", "cyd"], ring_seconds=10))
    floor.login("ann", "bob")
    floor.feed(ev.Paused(agent="bob", reason="lunch"))
    floor.call("c1")
    floor.call("c2")
    (queue,) = floor.distributor.queues(floor.now + 4)
    assert (queue.waiting, queue.offered, queue.longest_wait) == (2, 1, 4.0)
    assert (queue.logged_in, queue.available) == (2, 0)
    assert queue.members == {State.OFFERED: 1, State.PAUSED: 1, State.LOGGED_OUT: 1}
    ann, bob, _ = floor.distributor.agents(floor.now)
    assert (ann.contact, ann.until, ann.queues) == ("c1", floor.now + 10, ("q",))
    assert (bob.state, bob.pause_reason) == ("paused", "lunch")


def test_reading_changes_nothing(floor, make_queue):
    """A monitor that looks leaves no trace in the snapshot."""
    floor.configure(make_queue(agents=["ann"]))
    before = repr(floor.distributor.snapshot())
    floor.distributor.agents(floor.now)
    floor.distributor.queues(floor.now)[0].stats.handling.handled = 99
    assert repr(floor.distributor.snapshot()) == before


def test_estimated_waits_follow_the_line_and_the_agents(floor, make_queue):
    """Who is further behind waits longer; nobody serving means nothing can be told."""
    floor.configure(make_queue(agents=["ann", "bob"]))
    assert floor.distributor.estimate_new("q", floor.now) is None
    floor.login("ann", "bob")
    assert floor.distributor.estimate_new("q", floor.now) < 10
    for contact in ("c1", "c2", "c3", "c4"):
        floor.call(contact)
        floor.now += 1
    waiting = floor.distributor.waiting(floor.now)
    third, fourth = (each.estimate for each in waiting[2:])
    assert 10 < third < fourth
    assert floor.distributor.estimate("c4", floor.now) == fourth
    assert fourth < floor.distributor.estimate_new("q", floor.now)
    assert floor.distributor.position("c4") == 4
    floor.feed(ev.LoggedOut(agent="ann"))
    assert floor.distributor.estimate("c4", floor.now) > fourth
