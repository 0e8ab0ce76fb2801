"""/api/v1/statistics: counts and formulas of queues, agents and skills, up to this moment."""

from __future__ import annotations

from datetime import datetime
from time import time

import msgspec

from callcore.acd.figures import (
    AgentFigures,
    IntervalFigures,
    QueueFigures,
    SkillFigures,
    agent_figures,
    interval_figures,
    queue_figures,
    skill_figures,
)
from callcore.api.endpoint import BadBody, Call, Endpoint
from callcore.store.intervals import Every, Range, over_all

#: A row for each quarter of an hour of more than so many seconds is a mistake.
LONGEST = 366 * 86400.0

# --- schemas -----------------------------------------------------------------------------------


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Query: from `begin` (else midnight) up to, not including, `end` (else now), seconds since
    the epoch; a row for each `every` (15, 30, 60 minutes, day, or all)."""

    begin: float | None = None
    end: float | None = None
    every: Every = Every.ALL
    #: Only this queue, agent or skill.
    id: str = ""


class QueueStatistics(msgspec.Struct, frozen=True):
    """By queue, then time; stretches in which nothing happened are left out."""

    queues: list[QueueFigures]


class IntervalStatistics(msgspec.Struct, frozen=True):
    """All queues together, in order of time."""

    intervals: list[IntervalFigures]


class AgentStatistics(msgspec.Struct, frozen=True):
    agents: list[AgentFigures]


class SkillStatistics(msgspec.Struct, frozen=True):
    skills: list[SkillFigures]


# --- handlers ----------------------------------------------------------------------------------


async def of_queues(call: Call) -> QueueStatistics:
    present = call.context.switchboard.interval()
    sums = await call.context.archive.queue_sums(wanted(call.query), present)
    return QueueStatistics([queue_figures(e.name, e.begin, e.end, e.counts) for e in sums])


async def of_intervals(call: Call) -> IntervalStatistics:
    present = call.context.switchboard.interval()
    sums = await call.context.archive.queue_sums(wanted(call.query), present)
    return IntervalStatistics([interval_figures(e.begin, e.end, e.counts) for e in over_all(sums)])


async def of_agents(call: Call) -> AgentStatistics:
    present = call.context.switchboard.interval()
    sums = await call.context.archive.agent_sums(wanted(call.query), present)
    return AgentStatistics([agent_figures(e.name, e.begin, e.end, e.counts) for e in sums])


async def of_skills(call: Call) -> SkillStatistics:
    present = call.context.switchboard.interval()
    sums = await call.context.archive.skill_sums(wanted(call.query), present)
    return SkillStatistics([skill_figures(e.name, e.begin, e.end, e.counts) for e in sums])


def wanted(query: dict[str, str]) -> Range:
    """The range of a query, within bounds."""
    try:
        asked = msgspec.convert(query, Wanted, strict=False)
    except msgspec.ValidationError as exc:
        raise BadBody(f"query: {exc}") from exc
    today = datetime.now().replace(hour=0, minute=0, second=0, microsecond=0)
    begin = asked.begin if asked.begin is not None else today.timestamp()
    end = asked.end if asked.end is not None else time()
    if not 0 <= begin < end <= begin + LONGEST:
        raise BadBody("query: end must be after begin, by a year at most")
    return Range(begin=begin, end=end, every=asked.every, name=asked.id)


# --- routes ------------------------------------------------------------------------------------

BASE = "/api/v1/statistics"
ENDPOINTS = (
    Endpoint(
        "GET", f"{BASE}/queues", of_queues, "Counts, service level, ASA, AHT by queue and time",
        answer=QueueStatistics, query=Wanted,
    ),
    Endpoint(
        "GET", f"{BASE}/intervals", of_intervals, "All queues together, by time",
        answer=IntervalStatistics, query=Wanted,
    ),
    Endpoint(
        "GET", f"{BASE}/agents", of_agents, "Handling, occupancy, seconds in each state by agent",
        answer=AgentStatistics, query=Wanted,
    ),
    Endpoint(
        "GET", f"{BASE}/skills", of_skills, "What queues show, by skill needed",
        answer=SkillStatistics, query=Wanted,
    ),
)  # fmt: skip
