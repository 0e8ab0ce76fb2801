"""What digits typed so far amount to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcore.ivr.entry import Entry, accepted, entry_accepted, luhn, masked, menu_entry
from callcore.ivr.nodes import Gather, Menu

MENU = Menu(keys={"1": "a", "12": "b", "23": "c", "*": "d"})


@pytest.mark.parametrize(
    ("digits", "entry"),
    [
        ("1", Entry.ENOUGH),
        ("12", Entry.COMPLETE),
        ("2", Entry.PARTIAL),
        ("23", Entry.COMPLETE),
        ("24", Entry.WRONG),
        ("3", Entry.WRONG),
        ("*", Entry.COMPLETE),
        ("11", Entry.WRONG),
    ],
)
def test_menu(digits: str, entry: Entry) -> None:
    """Keys with a common beginning wait for the next digit."""
    assert menu_entry(MENU, digits) is entry


def gather(**fields: object) -> Gather:
    return Gather(into="x", next="a", **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("step", "yes", "no"),
    [
        (gather(min=2, max=3), ["12", "123"], ["", "1", "1234", "1*", "A2"]),
        (gather(min=0), ["", "1"], ["*"]),
        (gather(pattern=r"0\d+|\*9"), ["01", "*9"], ["0", "1", "*", "01x"]),
        (gather(luhn=True), ["79927398713", "0", "18"], ["79927398710", "12"]),
        (gather(luhn=True, pattern="[1*]8"), ["18"], ["*8"]),
    ],
)
def test_accepted(step: Gather, yes: list[str], no: list[str]) -> None:
    """Length, pattern and check digit decide."""
    assert [digits for digits in yes if not accepted(step, digits)] == []
    assert [digits for digits in no if accepted(step, digits)] == []


def test_masked() -> None:
    """A letter tells whether the entry is acceptable so far, and nothing else."""
    step = gather(min=2, max=3, pattern="[1-5]*", secret=True)
    letters = [masked(step, typed, key) for typed, key in (("", "1"), ("1", "2"), ("12", "9"))]
    assert letters == ["n", "y", "n"]
    assert masked(step, None, "1") == "n"
    assert [masked(step, "1", letter) for letter in "yn"] == ["y", "n"]
    assert [entry_accepted(step, letters) for letters in ("", "n", "ny", "nyn")] == [
        False,
        False,
        True,
        False,
    ]


@given(st.text("0123456789", min_size=1, max_size=31))
def test_luhn_has_one_check_digit(digits: str) -> None:
    """Of the ten numbers with these leading digits exactly one is valid."""
    assert sum(luhn(digits + check) for check in "0123456789") == 1
