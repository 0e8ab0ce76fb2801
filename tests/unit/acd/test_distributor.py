"""Choosing in both directions, time limits and wrap-up."""

from __future__ import annotations

import pytest

from callcore.acd import events as ev
from callcore.directory import Agent


def test_longest_idle_agent_gets_a_new_contact(floor, make_queue):
    """Among equals the agent without work for the longest time is offered first."""
    floor.configure(make_queue(agents=["bob", "ann"]))
    floor.login("bob", "ann")
    floor.call("c1")
    assert floor.offers() == [("c1", "bob")]
    offer = floor.out[0]
    assert offer.reasons == ("idle_agent", "lowest_penalty", "longest_idle")
    floor.call("c2")
    assert floor.offers() == [("c2", "ann")]


def test_penalty_comes_before_idle_time_and_id_breaks_ties(floor, make_queue):
    """A lower penalty wins over a longer idle time; equal in all, the smaller id."""
    floor.configure(make_queue(agents=[("ann", 1), "dan", "cyd"]))
    for agent in ("ann", "dan", "cyd"):
        floor.feed(ev.LoggedIn(agent=agent))
    chosen = []
    for contact in ("c1", "c2", "c3"):
        floor.call(contact)
        chosen += floor.offers()
    assert chosen == [("c1", "cyd"), ("c2", "dan"), ("c3", "ann")]


def test_freed_agent_takes_the_best_contact_of_all_queues(floor, make_queue):
    """Priority first, then the longest wait, then the id, over all queues served; at once."""
    floor.configure(make_queue("q", ["ann"]), make_queue("r", ["ann"]))
    floor.login("ann")
    floor.call("c0")
    floor.answer("c0", "ann")
    floor.call("c3", "q", since=floor.now - 5)
    floor.call("c2", "r", since=floor.now - 5)
    floor.call("c1", "r", since=floor.now - 9)
    floor.call("c4", "q", priority=1)
    served = []
    for held in ("c0", "c4", "c1", "c2", "c3"):
        floor.release(held, "ann")
        served += floor.offers()
        if floor.offers():
            floor.answer(*floor.offers()[0])
    assert served == [("c4", "ann"), ("c1", "ann"), ("c2", "ann"), ("c3", "ann")]


def test_skills_decide_who_may_take_a_contact(floor, make_queue):
    """An agent below a minimum level is passed over, in both directions, and keeps the place."""
    agents = [Agent(id="ann", skills={"en": 1}), Agent(id="bob", skills={"en": 3})]
    floor.configure(make_queue(agents=["ann", "bob"]), agents=agents)
    floor.login("ann", "bob")
    floor.call("c1", skills={"en": 2})
    assert floor.offers() == [("c1", "bob")]
    floor.call("c2", skills={"en": 2})
    assert floor.offers() == []
    floor.call("c3")
    assert floor.offers() == [("c3", "ann")]
    floor.answer("c1", "bob")
    floor.release("c1", "bob")
    assert floor.offers() == [("c2", "bob")]


def test_ring_time_out_offers_the_next_agent_and_keeps_the_place(floor, make_queue):
    """After ring_seconds the phone stops, the next one rings, the contact stays first in line."""
    floor.configure(make_queue(agents=["ann", "bob"], ring_seconds=10, retry_seconds=5))
    floor.login("ann", "bob")
    start = floor.now
    floor.call("c1")
    assert floor.distributor.next_timer() == start + 10
    floor.call("c2")
    actions = floor.until(start + 10)
    assert floor.offers() == []  # both rang out, both rest
    assert [type(each).__name__ for each in actions].count("Withdraw") == 2
    assert [each.contact for each in floor.distributor.waiting(floor.now)] == ["c1", "c2"]
    floor.until(start + 14.9)
    assert floor.phones == {}
    floor.until(start + 15)
    assert floor.phones == {"ann": ("c1", "rings"), "bob": ("c2", "rings")}


