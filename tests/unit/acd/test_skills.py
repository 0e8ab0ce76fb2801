"""Needed skills with minimum levels."""

from __future__ import annotations

import pytest

from callcore.acd.skills import fits, lacking, needs_of


@pytest.mark.parametrize(
    ("has", "needs", "missing"),
    [
        ({}, {}, ()),
        ({"en": 1}, {}, ()),
        ({"en": 2}, {"en": 2}, ()),
        ({"en": 1}, {"en": 2}, (("en", 2),)),
        ({"en": 5}, {"zh": 1, "en": 1}, (("zh", 1),)),
        ({}, {"en": 0}, (("en", 0),)),
    ],
)
def test_every_need_must_be_met_at_its_level(has, needs, missing):
    """A skill one does not have is not met at any level, 0 included."""
    assert lacking(has, needs_of(needs)) == missing
    assert fits(has, needs_of(needs)) == (missing == ())


def test_equal_needs_are_equal_values():
    """The order in which a caller names them makes no second line."""
    assert needs_of({"zh": 1, "en": 2}) == needs_of({"en": 2, "zh": 1})
