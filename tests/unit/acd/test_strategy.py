"""Strategies by name: whom each offers a contact."""

from __future__ import annotations

from collections import Counter

import pytest

from callcore.acd import events as ev
from callcore.acd.agent import LiveAgent
from callcore.acd.strategy import STRATEGIES, strategy_named
from callcore.directory import Agent, Member
from callcore.errors import UnknownEntity

#: In order of login: ann is idle longest. cyd has just what "en 1" needs.
AGENTS = [
    Agent(id="ann", skills={"en": 3, "zh": 1}, cost=3.0),
    Agent(id="bob", skills={"en": 2}, cost=1.0),
    Agent(id="cyd", skills={"en": 1}, cost=2.0),
]


@pytest.fixture
def staffed(floor, make_queue):
    """A queue with this strategy, everybody idle; `members` as `make_queue` takes them."""

    def start(strategy, members=("cyd", "bob", "ann"), **settings):
        floor.configure(make_queue(agents=members, strategy=strategy, **settings), agents=AGENTS)
        return floor.login("ann", "bob", "cyd")

    return start


def served(floor, contacts, **settings):
    """Who answered each of so many contacts that came one after the other."""
    agents = []
    for n in range(contacts):
        floor.now += 5.0
        floor.call(f"c{n}", **settings)
        ((contact, agent),) = floor.offers()
        agents.append(agent)
        floor.answer(contact, agent)
        floor.now += 20.0
        floor.release(contact, agent)
    return agents


#: Strategy, further settings, and who gets four contacts.
ORDERS = [
    ("longest_idle", {}, ["ann", "bob", "cyd", "ann"]),
    ("linear", {}, ["cyd", "cyd", "cyd", "cyd"]),
    ("round_robin", {}, ["cyd", "bob", "ann", "cyd"]),
    ("fewest_contacts", {}, ["ann", "bob", "cyd", "ann"]),
    ("least_occupied", {}, ["ann", "bob", "cyd", "ann"]),
    ("skill_best_fit", {}, ["cyd", "cyd", "cyd", "cyd"]),
    ("weighted", {"criteria": {"cost": 1.0}}, ["bob", "bob", "bob", "bob"]),
    ("weighted", {"criteria": {"contacts_today": 1.0}}, ["ann", "bob", "cyd", "ann"]),
]


@pytest.mark.parametrize(("strategy", "settings", "expected"), ORDERS)
def test_the_order_of_each(staffed, strategy, settings, expected):
    """One contact at a time, all idle before each."""
    assert served(staffed(strategy, **settings), 4, skills={"en": 1}) == expected


@pytest.mark.parametrize("strategy", sorted(set(STRATEGIES) - {"ring_all", "weighted"}))
def test_lower_penalties_come_first(staffed, strategy):
    """Whatever the strategy; with weighted chances only more often."""
    members = [("cyd", 5), ("bob", 0), ("ann", 5)]
    agents = Counter(served(staffed(strategy, members), 40))
    assert agents["bob"] == 40 or (strategy == "weighted_random" and agents["bob"] > 20)


def test_random_takes_anyone(staffed):
    """About as often each."""
    agents = Counter(served(staffed("random"), 300))
    assert len(agents) == 3
    assert all(60 < count < 140 for count in agents.values())


def test_ring_all_rings_everyone_whatever_the_penalty(staffed):
    """The first to answer wins, the others stop."""
    floor = staffed("ring_all", [("ann", 0), ("bob", 3), "cyd"])
    floor.call("c1")
    assert sorted(agent for _, agent in floor.offers()) == ["ann", "bob", "cyd"]
    floor.answer("c1", "bob")
    assert sorted(each[1] for each in floor.withdrawals()) == ["ann", "cyd"]


def test_round_robin_remembers_over_a_restart(staffed):
    """The twin goes on where the queue was."""
    floor = staffed("round_robin")
    assert served(floor, 1) == ["cyd"]
    floor.restart()
    assert served(floor, 2) == ["bob", "ann"]


def test_strategies_are_found_by_name():
    """Each is registered under the name that a configuration uses."""
    assert sorted(STRATEGIES) == [
        "fewest_contacts", "least_occupied", "linear", "longest_idle", "random", "ring_all",
        "round_robin", "skill_best_fit", "weighted", "weighted_random",
    ]  # fmt: skip
    assert strategy_named("ring_all").rings_all
    with pytest.raises(UnknownEntity, match="psychic"):
        strategy_named("psychic")


def test_longest_idle_ranks_by_the_time_without_work():
    """Earlier idle means lower rank."""
    rank = strategy_named("longest_idle").rank
    early, late = LiveAgent(id="z", idle_since=1.0), LiveAgent(id="a", idle_since=2.0)
    assert rank(early, Member(agent="z")) < rank(late, Member(agent="a"))


def test_a_day_ends_the_counts(staffed):
    """Fewest contacts today: after midnight all are equal again."""
    floor = staffed("fewest_contacts")
    assert served(floor, 2) == ["ann", "bob"]
    floor.feed(ev.DayBegan())
    assert served(floor, 1) == ["cyd"]