def test_withdraw_comes_before_the_next_offer(floor, make_queue):
    """Actions come in the order in which they must be carried out."""
    floor.configure(make_queue(agents=["ann", "bob"]))
    floor.login("ann", "bob")
    floor.call("c1")
    floor.now += 15
    floor.fire()
    assert floor.kinds() == ["Withdraw", "AgentChanged", "Offer", "AgentChanged"]
    assert floor.withdrawals() == [("c1", "ann", "no_answer")]


def test_rona_pauses_after_the_limit(floor, make_queue):
    """Unanswered offers in a row pause the agent with reason rona; an answer starts anew."""
    floor.configure(make_queue(agents=["ann"], ring_seconds=10, retry_seconds=5, rona_limit=2))
    floor.login("ann")
    floor.call("c1")
    floor.until(floor.now + 16)
    floor.answer("c1", "ann")
    floor.release("c1", "ann")
    floor.call("c2")
    floor.until(floor.now + 10)
    assert floor.agent("ann").status == "ready"
    floor.until(floor.now + 60)
    assert (floor.agent("ann").status, floor.agent("ann").pause_reason) == ("paused", "rona")
    last = [each for each in floor.out if isinstance(each, ev.AgentChanged)][-1]
    assert (last.state, last.before, last.reason) == ("paused", "offered", "rona")
    floor.feed(ev.Ready(agent="ann"))
    assert floor.offers() == [("c2", "ann")]


def test_overflow_when_full_only_if_nobody_is_free(floor, make_queue):
    """max_size refuses a contact that would have to wait, not one that an agent is free for."""
    floor.configure(make_queue(agents=["ann", "bob"], max_size=1))
    floor.login("ann", "bob")
    floor.call("c1")
    floor.call("c2")
    assert floor.offers() == [("c2", "bob")]
    floor.call("c3")
    assert floor.out == [ev.Overflow(contact="c3", queue="q", reason=ev.OverflowReason.QUEUE_FULL)]
    floor.call("c4", "nowhere")
    assert floor.out[0].reason is ev.OverflowReason.NO_SUCH_QUEUE


def test_overflow_on_max_wait_stops_the_ringing_first(floor, make_queue):
    """max_wait also ends an offer: withdraw, then overflow, and the agent takes the next."""
    floor.configure(make_queue(agents=["ann"], max_wait_seconds=12, ring_seconds=30))
    floor.login("ann")
    floor.call("c1")
    floor.now += 5
    floor.call("c2")
    floor.until(floor.now + 7)
    assert floor.kinds() == ["Withdraw", "AgentChanged", "Overflow", "Offer", "AgentChanged"]
    assert floor.offers() == [("c2", "ann")]


def test_max_wait_counts_from_since(floor, make_queue):
    """A contact that waited before a restart overflows as if nothing had happened."""
    floor.configure(make_queue(agents=["ann"], max_wait_seconds=60))
    floor.call("c1", since=floor.now - 50)
    assert floor.distributor.next_timer() == floor.now + 10


def test_wrap_up_is_timed_visible_and_ends_by_itself(floor, make_queue):
    """The agent wraps up for the queue's time and then takes the next contact at once."""
    floor.configure(make_queue(agents=["ann"], wrap_up_seconds=20))
    floor.login("ann")
    floor.call("c1")
    floor.answer("c1", "ann")
    floor.now += 100
    floor.release("c1", "ann")
    changed = floor.out[0]
    assert (changed.state, changed.until, changed.contact) == (
        "wrapping_up",
        floor.now + 20,
        "c1",
    )
    floor.call("c2")
    assert floor.offers() == []
    actions = floor.until(floor.now + 20)
    assert actions[0] == ev.WrapUpEnded(contact="c1", agent="ann", seconds=20.0)
    assert floor.offers() == [("c2", "ann")]


