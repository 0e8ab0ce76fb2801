"""Opening hours on the wall clock: weekdays, midnight, daylight saving time, holidays."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from callcore.ivr.calendar import Hours, is_holiday, is_open

BERLIN = "Europe/Berlin"
OFFICE = Hours(
    zone=BERLIN,
    weekly={"mon-fri": ("09:00-12:00", "13:00-17:30"), "sat": ("10:00-14:00",)},
    country="DE",
    subdivision="BY",
    closed=("2026-11-25",),
    special={"2026-12-24": ("09:00-12:00",), "2026-12-25": ("10:00-11:00",), "2026-12-28": ()},
)
NIGHT = Hours(zone=BERLIN, weekly={"fri-sun": ("22:00-06:00",), "mon": ("00:00-24:00",)})


def at(text: str, zone: str = BERLIN, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


CASES = [
    ("2026-11-20T08:59:59", OFFICE, False),
    ("2026-11-20T09:00:00", OFFICE, True),
    ("2026-11-20T12:00:00", OFFICE, False),
    ("2026-11-20T17:29:59", OFFICE, True),
    ("2026-11-20T17:30:00", OFFICE, False),
    ("2026-11-21T10:30:00", OFFICE, True),
    ("2026-11-22T10:30:00", OFFICE, False),
    # own closed day; special hours on a working day and on a holiday; closed by special
    ("2026-11-25T10:00:00", OFFICE, False),
    ("2026-12-24T11:00:00", OFFICE, True),
    ("2026-12-24T14:00:00", OFFICE, False),
    ("2026-12-25T10:30:00", OFFICE, True),
    ("2026-12-28T10:30:00", OFFICE, False),
    # Epiphany is a holiday in Bavaria
    ("2027-01-06T10:30:00", OFFICE, False),
    # nine o'clock is nine o'clock before and after both changes of the clock
    ("2026-03-27T09:00:00", OFFICE, True),
    ("2026-03-30T08:59:59", OFFICE, False),
    ("2026-03-30T09:00:00", OFFICE, True),
    ("2026-10-26T08:59:59", OFFICE, False),
    ("2026-10-26T09:00:00", OFFICE, True),
    # past midnight, also from Sunday into Monday and over the change of the clock
    ("2026-11-20T21:59:00", NIGHT, False),
    ("2026-11-20T23:59:00", NIGHT, True),
    ("2026-11-21T05:59:00", NIGHT, True),
    ("2026-11-21T06:00:00", NIGHT, False),
    ("2026-10-25T05:59:00", NIGHT, True),
    ("2026-11-23T05:00:00", NIGHT, True),
    ("2026-11-23T23:59:00", NIGHT, True),
    ("2026-11-24T00:00:00", NIGHT, False),
]


@pytest.mark.parametrize(("when", "hours", "expected"), CASES)
def test_open(when: str, hours: Hours, expected: bool) -> None:
    """Open or closed at this moment of local time."""
    assert is_open(hours, at(when)) is expected


def test_the_hour_that_comes_twice() -> None:
    """Both passes of 02:30 in October are inside a span that covers 02:30."""
    hours = Hours(zone=BERLIN, weekly={"sun": ("02:00-03:00",)})
    first, second = (at("2026-10-25T02:30:00", fold=fold) for fold in (0, 1))
    assert second - first == 3600
    assert is_open(hours, first)
    assert is_open(hours, second)


def test_span_over_the_end_of_the_week() -> None:
    """`sat-mon` goes over Sunday."""
    hours = Hours(zone="UTC", weekly={"sat-mon": ("10:00-11:00",)})
    days = [is_open(hours, at(f"2026-11-{day}T10:00:00", "UTC")) for day in range(20, 26)]
    assert days == [False, True, True, True, False, False]


def test_holidays() -> None:
    """By country and subdivision, in the zone of the hours, and own days."""
    assert is_holiday(OFFICE, at("2027-01-06T00:00:00"))
    assert not is_holiday(OFFICE, at("2027-01-05T23:59:59"))
    assert is_holiday(OFFICE, at("2026-11-25T12:00:00"))
    berlin = Hours(zone=BERLIN, country="DE", subdivision="BE")
    assert not is_holiday(berlin, at("2027-01-06T12:00:00"))
    assert is_holiday(Hours(zone="Asia/Shanghai", country="CN"), at("2026-10-01T08:00:00"))
    assert not is_holiday(NIGHT, at("2026-12-25T12:00:00"))


def test_unknown_calendar() -> None:
    """A country or subdivision nobody knows is told with its field."""
    for hours in (
        Hours(zone="UTC", country="XX"),
        Hours(zone="UTC", country="DE", subdivision="XY"),
    ):
        assert [field for field, _ in hours.problems()] == ["country"]
    assert list(OFFICE.problems()) == []
