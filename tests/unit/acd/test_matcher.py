"""A matcher that looks at everything makes the same choices on small random floors, ties included.

The rule of `callcore/acd/choosing.py` and of each strategy is written down here once more, from the
words alone, over plain lists: no index, no rank kept, no line.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from callcore.acd import events as ev
from callcore.acd.chance import Chance
from callcore.acd.criteria import CRITERIA, OF_CONTACT
from callcore.acd.distributor import Distributor
from callcore.acd.strategy import STRATEGIES
from callcore.directory import Agent, Member, Queue
from callcore.directory_queue import Urgency

FLOORS, STEPS = 200, 80
#: Targets, and seconds one step of priority is worth.
TARGET = 20.0


@dataclass
class Person:
    config: Agent
    idle_since: float
    #: The contact talked to; none: idle.
    holds: str = ""
    answered: int = 0
    began: float = 0.0
    busy_seconds: float = 0.0
    idle_seconds: float = 0.0
    changed: float = 0.0

    def spend(self, now):
        if self.holds:
            self.busy_seconds += now - self.changed
        else:
            self.idle_seconds += now - self.changed
        self.changed = now

    def occupancy(self, now):
        extra = now - self.changed
        busy = self.busy_seconds + (extra if self.holds else 0.0)
        whole = self.busy_seconds + self.idle_seconds + extra
        return busy / whole if whole else 0.0


@dataclass
class Caller:
    id: str
    queue: Queue
    since: float
    priority: int
    needs: dict[str, int]
    wanted: str = ""
    value: float = 0.0
    #: The one it waits for alone.
    alone: str = ""


@dataclass
class Matcher:
    """All that decides, and both choices."""

    queues: dict[str, Queue]
    people: dict[str, Person]
    waiting: list[Caller] = field(default_factory=list)
    chance: Chance = field(default_factory=Chance)
    last: dict[str, tuple[int, str]] = field(default_factory=dict)

    # --- the agent for a contact ---

    def agent_for(self, caller, now):
        if caller.alone:
            return caller.alone if not self.people[caller.alone].holds else None
        able = [
            (self.people[member.agent], member, place)
            for place, member in enumerate(caller.queue.members, start=1)
            if not self.people[member.agent].holds and self.fits(member.agent, caller)
        ]
        if not able:
            return None
        name = caller.queue.strategy
        if name not in ("weighted", "weighted_random"):
            lowest = min(member.penalty for _, member, _ in able)
            able = [each for each in able if each[1].penalty == lowest]
        chosen = getattr(self, "_" + name)(able, caller, now)
        return chosen[0].config.id

    def fits(self, agent, caller):
        skills = self.people[agent].config.skills
        return all(skills.get(name, -1) >= level for name, level in caller.needs.items())

    @staticmethod
    def _by(key, able):
        """The lowest; of equal ones who is idle longest, then by id."""
        return min(able, key=lambda each: (key(each), each[0].idle_since, each[0].config.id))

    def _longest_idle(self, able, caller, now):
        return self._by(lambda each: 0, able)

    def _linear(self, able, caller, now):
        return min(able, key=lambda each: (each[2], each[0].config.id))

    def _round_robin(self, able, caller, now):
        last = self.last.get(caller.queue.id, (0, ""))
        places = sorted((place, person.config.id) for person, _, place in able)
        following = [each for each in places if each > last] or places
        return next(each for each in able if each[0].config.id == following[0][1])

    def _fewest_contacts(self, able, caller, now):
        return self._by(lambda each: each[0].answered, able)

    def _least_occupied(self, able, caller, now):
        return self._by(lambda each: each[0].occupancy(now), able)

    def _skill_best_fit(self, able, caller, now):
        def surplus(each):
            skills = each[0].config.skills
            others = len([name for name in skills if name not in caller.needs])
            over = sum(skills[name] - level for name, level in caller.needs.items())
            return (others, self.serves(each[0].config.id), over)

        return self._by(surplus, able)

    def serves(self, agent):
        return sum(agent in {m.agent for m in queue.members} for queue in self.queues.values())

    def _in_order(self, able, caller):
        """As they stand idle: penalty, then idle time, then id."""
        return sorted(able, key=lambda e: (e[1].penalty, e[0].idle_since, e[0].config.id))

    def _random(self, able, caller, now):
        able = self._in_order(able, caller)
        return able[int(self.chance.draw() * len(able))]

    def _weighted_random(self, able, caller, now):
        able = self._in_order(able, caller)
        chances = [1 / (1 + member.penalty) for _, member, _ in able]
        left = self.chance.draw() * sum(chances)
        for each, chance in zip(able, chances, strict=True):
            left -= chance
            if left < 0:
                return each
        return able[-1]

    def _weighted(self, able, caller, now):
        most_idle = max(now - person.idle_since for person, _, _ in able)
        most_answered = max(person.answered for person, _, _ in able)

        def score(each):
            person, member, _ = each
            values = {
                "idle_time": (now - person.idle_since) / most_idle if most_idle > 0 else 0.0,
                "contacts_today": 1 - (person.answered / most_answered if most_answered else 0.0),
                "level": 1 / (1 + member.penalty),
                "last_agent": float(person.config.id == caller.wanted),
            }
            return sum(weight * values[name] for name, weight in caller.queue.criteria.items())

        best = max(score(each) for each in able)
        return self._by(lambda each: 0, [each for each in able if score(each) == best])

    # --- the contact for an agent ---

    def contact_for(self, agent, now):
        served = {q.id: m for q in self.queues.values() for m in q.members if m.agent == agent}
        turns = []
        for caller in self.waiting:
            if caller.alone:
                if caller.alone == agent:
                    turns.append((-self.urgency(caller, now), caller.since, caller.id))
            elif caller.queue.id in served and self.fits(agent, caller) and self._head(caller):
                urgency = self.urgency(caller, now)
                turn = -urgency - self.suits(agent, caller) * abs(urgency)
                turns.append((turn, caller.since, caller.id))
        return min(turns)[2] if turns else None

    def _head(self, caller):
        """First of those of its queue with the same needs: who came later never overtakes."""
        same = [
            (each.since - each.priority * each.queue.priority_seconds, each.since, each.id)
            for each in self.waiting
            if each.queue is caller.queue and each.needs == caller.needs and not each.alone
        ]
        return min(same)[2] == caller.id

    @staticmethod
    def urgency(caller, now):
        queue = caller.queue
        x = (now - caller.since + caller.priority * queue.priority_seconds) / TARGET
        if queue.urgency == "fair":
            return queue.weight * x
        if x >= 10 or caller.priority > 0:
            return queue.weight * max(x / 10, 1.0)
        if x <= 1:
            return queue.weight / (1 + (1 - x) * TARGET / 20)
        return queue.weight / x**3

    def suits(self, agent, caller):
        """Of the criteria that differ between contacts, only the last agent is in use here."""
        weights = {n: w for n, w in caller.queue.criteria.items() if n in OF_CONTACT}
        return float(bool(weights) and agent == caller.wanted)


def random_floor(draw):
    names = [f"a{n}" for n in range(draw.randint(1, 5))]
    agents = {
        name: Agent(id=name, skills={s: draw.randint(1, 3) for s in "xy" if draw.random() < 0.6})
        for name in names
    }
    strategies = sorted(set(STRATEGIES) - {"ring_all"})
    queues = {}
    for q in "pqr":
        strategy = draw.choice(strategies)
        weighted = {"idle_time": 1.0, "level": 0.5, "last_agent": 2.0, "contacts_today": 0.25}
        queues[q] = Queue(
            id=q,
            strategy=strategy,
            criteria=weighted if strategy == "weighted" else {},
            urgency=draw.choice((Urgency.FAIR, Urgency.FAIR, Urgency.SERVICE_LEVEL)),
            weight=draw.choice((1.0, 1.0, 2.0, 0.5)),
            priority_seconds=draw.choice((600.0, 3.0, 0.0)),
            service_level_seconds=TARGET,
            retry_seconds=1000.0,
            members=tuple(
                Member(agent=name, penalty=draw.randint(0, 1))
                for name in draw.sample(names, len(names))
                if draw.random() < 0.7
            ),
        )
    return agents, queues


class Both:
    """The distributor and the matcher, told the same."""

    def __init__(self, seed):
        self.draw = random.Random(seed)
        #: Full floors, where agents choose, and nearly empty ones, where contacts do.
        self.leaving = self.draw.choice((0.45, 0.7))
        self.now = 0.0
        agents, queues = random_floor(self.draw)
        self.acd = Distributor()
        self.feed(ev.Configured(queues=queues, agents=agents))
        people = {}
        for name, config in agents.items():
            self.now += self.draw.randint(0, 1)
            people[name] = Person(config, idle_since=self.now, changed=self.now)
            self.feed(ev.LoggedIn(agent=name))
        self.matcher = Matcher(queues, people)

    def feed(self, event):
        actions = self.acd.handle(event, self.now)
        return [(each.contact, each.agent) for each in actions if isinstance(each, ev.Offer)]

    def step(self, n):
        """What happens, what the distributor offers, and what it should."""
        self.now += (
            self.draw.randint(0, 20) if self.draw.random() < 0.3 else self.draw.randint(0, 2)
        )
        talking = sorted(name for name, p in self.matcher.people.items() if p.holds)
        if talking and self.draw.random() < self.leaving:
            offered, expected = self.release(self.draw.choice(talking))
        else:
            offered, expected = self.arrive(f"c{self.draw.randint(0, 999)}-{n}")
        for contact, agent in offered:
            self.answer(contact, agent)
        return offered, expected

    def release(self, agent):
        person = self.matcher.people[agent]
        person.spend(self.now)
        offered = self.feed(ev.ContactReleased(contact=person.holds, agent=agent))
        person.holds, person.idle_since = "", self.now
        contact = self.matcher.contact_for(agent, self.now)
        return offered, [] if contact is None else [(contact, agent)]

    def arrive(self, contact):
        draw, queue = self.draw, self.matcher.queues[self.draw.choice("pqr")]
        wanted = draw.choice(sorted(self.matcher.people)) if draw.random() < 0.3 else ""
        alone = wanted if draw.random() < 0.5 else ""
        caller = Caller(
            contact,
            queue,
            since=self.now - draw.randint(0, 3),
            priority=draw.choice((0, 0, 0, 1, -1)),
            needs={s: draw.randint(1, 3) for s in "xy" if draw.random() < 0.3},
            wanted=wanted,
            alone=alone,
        )
        self.matcher.waiting.append(caller)
        event = ev.ContactQueued(
            contact=contact,
            queue=queue.id,
            since=caller.since,
            priority=caller.priority,
            skills=caller.needs,
            wanted=wanted,
            wanted_seconds=10_000.0 if alone else 0.0,
        )
        offered = self.feed(event)
        agent = self.matcher.agent_for(caller, self.now)
        return offered, [] if agent is None else [(contact, agent)]

    def answer(self, contact, agent):
        matcher, person = self.matcher, self.matcher.people[agent]
        caller = next(each for each in matcher.waiting if each.id == contact)
        places = [member.agent for member in caller.queue.members]
        if caller.queue.strategy == "round_robin" and agent in places:
            matcher.last[caller.queue.id] = (places.index(agent) + 1, agent)
        matcher.waiting.remove(caller)
        person.spend(self.now)
        person.holds = contact
        person.answered += 1
        self.feed(ev.OfferAnswered(contact=contact, agent=agent))


@pytest.mark.parametrize("begins", range(0, FLOORS, 50))
def test_choices_equal_those_of_a_matcher_that_looks_at_everything(begins):
    """Same agent for each contact, same contact for each agent."""
    for seed in range(begins, begins + 50):
        both = Both(seed)
        for n in range(STEPS):
            offered, expected = both.step(n)
            assert offered == expected, f"seed {seed}, step {n}"


def test_every_strategy_and_the_criteria_in_use_exist():
    """A renamed one would silently be left out of the matcher."""
    rules = {name.removeprefix("_") for name in dir(Matcher)}
    assert set(STRATEGIES) - {"ring_all"} <= rules
    assert {"idle_time", "level", "last_agent", "contacts_today"} <= set(CRITERIA)
