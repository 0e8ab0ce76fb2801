"""Conditions of branches."""

from __future__ import annotations

import pytest

from callcore.ivr.calendar import Hours
from callcore.ivr.conditions import holds
from callcore.ivr.nodes import Condition, describe
from callcore.ivr.tree import Tree

TREE = Tree(
    id="t",
    hours={"always": Hours(zone="UTC", weekly={"mon-sun": ("00:00-24:00",)}), "never": Hours(
        zone="UTC", closed=("1970-01-01",))},
)  # fmt: skip
VARIABLES = {
    "caller_number": "+4930555",
    "dialled": "5000",
    "tier": "gold",
    "balance": "-3.5",
    "empty": "",
    "odd": "inf",
}

CASES = [
    (Condition(open="always"), True),
    (Condition(open="never"), False),
    (Condition(open="unknown"), False),
    (Condition(holiday="never"), True),
    (Condition(holiday="always"), False),
    (Condition(holiday="unknown"), False),
    (Condition(caller=("1X.", "+49!")), True),
    (Condition(caller=("1X.",)), False),
    (Condition(dialled=("5000",)), True),
    (Condition(caller=("+49!",), dialled=("5001",)), False),
    (Condition(variable="tier", equals="gold"), True),
    (Condition(variable="tier", equals="Gold"), False),
    (Condition(variable="tier", not_equals="gold"), False),
    (Condition(variable="missing", not_equals="gold"), True),
    (Condition(variable="tier", one_of=("silver", "gold")), True),
    (Condition(variable="tier", one_of=()), False),
    (Condition(variable="dialled", pattern="5XXX"), True),
    (Condition(variable="dialled", pattern="6XXX"), False),
    (Condition(variable="balance", below=0.0), True),
    (Condition(variable="balance", above=0.0), False),
    (Condition(variable="tier", below=9.0), False),
    (Condition(variable="odd", above=9.0), False),
    (Condition(variable="empty", empty=True), True),
    (Condition(variable="missing", empty=True), True),
    (Condition(variable="tier", empty=True), False),
    (Condition(variable="tier", empty=False), True),
    (Condition(open="always", variable="tier", equals="tin"), False),
]


@pytest.mark.parametrize(("when", "expected"), CASES)
def test_holds(when: Condition, expected: bool) -> None:
    """All that is given must hold; what is missing is empty."""
    assert holds(when, TREE, VARIABLES, 3600.0) is expected
    assert describe(when)
