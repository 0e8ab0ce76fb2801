"""An agent kept for a contact whose other side is dialled, and what sets callbacks apart."""

from __future__ import annotations

from callcore.acd import events as ev

CALLBACK = ev.Direction.CALLBACK


def _offered(out):
    return [each.agent for each in out if isinstance(each, ev.Offer)]


def _stats(floor):
    return floor.distributor.today(floor.now).queues["q"]


def test_a_reserved_agent_rings_without_limit_until_both_are_there(floor, make_queue):
    """No time-out, no second agent; the answer counts when it is told, with the whole wait."""
    floor.configure(make_queue(agents=["ann", "bob"], ring_seconds=10))
    floor.login("ann", "bob")
    floor.call("c1", direction=CALLBACK, since=floor.now - 100)
    floor.feed(ev.OfferReserved(contact="c1", agent="ann"))
    assert floor.until(floor.now + 60) == []
    assert _stats(floor).answered == 0
    floor.feed(ev.OfferAnswered(contact="c1", agent="ann"))
    stats = _stats(floor)
    assert (stats.answered, stats.answered_wait_seconds) == (1, 160.0)


def test_ring_all_stops_the_others_and_offers_to_nobody_who_frees(floor, make_queue):
    """The first to accept has the contact for itself, over a restart as well."""
    floor.configure(make_queue(agents=["ann", "bob", "cid"], strategy="ring_all"))
    floor.login("ann", "bob")
    floor.call("c1", direction=CALLBACK)
    out = floor.feed(ev.OfferReserved(contact="c1", agent="bob"))
    assert [each.agent for each in out if isinstance(each, ev.Withdraw)] == ["ann"]
    floor.restart()
    assert _offered(floor.feed(ev.LoggedIn(agent="cid"))) == []
    floor.call("c2")
    out = floor.feed(ev.OfferFailed(contact="c1", agent="bob", result=ev.OfferResult.REJECTED))
    assert "c1" in floor.distributor.floor.contacts, "it keeps its place"
    floor.feed(ev.ContactLeft(contact="c2"))
    assert floor.distributor.floor.contacts["c1"].offers == ["ann", "cid"]


def test_the_other_side_is_not_there(floor, make_queue):
    """The contact leaves for a while: the agent is free at once, without wrap-up."""
    floor.configure(make_queue(agents=["ann"], wrap_up_seconds=30))
    floor.login("ann")
    floor.call("c1", direction=CALLBACK)
    floor.feed(ev.OfferReserved(contact="c1", agent="ann"))
    floor.feed(ev.ContactLeft(contact="c1", abandoned=False))
    assert floor.distributor.agents(floor.now)[0].state == "idle"
    floor.call("c1", direction=CALLBACK)
    floor.feed(ev.ContactLeft(contact="c1"))
    stats = _stats(floor)
    assert (stats.entered, stats.taken_out, stats.dropped, stats.abandoned) == (2, 1, 1, 0)


def test_late_and_doubled_reservations_change_nothing(floor, make_queue):
    """Only the offer that rings can be accepted, and once."""
    floor.configure(make_queue(agents=["ann"]))
    floor.login("ann")
    floor.feed(ev.OfferReserved(contact="c1", agent="ann"))
    floor.call("c1", direction=CALLBACK)
    floor.feed(ev.OfferReserved(contact="c1", agent="ann"))
    floor.feed(ev.OfferReserved(contact="c1", agent="ann"))
    floor.feed(ev.OfferReserved(contact="c1", agent="zoe"))
    assert floor.distributor.ignored == {
        "no_such_offer": 1, "already_reserved": 1, "unknown_agent": 1,
    }  # fmt: skip


def test_a_promised_callback_is_not_turned_away_nor_given_up(floor, make_queue):
    """Full, unstaffed, or waiting too long: that is for callers who hold the line."""
    line = make_queue(agents=["ann"], max_size=1, max_wait_seconds=20, stay_needs="logged_in")
    floor.configure(line)
    floor.login("ann")
    floor.call("c1")
    floor.call("c2", direction=CALLBACK, since=floor.now - 60)
    floor.feed(ev.LoggedOut(agent="ann"))
    floor.configure(make_queue(agents=["ann"], max_size=1, max_wait_seconds=10))
    floor.until(floor.now + 60)
    assert list(floor.distributor.floor.contacts) == ["c2"]
