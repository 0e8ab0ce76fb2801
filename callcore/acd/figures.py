"""Counters with the field's formulas worked out: what reports and the API show."""

from __future__ import annotations

from typing import Any

import msgspec

from callcore.acd.counts import AgentStats, QueueStats, ServiceLevel
from callcore.types import AgentId, QueueId


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """From `begin` to `end`, seconds since the epoch."""

    begin: float
    end: float


class ContactFigures(Figures, frozen=True, kw_only=True):
    """Counts of contacts; None where there is nothing to divide. See `acd/counts.py`."""

    #: Waiting already at the begin; entered; turned away at the door.
    carried: int
    entered: int
    refused: int
    #: To agents; at least one per answered contact.
    offers: int
    answered: int
    answered_in_time: int
    abandoned: int
    abandoned_in_time: int
    short_abandoned: int
    #: Outbound contacts that ended unanswered.
    dropped: int
    overflowed: int
    taken_out: int
    #: Waiting at the end: carried + entered, less all that left.
    waiting: int
    rona: int
    transferred_in: int
    transferred_out: int
    #: The share answered in time of all answered, abandoned or overflowed; and in every formula.
    service_level: float | None
    service_levels: dict[str, float | None]
    average_speed_of_answer: float | None
    longest_wait: float
    abandon_rate: float | None
    handled: int
    talk_seconds: float
    hold_seconds: float
    wrap_up_seconds: float
    average_handling_time: float | None


class IntervalFigures(ContactFigures, frozen=True, kw_only=True):
    """All queues together."""


class QueueFigures(ContactFigures, frozen=True, kw_only=True):
    queue: QueueId


class SkillFigures(ContactFigures, frozen=True, kw_only=True):
    """Contacts that need the skill; one that needs two is in both."""

    skill: str


class AgentFigures(Figures, frozen=True, kw_only=True):
    """What an agent did."""

    agent: AgentId
    offers: int
    answered: int
    rona: int
    rona_pauses: int
    transferred_in: int
    transferred_out: int
    handled: int
    talk_seconds: float
    hold_seconds: float
    wrap_up_seconds: float
    average_handling_time: float | None
    occupancy: float | None
    #: By state: idle, offered, talking, on_hold, wrapping_up, paused, busy, unreachable.
    seconds: dict[str, float]
    logged_in_seconds: float


def interval_figures(begin: float, end: float, counts: QueueStats) -> IntervalFigures:
    return IntervalFigures(begin=begin, end=end, **_contacts(counts))


def queue_figures(queue: QueueId, begin: float, end: float, counts: QueueStats) -> QueueFigures:
    return QueueFigures(queue=queue, begin=begin, end=end, **_contacts(counts))


def skill_figures(skill: str, begin: float, end: float, counts: QueueStats) -> SkillFigures:
    return SkillFigures(skill=skill, begin=begin, end=end, **_contacts(counts))


def agent_figures(agent: AgentId, begin: float, end: float, counts: AgentStats) -> AgentFigures:
    return AgentFigures(
        agent=agent,
        begin=begin,
        end=end,
        **_same(AgentFigures, counts),
        **_same(AgentFigures, counts.handling),
        average_handling_time=counts.handling.average,
        occupancy=counts.occupancy,
        logged_in_seconds=sum(counts.seconds.values()),
    )


def _contacts(counts: QueueStats) -> dict[str, Any]:
    levels = {formula.value: counts.service_level(formula) for formula in ServiceLevel}
    return {
        **_same(ContactFigures, counts),
        **_same(ContactFigures, counts.handling),
        "answered_in_time": counts.answered_within,
        "abandoned_in_time": counts.abandoned_within,
        "waiting": counts.waiting,
        "service_level": levels[ServiceLevel.ABANDONS_NEGATIVE],
        "service_levels": levels,
        "average_speed_of_answer": counts.average_speed_of_answer,
        "abandon_rate": counts.abandon_rate,
        "average_handling_time": counts.handling.average,
    }


def _same(kind: type[Figures], counts: msgspec.Struct) -> dict[str, Any]:
    """What has the same name in both."""
    names = set(kind.__struct_fields__)
    return {name: getattr(counts, name) for name in counts.__struct_fields__ if name in names}
