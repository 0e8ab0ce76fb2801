"""The steps of an IVR tree: one small frozen struct each, with its fields, checks and exits.

Field annotations drive the loader (what may be written, what is expected) and `exits` drives the
graph and the reachability checks; what a step does is in `runner.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

import msgspec

from callcore.ivr.fields import Kind, Span
from callcore.types import HangupReason

NodeRef = Annotated[str, Kind.NODE]
QueueRef = Annotated[str, Kind.QUEUE]
AgentRef = Annotated[str, Kind.AGENT]
HoursRef = Annotated[str, Kind.HOURS]
Defines = Annotated[str, Kind.DEFINES]
Template = Annotated[str, Kind.TEMPLATE]
Spoken = Annotated[str, Kind.SPOKEN]
Query = Annotated[str, Kind.QUERY]
Pattern = Annotated[str, Kind.PATTERN]
Language = Annotated[str, Kind.LANGUAGE]
Key = Annotated[str, Kind.KEY]
Rule = Annotated[str, Kind.RULE]
#: Written out, or a ``{variable}`` that holds it.
WantedAgent = Annotated[str, Kind.WANTED_AGENT]
Value = Annotated[str, Kind.VALUE]
Seconds = Annotated[float, Span(0.5, 120)]
Retries = Annotated[int, Span(0, 10)]

Exit = tuple[str, str]
Problem = tuple[str, str]


# --- what is said --------------------------------------------------------------------------


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One piece of what a step says; `language` overrides the caller's for this piece."""

    language: Language = ""


class PromptPart(Part, frozen=True, kw_only=True, tag="prompt"):
    """A recording of the prompt set (``beep`` is the tone)."""

    prompt: Annotated[str, Kind.PROMPT]


class FilePart(Part, frozen=True, kw_only=True, tag="file"):
    """A file below the site's directory."""

    file: Annotated[str, Kind.FILE]


class TextPart(Part, frozen=True, kw_only=True, tag="text"):
    """Words spoken by TTS."""

    text: Spoken


