"""Boolean rules about an agent: ``english >= 3 and (billing or group:sales) and not trainee``.

    rule    = all { "or" all }
    all     = one { "and" one }
    one     = "not" one | "(" rule ")" | NAME [ (">=" | "<=" | ">" | "<" | "=") LEVEL ]

A NAME alone asks for the skill at any level above 0; with a comparison a missing skill counts as
level 0. ``group:NAME``, ``language:CODE`` and ``site:NAME`` ask for what the agent belongs to.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import lru_cache
from itertools import islice, product
from typing import NamedTuple

from callcore.errors import InvalidRule

_TOKEN = re.compile(
    r"\s*(?:(?P<name>(?:group:|language:|site:)?[A-Za-z0-9_][A-Za-z0-9_.-]*)"
    r"|(?P<sign>>=|<=|>|<|=|\(|\))|(?P<wrong>\S))"
)
_SIGNS: dict[str, Callable[[int, int], bool]] = {
    ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt, "=": operator.eq,
}  # fmt: skip
_WORDS = ("and", "or", "not")
_LONGEST = 500
_DEEPEST = 20


class Traits(NamedTuple):
    """What a rule can ask of an agent."""

    skills: Mapping[str, int]
    languages: Collection[str] = ()
    groups: Collection[str] = ()
    site: str = ""

    def level(self, name: str) -> int:
        """Level of a skill; 1 or 0 for belonging to a group, language or site."""
        kind, colon, rest = name.partition(":")
        if not colon:
            return self.skills.get(name, 0)
        if kind == "site":
            return int(self.site == rest)
        return int(rest in (self.groups if kind == "group" else self.languages))


Test = Callable[[Traits], bool]


class Rule(NamedTuple):
    """A rule that was read: its test, and the comparisons in it."""

    holds: Test
    names: tuple[tuple[str, int], ...]


@lru_cache(maxsize=1024)
def rule_of(text: str) -> Rule:
    """Read a rule; `InvalidRule` says what was expected where."""
    if len(text) > _LONGEST:
        raise InvalidRule(f"expected a rule of at most {_LONGEST} characters")
    reader = _Reader(list(_tokens(text)))
    holds = reader.any_of(0)
    if reader.next:
        raise InvalidRule(f"expected and, or, or the end instead of {reader.next!r}")
    return Rule(holds, tuple(reader.names))


def readable(text: str) -> bool:
    """Whether a rule that comes from outside can be used."""
    try:
        rule_of(text)
    except InvalidRule:
        return False
    return True


def meets(traits: Traits, text: str) -> bool:
    """Whether an agent meets a rule; the empty rule is met by all."""
    return not text or rule_of(text).holds(traits)


def can_be_met(text: str) -> bool:
    """Whether any agent at all could meet the rule: ``a and not a`` cannot be."""
    levels: dict[str, list[int]] = {}
    for name, level in rule_of(text).names:
        near = (0, level - 1, level, level + 1) if ":" not in name else (0, 1)
        levels.setdefault(name, []).extend(each for each in near if each >= 0)
    names = list(levels)
    choices = product(*(sorted(set(levels[name])) for name in names))
    return any(
        _holds_for(text, dict(zip(names, chosen, strict=True)))
        for chosen in islice(choices, 100_000)
    )


def _holds_for(text: str, levels: dict[str, int]) -> bool:
    def of(kind: str) -> list[str]:
        return [n.removeprefix(kind) for n, level in levels.items() if n.startswith(kind) and level]

    sites = of("site:")
    if len(sites) > 1:
        return False
    skills = {name: level for name, level in levels.items() if ":" not in name}
    traits = Traits(skills, of("language:"), of("group:"), sites[0] if sites else "")
    return rule_of(text).holds(traits)


def both(first: str, second: str) -> str:
    """One rule that asks for two; equal ones are one."""
    if not first or not second or first == second:
        return first or second
    return f"({first}) and ({second})"


def _tokens(text: str) -> Iterator[str]:
    at = 0
    while (found := _TOKEN.match(text, at)) is not None:
        if found["wrong"]:
            raise InvalidRule(f"unexpected {found['wrong']!r} at character {found.end()}")
        yield found["name"] or found["sign"]
        at = found.end()


class _Reader:
    """Recursive descent over the tokens; each method reads one line of the grammar."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0
        self.names: list[tuple[str, int]] = []

    @property
    def next(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self, *words: str) -> str:
        if self.next not in words or not self.next:
            return ""
        self._at += 1
        return self._tokens[self._at - 1]

    def any_of(self, depth: int) -> Test:
        parts = [self._all_of(depth)]
        while self._take("or"):
            parts.append(self._all_of(depth))
        return parts[0] if len(parts) == 1 else lambda traits: any(part(traits) for part in parts)

    def _all_of(self, depth: int) -> Test:
        parts = [self._one(depth)]
        while self._take("and"):
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else lambda traits: all(part(traits) for part in parts)

    def _one(self, depth: int) -> Test:
        if depth > _DEEPEST:
            raise InvalidRule("too many brackets in each other")
        if self._take("not"):
            inner = self._one(depth + 1)
            return lambda traits: not inner(traits)
        if self._take("("):
            inside = self.any_of(depth + 1)
            if not self._take(")"):
                raise InvalidRule(f"expected ) {self._instead()}")
            return inside
        return self._comparison()

    def _comparison(self) -> Test:
        name = self.next
        if not name or name in _WORDS or name in _SIGNS or name in "()":
            raise InvalidRule(f"expected the name of a skill {self._instead()}")
        self._at += 1
        sign = self._take(*_SIGNS)
        level = self._level(sign) if sign else 1
        compare = _SIGNS[sign or ">="]
        self.names.append((name, level))
        return lambda traits: compare(traits.level(name), level)

    def _level(self, sign: str) -> int:
        text = self.next
        if not (text.isascii() and text.isdigit() and len(text) <= 4):
            raise InvalidRule(f"expected a level after {sign} {self._instead()}")
        self._at += 1
        return int(text)

    def _instead(self) -> str:
        return f"instead of {self.next!r}" if self.next else "at the end"
