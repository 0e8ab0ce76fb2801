"""Digits against what a menu or gather wants, and how secret ones are masked."""

from __future__ import annotations

import re
from enum import Enum, auto

from callcore.ivr.nodes import Gather, Menu

#: What stands for a key of a secret entry: with it the entry would be acceptable, or not yet.
ACCEPTABLE, NOT_YET = "y", "n"


class Entry(Enum):
    """What digits typed so far are."""

    #: Nothing longer could be meant.
    COMPLETE = auto()
    #: Good as it is, but more may follow.
    ENOUGH = auto()
    PARTIAL = auto()
    WRONG = auto()


def menu_entry(step: Menu, digits: str) -> Entry:
    longer = any(key != digits and key.startswith(digits) for key in step.keys)
    if digits in step.keys:
        return Entry.ENOUGH if longer else Entry.COMPLETE
    return Entry.PARTIAL if longer else Entry.WRONG


def accepted(step: Gather, digits: str) -> bool:
    """Whether the digits may be stored."""
    if not step.min <= len(digits) <= step.max:
        return False
    if not digits:
        return True
    if step.pattern and not re.fullmatch(step.pattern, digits):
        return False
    if not step.pattern and not digits.isdigit():
        return False
    return not step.luhn or luhn(digits)


def masked(step: Gather, typed: str | None, key: str) -> str:
    """The letter for a key after the digits `typed` so far (None: they are lost)."""
    if key in (ACCEPTABLE, NOT_YET):
        return key
    return ACCEPTABLE if typed is not None and accepted(step, typed + key) else NOT_YET


def entry_accepted(step: Gather, digits: str) -> bool:
    """Whether an entry may be stored; that of a secret one is in its last letter."""
    if step.secret and digits:
        return digits[-1] == ACCEPTABLE
    return accepted(step, digits)


def luhn(digits: str) -> bool:
    """The check digit of card and account numbers (ISO/IEC 7812-1, annex B)."""
    if not digits.isdigit():
        return False
    total = 0
    for place, c in enumerate(reversed(digits)):
        value = int(c) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
