"""A configuration that changes while contacts wait and agents talk."""

from __future__ import annotations

from callcore.acd import events as ev
from callcore.directory import Agent


def test_waiting_contacts_stay_where_they_are(floor, make_queue):
    """Changed members and times move nobody; a new member is offered the first in line."""
    floor.configure(make_queue(agents=["ann"]), agents=["bob"])
    floor.login("bob")
    floor.call("c1")
    floor.now += 3
    floor.call("c2")
    floor.configure(make_queue(agents=["ann", "bob"], ring_seconds=3))
    assert floor.offers() == [("c1", "bob")]
    assert [(each.contact, each.position) for each in floor.distributor.waiting(floor.now)] == [
        ("c1", 1),
        ("c2", 2),
    ]


def test_several_new_members_are_matched_by_penalty(floor, make_queue):
    """The best agent takes the first contact, as if everybody had been there before."""
    floor.configure(make_queue(agents=[]), agents=["ann", "bob"])
    floor.login("ann", "bob")
    floor.call("c1")
    floor.configure(make_queue(agents=[("ann", 2), ("bob", 1)]))
    assert floor.offers() == [("c1", "bob")]


def test_everybody_who_can_be_matched_is(floor, make_queue):
    """Three contacts in one line meet three agents who come in with one configuration."""
    floor.configure(make_queue(agents=[]), agents=["ann", "bob", "cyd"])
    floor.login("ann", "bob", "cyd")
    for contact in ("c1", "c2", "c3", "c4"):
        floor.call(contact)
    floor.configure(make_queue(agents=["ann", "bob", "cyd"]))
    assert floor.offers() == [("c1", "ann"), ("c2", "bob"), ("c3", "cyd")]


def test_removed_queue_overflows_its_contacts(floor, make_queue):
    """Contacts of a queue that is gone overflow, ringing ones too, and the agent is free."""
    floor.configure(make_queue(agents=["ann"]), make_queue("r", ["ann"]))
    floor.login("ann")
    floor.call("c1")
    floor.call("c2")
    floor.call("c3", "r")
    floor.configure(make_queue("r", ["ann"]))
    overflows = [each for each in floor.out if isinstance(each, ev.Overflow)]
    assert [(each.contact, str(each.reason)) for each in overflows] == [
        ("c1", "no_such_queue"),
        ("c2", "no_such_queue"),
    ]
    assert floor.offers() == [("c3", "ann")]


def test_removed_agent_finishes_the_contact(floor, make_queue):
    """Talk and wrap-up go on; then the agent is logged out and gone."""
    floor.configure(make_queue(agents=["ann", "bob"], wrap_up_seconds=5))
    floor.login("ann")
    floor.call("c1")
    floor.answer("c1", "ann")
    floor.configure(make_queue(agents=["bob"], wrap_up_seconds=5))
    floor.feed(ev.LoggedIn(agent="ann"))
    floor.release("c1", "ann")
    assert floor.agent("ann").state == "wrapping_up"
    floor.until(floor.now + 5)
    assert floor.kinds() == ["WrapUpEnded", "AgentChanged"]
    assert floor.out[1].state == "logged_out"
    assert "ann" not in floor.distributor.floor.seats


def test_removed_agent_who_rings_hands_on(floor, make_queue):
    """The phone stops and the next agent rings."""
    floor.configure(make_queue(agents=["ann", "bob"]))
    floor.login("ann", "bob")
    floor.call("c1")
    floor.configure(make_queue(agents=["bob"]))
    assert floor.withdrawals() == [("c1", "ann", "agent_gone")]
    assert floor.offers() == [("c1", "bob")]


def test_agent_put_back_before_the_contact_ended_stays(floor, make_queue):
    """Removed and added again while talking: nothing happened."""
    floor.configure(make_queue(agents=["ann"]))
    floor.login("ann")
    floor.call("c1")
    floor.answer("c1", "ann")
    floor.configure(agents=[])
    floor.configure(make_queue(agents=["ann"]))
    floor.release("c1", "ann")
    floor.call("c2")
    assert floor.offers() == [("c2", "ann")]


def test_strategy_changes_under_ringing_contacts(floor, make_queue):
    """To ring_all: the others join. Back: the phones that ring go on, no more are added."""
    floor.configure(make_queue(agents=["ann", "bob", "cyd"]))
    floor.login("ann", "bob")
    floor.call("c1")
    floor.configure(make_queue(agents=["ann", "bob", "cyd"], strategy="ring_all"))
    assert floor.offers() == [("c1", "bob")]
    floor.configure(make_queue(agents=["ann", "bob", "cyd"]))
    floor.login("cyd")
    assert floor.offers() == []
    floor.feed(ev.OfferFailed(contact="c1", agent="ann", result=ev.OfferResult.BUSY))
    assert floor.offers() == []
    floor.feed(ev.OfferFailed(contact="c1", agent="bob", result=ev.OfferResult.BUSY))
    assert floor.offers() == [("c1", "cyd")]


def test_skills_learnt_and_limits_changed_count_at_once(floor, make_queue):
    """A contact that nobody could take is offered as soon as somebody can; max_wait follows."""
    floor.configure(make_queue(agents=["ann"]), agents=["ann"])
    floor.login("ann")
    floor.call("c1", skills={"zh": 1})
    start = floor.now
    floor.configure(make_queue(agents=["ann"], max_wait_seconds=30, ring_seconds=60))
    assert floor.distributor.next_timer() == start + 30
    floor.configure(make_queue(agents=["ann"]), agents=[Agent(id="ann", skills={"zh": 1})])
    assert floor.offers() == [("c1", "ann")]


def test_unknown_strategy_is_refused_as_a_whole(floor, make_queue):
    """A configuration that cannot be used changes nothing and is counted."""
    floor.configure(make_queue(agents=["ann"]))
    assert floor.configure(make_queue(agents=[], strategy="psychic")) == []
    assert floor.distributor.ignored == {"unknown_strategy": 1}
    assert list(floor.distributor.floor.queues["q"].members) == ["ann"]


def test_snapshot_survives_encoding_and_goes_on_alike(floor, make_queue):
    """A distributor restored from bytes takes the same decisions, timers included."""
    floor.configure(
        make_queue(agents=["ann", "bob"], wrap_up_seconds=5, max_wait_seconds=90),
        make_queue("all", ["ann", "cyd"], strategy="ring_all"),
    )
    floor.login("ann", "bob", "cyd")
    floor.call("c1")
    floor.answer("c1", "ann")
    floor.call("c2", "all")
    floor.call("c3", skills={"zh": 1})
    floor.call("c4")
    floor.feed(ev.OfferFailed(contact="c4", agent="bob", result=ev.OfferResult.BUSY))
    floor.release("c1", "ann")
    floor.restart()
    assert floor.twin.next_timer() == floor.distributor.next_timer()
    floor.until(floor.now + 200)
    floor.feed(ev.Ready(agent="ann"))
    assert floor.twin.agents(floor.now) == floor.distributor.agents(floor.now)


def test_a_queue_that_comes_back_counts_who_still_talks_from_it(floor, make_queue):
    """Its agents are occupied, for the estimates."""
    floor.configure(make_queue(agents=["ann"]))
    floor.login("ann").call("c1")
    floor.answer("c1", "ann")
    floor.configure(agents=["ann"])
    floor.configure(make_queue(agents=["ann"]))
    assert floor.distributor.floor.queues["q"].occupied == 1
    floor.release("c1", "ann")
    assert floor.distributor.floor.queues["q"].occupied == 0
