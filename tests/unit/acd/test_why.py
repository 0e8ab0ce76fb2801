"""Explanations: which rule chose or excludes each agent."""

from __future__ import annotations

import pytest

from callcore.acd import events as ev
from callcore.acd.why import TEXTS, queue_verdicts, render
from callcore.directory import Agent


def verdicts(floor, contact):
    explanation = floor.distributor.why_contact(contact)
    return explanation.waits_for.code, {
        each.agent: (each.eligible, [reason.code for reason in each.reasons])
        for each in explanation.verdicts
    }


def test_each_member_has_its_reasons(floor, make_queue):
    """Every rule that excludes is named, not only the first."""
    names = ["ann", "bob", "cyd", "dan", "eve", "fay", "gus", "hal"]
    agents = [Agent(id=name, skills={"en": 2}) for name in names[:-1]] + [
        Agent(id="hal", skills={"en": 1})
    ]
    floor.configure(make_queue(agents=names, wrap_up_seconds=9), agents=agents)
    floor.login("ann", "cyd", "dan", "eve", "fay", "hal")
    floor.feed(ev.Paused(agent="cyd", reason="lunch"))
    floor.feed(ev.ReachableChanged(agent="dan", reachable=False))
    floor.feed(ev.BusyChanged(agent="eve", busy=True))
    floor.feed(ev.Paused(agent="hal", reason="coaching"))
    floor.call("c1")
    floor.answer("c1", "ann")
    floor.call("c2")
    floor.feed(ev.OfferFailed(contact="c2", agent="fay", result=ev.OfferResult.BUSY))
    floor.call("c3", skills={"en": 2})
    code, found = verdicts(floor, "c3")
    assert code == "all_busy"
    assert found == {
        "ann": (False, ["talking"]),
        "bob": (False, ["logged_out"]),
        "cyd": (False, ["paused"]),
        "dan": (False, ["unreachable"]),
        "eve": (False, ["busy"]),
        "fay": (False, ["resting"]),
        "gus": (False, ["logged_out"]),
        "hal": (False, ["paused", "lacks"]),
    }


def test_why_one_agent_was_taken_and_another_not(floor, make_queue):
    """While c1 rings at ann, bob could take it; what rings elsewhere is named."""
    floor.configure(make_queue(agents=["ann", "bob", "cyd"]))
    floor.login("ann", "bob")
    floor.call("c1")
    assert verdicts(floor, "c1") == (
        "being_answered",
        {
            "ann": (True, ["offered"]),
            "bob": (True, ["single_offer"]),
            "cyd": (False, ["logged_out"]),
        },
    )
    floor.call("c2")
    assert verdicts(floor, "c2")[1]["ann"] == (False, ["offered_other"])


@pytest.mark.parametrize(
    ("members", "logged_in", "skills", "code"),
    [
        ([], [], {}, "no_members"),
        (["ann"], [], {}, "nobody_logged_in"),
        (["ann"], ["ann"], {"zh": 1}, "nobody_fits"),
    ],
)
def test_what_a_contact_waits_for(floor, make_queue, members, logged_in, skills, code):
    """The narrowest circle of agents that is empty."""
    floor.configure(make_queue(agents=members))
    floor.login(*logged_in)
    floor.call("c1", skills=skills)
    assert floor.distributor.why_contact("c1").waits_for.code == code


def test_urgency_is_that_of_the_moment_asked_about(floor, make_queue):
    """It grows while nothing happens."""
    floor.configure(make_queue(agents=["ann"], service_level_seconds=10))
    floor.call("c1")
    urgencies = [floor.distributor.why_contact("c1", floor.now + wait).urgency for wait in (0, 20)]
    assert urgencies == [0.0, 2.0]


def test_why_an_agent_gets_nothing(floor, make_queue):
    """Paused by rona, without a queue, or simply nothing there."""
    floor.configure(make_queue(agents=["ann", "cyd"], rona_limit=1), agents=["bob"])
    floor.login("ann", "bob")
    floor.call("c1")
    floor.until(floor.now + 15)
    (reason,) = floor.distributor.why_agent("ann")
    assert str(reason) == "was paused after 1 offers in a row without an answer"
    assert floor.distributor.why_agent("bob")[0].code == "not_member"
    floor.feed(ev.ContactLeft(contact="c1"))
    floor.login("cyd")
    assert floor.distributor.why_agent("cyd")[0].code == "nothing_waits"
    assert floor.distributor.why_agent("zoe") == ()
    assert floor.distributor.why_contact("c1").waits_for.code == "unknown"


def test_the_first_contact_of_each_queue_an_agent_serves(floor, make_queue):
    """Waiting contacts that an agent may not take are named with the rules against it."""
    floor.configure(
        make_queue("q", ["ann"]), make_queue("r", ["ann"]), make_queue("s", ["ann"]), agents=["bob"]
    )
    floor.call("c1", "q", skills={"zh": 2})
    floor.call("c2", "q")
    floor.call("c3", "r")
    first, second, third = queue_verdicts(floor.distributor.floor, "ann")
    assert (first.queue, first.waiting, first.contact) == ("q", 2, "c1")
    assert [str(reason) for reason in first.reasons] == ["is logged out", "lacks zh at level 2"]
    assert (second.contact, second.eligible) == ("c3", False)
    assert (third.waiting, third.contact, third.reasons) == (0, "", ())
    assert queue_verdicts(floor.distributor.floor, "bob") == ()
    assert queue_verdicts(floor.distributor.floor, "zoe") == ()


def test_codes_of_offers_can_be_read(floor, make_queue):
    """Each code an offer carries has its sentence."""
    floor.configure(make_queue(agents=["ann"]), make_queue("all", ["bob"], strategy="ring_all"))
    floor.login("ann", "bob")
    codes = set()
    for contact, queue in (("c1", "q"), ("c2", "all")):
        floor.call(contact, queue)
        codes.update(floor.out[0].reasons)
    floor.call("c3", priority=2)
    floor.answer("c1", "ann")
    floor.release("c1", "ann")
    codes.update(next(each for each in floor.out if isinstance(each, ev.Offer)).reasons)
    assert codes <= set(TEXTS)
    assert render("lacks", "zh at level 2") == "lacks zh at level 2"
