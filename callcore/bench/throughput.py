"""Events a second through a large floor: 10,000 agents, 1,000 queues, 100,000 waiting contacts.

Measured is `Distributor.handle` with the question for the next timer, call by call, on one core;
what makes up the next event runs between the calls. The mix is drawn at random: 45 % an agent
frees, 45 % a contact arrives, 8 % one abandons, 2 % an agent pauses or comes back; each offer is
answered three seconds later, which is one more event. Agents without the skill that those who wait
need stay idle: 5 % of all, in the way of every choice, as they are on a real floor.

Times are processor time of the thread: "on one core" whatever else the machine does meanwhile.
"""

from __future__ import annotations

import gc
import resource
import time
from collections import deque
from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random

from callcore.acd import events as ev
from callcore.acd.distributor import Distributor
from callcore.directory import Agent, Member, Queue

FREE, ARRIVE, ABANDON = 0.45, 0.45, 0.08
#: What those who wait need (at some level), and what idle agents have instead.
COMMON, RARE = "common", "rare"
#: Of the agents with the rare skill, so many talk: contacts of theirs come too.
BUSY_RARE = 0.05
ANSWER_SECONDS = 3.0
HANDLING_SECONDS = 180.0
#: The collector's thresholds of `callcore serve`.
COLLECT_AFTER = (20_000, 20, 20)
#: Arrivals replace those who have abandoned, unmeasured, whenever this part of the lines is gone:
#: the mix alone would drain them.
DRAINED = 0.005


@dataclass(frozen=True)
class Size:
    agents: int = 10_000
    queues: int = 1_000
    queues_per_agent: int = 10
    waiting: int = 100_000
    idle: float = 0.05


