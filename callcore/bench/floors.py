"""Call centres to try things on: a day with a lunch dip and a burst, for one queue or for two that
share agents.
"""

from __future__ import annotations

from collections.abc import Iterable

from callcore.bench.day import HOUR, Day, Load, Shift, draw_callers
from callcore.bench.waiting import Truth
from callcore.directory import Agent, Member, Queue
from callcore.directory_queue import Announcements

RING = 3.0
OPENS, CLOSES = 8 * HOUR, 18 * HOUR


def busy_day(per_hour: float) -> tuple[tuple[float, float], ...]:
    """Contacts an hour: a morning hill, fewer at lunch, a burst at 15:00."""
    shape = (
        (8, 0.7), (9.5, 1.05), (11.5, 1.0), (12.5, 0.85), (13.5, 0.95), (15, 1.0),
        (15.05, 1.5), (15.3, 1.5), (15.35, 0.95), (17, 0.85), (18, 0.4),
    )  # fmt: skip
    return tuple((hour * HOUR, part * per_hour) for hour, part in shape)


def names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{number:03}" for number in range(count)]


def shifts(agents: Iterable[str]) -> list[Shift]:
    """Everybody all day, with half an hour of lunch in four turns from 11:30."""
    lunches = [(begins * HOUR, (begins + 0.5) * HOUR) for begins in (11.5, 12.0, 12.5, 13.0)]
    return [
        Shift(agent, OPENS, CLOSES, (lunches[number % 4],)) for number, agent in enumerate(agents)
    ]


def queue(name: str, agents: Iterable[str], wrap_up: float) -> Queue:
    return Queue(
        id=name,
        members=tuple(Member(agent=agent) for agent in agents),
        ring_seconds=30.0,
        wrap_up_seconds=wrap_up,
        announcements=Announcements(),
    )


def one_queue(seed: int, count: int = 30) -> tuple[Day, dict[str, Truth]]:
    """As many erlangs as agents: 210 s of talk, 30 s of wrap-up, patience 300 s."""
    talk, wrap_up, patience = 210.0, 30.0, 300.0
    handling = RING + talk + wrap_up
    agents = names("a", count)
    day = Day(
        queues={"q": queue("q", agents, wrap_up)},
        agents={agent: Agent(id=agent) for agent in agents},
        callers=draw_callers([Load("q", busy_day(count / handling * HOUR), talk, patience)], seed),
        shifts=shifts(agents),
        ring_seconds=RING,
    )
    return day, {"q": Truth(handling, patience, lambda present, now: len(present))}


def shared_agents(seed: int) -> tuple[Day, dict[str, Truth]]:
    """Two queues: 15 agents of the one, 10 of the other, 15 of both; different talk times."""
    own_a, own_b, both = names("a", 15), names("b", 10), names("c", 15)
    everybody = own_a + own_b + both
    quick = Load("a", busy_day(23 / 223 * HOUR), 200.0, 240.0)
    base = 16.2 / 343 * HOUR
    shape = ((8, 0.9), (11, 0.9), (13, 1.2), (16, 0.9), (18, 0.5))
    slow = Load("b", tuple((hour * HOUR, part * base) for hour, part in shape), 320.0, 400.0)
    day = Day(
        queues={"a": queue("a", own_a + both, 20.0), "b": queue("b", own_b + both, 20.0)},
        agents={agent: Agent(id=agent) for agent in everybody},
        callers=draw_callers([quick, slow], seed),
        shifts=shifts(everybody),
        ring_seconds=RING,
    )

    def agents_of_a(present: set[str], now: float) -> float:
        """Those shared stand where the load per agent becomes equal, as far as they can."""
        loads = [
            load.rate_at(min(now, CLOSES - 1)) * (load.talk_seconds + 23) for load in (quick, slow)
        ]
        alone = len(present.intersection(own_a))
        wanted = len(present) * loads[0] / sum(loads) - alone
        return alone + min(max(wanted, 0.0), len(present.intersection(both)))

    def agents_of_b(present: set[str], now: float) -> float:
        return len(present) - agents_of_a(present, now)

    truth = {"a": Truth(223.0, 240.0, agents_of_a), "b": Truth(343.0, 400.0, agents_of_b)}
    return day, truth
