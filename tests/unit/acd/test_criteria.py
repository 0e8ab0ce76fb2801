"""Each criterion of the strategy `weighted`: from 0 to 1, more for whoever suits better."""

from __future__ import annotations

import pytest

from callcore.acd.agent import LiveAgent
from callcore.acd.contact import Contact
from callcore.acd.criteria import CRITERIA, DEFAULT_WEIGHTS, OF_CONTACT, score_all, suits
from callcore.acd.rule import Traits
from callcore.acd.skills import Requirement
from callcore.acd.strategy import Candidate, Choice
from callcore.directory import Member, Queue

NOW = 100.0


def candidate(name, skills, *, penalty=0, idle=0.0, answered=0, cost=0.0, site="", languages=()):
    agent = LiveAgent(id=name, idle_since=NOW - idle, answered_today=answered, cost=cost)
    traits = Traits(skills, languages, (), site)
    return Candidate(agent, Member(agent=name, penalty=penalty), traits, 1)


ANN = candidate("ann", {"en": 5}, idle=40.0, answered=4, cost=10.0, site="east", languages=("de",))
BOB = candidate("bob", {"en": 2}, penalty=3, idle=10.0, answered=1, cost=5.0)


def choice(**criteria):
    contact = Contact(
        id="c1", queue="q", since=NOW - 5.0, entered=NOW, wanted="ann", value=0.5,
        site="east", language="de", requirement=Requirement(needs=(("en", 2),)),
    )  # fmt: skip
    queue = Queue(id="q", criteria=criteria, weight=3.0, service_level_seconds=20.0)
    occupied = {"ann": 0.25, "bob": 0.0}
    return Choice(contact, queue, NOW, "", 0, lambda agent: occupied[agent.id], lambda: 0.0)


#: What ann and bob score by each alone.
SCORES = {
    "skill_fit": (0.25, 1.0),
    "level": (1.0, 0.25),
    "idle_time": (1.0, 0.25),
    "occupancy": (0.75, 1.0),
    "contacts_today": (0.0, 0.75),
    "customer_value": (0.25, 0.1),
    "last_agent": (1.0, 0.0),
    "language": (1.0, 0.0),
    "cost": (0.0, 0.5),
    "queue_weight": (0.75, 0.75),
    "urgency": (0.25, 0.25),
    "site": (1.0, 0.0),
}


@pytest.mark.parametrize("name", CRITERIA)
def test_each_criterion_by_itself(name):
    assert score_all([ANN, BOB], choice(**{name: 1.0})) == pytest.approx(SCORES[name])
    assert score_all([ANN, BOB], choice(**{name: 4.0})) == pytest.approx(
        [4 * each for each in SCORES[name]]
    )


def test_weights_add_up():
    expected = [2 * a + 3 * b for a, b in zip(SCORES["cost"], SCORES["level"], strict=True)]
    assert score_all([ANN, BOB], choice(cost=2.0, level=3.0)) == pytest.approx(expected)


def test_without_weights_the_defaults_hold():
    assert score_all([ANN, BOB], choice()) == score_all([ANN, BOB], choice(**DEFAULT_WEIGHTS))


def test_how_a_contact_suits_an_agent_is_a_share():
    """Only what differs between contacts counts; the rest of the weights is left out."""
    assert set(OF_CONTACT) < set(CRITERIA)
    assert suits(ANN, choice(last_agent=2.0, cost=9.0)) == 1.0
    assert suits(ANN, choice(last_agent=1.0, skill_fit=1.0)) == pytest.approx(0.625)
    assert suits(ANN, choice(cost=9.0)) == 0.0