class Pool:
    """Names of which a random one can be drawn, all in O(1)."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._index: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._names)

    def add(self, name: str) -> None:
        self._index[name] = len(self._names)
        self._names.append(name)

    def discard(self, name: str) -> None:
        index = self._index.pop(name, None)
        if index is not None:
            last = self._names.pop()
            if last != name:
                self._names[index] = last
                self._index[last] = index

    def draw(self, random: Random) -> str:
        return self._names[int(random.random() * len(self._names))]


@dataclass
class Timing:
    """Durations of `handle`, in seconds, in order."""

    durations: list[float] = field(default_factory=list)
    #: Those of the mix alone: the answers are the rest.
    mixed: int = 0

    @property
    def events_per_s(self) -> float:
        return len(self.durations) / sum(self.durations)

    @property
    def mixed_per_s(self) -> float:
        """As if answers cost their time without counting as events."""
        return self.mixed / sum(self.durations)

    @property
    def us_per_event(self) -> float:
        return 1e6 / self.events_per_s

    def quantile_ms(self, share: float) -> float:
        return 1e3 * sorted(self.durations)[int(share * len(self.durations))]


class Crowd:
    """A large floor and those on it, who know nothing of the rules."""

    def __init__(self, size: Size, seed: int) -> None:
        self.size = size
        self.random = Random(seed)
        self.distributor = Distributor()
        self.now = 0.0
        self.timing: Timing | None = None
        self.talking: dict[bool, Pool] = {False: Pool(), True: Pool()}
        self.contact_of: dict[str, str] = {}
        self.waiting = Pool()
        self.paused: deque[str] = deque()
        self._ringing: dict[str, str] = {}
        self._answers: deque[tuple[float, str, str]] = deque()
        self._number = 0
        self.agents = [f"a{number:05}" for number in range(size.agents)]
        #: Those who have the rare skill only; a few of them talk, the others are the idle ones.
        self.rare = self.agents[: int(size.agents * size.idle * (1 + BUSY_RARE))]
        self._step_seconds = HANDLING_SECONDS * FREE / size.agents
        self.serves: dict[str, list[str]] = {}
        self._fill()

    # --- making the floor ---------------------------------------------------------------------

    def _fill(self) -> None:
        self._configure()
        for agent in self.agents:
            self.feed(ev.LoggedIn(agent=agent))
        while len(self.talking[False]) < len(self.agents) - len(self.rare):
            self._one_more(rare=False)
        while len(self.talking[True]) < len(self.rare) * BUSY_RARE:
            self._one_more(rare=True)
        while len(self.waiting) < self.size.waiting:
            self._one_more(rare=False)

    def _one_more(self, rare: bool) -> None:
        self.arrive(rare)
        self.now += 0.001
        self.answer_due(self.now + ANSWER_SECONDS)

    def _configure(self) -> None:
        names = [f"q{number:04}" for number in range(self.size.queues)]
        members: dict[str, list[Member]] = {name: [] for name in names}
        rare = set(self.rare)
        for agent in self.agents:
            self.serves[agent] = self.random.sample(names, self.size.queues_per_agent)
            for name in self.serves[agent]:
                members[name].append(Member(agent=agent))
        self.queues = names
        self.feed(
            ev.Configured(
                queues={name: Queue(id=name, members=tuple(members[name])) for name in names},
                agents={
                    agent: Agent(id=agent, skills={RARE: 1} if agent in rare else {COMMON: 2})
                    for agent in self.agents
                },
            )
        )

    # --- what happens -------------------------------------------------------------------------

    def run(self, events: int) -> Timing:
        """So many events of the mix, measured, and the answers that belong to them."""
        timing, before = Timing(), gc.get_threshold()
        gc.collect()
        gc.freeze()  # as callcore does once it has started, and the collector as rarely
        gc.set_threshold(*COLLECT_AFTER)
        while timing.mixed < events:
            self.timing = timing
            timing.mixed += 1
            self.step()
            self.timing = None
            if len(self.waiting) < (1 - DRAINED) * self.size.waiting:
                while len(self.waiting) < self.size.waiting:
                    self.arrive(rare=False)
        gc.set_threshold(*before)
        gc.unfreeze()
        return timing

    def step(self) -> None:
        """One event of the mix, after the answers that are due."""
        self.now += self._step_seconds
        self.answer_due(self.now)
        chance = self.random.random()
        if chance < FREE:
            self.free(rare=len(self.talking[True]) > len(self.rare) * BUSY_RARE)
        elif chance < FREE + ARRIVE:
            self.arrive(rare=self.random.random() < self.size.idle)
        elif chance < FREE + ARRIVE + ABANDON:
            self.feed(ev.ContactLeft(contact=self._leaver()))
        else:
            self.change()

    def feed(self, event: ev.AnyAcdEvent) -> None:
        """One event as the dispatcher deals with it: decide, then ask for the next timer."""
        begins = time.thread_time()
        actions = self.distributor.handle(event, self.now)
        due = self.distributor.next_timer()
        ends = time.thread_time()
        if self.timing is not None:
            self.timing.durations.append(ends - begins)
        self._carry_out(actions)
        if due is not None and due <= self.now:
            self._carry_out(self.distributor.handle_timer(self.now))

    def _carry_out(self, actions: list[ev.AnyAcdAction]) -> None:
        for action in actions:
            if isinstance(action, ev.Offer):
                self.waiting.discard(action.contact)
                self._ringing[action.agent] = action.contact
                self._answers.append((self.now + ANSWER_SECONDS, action.agent, action.contact))
            elif isinstance(action, ev.Withdraw):
                del self._ringing[action.agent]
                self.waiting.add(action.contact)

    def arrive(self, rare: bool) -> None:
        self._number += 1
        contact = f"c{self._number}"
        name = self.random.choice(
            self.serves[self.random.choice(self.rare)] if rare else self.queues
        )
        needs = {RARE: 1} if rare else {COMMON: 1 + self._number % 2}
        if not rare:
            self.waiting.add(contact)  # a rare one finds an idle agent, or is left alone
        self.feed(ev.ContactQueued(contact=contact, queue=name, skills=needs))

    def free(self, rare: bool) -> None:
        pool = self.talking[rare]
        if not pool:
            return
        agent = pool.draw(self.random)
        pool.discard(agent)
        self.feed(ev.ContactReleased(contact=self.contact_of.pop(agent), agent=agent))

    def answer_due(self, now: float) -> None:
        """Phones that have rung long enough are answered, unless the offer is gone."""
        while self._answers and self._answers[0][0] <= now:
            _, agent, contact = self._answers.popleft()
            if self._ringing.get(agent) == contact:
                del self._ringing[agent]
                self.talking[agent <= self.rare[-1]].add(agent)
                self.contact_of[agent] = contact
                self.feed(ev.OfferAnswered(contact=contact, agent=agent))

    def _leaver(self) -> str:
        contact = self.waiting.draw(self.random)
        self.waiting.discard(contact)
        return contact

    def change(self) -> None:
        """Someone pauses, or comes back: one in a hundred is on a pause."""
        if len(self.paused) * 100 > len(self.agents):
            self.feed(ev.Ready(agent=self.paused.popleft()))
            return
        agent = self.agents[int(self.random.random() * len(self.agents))]
        if agent not in self.paused:
            self.paused.append(agent)
            self.feed(ev.Paused(agent=agent, reason="break"))

    def burst(self, agents: int) -> float:
        """So many agents free within one second: the longest time from an event to the end of its
        decision, in seconds, with one core dealing with one event after the other."""
        moments = sorted(self.random.random() for _ in range(agents))
        self.timing = Timing()
        ready = worst = 0.0
        for moment in moments:
            before = len(self.timing.durations)
            self.free(rare=False)
            ready = max(ready, moment) + sum(self.timing.durations[before:])
            worst = max(worst, ready - moment)
        self.timing = None
        return worst


def bare_heaps(size: Size, events: int, seed: int) -> float:
    """The same mix on bare heaps: events a second with no rule but the longest wait, no state, no
    statistics. The ceiling."""
    random = Random(seed)
    serves = [
        [int(random.random() * size.queues) for _ in range(size.queues_per_agent)]
        for _ in range(size.agents)
    ]
    lines: list[list[tuple[float, int]]] = [[] for _ in range(size.queues)]
    gone: set[int] = set()
    for number in range(size.waiting):
        heappush(lines[int(random.random() * size.queues)], (number * 1e-3, number))
    draws = [(random.random(), random.random()) for _ in range(events)]
    begins, number = time.thread_time(), size.waiting
    for chance, draw in draws:
        if chance < FREE:
            _longest_waiting(lines, gone, serves[int(draw * size.agents)])
        elif chance < FREE + ARRIVE:
            heappush(lines[int(draw * size.queues)], (number * 1e-3, number))
            number += 1
        else:
            gone.add(int(draw * number))
    return events / (time.thread_time() - begins)


def _longest_waiting(
    lines: list[list[tuple[float, int]]], gone: set[int], queues: list[int]
) -> None:
    best: list[tuple[float, int]] | None = None
    for queue in queues:
        line = lines[queue]
        while line and line[0][1] in gone:
            heappop(line)
        if line and (best is None or line[0] < best[0]):
            best = line
    if best:
        heappop(best)


@dataclass(frozen=True)
class Throughput:
    """What was measured; times of one `handle` unless said otherwise."""

    events_per_s: float
    mixed_per_s: float
    decision_ms_p99: float
    slowest_ms: float
    us_per_event: dict[str, float]
    burst_ms: float
    bare_heaps_per_s: float
    idle: float
    rss_mib: float


def measure(size: Size, events: int, seed: int) -> Throughput:
    """The floor at its size, then the curve with fewer waiting contacts."""
    crowd = Crowd(size, seed)
    timing = crowd.run(events)
    idle = sum(bool(seat.listed) for seat in crowd.distributor.floor.seats.values())
    burst = crowd.burst(min(1000, size.agents // 10))
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    curve = {str(size.waiting): timing.us_per_event}
    del crowd
    for part in (10, 100):
        smaller = Size(size.agents, size.queues, size.queues_per_agent, size.waiting // part)
        curve[str(smaller.waiting)] = Crowd(smaller, seed).run(events).us_per_event
    return Throughput(
        events_per_s=timing.events_per_s,
        mixed_per_s=timing.mixed_per_s,
        decision_ms_p99=timing.quantile_ms(0.99),
        slowest_ms=1e3 * max(timing.durations),
        us_per_event=dict(sorted(curve.items(), key=lambda item: int(item[0]))),
        burst_ms=1e3 * burst,
        bare_heaps_per_s=bare_heaps(size, events, seed),
        idle=idle / size.agents,
        rss_mib=rss,
    )
