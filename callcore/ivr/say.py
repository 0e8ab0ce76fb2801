"""Numbers, digits, dates and times as names of prompts, in the order a person says them.

Only names of the prompt set are used, so every back end that can play a file can say them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation

MAX_NUMBER = 10**12 - 1
MAX_DIGITS = 64

_DIGIT_NAMES = {"*": "star", "#": "pound", "+": "plus"}


class Unsayable(ValueError):
    """The value is no number, date or time, or out of range."""


def say(kind: str, value: str, language: str) -> list[str]:
    """Prompt names for a value; `kind` is number, digits, date or time."""
    base = language.partition("-")[0]
    speaker = _SPEAKERS.get((kind, base))
    if speaker is None:
        raise Unsayable(f"no way to say a {kind} in {language}")
    return speaker(value.strip())


def speaks(language: str) -> bool:
    """Whether numbers and dates of this language are known here."""
    return ("number", language.partition("-")[0]) in _SPEAKERS


def number_media(value: int, language: str, *, counting: bool = False) -> list[str]:
    """Media references of a number callcore itself says; `counting` things (两分钟, not 二分钟)."""
    base = language.partition("-")[0]
    if not speaks(language):
        return [f"text:{language}/{value}"]
    names = (
        ["liang"]
        if counting and base == "zh" and value == 2
        else say("number", str(value), language)
    )
    return [f"prompt:{language}/{name}" for name in names]


# --- digits ----------------------------------------------------------------------------------


def digits(text: str) -> list[str]:
    """One name per digit; separators people write between digits are skipped."""
    names = [_DIGIT_NAMES.get(c, f"digit-{c}") for c in text if c not in " -/().,"]
    if not names or len(names) > MAX_DIGITS:
        raise Unsayable(f"expected 1 to {MAX_DIGITS} digits")
    if any(c not in "0123456789*#+ -/().," for c in text):
        raise Unsayable("expected digits")
    return names


# --- numbers ---------------------------------------------------------------------------------


def _number(text: str, whole: Callable[[int], list[str]]) -> list[str]:
    """Sign, whole part, and the decimals digit by digit."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise Unsayable("expected a number") from None
    if not value.is_finite() or abs(value) > MAX_NUMBER or len(text) > 32:
        raise Unsayable(f"expected a number up to {MAX_NUMBER}")
    shown = f"{abs(value):f}"
    integer, _, decimals = shown.partition(".")
    names = ["minus"] if value < 0 else []
    names += whole(int(integer))
    return names + (["point"] + [f"num-{d}" for d in decimals] if decimals else [])


def _below_hundred_en(value: int) -> list[str]:
    if value <= 20 or value % 10 == 0:
        return [f"num-{value}"]
    return [f"num-{value - value % 10}", f"num-{value % 10}"]


def number_en(value: int) -> list[str]:
    """English cardinal: 1234 → one thousand two hundred thirty four."""
    names: list[str] = []
    for size, name in ((10**9, "billion"), (10**6, "million"), (1000, "thousand")):
        if value >= size:
            names += [*number_en(value // size), name]
            value %= size
    if value >= 100:
        names += [f"num-{value // 100}", "hundred"]
        value %= 100
    return names + (_below_hundred_en(value) if value or not names else [])


def number_zh(value: int) -> list[str]:
    """Chinese cardinal: 12005 → 一万二千零五; 200 → 两百; 10 → 十; 110 → 一百一十."""
    if value == 0:
        return ["num-0"]
    names: list[str] = []
    for size, name in ((10**8, "hundred-million"), (10**4, "ten-thousand"), (1, "")):
        part = value // size % 10**4
        if not part:
            continue
        if names and (part < 1000 or _gap(value, size)):
            names.append("num-0")
        group = ["liang"] if part == 2 and name else _below_ten_thousand_zh(part, not names)
        names += [*group, name] if name else group
    return names


def _gap(value: int, size: int) -> bool:
    """A whole group of four zeros stands before this group (1 0000 2000 → 一亿零二千)."""
    above = value // (size * 10**4)
    return above > 0 and above % 10**4 == 0


def _below_ten_thousand_zh(value: int, leading: bool) -> list[str]:
    names: list[str] = []
    for size, name in ((1000, "thousand"), (100, "hundred"), (10, "num-10"), (1, "")):
        digit = value // size % 10
        if not digit:
            continue
        if names and value // (size * 10) % 10 == 0:
            names.append("num-0")
        if size == 10 and digit == 1 and not names and leading:
            names.append(name)
        elif digit == 2 and size >= 100:
            names += ["liang", name]
        else:
            names += [f"num-{digit}", name] if name else [f"num-{digit}"]
    return names


# --- dates and times ---------------------------------------------------------------------------


def _date(text: str) -> date:
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        raise Unsayable("expected a date such as 2026-12-24") from None


def _time(text: str) -> time:
    try:
        return datetime.fromisoformat(text).time() if "-" in text else time.fromisoformat(text)
    except ValueError:
        raise Unsayable("expected a time such as 14:05") from None


def date_en(text: str) -> list[str]:
    """Month, ordinal day, year: December twenty-fourth, twenty twenty-six."""
    day = _date(text)
    return [f"month-{day.month}", f"ord-{day.day}", *_year_en(day.year)]


def _year_en(year: int) -> list[str]:
    century, rest = divmod(year, 100)
    if year < 1100 or 2000 <= year <= 2009:
        return number_en(year)
    if rest == 0:
        return [*number_en(century), "hundred"]
    tail = ["oh", f"num-{rest}"] if rest < 10 else _below_hundred_en(rest)
    return [*_below_hundred_en(century), *tail]


def date_zh(text: str) -> list[str]:
    """Year digit by digit, month, day: 二零二六年十二月二十四日."""
    day = _date(text)
    year = [f"num-{d}" for d in str(day.year)]
    return [*year, "year", *number_zh(day.month), "month", *number_zh(day.day), "day"]


def time_en(text: str) -> list[str]:
    """Twelve-hour clock: two oh five p.m."""
    at = _time(text)
    hour = f"num-{at.hour % 12 or 12}"
    half = "am" if at.hour < 12 else "pm"
    if at.minute == 0:
        return [hour, "o-clock", half]
    minute = ["oh"] if at.minute < 10 else []
    return [hour, *minute, *_below_hundred_en(at.minute), half]


def time_zh(text: str) -> list[str]:
    """Twenty-four hours: 十四点零五分, 两点整."""
    at = _time(text)
    hour = ["liang"] if at.hour == 2 else number_zh(at.hour)
    if at.minute == 0:
        return [*hour, "o-clock", "sharp"]
    minute = ["num-0"] if at.minute < 10 else []
    return [*hour, "o-clock", *minute, *number_zh(at.minute), "minute"]


_SPEAKERS: dict[tuple[str, str], Callable[[str], list[str]]] = {
    ("number", "en"): lambda text: _number(text, number_en),
    ("number", "zh"): lambda text: _number(text, number_zh),
    ("digits", "en"): digits,
    ("digits", "zh"): digits,
    ("date", "en"): date_en,
    ("date", "zh"): date_zh,
    ("time", "en"): time_en,
    ("time", "zh"): time_zh,
}
