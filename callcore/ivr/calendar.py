"""Opening hours and holidays: is it open at a given moment, on the wall clock of a zone.

Hours are compared with the local wall clock, so that nine o'clock is nine o'clock on both sides
of a change to or from daylight saving time.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec

from callcore.ivr.fields import DAYS, Kind

Times = tuple[Annotated[str, Kind.TIMES], ...]
Date = Annotated[str, Kind.DATE]
#: A year every calendar knows, to see whether there is a calendar at all.
_ANY_YEAR = 2024


class Hours(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Opening hours of a week, closed on holidays; single days may have their own."""

    #: An IANA time zone: ``Europe/Berlin``.
    zone: Annotated[str, Kind.ZONE]
    #: ``mon-fri: [09:00-12:00, 13:00-18:00]``; a span past midnight belongs to its first day.
    weekly: dict[Annotated[str, Kind.DAYS], Times] = {}
    #: Public holidays of a country (ISO 3166) and its subdivision.
    country: Annotated[str, Kind.COUNTRY] = ""
    #: A part of that country: ``BY``.
    subdivision: str = ""
    #: Further closed days.
    closed: tuple[Date, ...] = ()
    #: Days with their own hours, holiday or not; empty: closed.
    special: dict[Date, Times] = {}

    def problems(self) -> Iterator[tuple[str, str]]:
        """What is wrong between fields: the field and a sentence."""
        try:
            public_holidays(self.country, self.subdivision, _ANY_YEAR)
        except NotImplementedError:
            place = f"{self.country} {self.subdivision}".strip()
            yield "country", f"expected a country with known holidays, got {place!r}"


@lru_cache(maxsize=64)
def public_holidays(country: str, subdivision: str, year: int) -> frozenset[date]:
    """The public holidays of one year; NotImplementedError for a country nobody knows."""
    if not country:
        return frozenset()
    import holidays  # 15 ms, and most sites have none

    days = holidays.country_holidays(country, subdiv=subdivision or None, years=year)
    return frozenset(days)


def is_holiday_date(hours: Hours, day: date) -> bool:
    if day.isoformat() in hours.closed:
        return True
    return day in public_holidays(hours.country, hours.subdivision, day.year)


def is_holiday(hours: Hours, now: float) -> bool:
    """A public holiday or own closed day, at `now` in the zone of the hours."""
    return is_holiday_date(hours, datetime.fromtimestamp(now, ZoneInfo(hours.zone)).date())


def is_open(hours: Hours, now: float) -> bool:
    """Open at `now`."""
    local = datetime.fromtimestamp(now, ZoneInfo(hours.zone))
    minute = local.hour * 60 + local.minute
    today, yesterday = local.date(), local.date() - timedelta(days=1)
    if any(start <= minute < end for start, end in _spans(hours, today)):
        return True
    return any(start <= minute + 1440 < end for start, end in _spans(hours, yesterday))


def _spans(hours: Hours, day: date) -> list[tuple[int, int]]:
    """Open spans of a day in minutes; one past midnight ends above 1440."""
    texts = hours.special.get(day.isoformat())
    if texts is None:
        if is_holiday_date(hours, day):
            return []
        listed = [t for days, t in hours.weekly.items() if _covers(days, day.weekday())]
        texts = tuple(text for times in listed for text in times)
    return [_minutes(text) for text in texts]


def _covers(days: str, weekday: int) -> bool:
    first, _, last = days.partition("-")
    start, end = DAYS.index(first), DAYS.index(last or first)
    return start <= weekday <= end if start <= end else weekday >= start or weekday <= end


def _minutes(text: str) -> tuple[int, int]:
    start, end = (int(t[:2]) * 60 + int(t[3:]) for t in text.split("-"))
    return start, end if end > start else end + 1440
