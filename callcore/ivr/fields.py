"""The kinds of value a tree's fields hold, each with its check and the words for "expected …"."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum, auto
from functools import cache
from zoneinfo import ZoneInfo

import msgspec

from callcore.acd.rule import can_be_met
from callcore.errors import InvalidRule
from callcore.ivr.routes import InvalidPattern, compile_pattern

KEYS = "0123456789*#ABCD"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_VARIABLE = re.compile(r"[a-z][a-z0-9_]{0,63}")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_TIME = r"(?:[01]\d|2[0-3]):[0-5]\d"
_RANGE = re.compile(rf"{_TIME}-(?:{_TIME}|24:00)")
_DATE = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])")
_REPEATED_GROUP = re.compile(r"\)[*+{]")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Kind(Enum):
    """What a text means; the loader checks it and collects the references."""

    NAME = auto()
    #: A node of this tree, or ``tree/node``, or ``tree/`` (its start).
    NODE = auto()
    QUEUE = auto()
    AGENT = auto()
    HOURS = auto()
    PROMPT = auto()
    #: Name of a variable that is set here.
    DEFINES = auto()
    #: Name of a variable that is read here.
    VARIABLE = auto()
    #: Text with ``{variables}``: kept, spoken to the caller, sent to a look-up.
    TEMPLATE = auto()
    SPOKEN = auto()
    QUERY = auto()
    PATTERN = auto()
    #: Rule about agents (see `acd/rule.py`).
    RULE = auto()
    #: An agent, or a number from 0 to 1; written out or a ``{variable}``.
    WANTED_AGENT = auto()
    VALUE = auto()
    KEYS = auto()
    KEY = auto()
    LANGUAGE = auto()
    FILE = auto()
    URL = auto()
    REGEX = auto()
    NUMBER = auto()
    ZONE = auto()
    DAYS = auto()
    TIMES = auto()
    DATE = auto()
    COUNTRY = auto()


class Span(msgspec.Struct, frozen=True):
    """Least and greatest value of a number field."""

    least: float
    most: float


def variables_in(template: str) -> list[str]:
    """Names between braces, in order."""
    return _PLACEHOLDER.findall(template)


def _template(text: str) -> str:
    if any(c in _PLACEHOLDER.sub("", text) for c in "{}"):
        return "a text with balanced {variables}"
    if any(not _VARIABLE.fullmatch(name) for name in variables_in(text)):
        return "{variables} of lower-case letters, digits and _"
    return "" if len(text) <= 1000 else "at most 1000 characters"


def _pattern(text: str) -> str:
    try:
        compile_pattern(text)
    except InvalidPattern as exc:
        return f"a number pattern ({exc})"
    return ""


def _regex(text: str) -> str:
    if len(text) > 100 or _REPEATED_GROUP.search(text):
        return "a short regular expression without repeated groups"
    try:
        re.compile(text)
    except re.error as exc:
        return f"a regular expression ({exc.msg})"
    return ""


def _rule(text: str) -> str:
    try:
        possible = not text or can_be_met(text)
    except InvalidRule as exc:
        return f"a rule about agents ({exc})"
    return "" if possible else "a rule that some agent could meet"


def is_variable(text: str) -> bool:
    """A ``{variable}`` and nothing else."""
    return text[:1] == "{" and text[-1:] == "}" and _VARIABLE.fullmatch(text[1:-1]) is not None


def _or_variable(check: Callable[[str], str]) -> Callable[[str], str]:
    def checked(text: str) -> str:
        expected = "" if is_variable(text) else check(text)
        return f"{expected}, or a {{variable}}" if expected else ""

    return checked


def _value(text: str) -> str:
    try:
        fine = 0 <= float(text) <= 1
    except ValueError:
        fine = False
    return "" if fine else "a number from 0 to 1"


@cache
def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ValueError, OSError, LookupError):
        return "an IANA time zone such as Europe/Berlin"
    return ""


def _days(text: str) -> str:
    first, _, last = text.partition("-")
    ok = first in DAYS and (last in DAYS if "-" in text else True)
    return "" if ok else "a weekday or span such as mon, mon-fri"


def _file(text: str) -> str:
    ok = re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_./-]{0,200}", text) and ".." not in text
    return "" if ok else "a relative path of letters, digits and _ . / - without .."


def _matching(pattern: str | re.Pattern[str], expected: str) -> Callable[[str], str]:
    compiled = re.compile(pattern)
    return lambda text: "" if compiled.fullmatch(text) else expected


def _node(text: str) -> str:
    parts = text.split("/")
    ok = len(parts) <= 2 and _NAME.fullmatch(parts[0]) is not None
    ok = ok and (len(parts) == 1 or not parts[1] or _NAME.fullmatch(parts[1]) is not None)
    return "" if ok else "the name of a node, or tree/node"


_name = _matching(_NAME, "a name of letters, digits, _ and -, starting with a letter")
_variable = _matching(_VARIABLE, "a variable name of lower-case letters, digits and _")
_agent = _matching(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", "the id of an agent")

#: Each answers what was expected, or nothing when the text is fine.
CHECKS: dict[Kind, Callable[[str], str]] = {
    Kind.NAME: _name,
    Kind.NODE: _node,
    Kind.QUEUE: _name,
    Kind.AGENT: _agent,
    Kind.RULE: _rule,
    Kind.WANTED_AGENT: _or_variable(_agent),
    Kind.VALUE: _or_variable(_value),
    Kind.HOURS: _name,
    Kind.PROMPT: _matching(
        r"[a-z0-9][a-z0-9_-]{0,63}", "the name of a prompt, such as please-wait"
    ),
    Kind.DEFINES: _variable,
    Kind.VARIABLE: _variable,
    Kind.TEMPLATE: _template,
    Kind.SPOKEN: _template,
    Kind.QUERY: _template,
    Kind.PATTERN: _pattern,
    Kind.KEYS: _matching(r"[0-9*#A-D]{1,8}", "one to eight keys out of 0-9 * # A-D"),
    Kind.KEY: _matching(r"[0-9*#]?", "one key out of 0-9 * #, or nothing"),
    Kind.LANGUAGE: _matching(
        r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})?|", "a language such as en, zh or pt-BR"
    ),
    Kind.FILE: _file,
    Kind.URL: _matching(r"https?://[^\s{}]{1,500}", "an http:// or https:// address"),
    Kind.REGEX: _regex,
    Kind.NUMBER: _matching(r"\+?[0-9*#]{1,32}", "a telephone number"),
    Kind.ZONE: _zone,
    Kind.DAYS: _days,
    Kind.TIMES: _matching(_RANGE, "a span of times such as 09:00-17:30"),
    Kind.DATE: _matching(_DATE, "a date such as 2026-12-24"),
    Kind.COUNTRY: _matching(r"[A-Z]{2}|", "a country code such as DE"),
}
