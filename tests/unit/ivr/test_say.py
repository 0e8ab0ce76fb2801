"""Numbers, digits, dates and times: read back from their names they are the same again."""

from __future__ import annotations

import itertools
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcore.ivr.loader import load_prompts
from callcore.ivr.say import MAX_NUMBER, Unsayable, number_zh, say, speaks

PROMPTS = {
    language: load_prompts(
        language, (Path(__file__).parents[3] / "ivr" / "prompts" / f"{language}.yaml").read_text()
    )
    for language in ("en", "zh")
}
NUMBERS = st.one_of(
    st.integers(0, MAX_NUMBER),
    st.integers(0, 99999),
    # many zeros inside, where 零 goes wrong
    st.lists(st.sampled_from("0000012"), min_size=1, max_size=12).map("".join).map(int),
)


def spoken(kind: str, value: str, language: str) -> str:
    """The words, as the prompt texts have them."""
    names = say(kind, value, language)
    return ("" if language == "zh" else " ").join(PROMPTS[language][name] for name in names)


def heard_en(names: list[str]) -> int:
    """What an English ear makes of the names."""
    scales = {"thousand": 1000, "million": 10**6, "billion": 10**9}
    total = group = 0
    for name in names:
        if name in scales:
            total, group = total + group * scales[name], 0
        elif name == "hundred":
            group *= 100
        else:
            group += int(name.removeprefix("num-"))
    return total + group


def heard_zh(names: list[str]) -> int:
    """What a Chinese ear makes of the names."""
    units = {"num-10": 10, "hundred": 100, "thousand": 1000}
    groups = {"ten-thousand": 10**4, "hundred-million": 10**8}
    total = group = digit = 0
    for name in names:
        if name in groups:
            total, group, digit = total + (group + digit) * groups[name], 0, 0
        elif name in units:
            group, digit = group + (digit or 1) * units[name], 0
        else:
            digit = 2 if name == "liang" else int(name.removeprefix("num-"))
    return total + group + digit


@given(NUMBERS)
def test_numbers_round_trip(value: int) -> None:
    """Said and heard, a number is the same in both languages."""
    assert heard_en(say("number", str(value), "en")) == value
    assert heard_zh(say("number", str(value), "zh")) == value


@given(NUMBERS)
def test_chinese_zeros(value: int) -> None:
    """零 never stands twice in a row, at the end, or before a unit; zero itself is 零."""
    names = number_zh(value)
    if value:
        assert names[0] != "num-0"
        assert names[-1] != "num-0"
    for here, there in itertools.pairwise(names):
        if here == "num-0":
            assert there == "liang" or (there.startswith("num-") and there != "num-0")


SPOKEN = [
    ("number", "0", "zero", "零"),
    ("number", "2", "two", "二"),
    ("number", "10", "ten", "十"),
    ("number", "12", "twelve", "十二"),
    ("number", "20", "twenty", "二十"),
    ("number", "22", "twenty two", "二十二"),
    ("number", "101", "one hundred one", "一百零一"),
    ("number", "110", "one hundred ten", "一百一十"),
    ("number", "200", "two hundred", "两百"),
    ("number", "2002", "two thousand two", "两千零二"),
    ("number", "1010", "one thousand ten", "一千零一十"),
    ("number", "10000", "ten thousand", "一万"),
    ("number", "20000", "twenty thousand", "两万"),
    ("number", "10010", "ten thousand ten", "一万零一十"),
    ("number", "12000", "twelve thousand", "一万两千"),
    ("number", "100001", "one hundred thousand one", "十万零一"),
    ("number", "120000", "one hundred twenty thousand", "十二万"),
    ("number", "200000000", "two hundred million", "两亿"),
    ("number", "100002000", "one hundred million two thousand", "一亿零两千"),
    ("number", "100020000", "one hundred million twenty thousand", "一亿零两万"),
    ("number", "-3.50", "minus three point five zero", "负三点五零"),
    ("digits", "1 (20)-3*#", "one two zero three star pound", "幺二零三星号井号"),
    ("date", "2026-12-24", "December twenty-fourth twenty twenty six", "二零二六年十二月二十四日"),
    ("date", "2002-02-02T10:00:00", "February second two thousand two", "二零零二年二月二日"),
    ("date", "1905-01-31", "January thirty-first nineteen oh five", "一九零五年一月三十一日"),
    ("date", "1900-10-10", "October tenth nineteen hundred", "一九零零年十月十日"),
    ("time", "14:05", "two oh five p.m.", "十四点零五分"),
    ("time", "00:30", "twelve thirty a.m.", "零点三十分"),
    ("time", "2026-01-01T02:00", "two o'clock a.m.", "两点整"),
    ("time", "12:00", "twelve o'clock p.m.", "十二点整"),
]


@pytest.mark.parametrize(("kind", "value", "english", "chinese"), SPOKEN)
def test_spoken(kind: str, value: str, english: str, chinese: str) -> None:
    """The words a person would say."""
    assert spoken(kind, value, "en") == english
    assert spoken(kind, value, "zh") == chinese


UNSAYABLE = [
    ("number", ["", "x", "nan", "inf", "1e12", "1e400", "0" * 40, "1_0 x"]),
    ("digits", ["", "12a", "٣", "1" * 65, "--"]),
    ("date", ["", "24.12.2026", "2026-02-30"]),
    ("time", ["", "25:00", "noon"]),
]


@pytest.mark.parametrize(("kind", "values"), UNSAYABLE)
def test_unsayable(kind: str, values: list[str]) -> None:
    """What is no such value is refused, not said wrongly."""
    for value in values:
        for language in ("en", "zh"):
            with pytest.raises(Unsayable):
                say(kind, value, language)


@given(st.sampled_from(["number", "digits", "date", "time"]), st.text(max_size=40))
def test_any_value_is_said_or_refused(kind: str, value: str) -> None:
    """Callers' data never raises anything else, and every name said is in the prompt set."""
    for language in ("en", "zh"):
        try:
            names = say(kind, value, language)
        except Unsayable:
            continue
        assert [name for name in names if name not in PROMPTS[language]] == []


def test_every_name_is_a_prompt() -> None:
    """Dates of a leap year, all minutes, small numbers and large ones use recorded names only."""
    days = [(date(2024, 1, 1) + timedelta(days=n)).isoformat() for n in range(366)]
    times = [f"{n // 60:02}:{n % 60:02}" for n in range(1440)]
    numbers = [str(n) for n in range(1200)] + [str(7**n) for n in range(14)] + ["-1.5"]
    for kind, values in (("date", days), ("time", times), ("number", numbers)):
        for language in ("en", "zh"):
            for value in values:
                spoken(kind, value, language)


@given(st.decimals(-(10**6), 10**6, places=3))
def test_decimals(value: Decimal) -> None:
    """Decimals follow the point digit by digit."""
    names = say("number", f"{value:f}", "en")
    digits = "".join(n.removeprefix("num-") for n in names[names.index("point") + 1 :])
    assert digits == f"{value:f}".partition(".")[2]


def test_other_languages_are_left_to_speech() -> None:
    """Where no rules are known the caller of `say` is told so."""
    assert speaks("en-GB")
    assert speaks("zh")
    assert not speaks("de")
    with pytest.raises(Unsayable):
        say("number", "1", "de")