def test_no_wrap_up_is_told_as_well(floor, make_queue):
    """Without wrap-up the record can be closed at the release: seconds is 0."""
    floor.configure(make_queue(agents=["ann"]))
    floor.login("ann")
    floor.call("c1")
    floor.answer("c1", "ann")
    floor.release("c1", "ann")
    assert floor.out[0] == ev.WrapUpEnded(contact="c1", agent="ann", seconds=0.0)
    assert (floor.out[1].before, floor.out[1].state) == ("talking", "idle")


def test_ready_ends_wrap_up(floor, make_queue):
    """An agent who is done early says ready; the time taken is told."""
    floor.configure(make_queue(agents=["ann"], wrap_up_seconds=20))
    floor.login("ann")
    floor.call("c1")
    floor.answer("c1", "ann")
    floor.release("c1", "ann")
    floor.now += 7
    floor.feed(ev.Ready(agent="ann"))
    assert floor.out[0] == ev.WrapUpEnded(contact="c1", agent="ann", seconds=7.0)
    assert floor.distributor.next_timer() is None


def test_pause_in_wrap_up_takes_effect_after_it(floor, make_queue):
    """The status changes now, the wrap-up goes on to its end, then the pause shows."""
    floor.configure(make_queue(agents=["ann"], wrap_up_seconds=20))
    floor.login("ann")
    floor.call("c1")
    floor.answer("c1", "ann")
    floor.release("c1", "ann")
    floor.feed(ev.Paused(agent="ann", reason="lunch"))
    changed = floor.out[0]
    assert (changed.state, changed.status, changed.reason) == ("wrapping_up", "paused", "lunch")
    assert changed.until == floor.now + 20
    floor.call("c2")
    floor.until(floor.now + 20)
    assert [each.reason for each in floor.out if isinstance(each, ev.AgentChanged)] == ["lunch"]
    assert floor.agent("ann").state == "paused"
    assert floor.phones == {}


def test_pause_while_talking_takes_effect_at_release(floor, make_queue):
    """A talk is never disturbed by a pause; afterwards nothing is offered."""
    floor.configure(make_queue(agents=["ann"]))
    floor.login("ann")
    floor.call("c1")
    floor.answer("c1", "ann")
    floor.feed(ev.Paused(agent="ann", reason="lunch"))
    assert floor.agent("ann").state == "talking"
    floor.call("c2")
    floor.release("c1", "ann")
    assert floor.offers() == []
    assert floor.agent("ann").state == "paused"


def test_logged_out_while_talking_goes_after_the_talk(floor, make_queue):
    """The contact in progress goes on; nothing more is offered; no wrap-up is waited for."""
    floor.configure(make_queue(agents=["ann"], wrap_up_seconds=20))
    floor.login("ann")
    floor.call("c1")
    floor.answer("c1", "ann")
    floor.feed(ev.LoggedOut(agent="ann"))
    assert floor.agent("ann").state == "talking"
    floor.release("c1", "ann")
    assert floor.out[0] == ev.WrapUpEnded(contact="c1", agent="ann", seconds=0.0)
    assert floor.agent("ann").state == "logged_out"


def test_ring_all_rings_everyone_and_whoever_frees(floor, make_queue):
    """All free members ring, one who becomes free joins, one wins, the rest are told why."""
    floor.configure(make_queue(agents=["ann", ("bob", 5), "cyd"], strategy="ring_all"))
    floor.login("ann", "bob")
    floor.call("c1")
    assert floor.offers() == [("c1", "ann"), ("c1", "bob")]
    floor.login("cyd")
    assert floor.offers() == [("c1", "cyd")]
    floor.call("c2")
    assert floor.offers() == []
    floor.answer("c1", "bob")
    assert floor.withdrawals() == [
        ("c1", "ann", "answered_elsewhere"),
        ("c1", "cyd", "answered_elsewhere"),
    ]
    assert floor.offers() == [("c2", "ann"), ("c2", "cyd")]


