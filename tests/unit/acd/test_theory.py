"""The distributor against what is known: Erlang C, and a matcher that looks at everything."""

from __future__ import annotations

import math
import random
from heapq import heappop, heappush

from callcore.acd import events as ev
from callcore.acd.distributor import Distributor
from callcore.directory import Agent, Member, Queue

ERLANGS, AGENTS, AHT = 10.0, 14, 180.0
P_WAIT = 0.17413


def waited_shares(seed, batches, contacts):
    """Shares of contacts that had to wait, batch by batch (Poisson arrivals, exponential AHT)."""
    draw = random.Random(seed)
    names = [f"a{n:02}" for n in range(AGENTS)]
    queue = Queue(id="q", members=tuple(Member(agent=name) for name in names))
    acd = Distributor()
    acd.handle(ev.Configured(queues={"q": queue}, agents={n: Agent(id=n) for n in names}), 0.0)
    for name in names:
        acd.handle(ev.LoggedIn(agent=name), 0.0)
    talks, arrival, shares = [], 0.0, []

    def serve(actions, now):
        for action in actions:
            if isinstance(action, ev.Offer):
                acd.handle(ev.OfferAnswered(contact=action.contact, agent=action.agent), now)
                end = now + draw.expovariate(1 / AHT)
                heappush(talks, (end, action.contact, action.agent))

    for batch in range(batches):
        waited = 0
        for n in range(contacts):
            arrival += draw.expovariate(ERLANGS / AHT)
            while talks and talks[0][0] <= arrival:
                now, contact, agent = heappop(talks)
                serve(acd.handle(ev.ContactReleased(contact=contact, agent=agent), now), now)
            actions = acd.handle(ev.ContactQueued(contact=f"c{batch}.{n}", queue="q"), arrival)
            waited += not actions
            serve(actions, arrival)
        shares.append(waited / contacts)
    return shares


def test_waiting_probability_is_erlang_c():
    """10 erlangs at 14 agents: P(wait) within 3 standard errors (batch means after a warm-up)."""
    shares = waited_shares(seed=7, batches=21, contacts=1500)[1:]
    mean = sum(shares) / len(shares)
    error = math.sqrt(sum((each - mean) ** 2 for each in shares) / (len(shares) - 1) / len(shares))
    assert abs(mean - P_WAIT) < 3 * error
    assert error < 0.01


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