class Saying(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A value read out; exactly one of them."""

    number: Spoken | None = None
    digits: Spoken | None = None
    date: Spoken | None = None
    time: Spoken | None = None

    def problems(self) -> Iterator[Problem]:
        if len(self.given()) != 1:
            yield "", "expected exactly one of number, digits, date, time"
        for name, value in self.given():
            if not value:
                yield name, "expected a value or a {variable}"

    def given(self) -> list[tuple[str, str]]:
        pairs = [(name, getattr(self, name)) for name in self.__struct_fields__]
        return [(name, value) for name, value in pairs if value is not None]


class SayPart(Part, frozen=True, kw_only=True, tag="say"):
    """A number, digits, a date or a time put together from the prompt set."""

    say: Saying


AnyPart = PromptPart | FilePart | TextPart | SayPart
Parts = tuple[AnyPart, ...]


# --- conditions ------------------------------------------------------------------------------


class Condition(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Holds when all that is given holds; lists hold when one of them does."""

    #: Opening hours, by name: open now; or a holiday today.
    open: HoursRef = ""
    holiday: HoursRef = ""
    caller: tuple[Pattern, ...] = ()
    dialled: tuple[Pattern, ...] = ()
    #: A variable and exactly one comparison.
    variable: Annotated[str, Kind.VARIABLE] = ""
    equals: str | None = None
    not_equals: str | None = None
    one_of: tuple[str, ...] | None = None
    pattern: Pattern | None = None
    below: float | None = None
    above: float | None = None
    empty: bool | None = None

    def comparisons(self) -> list[str]:
        names = ("equals", "not_equals", "one_of", "pattern", "below", "above", "empty")
        return [name for name in names if getattr(self, name) is not None]

    def problems(self) -> Iterator[Problem]:
        comparing = self.variable or self.comparisons()
        if not (self.open or self.holiday or self.caller or self.dialled or comparing):
            yield "", "expected a condition: open, holiday, caller, dialled or variable"
        elif len(self.comparisons()) != (1 if self.variable else 0):
            yield (
                "variable",
                "expected variable together with exactly one of equals, not_equals, one_of, "
                "pattern, below, above, empty",
            )


class Case(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One way out of a branch."""

    when: Condition
    goto: NodeRef


# --- the steps --------------------------------------------------------------------------------


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of all steps; `language` overrides the caller's while the step speaks."""

    language: Language = ""

    #: The caller hears or does something here, so a loop through it is no endless loop.
    waits = False

    def exits(self) -> list[Exit]:
        """Ways out: label and target, only those that are set."""
        return []

    def problems(self) -> Iterator[Problem]:
        """What is wrong between fields: the field and a sentence."""
        return iter(())


def _set(*exits: Exit) -> list[Exit]:
    return [(label, target) for label, target in exits if target]


class Prompt(Step, frozen=True, kw_only=True, tag="prompt"):
    """Say something, then go on; with `barge_in` any key cuts it short."""

    play: Parts
    barge_in: bool = False
    next: NodeRef

    waits = True

    def exits(self) -> list[Exit]:
        return [("", self.next)]

    def problems(self) -> Iterator[Problem]:
        if not self.play:
            yield "play", "expected something to say"


class Menu(Step, frozen=True, kw_only=True, tag="menu"):
    """Say the choices and take one; keys may have several digits."""

    play: Parts = ()
    keys: dict[Annotated[str, Kind.KEYS], NodeRef]
    barge_in: bool = True
    #: Keys pressed before the menu count (else they are dropped).
    type_ahead: bool = True
    #: Seconds until the first key, and between keys.
    timeout: Seconds = 5.0
    digit_timeout: Seconds = 2.0
    #: Further tries after the first.
    retries: Retries = 2
    #: Said before the choices are repeated.
    invalid_play: Parts = ()
    timeout_play: Parts = ()
    #: After the last try; without `timed_out` that goes to `failed` too.
    failed: NodeRef = ""
    timed_out: NodeRef = ""

    waits = True

    def exits(self) -> list[Exit]:
        keys = list(self.keys.items())
        return keys + _set(("failed", self.failed), ("timed out", self.timed_out))

    def problems(self) -> Iterator[Problem]:
        if not self.keys:
            yield "keys", "expected at least one key"


class Gather(Step, frozen=True, kw_only=True, tag="gather"):
    """Take digits into a variable.

    `secret` ones never reach logs, records or the journal, may only be sent to a look-up, cannot
    be typed ahead, and are lost when callcore restarts.
    """

    play: Parts = ()
    into: Defines
    min: Annotated[int, Span(0, 32)] = 1
    max: Annotated[int, Span(1, 32)] = 32
    terminator: Key = "#"
    #: What the digits must be: a regular expression for all of them, and a check digit (Luhn).
    pattern: Annotated[str, Kind.REGEX] = ""
    luhn: bool = False
    secret: bool = False
    barge_in: bool = True
    type_ahead: bool = True
    timeout: Seconds = 8.0
    digit_timeout: Seconds = 4.0
    retries: Retries = 2
    invalid_play: Parts = ()
    timeout_play: Parts = ()
    next: NodeRef
    failed: NodeRef = ""
    timed_out: NodeRef = ""

    waits = True

    def exits(self) -> list[Exit]:
        return [("", self.next), *_set(("failed", self.failed), ("timed out", self.timed_out))]

    def problems(self) -> Iterator[Problem]:
        if self.min > self.max:
            yield "min", f"expected min not above max, got {self.min} > {self.max}"
        if not self.terminator and self.min == 0:
            yield "min", "expected min of at least 1 where there is no terminator"


class Branch(Step, frozen=True, kw_only=True, tag="branch"):
    """The first case that holds decides."""

    cases: tuple[Case, ...]
    otherwise: NodeRef

    def exits(self) -> list[Exit]:
        numbered = [(describe(case.when), case.goto) for case in self.cases]
        return [*numbered, ("otherwise", self.otherwise)]

    def problems(self) -> Iterator[Problem]:
        if not self.cases:
            yield "cases", "expected at least one case"


class LookUp(Step, frozen=True, kw_only=True, tag="lookup"):
    """Ask an HTTP service that answers with a JSON object."""

    url: Annotated[str, Kind.URL]
    query: dict[str, Query] = {}
    timeout: Annotated[float, Span(0.1, 30)] = 2.0
    #: Variable → field of the answer.
    into: dict[Defines, str] = {}
    #: Values for variables the answer does not give, or when there is none.
    fallback: dict[Defines, str] = {}
    next: NodeRef
    #: No usable answer in time; without it the tree goes on at `next` with the fallback values.
    failed: NodeRef = ""

    def exits(self) -> list[Exit]:
        return [("", self.next), *_set(("failed", self.failed))]

    def problems(self) -> Iterator[Problem]:
        lacking = [name for name in self.into if name not in self.fallback]
        if lacking and not self.failed:
            yield "into", f"expected failed, or a fallback for {', '.join(lacking)}"
        for name in self.fallback:
            if name not in self.into:
                yield "fallback", f"expected only variables of into, got {name!r}"


class Set(Step, frozen=True, kw_only=True, tag="set"):
    """Set variables; ``language`` sets the caller's language."""

    values: dict[Defines, Template]
    next: NodeRef

    def exits(self) -> list[Exit]:
        return [("", self.next)]


class Goto(Step, frozen=True, kw_only=True, tag="goto"):
    """Go on at another node, or in another tree (``tree/node``, ``tree/``)."""

    next: NodeRef

    def exits(self) -> list[Exit]:
        return [("", self.next)]


class Enqueue(Step, frozen=True, kw_only=True, tag="enqueue"):
    """Give the caller to a queue; `overflow` when the queue gives up.

    `language` is what the caller speaks, where it is not the caller's language variable.
    """

    queue: QueueRef
    priority: Annotated[int, Span(-100, 100)] = 0
    #: What the agent must have: skills with minimum levels, and a rule of its own.
    skills: dict[str, Annotated[int, Span(0, 100)]] = {}
    rule: Rule = ""
    #: This agent for so many seconds, then anyone.
    agent: WantedAgent = ""
    agent_seconds: Annotated[float, Span(1, 3600)] = 30.0
    #: What the customer is worth (0 to 1) and where; for queues that choose by criteria.
    value: Value = "0"
    site: Template = ""
    variables: dict[Defines, Template] = {}
    overflow: NodeRef = ""

    def exits(self) -> list[Exit]:
        return _set(("overflow", self.overflow))


class Transfer(Step, frozen=True, kw_only=True, tag="transfer"):
    """Connect to a number or an agent; `failed` when nobody answers."""

    number: Annotated[str, Kind.NUMBER] = ""
    agent: AgentRef = ""
    ring_seconds: Annotated[float, Span(1, 300)] = 30.0
    failed: NodeRef = ""

    def exits(self) -> list[Exit]:
        return _set(("failed", self.failed))

    def problems(self) -> Iterator[Problem]:
        if bool(self.number) == bool(self.agent):
            yield "number", "expected either number or agent"


class Record(Step, frozen=True, kw_only=True, tag="record"):
    """Take a message after an announcement; `failed` when nothing was said."""

    play: Parts = ()
    mailbox: Annotated[str, Kind.NAME] = ""
    max_seconds: Annotated[float, Span(1, 3600)] = 120.0
    silence_seconds: Annotated[float, Span(0, 60)] = 5.0
    end_key: Key = "#"
    beep: bool = True
    next: NodeRef
    failed: NodeRef = ""

    waits = True

    def exits(self) -> list[Exit]:
        return [("", self.next), *_set(("failed", self.failed))]


class Hangup(Step, frozen=True, kw_only=True, tag="hangup"):
    """Say goodbye and hang up."""

    play: Parts = ()
    reason: HangupReason = HangupReason.NORMAL


AnyStep = (
    Prompt | Menu | Gather | Branch | LookUp | Set | Goto | Enqueue | Transfer | Record | Hangup
)

#: What `step:` may be; ``voicemail`` is the everyday word for a message into a mailbox.
STEPS: dict[str, type[Step]] = {
    "prompt": Prompt,
    "menu": Menu,
    "gather": Gather,
    "branch": Branch,
    "lookup": LookUp,
    "set": Set,
    "goto": Goto,
    "enqueue": Enqueue,
    "transfer": Transfer,
    "record": Record,
    "voicemail": Record,
    "hangup": Hangup,
}


class Comparison(StrEnum):
    """Signs used where a condition is shown."""

    equals = "="
    not_equals = "≠"
    one_of = "in"
    pattern = "like"
    below = "<"
    above = ">"
    empty = "empty"


def describe(when: Condition) -> str:
    """A condition in a few words, for graphs."""
    words = [f"open {when.open}"] if when.open else []
    words += [f"holiday {when.holiday}"] if when.holiday else []
    words += [f"caller {' '.join(when.caller)}"] if when.caller else []
    words += [f"dialled {' '.join(when.dialled)}"] if when.dialled else []
    for name in when.comparisons():
        value = getattr(when, name)
        shown = " ".join(value) if isinstance(value, tuple) else str(value)
        words.append(f"{when.variable} {Comparison[name]} {shown}")
    return ", ".join(words)
