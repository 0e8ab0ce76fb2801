"""The guard itself: each kind of damage to the tables is noticed."""

from __future__ import annotations

import pytest

from callcore.acd.agent import State, Work
from callcore.acd.invariants import check
from callcore.errors import InvalidTransition


def twice(floor):
    floor.contacts["c1"].offers.append("ann")


def two_agents(floor):
    floor.contacts["c1"].offers.append("bob")


def forgotten_by_agent(floor):
    floor.seats["ann"].agent.works.clear()


def endless_wrap_up(floor):
    work = floor.seats["ann"].agent.works["c1"]
    work.state, work.deadline = State.WRAPPING_UP, None


def two_offers(floor):
    floor.seats["ann"].agent.works["c9"] = Work(contact="c9")


def three_calls(floor):
    for name in ("c8", "c9"):
        floor.seats["ann"].agent.works[name] = Work(contact=name, state=State.TALKING)


def wants_nobody(floor):
    floor.contacts["c2"].wanted, floor.contacts["c2"].wanted_until = "zoe", 9e9


def wrong_show(floor):
    floor.seats["bob"].agent.state = State.PAUSED


def idle_while_wanted(floor):
    floor.contacts["c1"].offers.clear()


def lost_from_line(floor):
    floor.queues["q"].step_out(floor.contacts["c2"])


def lost_from_idle(floor):
    floor.queues["q"].idle.discard("bob")


def lost_timer(floor):
    floor.agent_timers.set("ann", None)


def counted_twice(floor):
    floor.state.stats.queues["q"].answered += 1


def lost_queue(floor):
    del floor.queues["q"]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (twice, "twice"),
        (two_agents, "is offered to"),
        (forgotten_by_agent, "does not know"),
        (endless_wrap_up, "for ever|does not know"),
        (two_offers, "is offered"),
        (three_calls, "holds 3 contacts of kind voice"),
        (wants_nobody, "whom nobody knows"),
        (wrong_show, "shown as"),
        (idle_while_wanted, "is idle while"),
        (lost_from_line, "in line"),
        (lost_from_idle, "lists"),
        (lost_timer, "deadline"),
        (counted_twice, "entered"),
        (lost_queue, "does not exist"),
    ],
)
def test_damage_is_noticed(floor, make_queue, damage, words):
    """c1 rings at ann, bob is idle, c2 waits for a skill nobody has."""
    floor.configure(make_queue(agents=["ann", "bob"]))
    floor.login("ann", "bob")
    floor.call("c1")
    floor.call("c2", skills={"zh": 1})
    check(floor.distributor)
    damage(floor.distributor.floor)
    with pytest.raises(InvalidTransition, match=words):
        check(floor.distributor)
