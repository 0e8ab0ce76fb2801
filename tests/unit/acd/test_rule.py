"""Boolean rules about agents: the grammar's good and bad inputs."""

from __future__ import annotations

import pytest

from callcore.acd.rule import Traits, both, can_be_met, meets, readable, rule_of
from callcore.errors import InvalidRule

ANN = Traits({"english": 3, "billing": 1, "a-b.c": 2}, ("en", "de"), ("support",), "east")

#: Rule, and whether ann meets it.
GOOD = [
    ("", True),
    ("english", True),
    ("sales", False),
    ("english >= 3", True),
    ("english>3", False),
    ("english < 4 and english > 2", True),
    ("english = 3", True),
    ("sales <= 0", True),
    ("not sales", True),
    ("not not english", True),
    ("sales or billing and english", True),
    ("(sales or billing) and not english", False),
    ("not (sales or french)", True),
    ("group:support", True),
    ("group:sales or language:de", True),
    ("site:east and not site:west", True),
    ("a-b.c = 2", True),
    ("  english  ", True),
]
#: Rule, and what is said about it.
BAD = [
    ("english >=", "level after >= at the end"),
    ("english >= high", "level after >= instead of 'high'"),
    ("english >= 12345", "level after"),
    ("and english", "name of a skill instead of 'and'"),
    ("english and", "name of a skill at the end"),
    ("english billing", "instead of 'billing'"),
    ("(english", r"expected \) at the end"),
    ("english)", r"instead of '\)'"),
    ("()", "name of a skill"),
    ("english & billing", "unexpected '&'"),
    ("not", "name of a skill at the end"),
    ("(" * 30 + "a" + ")" * 30, "too many brackets"),
    ("a or " * 200 + "a", "at most 500 characters"),
]


@pytest.mark.parametrize(("text", "expected"), GOOD)
def test_rules_hold_or_not(text, expected):
    """`not` binds closest, then `and`, then `or`."""
    assert meets(ANN, text) is expected


@pytest.mark.parametrize(("text", "words"), BAD)
def test_bad_rules_say_what_was_expected(text, words):
    assert not readable(text)
    with pytest.raises(InvalidRule, match=words):
        rule_of(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a and not a", False),
        ("a > 3 and a < 2", False),
        ("a > 3 and a < 5", True),
        ("site:east and site:west", False),
        ("site:east or site:west", True),
        ("group:x and group:y and not language:de", True),
        ("a < 0", False),
    ],
)
def test_rules_that_nobody_could_meet_are_found(text, expected):
    assert can_be_met(text) is expected


def test_two_rules_become_one():
    """Each keeps its own or; equal ones and empty ones stay single."""
    assert both("", "a") == both("a", "") == both("a", "a") == "a"
    joined = both("a or b", "c")
    assert not meets(Traits({"a": 1}), joined)
    assert meets(Traits({"a": 1, "c": 1}), joined)