def test_attended_transfer_assigns_without_an_offer(floor, make_queue):
    """The agent talks, with the wrap-up of the queue named, and gets no offer meanwhile."""
    floor.configure(make_queue(agents=["ann"], wrap_up_seconds=3))
    floor.login("ann")
    floor.feed(ev.BusyChanged(agent="ann", busy=True))
    floor.feed(ev.ContactAssigned(contact="c1", agent="ann", queue="q"))
    floor.feed(ev.BusyChanged(agent="ann", busy=False))
    floor.call("c2")
    assert floor.offers() == []
    floor.release("c1", "ann")
    assert floor.agent("ann").state == "wrapping_up"
    floor.until(floor.now + 3)
    assert floor.offers() == [("c2", "ann")]


@pytest.mark.parametrize("work", ["offered", "wrapping_up", "resting"])
def test_assignment_takes_an_agent_out_of_what_goes_on(floor, make_queue, work):
    """An agent who takes another contact by hand leaves ringing, wrap-up or rest behind."""
    floor.configure(make_queue(agents=["ann"], wrap_up_seconds=30))
    floor.login("ann")
    floor.call("c1")
    if work == "resting":
        floor.until(floor.now + 16)
    if work == "wrapping_up":
        floor.answer("c1", "ann")
        floor.release("c1", "ann")
    floor.feed(ev.ContactAssigned(contact="c9", agent="ann"))
    assert (floor.agent("ann").state, floor.agent("ann").contact) == ("talking", "c9")
    waiting = [each.contact for each in floor.distributor.waiting(floor.now)]
    assert waiting == ([] if work == "wrapping_up" else ["c1"])


@pytest.mark.parametrize("on_hold", [False, True])
def test_attended_transfer_to_an_agent_who_talks_exchanges_the_contact(floor, make_queue, on_hold):
    """The consultation ends without wrap-up; the caller's own wrap-up follows at its end."""
    floor.configure(make_queue(agents=["ann"], wrap_up_seconds=3), make_queue("other"))
    floor.login("ann")
    floor.call("consult")
    floor.answer("consult", "ann")
    if on_hold:
        floor.feed(ev.HoldChanged(contact="consult", agent="ann", on_hold=True))
    floor.feed(ev.ContactAssigned(contact="c1", agent="ann", queue="other"))
    assert (floor.agent("ann").state, floor.agent("ann").contact) == ("talking", "c1")
    floor.feed(ev.ContactReleased(contact="consult", agent="ann"))
    assert floor.distributor.ignored == {"not_connected": 1}
    floor.call("c2")
    assert ("c2", "ann") not in floor.offers()
    floor.release("c1", "ann")
    assert floor.agent("ann").contact == "c2"
    assert floor.distributor.snapshot().stats.agent("ann").handling.handled == 2


def test_an_operator_gives_a_waiting_contact_to_an_agent(floor, make_queue):
    """Assigned out of the queue: other phones stop, and the queue counts it as answered."""
    floor.configure(make_queue(agents=["ann", "bob"]), agents=["cyd"])
    floor.login("ann", "bob")
    floor.call("c1")
    floor.feed(ev.ContactAssigned(contact="c1", agent="cyd"))
    assert floor.withdrawals() == [("c1", "ann", "answered_elsewhere")]
    assert floor.distributor.snapshot().stats.queues["q"].answered == 1


def test_hold_shows_and_adds_up(floor, make_queue):
    """Talk and hold are counted apart."""
    floor.configure(make_queue(agents=["ann"]))
    floor.login("ann")
    floor.call("c1")
    floor.answer("c1", "ann")
    for seconds, on_hold in ((30, True), (12, False), (8, None)):
        floor.now += seconds
        if on_hold is not None:
            floor.feed(ev.HoldChanged(contact="c1", agent="ann", on_hold=on_hold))
    floor.release("c1", "ann")
    handling = floor.distributor.snapshot().stats.queues["q"].handling
    assert (handling.handled, handling.talk_seconds, handling.hold_seconds) == (1, 38.0, 12.0)


