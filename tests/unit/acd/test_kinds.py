"""Kinds of contact: several at once, exclusive ones alone, statuses that offer only some."""

from __future__ import annotations

import pytest

from callcore.acd import events as ev
from callcore.directory import Agent
from callcore.directory_queue import Kind

KINDS = {"chat": Kind(capacity=3), "mail": Kind(exclusive=True)}
STATUSES = {"writing": ("chat", "mail"), "training": ()}


@pytest.fixture
def desk(floor, make_queue):
    """ann takes calls, three chats, one mail."""
    floor.configure(
        make_queue("calls", ["ann"], rona_limit=1),
        make_queue("chats", ["ann"], kind="chat", rona_limit=1),
        make_queue("mails", ["ann"], kind="mail"),
        kinds=KINDS,
        statuses=STATUSES,
    )
    return floor.login("ann")


def talk(floor, contact, queue):
    floor.call(contact, queue)
    assert floor.offers() == [(contact, "ann")]
    floor.answer(contact, "ann")


def test_chats_come_up_to_the_capacity_one_offer_at_a_time(desk):
    """The next rings when the one before is answered; the fourth waits for an end."""
    for contact in ("c1", "c2", "c3", "c4"):
        desk.call(contact, "chats")
    assert desk.offered == [("c1", "ann")]
    for contact, following in (("c1", "c2"), ("c2", "c3")):
        desk.answer(contact, "ann")
        assert desk.offers() == [(following, "ann")]
    desk.answer("c3", "ann")
    assert desk.offers() == []
    desk.release("c2", "ann")
    assert desk.offers() == [("c4", "ann")]


#: What is held, what comes: whether it is offered beside it.
BESIDE = {
    ("calls", "calls"): False,
    ("calls", "chats"): False,
    ("chats", "calls"): False,
    ("chats", "chats"): True,
    ("chats", "mails"): False,
    ("mails", "chats"): False,
    ("mails", "mails"): False,
}


@pytest.mark.parametrize(("held", "comes"), BESIDE)
def test_what_is_offered_beside_what(desk, held, comes):
    """Calls and mails want the agent alone; what has to wait comes when the first is done with."""
    talk(desk, "c1", held)
    desk.call("c2", comes)
    beside = BESIDE[held, comes]
    assert desk.offers() == ([("c2", "ann")] if beside else [])
    desk.release("c1", "ann")
    assert desk.offers() == ([] if beside else [("c2", "ann")])


@pytest.mark.parametrize(
    ("event", "offered"),
    [
        (ev.StatusChosen(agent="ann", status="writing"), {"calls": 0, "chats": 1, "mails": 1}),
        (ev.StatusChosen(agent="ann", status="training"), {"calls": 0, "chats": 0, "mails": 0}),
        (ev.ReachableChanged(agent="ann", reachable=False), {"calls": 0, "chats": 1, "mails": 1}),
        (ev.BusyChanged(agent="ann", busy=True), {"calls": 0, "chats": 0, "mails": 0}),
    ],
)
def test_statuses_and_phones_decide_what_is_offered(desk, event, offered):
    """A phone that is away stops calls alone; an outside call stops everything."""
    desk.feed(event)
    for queue, count in offered.items():
        desk.call(f"{queue}1", queue)
        assert len(desk.offers()) == count, queue
        desk.feed(ev.ContactLeft(contact=f"{queue}1"))


def test_a_status_takes_back_what_is_not_offered_in_it(desk):
    """A call that rings goes on elsewhere, a chat that rings goes on ringing."""
    desk.call("c1", "calls")
    desk.feed(ev.StatusChosen(agent="ann", status="writing"))
    assert desk.withdrawals() == [("c1", "ann", "agent_gone")]
    desk.call("c2", "chats")
    desk.feed(ev.ReachableChanged(agent="ann", reachable=False))
    assert desk.out == []
    desk.answer("c2", "ann")
    assert desk.agent("ann").state == "talking"


def test_after_a_pause_for_missed_offers_the_same_status_can_be_chosen(desk):
    """The pause ends the status: choosing it again is a change."""
    desk.feed(ev.StatusChosen(agent="ann", status="writing"))
    desk.call("c1", "chats")
    desk.until(desk.now + 15.0)
    assert desk.agent("ann").pause_reason == "rona"
    desk.feed(ev.StatusChosen(agent="ann", status="writing"))
    assert desk.offers() == [("c1", "ann")]


def test_a_kind_may_go_while_it_rings(desk, make_queue):
    """The chat rings on as a contact of what its queue serves now; the phone's loss stops it."""
    desk.call("c1", "chats")
    desk.configure(make_queue("chats", ["ann"]), agents=[Agent(id="ann")])
    desk.feed(ev.ReachableChanged(agent="ann", reachable=False))
    assert desk.withdrawals() == [("c1", "ann", "agent_gone")]


def test_several_agents_at_once_find_wishes_of_all_kinds(desk, make_queue):
    """A call that wants ann and cannot have her does not stand before a chat that can."""
    desk.feed(ev.Paused(agent="ann", reason="break"))
    desk.call("c1", "calls", wanted="ann", wanted_seconds=60.0)
    desk.call("c2", "chats", wanted="ann", wanted_seconds=60.0)
    desk.feed(ev.StatusChosen(agent="ann", status="writing"))
    assert desk.offers() == [("c2", "ann")]
    desk.feed(ev.Paused(agent="ann", reason="break"))


def test_wishes_of_several_queues_are_taken_by_urgency(floor, make_queue):
    """Of two that want ann, the later one is more urgent by its queue's weight."""
    floor.configure(make_queue("calm", ["ann"]), make_queue("pressing", ["ann"], weight=10.0))
    floor.login("ann")
    floor.feed(ev.Paused(agent="ann", reason="break"))
    floor.call("c1", "calm", wanted="ann", wanted_seconds=60.0)
    floor.now += 2.0
    floor.call("c2", "pressing", wanted="ann", wanted_seconds=60.0)
    floor.now += 8.0
    floor.feed(ev.Ready(agent="ann"))
    assert floor.offers() == [("c2", "ann")]


def test_agents_have_capacities_of_their_own(floor, make_queue):
    """bob takes one chat, cyd none."""
    agents = [Agent(id="bob", capacity={"chat": 1}), Agent(id="cyd", capacity={"chat": 0})]
    floor.configure(make_queue("chats", ["bob", "cyd"], kind="chat"), agents=agents, kinds=KINDS)
    floor.login("bob", "cyd")
    for contact in ("c1", "c2"):
        floor.call(contact, "chats")
    floor.answer("c1", "bob")
    assert floor.offered == [("c1", "bob")]


def test_whoever_has_the_smaller_load_takes_the_next_chat(floor, make_queue):
    """Idle time decides only between equal loads."""
    floor.configure(make_queue("chats", ["ann", "bob"], kind="chat"), kinds=KINDS)
    floor.login("ann", "bob")
    for contact, agent in (("c1", "ann"), ("c2", "bob"), ("c3", "ann"), ("c4", "bob")):
        floor.call(contact, "chats")
        assert floor.offers() == [(contact, agent)]
        floor.answer(contact, agent)


def test_a_contact_assigned_by_hand_may_stand_beside_others(desk):
    """A call taken over while chatting; nothing more is offered until it is over."""
    talk(desk, "c1", "chats")
    desk.feed(ev.ContactAssigned(contact="x1", agent="ann", queue="calls"))
    desk.call("c2", "chats")
    assert desk.offers() == []
    desk.release("x1", "ann")
    assert desk.offers() == [("c2", "ann")]
