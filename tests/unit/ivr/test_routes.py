"""Number patterns: what they match, which one wins, which are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcore.directory import Outbound, Route
from callcore.ivr.routes import (
    InvalidPattern,
    compile_pattern,
    match_outbound,
    match_route,
)

MATCHES = [
    ("5000", ["5000"], ["500", "50000", "5001", ""]),
    ("+49X.", ["+4930", "+49301"], ["+49", "+491", "49301"]),
    ("X", ["0", "9"], ["+", "a", "٣"]),
    ("Z", ["1", "9"], ["0"]),
    ("N", ["2", "9"], ["0", "1"]),
    ("50[1-35]", ["501", "502", "503", "505"], ["504", "50-", "500"]),
    ("[*#]1", ["*1", "#1"], ["11"]),
    ("!", ["", "anything", "${SHELL(x)}"], []),
    (".", ["1", "11"], [""]),
    ("12!", ["12", "123"], ["1"]),
    ("*11", ["*11"], ["11"]),
]


@pytest.mark.parametrize(("pattern", "yes", "no"), MATCHES)
def test_matches(pattern: str, yes: list[str], no: list[str]) -> None:
    """A pattern matches whole numbers, digit by digit."""
    compiled = compile_pattern(pattern)
    assert [number for number in yes if not compiled.matches(number)] == []
    assert [number for number in no if compiled.matches(number)] == []


BAD = ["", "1.2", "!1", "[", "[]", "[5-1]", "[a]", "[1-*]", "abc", "12 3", "_X", "x", "1" * 65]


@pytest.mark.parametrize("pattern", BAD)
def test_refused(pattern: str) -> None:
    """What is no pattern is refused with a reason."""
    with pytest.raises(InvalidPattern, match=r"."):
        compile_pattern(pattern)


WINNERS = [
    ("the longest fixed prefix", ["X.", "5X.", "50!", "5000"], "5000", "5000"),
    ("the longer prefix over the narrower class", ["5ZZZ", "50XX"], "5012", "50XX"),
    ("the narrower class", ["50X", "50Z", "50N", "50[2-4]"], "503", "50[2-4]"),
    ("a fixed length over an open end", ["50.", "50XX", "50X."], "5012", "50XX"),
    ("one or more over zero or more", ["50!", "50."], "501", "50."),
    ("exact over open", ["50!", "50"], "50", "50"),
    ("later digits decide too", ["5XX", "5X1"], "501", "5X1"),
    ("a class of one is fixed", ["5X", "[5][0]"], "50", "[5][0]"),
]


@pytest.mark.parametrize(("_why", "patterns", "number", "winner"), WINNERS)
def test_the_most_specific_wins(_why: str, patterns: list[str], number: str, winner: str) -> None:
    """In either order of the file the same pattern wins."""
    routes = [Route(pattern=pattern, tree=pattern) for pattern in patterns]
    for order in (routes, routes[::-1]):
        route = match_route(order, number)
        assert route is not None
        assert route.pattern == winner


def test_file_order_breaks_a_tie() -> None:
    """Of two equal patterns the first is taken; where none matches there is none."""
    first, second = Outbound(pattern="0X.", trunk="a"), Outbound(pattern="0X.", trunk="b")
    assert match_outbound([first, second], "0123") is first
    assert match_outbound([first, second], "123") is None


@given(st.text(max_size=30))
def test_any_number_is_only_data(number: str) -> None:
    """No dialled text raises, and a pattern of itself matches where it is one."""
    match_route([Route(pattern="X.", tree="t")], number)
    try:
        pattern = compile_pattern(number)
    except InvalidPattern:
        return
    if number.isdigit():
        assert pattern.matches(number)
