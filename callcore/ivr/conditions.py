"""Whether a branch's condition holds, for this caller at this moment."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

from callcore.ivr.calendar import is_holiday, is_open
from callcore.ivr.nodes import Condition
from callcore.ivr.routes import compile_pattern
from callcore.ivr.tree import Tree


def holds(when: Condition, tree: Tree, variables: Mapping[str, str], now: float) -> bool:
    """All that is given must hold."""
    if when.open and not (when.open in tree.hours and is_open(tree.hours[when.open], now)):
        return False
    if when.holiday and not (
        when.holiday in tree.hours and is_holiday(tree.hours[when.holiday], now)
    ):
        return False
    for name, patterns in (("caller_number", when.caller), ("dialled", when.dialled)):
        number = variables.get(name, "")
        if patterns and not any(compile_pattern(p).matches(number) for p in patterns):
            return False
    return not when.variable or _compares(when, variables.get(when.variable, ""))


def _compares(when: Condition, value: str) -> bool:
    """The one comparison of the condition; a missing variable is empty."""
    if when.equals is not None:
        return value == when.equals
    if when.not_equals is not None:
        return value != when.not_equals
    if when.one_of is not None:
        return value in when.one_of
    if when.pattern is not None:
        return compile_pattern(when.pattern).matches(value)
    if when.empty is not None:
        return (value == "") is when.empty
    return _in_range(value, when.below, when.above)


def _in_range(value: str, below: float | None, above: float | None) -> bool:
    """What is no number is neither below nor above anything."""
    try:
        number = float(value)
    except ValueError:
        return False
    if not isfinite(number):
        return False
    return (below is None or number < below) and (above is None or number > above)
