"""A day with three skills and 60 agents: how many contacts each routing rule answers in time.

Equal staffing, the same callers (by seed) for every rule; the loads of the queues shift over the
day, so that each is short of agents at another hour. The service level is answered within the
queue's target, of all contacts that came, over all three queues.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from statistics import mean

import msgspec

from callcore.bench.day import HOUR, Day, Load, draw_callers
from callcore.bench.floors import RING, shifts
from callcore.bench.simulation import Simulation, results
from callcore.directory import Agent, Member, Queue
from callcore.directory_queue import Urgency

WRAP_UP = 20.0
#: Loads over the day by skill, as parts of the mean.
SHAPES = {
    "a": ((8, 0.6), (10, 1.25), (12, 0.9), (14, 0.7), (16, 0.8), (18, 0.5)),
    "b": ((8, 0.6), (10, 0.7), (12, 0.9), (14, 1.3), (16, 0.9), (18, 0.6)),
    "c": ((8, 0.6), (10, 0.8), (12, 0.8), (14, 0.8), (16, 1.4), (18, 0.9)),
}


@dataclass(frozen=True)
class Work:
    """One skill, which is one queue: times in seconds."""

    target: float
    talk: float
    erlangs: float
    patience: float


@dataclass(frozen=True)
class Staff:
    """A floor: agents by the skills they have (a letter each), and the work."""

    agents: dict[str, int]
    work: dict[str, Work]


FLOORS = {
    "mixed": Staff(
        {"a": 10, "b": 10, "c": 10, "ab": 8, "bc": 8, "ac": 8, "abc": 6},
        {
            "a": Work(20, 200, 22, 180),
            "b": Work(20, 240, 20, 240),
            "c": Work(60, 300, 18, 300),
        },
    ),
    "narrow": Staff(
        {"a": 18, "b": 14, "c": 10, "ab": 6, "bc": 6, "ac": 6},
        {
            "a": Work(30, 180, 25, 300),
            "b": Work(15, 300, 19, 300),
            "c": Work(90, 240, 15, 600),
        },
    ),
    "wide": Staff(
        {"a": 15, "c": 10, "ab": 15, "abc": 20},
        {
            "a": Work(20, 240, 30, 240),
            "b": Work(40, 200, 14, 240),
            "c": Work(20, 180, 16, 240),
        },
    ),
    "far_targets": Staff(
        {"a": 10, "b": 10, "c": 10, "ab": 8, "bc": 8, "ac": 8, "abc": 6},
        {
            "a": Work(20, 200, 22, 180),
            "b": Work(60, 240, 20, 240),
            "c": Work(300, 300, 18, 600),
        },
    ),
}


@dataclass(frozen=True)
class Rule:
    """A way of routing: the settings that every queue gets."""

    #: Agents' first skill is their primary one: it has penalty 0, the others this.
    secondary_penalty: int = 0
    strategy: str = "longest_idle"
    urgency: Urgency = Urgency.FAIR


RULES = {
    "longest_idle": Rule(),
    "penalty": Rule(secondary_penalty=1),
    "callcore": Rule(strategy="skill_best_fit", urgency=Urgency.SERVICE_LEVEL),
}


def draw_day(staff: Staff, load: float, seed: int, rule: Rule) -> Day:
    """`load` scales the erlangs of all queues."""
    skills = _skills(staff)
    queues = {
        name: Queue(
            id=name,
            strategy=rule.strategy,
            urgency=rule.urgency,
            members=tuple(
                Member(agent=agent, penalty=rule.secondary_penalty * (has[0] != name))
                for agent, has in skills.items()
                if name in has
            ),
            ring_seconds=30.0,
            wrap_up_seconds=WRAP_UP,
            service_level_seconds=work.target,
        )
        for name, work in staff.work.items()
    }
    return Day(
        queues=queues,
        agents={agent: Agent(id=agent) for agent in skills},
        callers=draw_callers([_load(name, each, load) for name, each in staff.work.items()], seed),
        shifts=shifts(skills),
        ring_seconds=RING,
    )


def _skills(staff: Staff) -> dict[str, str]:
    """Skills by agent, the primary one first (it goes round); in an order without a pattern."""
    skills = {
        f"{group}{number:02}": group[number % len(group) :] + group[: number % len(group)]
        for group, count in staff.agents.items()
        for number in range(count)
    }
    return dict(sorted(skills.items(), key=lambda item: zlib.crc32(item[0].encode())))


def _load(name: str, work: Work, load: float) -> Load:
    per_hour = load * work.erlangs / (work.talk + WRAP_UP + RING) * HOUR
    shape = tuple((hour * HOUR, part * per_hour) for hour, part in SHAPES[name])
    return Load(name, shape, work.talk, work.patience)


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One day under one rule; shares in per cent, waits in seconds."""

    service_level: float
    abandoned: float
    mean_wait: float
    longest_wait: float


def play(rule: Rule, staff: Staff, load: float, seed: int) -> Outcome:
    day = draw_day(staff, load, seed, rule)
    fates = Simulation(day).play()
    found = results(day, fates).values()
    contacts = sum(each.contacts for each in found)
    return Outcome(
        service_level=100 * sum(each.within for each in found) / contacts,
        abandoned=100 * sum(each.abandoned for each in found) / contacts,
        mean_wait=mean(fate.wait for fate in fates.values() if fate.answered is not None),
        longest_wait=max(each.longest_wait for each in found),
    )
