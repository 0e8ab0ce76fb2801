"""Which contact a freed agent takes, over all queues served; whom a contact finds in time."""

from __future__ import annotations

import pytest

from callcore.acd import events as ev
from callcore.directory import Agent
from callcore.directory_queue import Ring


@pytest.fixture
def away(floor, make_queue):
    """ann serves both queues and is paused; contacts come, then she is back."""

    def start(first, second):
        floor.configure(make_queue("p", ["ann"], **first), make_queue("q", ["ann"], **second))
        floor.login("ann").feed(ev.Paused(agent="ann", reason="break"))
        return floor

    return start


#: Settings of p and q, (queue, waited, priority) of two contacts, and which is taken first.
CHOICES = [
    ({}, {}, ("p", 10.0, 0), ("q", 12.0, 0), 1),
    ({"weight": 2.0}, {}, ("p", 10.0, 0), ("q", 12.0, 0), 0),
    ({"service_level_seconds": 5.0}, {}, ("p", 10.0, 0), ("q", 30.0, 0), 0),
    ({}, {}, ("p", 10.0, 1), ("q", 599.0, 0), 0),
    ({}, {}, ("p", 10.0, 1), ("q", 611.0, 0), 1),
    ({"priority_seconds": 0.0}, {}, ("p", 10.0, 9), ("q", 12.0, 0), 1),
    ({}, {}, ("p", 10.0, 0), ("p", 9.0, 1), 1),
    ({}, {}, ("p", 10.0, 0), ("q", 10.0, 0), 0),
]


@pytest.mark.parametrize(("p", "q", "first", "second", "taken"), CHOICES)
def test_the_most_urgent_contact_is_taken(away, p, q, first, second, taken):
    """Weight, target and priority all count as waiting."""
    floor = away(p, q)
    for contact, (queue, waited, priority) in (("c0", first), ("c1", second)):
        floor.call(contact, queue, since=floor.now - waited, priority=priority)
    floor.feed(ev.Ready(agent="ann"))
    assert floor.offers() == [(f"c{taken}", "ann")]


def test_an_agent_who_meets_it_is_found_after_one_who_does_not(floor, make_queue):
    """That nobody idle meets a need is kept in mind only until somebody idle does."""
    floor.configure(make_queue("q", ["ann", "bob"]), agents=[Agent(id="bob", skills={"en": 1})])
    floor.login("ann")
    for contact in ("c1", "c2"):
        floor.call(contact, skills={"en": 1})
        assert floor.offers() == []
    floor.login("bob")
    assert floor.offers() == [("c1", "bob")]
    for left, following in (("c1", "c2"), ("c2", None)):
        floor.feed(ev.ContactLeft(contact=left))
        assert floor.offers() == ([(following, "bob")] if following else [])
    floor.call("c3", skills={"en": 1})
    assert floor.offers() == [("c3", "bob")]


def test_nothing_starves(away):
    """A contact of low priority and weight is served among endless urgent ones."""
    floor = away({"weight": 0.25}, {"weight": 2.0})
    floor.call("old", "p", priority=-1)
    floor.feed(ev.Ready(agent="ann"))
    floor.feed(ev.Paused(agent="ann", reason="break"))
    begins = floor.now
    for n in range(1000):
        floor.call(f"n{n}", "q", priority=1)
        floor.now += 10.0
        floor.feed(ev.Ready(agent="ann"))
        ((contact, _),) = floor.offers()
        if contact == "old":
            break
        floor.answer(contact, "ann")
        floor.feed(ev.Paused(agent="ann", reason="break"))
        floor.release(contact, "ann")
    assert contact == "old"
    assert floor.now - begins < 6000.0


def test_rings_widen_with_the_wait(floor, make_queue):
    """Tier 0 at first, then less english, then anyone."""
    rings = (
        Ring(after_seconds=0.0, max_penalty=0),
        Ring(after_seconds=10.0, skills={"en": 1}, max_penalty=1),
        Ring(after_seconds=20.0, skills={"en": 0}),
    )
    agents = [Agent(id="bob", skills={"en": 1}), Agent(id="cyd")]
    floor.configure(make_queue(agents=[("bob", 1), ("cyd", 2)], rings=rings), agents=agents)
    floor.login("cyd", "bob")
    begins = floor.now
    floor.call("c1", skills={"en": 2})
    floor.call("c2", skills={"en": 2})
    floor.until(begins + 9.9)
    assert floor.offered == []
    floor.until(begins + 10.0)
    assert floor.offered == [("c1", "bob")]
    floor.until(begins + 20.0)
    assert floor.offered[1:] == [("c2", "cyd")]


#: What happens to ann, whom c1 wants for 20 seconds while bob is idle; seconds until bob rings.
WISHES = [
    (None, 20.0),
    (ev.LoggedOut(agent="ann"), 0.0),
    (ev.OfferFailed(contact="c1", agent="ann", result=ev.OfferResult.REJECTED), 0.0),
    (ev.ContactReleased(contact="c0", agent="ann"), None),
]


@pytest.mark.parametrize(("event", "seconds"), WISHES)
def test_the_agent_wanted_comes_first_for_a_while(floor, make_queue, event, seconds):
    """Then anyone; a wish that cannot come true ends at once."""
    floor.configure(make_queue(agents=["ann", "bob"]))
    floor.login("ann")
    busy = not isinstance(event, ev.OfferFailed)
    if busy:
        floor.call("c0")
        floor.answer("c0", "ann")
    floor.login("bob")
    floor.call("c1", wanted="ann", wanted_seconds=20.0)
    begins = floor.now
    assert floor.offers() == ([] if busy else [("c1", "ann")])
    if event is not None:
        floor.feed(event)
    if seconds is None:
        assert floor.offers() == [("c1", "ann")]
        return
    floor.until(begins + seconds)
    assert floor.offered[-1] == ("c1", "bob")


def test_priority_changes_while_waiting(away):
    """Up, and down again."""
    floor = away({}, {})
    for contact in ("c1", "c2", "c3"):
        floor.call(contact, "p")
        floor.now += 1.0
    floor.feed(ev.PriorityChanged(contact="c3", priority=2))
    floor.feed(ev.PriorityChanged(contact="c1", priority=-1))
    for contact in ("c3", "c2", "c1"):
        floor.feed(ev.Ready(agent="ann"))
        assert floor.offers() == [(contact, "ann")]
        floor.answer(contact, "ann")
        floor.feed(ev.Paused(agent="ann", reason="break"))
        floor.release(contact, "ann")
