"""The distributor against what is known: Erlang C and A, and a matcher that looks at everything."""

from __future__ import annotations

import math
import random

import pytest

from callcore.acd import events as ev
from callcore.acd.distributor import Distributor
from callcore.bench.day import HOUR, Day, Load, Shift, draw_callers
from callcore.bench.erlang import Erlang
from callcore.bench.simulation import Simulation
from callcore.directory import Agent, Member, Queue

#: Erlangs, agents, handling time; patience. The two known points come first.
GRID = [
    Erlang(10.0, 14, 180.0),
    Erlang(10.0, 14, 180.0, 180.0),
    Erlang(2.0, 4, 60.0),
    Erlang(20.0, 25, 300.0),
    Erlang(5.0, 5, 120.0, 60.0),
    Erlang(30.0, 28, 240.0, 300.0),
    Erlang(80.0, 84, 200.0, 120.0),
]
BATCHES, CONTACTS = 20, 2000


def played(theory):
    """Fates in order of arrival: Poisson arrivals, exponential talk and patience."""
    names = [f"a{n:03}" for n in range(theory.agents)]
    per_hour = theory.arrival_rate * HOUR
    ends = (BATCHES + 1) * CONTACTS / theory.arrival_rate
    load = Load(
        queue="q",
        rate=((0.0, per_hour), (ends, per_hour)),
        talk_seconds=theory.handling_seconds,
        patience_seconds=theory.patience_seconds,
        spread=None,
    )
    queue = Queue(id="q", members=tuple(Member(agent=name) for name in names))
    day = Day(
        queues={"q": queue},
        agents={name: Agent(id=name) for name in names},
        callers=draw_callers([load], seed=1),
        shifts=[Shift(name, 0.0, 2 * ends) for name in names],
    )
    return list(Simulation(day).play().values())


def agrees(values, expected):
    """Batch means without the first, a warm-up: within 3 standard errors."""
    batches = [
        sum(values[begins : begins + CONTACTS]) / CONTACTS
        for begins in range(CONTACTS, len(values) - CONTACTS, CONTACTS)
    ]
    mean = sum(batches) / len(batches)
    spread = sum((each - mean) ** 2 for each in batches) / (len(batches) - 1)
    error = math.sqrt(spread / len(batches))
    assert error < 0.2 * expected, "too few to say anything"
    assert abs(mean - expected) < 3 * error, (mean, expected, error)


@pytest.mark.parametrize(
    "theory", GRID, ids=lambda t: f"{t.erlangs:g}-{t.agents}-{t.patience_seconds:g}"
)
def test_waits_are_those_of_erlang(theory):
    """P(wait), mean wait, share within 20 s (Erlang C) and share of abandons (Erlang A)."""
    fates = played(theory)
    agrees([fate.wait > 0 for fate in fates], theory.waits)
    agrees([fate.wait for fate in fates], theory.mean_wait)
    if math.isinf(theory.patience_seconds):
        agrees([fate.wait <= 20.0 for fate in fates], theory.within(20.0))
    else:
        agrees([fate.abandoned is not None for fate in fates], theory.abandons)


def random_state(draw):
    """A small floor: agents in random queues with random skills and penalties."""
    names = [f"a{n}" for n in range(draw.randint(1, 5))]
    agents = {
        name: Agent(id=name, skills={s: draw.randint(1, 3) for s in "xy" if draw.random() < 0.6})
        for name in names
    }
    queues = {
        q: Queue(
            id=q,
            retry_seconds=1000.0,
            members=tuple(
                Member(agent=name, penalty=draw.randint(0, 1))
                for name in names
                if draw.random() < 0.7
            ),
        )
        for q in "pqr"
    }
    return agents, queues


def fits(agent, needs):
    return all(agent.skills.get(name, -1) >= level for name, level in needs.items())


def test_choices_equal_those_of_a_matcher_that_looks_at_everything():
    """200 small random floors: same agent for each contact and same contact for each agent."""
    for seed in range(200):
        draw = random.Random(seed)
        agents, queues = random_state(draw)
        acd = Distributor()
        acd.handle(ev.Configured(queues=queues, agents=agents), 0.0)
        idle, waiting, talking, now = {}, {}, {}, 0.0
        for name in agents:
            now += draw.randint(0, 1)
            idle[name] = now
            acd.handle(ev.LoggedIn(agent=name), now)
        for n in range(30):
            now += draw.randint(0, 2)
            if talking and draw.random() < 0.45:
                agent, contact = draw.choice(sorted(talking.items()))
                actions = acd.handle(ev.ContactReleased(contact=contact, agent=agent), now)
                del talking[agent]
                served = {q: m for q in queues for m in queues[q].members if m.agent == agent}
                best = min(
                    (
                        (place, contact)
                        for contact, (place, queue, needs) in waiting.items()
                        if queue in served and fits(agents[agent], needs)
                    ),
                    default=None,
                )
                idle[agent] = now
                expected = None if best is None else (best[1], agent)
            else:
                contact = f"c{draw.randint(0, 10**6)}"
                queue = draw.choice("pqr")
                needs = {s: draw.randint(1, 3) for s in "xy" if draw.random() < 0.3}
                place = (-draw.randint(0, 1), now - draw.randint(0, 3), contact)
                waiting[contact] = (place, queue, needs)
                event = ev.ContactQueued(
                    contact=contact, queue=queue, since=place[1], priority=-place[0], skills=needs
                )
                actions = acd.handle(event, now)
                best = min(
                    (
                        (member.penalty, idle[member.agent], member.agent)
                        for member in queues[queue].members
                        if member.agent in idle and fits(agents[member.agent], needs)
                    ),
                    default=None,
                )
                expected = None if best is None else (contact, best[2])
            offers = [(each.contact, each.agent) for each in actions if isinstance(each, ev.Offer)]
            assert offers == ([] if expected is None else [expected]), f"seed {seed}, step {n}"
            for contact, agent in offers:
                acd.handle(ev.OfferAnswered(contact=contact, agent=agent), now)
                del waiting[contact], idle[agent]
                talking[agent] = contact
