"""What a contact needs of an agent: skills with levels, rules, languages, and rings that relax."""

from __future__ import annotations

import pytest

from callcore.acd.rule import Traits
from callcore.acd.skills import (
    ANYBODY,
    Requirement,
    fits,
    lacking,
    needs_of,
    profile_of,
    requirement_of,
    ring_at,
    surplus,
)
from callcore.directory import Queue
from callcore.directory_queue import Ring


@pytest.mark.parametrize(
    ("has", "needs", "missing"),
    [
        ({}, {}, []),
        ({"en": 1}, {}, []),
        ({"en": 2}, {"en": 2}, []),
        ({"en": 1}, {"en": 2}, ["en at level 2"]),
        ({"en": 5}, {"zh": 1, "en": 1}, ["zh at level 1"]),
        ({}, {"en": 0}, ["en at level 0"]),
    ],
)
def test_every_need_must_be_met_at_its_level(has, needs, missing):
    """A skill one does not have is not met at any level, 0 included."""
    requirement = Requirement(needs_of(needs))
    assert list(lacking(Traits(has), requirement)) == missing
    assert fits(Traits(has), requirement) == (missing == [])


def test_equal_needs_are_equal_values():
    """The order in which a caller names them makes no second line."""
    assert needs_of({"zh": 1, "en": 2}) == needs_of({"en": 2, "zh": 1})


def test_agents_alike_share_a_profile():
    """What one of them is found to meet holds for the other; a skill more makes the difference."""
    requirement = Requirement((("en", 1),))
    profile = profile_of({"zh": 1, "en": 2}, (), (), "")
    assert profile_of({"en": 2, "zh": 1}, (), (), "") is profile
    assert profile.meets(requirement)
    assert profile.meets(requirement)
    assert not profile_of({"zh": 1}, (), (), "").meets(requirement)


def test_language_and_rule_are_needs_too():
    """Both are named when they are not met."""
    requirement = Requirement(rule="billing >= 2", language="zh")
    assert fits(Traits({"billing": 2}, languages=("zh",)), requirement)
    assert list(lacking(Traits({"billing": 1}), requirement)) == [
        "the language zh",
        "the rule billing >= 2",
    ]


def test_a_queue_adds_its_own_needs():
    """Rules of both hold; a language counts only where the queue matches it."""
    assert requirement_of(Queue(id="q"), {}, "", "zh", -1) is ANYBODY
    queue = Queue(id="q", requires="billing", match_language=True)
    found = requirement_of(queue, {"en": 1}, "sales", "zh", -1)
    assert found == Requirement((("en", 1),), "(billing) and (sales)", "zh")


RINGS = (
    Ring(after_seconds=0, max_penalty=0),
    Ring(after_seconds=30, skills={"en": 2}, max_penalty=1),
    Ring(after_seconds=60, skills={"en": 0}),
)


@pytest.mark.parametrize(
    ("waited", "needs", "max_penalty"),
    [
        (0, (("en", 5), ("zh", 1)), 0),
        (29.9, (("en", 5), ("zh", 1)), 0),
        (30, (("en", 2), ("zh", 1)), 1),
        (60, (("zh", 1),), -1),
        (600, (("zh", 1),), -1),
    ],
)
def test_rings_relax_what_is_needed(waited, needs, max_penalty):
    """Levels are replaced, level 0 drops a skill, others stay as they are."""
    queue = Queue(id="q", rings=RINGS)
    ring = ring_at(queue, 1000.0, 1000.0 + waited)
    found = requirement_of(queue, {"en": 5, "zh": 1}, "", "", ring)
    assert (found.needs, found.max_penalty) == (needs, max_penalty)


def test_surplus_is_levels_and_skills_beyond():
    """What makes somebody too good for a contact."""
    assert surplus(Traits({"en": 5, "zh": 1, "fr": 1}), (("en", 3),)) == (2, 2)