def test_an_agent_keeps_the_place_when_the_caller_gives_up(floor, make_queue):
    """An offer withdrawn through no doing of the agent does not send the agent to the back."""
    floor.configure(make_queue(agents=["ann", "bob"]))
    floor.login("ann", "bob")
    floor.call("c1")
    floor.now += 5
    floor.feed(ev.ContactLeft(contact="c1"))
    floor.call("c2")
    assert floor.offers() == [("c2", "ann")]


def test_the_next_agent_rings_even_if_worse_and_without_rest(floor, make_queue):
    """After no answer another agent who is free comes first, whatever penalty and retry say."""
    floor.configure(make_queue(agents=["ann", ("bob", 9)], retry_seconds=0))
    floor.login("ann", "bob")
    floor.call("c1")
    floor.until(floor.now + 15)
    assert floor.offers() == [("c1", "bob")]
    floor.call("c2")
    assert floor.offers() == [("c2", "ann")]


def test_an_unanswered_offer_sends_the_agent_to_the_back(floor, make_queue):
    """Whoever let it ring is offered the next contact after those who waited properly."""
    floor.configure(make_queue(agents=["ann", "bob", "cyd"]))
    floor.login("ann", "bob", "cyd")
    floor.call("c1")
    floor.until(floor.now + 15)
    floor.answer("c1", "bob")
    floor.until(floor.now + 30)
    floor.call("c2")
    assert floor.offers() == [("c2", "cyd")]


def test_pause_while_talking_leaves_the_wrap_up_whole(floor, make_queue):
    """The pause begins after the wrap-up, not in place of it."""
    floor.configure(make_queue(agents=["ann"], wrap_up_seconds=20))
    floor.login("ann")
    floor.call("c1")
    floor.answer("c1", "ann")
    floor.feed(ev.Paused(agent="ann", reason="lunch"))
    floor.release("c1", "ann")
    assert floor.agent("ann").state == "wrapping_up"
    floor.until(floor.now + 20)
    assert floor.agent("ann").state == "paused"


def test_ready_after_a_pause_ends_the_rest(floor, make_queue):
    """An agent who paused after a missed call and says ready is there: no rest is left."""
    floor.configure(make_queue(agents=["ann"], retry_seconds=300))
    floor.login("ann")
    floor.call("c1")
    floor.until(floor.now + 15)
    floor.feed(ev.Paused(agent="ann", reason="coffee"))
    floor.feed(ev.Ready(agent="ann"))
    assert floor.offers() == [("c1", "ann")]


def test_a_wait_that_would_begin_in_the_future_begins_now(floor, make_queue):
    """Clocks that differ make no negative waits and no place before its time."""
    floor.configure(make_queue(agents=["ann"]))
    floor.call("c1", since=floor.now + 30)
    assert floor.distributor.waiting(floor.now)[0].waited == 0.0


def test_offers_tell_how_long_the_contact_waited(floor, make_queue):
    """The agent's announcement can say it."""
    floor.configure(make_queue(agents=["ann"]))
    floor.call("c1", since=floor.now - 5)
    floor.now += 20
    floor.login("ann")
    assert next(each for each in floor.out if isinstance(each, ev.Offer)).waited == 25.0


def test_a_new_session_forgets_the_old_phone(floor, make_queue):
    """Busy and unreachable belong to the phone of the session before."""
    floor.configure(make_queue(agents=["ann"]))
    floor.login("ann")
    floor.feed(ev.BusyChanged(agent="ann", busy=True))
    floor.feed(ev.LoggedOut(agent="ann"))
    floor.feed(ev.ReachableChanged(agent="ann", reachable=False))
    floor.login("ann")
    floor.call("c1")
    assert floor.offers() == [("c1", "ann")]
    floor.feed(ev.ContactLeft(contact="c1"))
    floor.feed(ev.LoggedOut(agent="ann"))
    floor.feed(ev.LoggedIn(agent="ann", busy=True))
    assert floor.agent("ann").state == "busy"
