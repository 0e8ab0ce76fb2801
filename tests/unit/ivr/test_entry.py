"""What digits typed so far amount to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcore.ivr.entry import Entry, accepted, gather_entry, luhn, menu_entry
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


def test_gather_waits_for_the_longest() -> None:
    """Only the greatest length ends an entry by itself."""
    step = gather(min=2, max=3, pattern="[1-5]*")
    entries = [gather_entry(step, digits) for digits in ("1", "12", "123", "126")]
    assert entries == [Entry.PARTIAL, Entry.ENOUGH, Entry.COMPLETE, Entry.WRONG]


@given(st.text("0123456789", min_size=1, max_size=31))
def test_luhn_has_one_check_digit(digits: str) -> None:
    """Of the ten numbers with these leading digits exactly one is valid."""
    assert sum(luhn(digits + check) for check in "0123456789") == 1
