"""Number patterns: which route answers a dialled number, which trunk carries one.

Patterns are Asterisk's without the leading underscore: a literal ``0-9 + * #``, ``X`` 0–9,
``Z`` 1–9, ``N`` 2–9, ``[13-5]``, and at the end ``.`` (one or more) or ``!`` (zero or more).
Numbers are compared as they came, character by character, never turned into expressions.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol, TypeVar

import msgspec

if TYPE_CHECKING:
    from callcore.directory import Outbound, Route

_LITERALS = "0123456789+*#"
_CLASSES = {"X": "0123456789", "Z": "123456789", "N": "23456789"}
_TAIL_RANK = {"": 0, ".": 1000, "!": 1001}
MAX_PATTERN = 64


class InvalidPattern(ValueError):
    """The text is no number pattern; the message says what is wrong."""


class NumberPattern(msgspec.Struct, frozen=True):
    """A pattern taken apart: the characters each position admits, then the open end."""

    places: tuple[str, ...]
    tail: str = ""

    def matches(self, number: str) -> bool:
        extra = len(number) - len(self.places)
        if extra < 0 or (extra == 0 and self.tail == ".") or (extra > 0 and not self.tail):
            return False
        return all(c in place for c, place in zip(number, self.places, strict=False))

    def rank(self) -> tuple[int, tuple[int, ...]]:
        """Sorts the more specific pattern first: fixed prefix, then narrower classes."""
        sizes = [len(place) for place in self.places]
        fixed = next((i for i, size in enumerate(sizes) if size > 1), len(sizes))
        tail = [_TAIL_RANK[self.tail]] if self.tail else []
        return -fixed, tuple(sizes[fixed:] + tail)


def _char_class(text: str, start: int) -> tuple[str, int]:
    """The characters of ``[…]`` beginning at `start`, and where it ends."""
    end = text.find("]", start)
    if end < 0:
        raise InvalidPattern("[ without ]")
    body, chars, i = text[start + 1 : end], "", 0
    while i < len(body):
        first = body[i]
        last = body[i + 2] if body[i + 1 : i + 2] == "-" and i + 2 < len(body) else first
        if first not in _LITERALS or last not in _LITERALS or first > last:
            raise InvalidPattern(f"[{body}] is no range of digits")
        if first != last and not (first + last).isdigit():
            raise InvalidPattern(f"[{body}] is no range of digits")
        chars += "".join(map(chr, range(ord(first), ord(last) + 1)))
        i += 3 if body[i + 1 : i + 2] == "-" and i + 2 < len(body) else 1
    if not chars:
        raise InvalidPattern("[] is empty")
    return "".join(sorted(set(chars))), end


@lru_cache(maxsize=4096)
def compile_pattern(text: str) -> NumberPattern:
    """Take a pattern apart; InvalidPattern says what is wrong with it."""
    if not text or len(text) > MAX_PATTERN:
        raise InvalidPattern(f"a pattern has 1 to {MAX_PATTERN} characters")
    places: list[str] = []
    i = 0
    while i < len(text):
        c = text[i]
        if c in ".!":
            if i != len(text) - 1:
                raise InvalidPattern(f"{c} may stand only at the end")
            return NumberPattern(tuple(places), c)
        if c == "[":
            place, i = _char_class(text, i)
            places.append(place)
        elif c in _LITERALS or c in _CLASSES:
            places.append(_CLASSES.get(c, c))
        else:
            raise InvalidPattern(f"{c!r} is none of 0-9 + * # X Z N [ ] . !")
        i += 1
    return NumberPattern(tuple(places))


class Patterned(Protocol):
    """Anything chosen by a number pattern."""

    @property
    def pattern(self) -> str: ...


P = TypeVar("P", bound=Patterned)


def best_match(candidates: Sequence[P], number: str) -> P | None:
    """The candidate with the most specific matching pattern; the earlier one on a tie."""
    found = [c for c in candidates if compile_pattern(c.pattern).matches(number)]
    return min(found, key=lambda c: compile_pattern(c.pattern).rank(), default=None)


def match_route(routes: Sequence[Route], dialled: str) -> Route | None:
    """Which route answers a dialled number."""
    return best_match(routes, dialled)


def match_outbound(outbound: Sequence[Outbound], number: str) -> Outbound | None:
    """Which outbound rule carries a number."""
    return best_match(outbound, number)
