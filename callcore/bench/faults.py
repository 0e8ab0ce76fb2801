"""A small floor on which everything goes wrong, for as many contacts as asked: by seed, replayable.

Answers come late, twice, for others' offers; callers hang up in the same instant; phones do not
answer, are busy, reject, vanish and come back; agents pause, log out and in whatever they are
doing; contacts are taken by hand; timers fire late; queues, members, skills and strategies change;
and every so often the distributor is made anew from its encoded snapshot.

Two kinds of checks. What the phones and callers see is checked at every event, from the actions
alone: no phone rings for two contacts or during a talk, no contact rings at two phones (unless all
ring), nobody is connected twice, each contact has exactly one end, equal contacts of a queue are
offered in the order they came, no wrap-up is cut short by the engine. The tables
(`acd.invariants`) are looked at after every `check_every` events: that is slow on purpose.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random
from typing import Any

import msgspec

from callcore.acd import events as ev
from callcore.acd.distributor import Distributor
from callcore.acd.floor import DistributorState
from callcore.acd.invariants import violations
from callcore.acd.strategy import STRATEGIES
from callcore.directory import Agent, Member, Queue

AGENTS = [f"a{number:02}" for number in range(12)]
QUEUES = ["one", "two", "three", "four"]
STRANGER, NOWHERE = "stranger", "nowhere"
TALK, PATIENCE, STAGGER = 40.0, 60.0, 15.0
#: Contacts between two restarts, and between two reconfigurations.
RESTART_EVERY, RECONFIGURE_EVERY = 900, 400
SKILLS: tuple[dict[str, int], ...] = ({}, {}, {"en": 1}, {"en": 2}, {"zh": 1}, {"en": 1, "zh": 1})


@dataclass
class Report:
    """What happened, and what must not have."""

    contacts: int = 0
    events: int = 0
    checks: int = 0
    restarts: int = 0
    reconfigurations: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)
    #: The first of them, with the number of the event.
    violations: list[str] = field(default_factory=list)
    violation_count: int = 0


@dataclass(slots=True)
class Waiting:
    """A contact in a queue: those of one `kind` any agent can serve alike."""

    kind: tuple[str, tuple[tuple[str, int], ...], int]
    since: float
    #: Phones that ring for it.
    rings: int = 0


class Watch:
    """What phones and callers see, from accepted events and actions alone."""

    def __init__(self, broken: Callable[[str], None]) -> None:
        self.broken = broken
        #: By agent: the contact and whether the two talk.
        self.phones: dict[str, tuple[str, bool]] = {}
        self.queued: dict[str, Waiting] = {}
        self.ends: Counter[str] = Counter()
        self.wrap_up_until: dict[str, float] = {}
        #: Queues in which everybody rings.
        self.shared: set[str] = set()

    def took(self, event: ev.AnyAcdEvent, now: float) -> None:
        """The distributor accepted an event."""
        if isinstance(event, ev.ContactQueued):
            since = now if event.since is None else min(event.since, now)
            kind = (event.queue, tuple(sorted(event.skills.items())), event.priority)
            self.queued[event.contact] = Waiting(kind, since)
        elif isinstance(event, ev.ContactLeft):
            self._end(event.contact, "abandoned")
        elif isinstance(event, ev.OfferAnswered):
            self._answered(event)
        elif isinstance(event, ev.OfferFailed):
            self._stopped(event.agent, event.contact)
        elif isinstance(event, ev.ContactReleased):
            self._hung_up(event)
        elif isinstance(event, ev.ContactAssigned) and event.contact in self.queued:
            self._end(event.contact, "answered")

    def _end(self, contact: str, end: str) -> None:
        if self.queued.pop(contact, None) is None:
            self.broken(f"{contact} was not in a queue any more and is {end}")
        self.ends[end] += 1

    def _answered(self, event: ev.OfferAnswered) -> None:
        if self.phones.get(event.agent) != (event.contact, False):
            self.broken(f"{event.agent} answers {event.contact}, which does not ring there")
        self._end(event.contact, "answered")
        self.phones[event.agent] = (event.contact, True)

    def _hung_up(self, event: ev.ContactReleased) -> None:
        if self.phones.pop(event.agent, None) != (event.contact, True):
            self.broken(f"{event.agent} releases {event.contact} without a talk")

    def _stopped(self, agent: str, contact: str) -> None:
        if self.phones.pop(agent, None) != (contact, False):
            self.broken(f"{agent} stops ringing for {contact}, which did not ring there")
        if contact in self.queued:
            self.queued[contact].rings -= 1

    def saw(self, action: ev.AnyAcdAction, event: ev.AnyAcdEvent | None, now: float) -> None:
        """The distributor decided something."""
        if isinstance(action, ev.Offer):
            self._offered(action)
        elif isinstance(action, ev.Withdraw):
            self._stopped(action.agent, action.contact)
        elif isinstance(action, ev.Overflow):
            self._end(action.contact, "overflowed")
        elif isinstance(action, ev.AgentChanged):
            if action.state == "wrapping_up" and action.until is not None:
                self.wrap_up_until[action.agent] = action.until
        elif isinstance(action, ev.WrapUpEnded):
            until = self.wrap_up_until.pop(action.agent, now)
            if now < until and getattr(event, "agent", "") != action.agent:
                self.broken(f"wrap-up of {action.agent} ends {until - now:.3f} s early")

    def _offered(self, offer: ev.Offer) -> None:
        if offer.agent in self.phones:
            self.broken(f"{offer.agent} is offered {offer.contact}: {self.phones[offer.agent]}")
        waiting = self.queued.get(offer.contact)
        if waiting is None:
            self.broken(f"{offer.contact} is not in a queue any more and is offered")
            return
        self.phones[offer.agent] = (offer.contact, False)
        waiting.rings += 1
        if waiting.rings > 1 and offer.queue not in self.shared:
            self.broken(f"{offer.contact} rings at {waiting.rings} phones")
        for contact, other in self.queued.items():
            if other.since < waiting.since and not other.rings and other.kind == waiting.kind:
                self.broken(f"{offer.contact} is offered before {contact}, which came first")


class FaultyFloor:
    """Plays contacts with faults; `report` tells what came of it."""

    def __init__(self, seed: int, check_every: int = 25) -> None:
        self.random = Random(seed)
        self.check_every = check_every
        self.distributor = Distributor()
        self.report = Report()
        self.watch = Watch(self._broken)
        self.now = 1000.0
        self._agenda: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []
        self._number = 0
        self.offers: list[ev.Offer] = []

    def play(self, contacts: int) -> Report:
        """So many contacts, to the end of each."""
        self._reconfigure(everything=True)
        for agent in AGENTS:
            self.feed(ev.LoggedIn(agent=agent))
        self.later(0.0, self._somebody_acts)
        while self.report.contacts < contacts:
            gap = self.random.expovariate(len(AGENTS) / TALK)
            self._until(self.now + gap)
            self._arrive()
        self._until(self.now + 100 * PATIENCE, keep_acting=False)
        self._look()
        for contact in self.watch.queued:
            self._broken(f"{contact} has no end")
        self.report.ends = self.watch.ends
        self.report.ignored.update(self.distributor.ignored)
        return self.report

    # --- the clock ----------------------------------------------------------------------------

    def later(self, seconds: float, act: Callable[..., object], *args: Any) -> None:
        self._number += 1
        heappush(self._agenda, (self.now + seconds, self._number, act, args))

    def _until(self, limit: float, keep_acting: bool = True) -> None:
        while True:
            due = self.distributor.next_timer()
            if due is not None and self.random.random() < 0.02:
                due += self.random.random() * 3  # the timer fires late
            first = self._agenda[0][0] if self._agenda else limit
            if due is not None and due <= min(first, limit):
                self.now = max(self.now, due)
                self._carry_out(self.distributor.handle_timer(self.now), None)
                self._look_now_and_then()
            elif first <= limit and self._agenda:
                when, _, act, args = heappop(self._agenda)
                self.now = max(self.now, when)
                if keep_acting or act != self._somebody_acts:
                    act(*args)
            else:
                self.now = max(self.now, limit)
                return

    # --- feeding and checking -----------------------------------------------------------------

    def feed(self, event: ev.AnyAcdEvent) -> bool:
        """True if the distributor took it."""
        ignored = self.distributor.ignored
        before = sum(ignored.values())
        # Clocks of different sources differ: some events are stamped a little before the last.
        at = self.now - (0.5 if self.random.random() < 0.02 else 0.0)
        actions = self.distributor.handle(event, at)
        taken = sum(ignored.values()) == before
        if taken:
            self.watch.took(event, self.distributor.now)
        self._carry_out(actions, event)
        if taken and isinstance(event, ev.ContactAssigned):
            # What rang at that phone has stopped by now.
            self.watch.phones[event.agent] = (event.contact, True)
        self._look_now_and_then()
        return taken

    def _carry_out(self, actions: list[ev.AnyAcdAction], event: ev.AnyAcdEvent | None) -> None:
        self.report.events += 1
        for action in actions:
            self.watch.saw(action, event, self.distributor.now)
            if isinstance(action, ev.Offer):
                self._ring(action)

    def _look_now_and_then(self) -> None:
        if self.report.events % self.check_every == 0:
            self._look()

    def _look(self) -> None:
        """At all tables; slow."""
        self.report.checks += 1
        for what in violations(self.distributor):
            self._broken(what)
        if set(self.watch.queued) != set(self.distributor.floor.contacts):
            self._broken("the contacts in queues are not those who came and have no end")

    def _broken(self, what: str) -> None:
        self.report.violation_count += 1
        if len(self.report.violations) < 20:
            self.report.violations.append(f"event {self.report.events}: {what}")

    # --- callers ------------------------------------------------------------------------------

    def _arrive(self) -> None:
        self.report.contacts += 1
        if self.report.contacts % RECONFIGURE_EVERY == 0:
            self._reconfigure()
        if self.report.contacts % RESTART_EVERY == 0:
            self._restart()
        draw, contact = self.random, f"c{self.report.contacts}"
        ago = draw.choice((None, None, None, 0.0, 20.0, -5.0))
        event = ev.ContactQueued(
            contact=contact,
            queue=NOWHERE if draw.random() < 0.002 else draw.choice(QUEUES),
            since=None if ago is None else self.now - ago,
            priority=draw.choice((0, 0, 0, 0, 1, 2)),
            skills=draw.choice(SKILLS),
        )
        self.later(draw.expovariate(1 / PATIENCE), self._hang_up, contact)
        self.feed(event)
        if draw.random() < 0.01 and contact in self.watch.queued:
            self.feed(event)

    def _hang_up(self, contact: str) -> None:
        self.feed(ev.ContactLeft(contact=contact, abandoned=self.random.random() < 0.9))

    # --- phones -------------------------------------------------------------------------------

    def _ring(self, offer: ev.Offer) -> None:
        """What this phone will do, drawn at random."""
        draw = self.random
        chance, soon = draw.random(), draw.random() * 5
        if len(self.offers) == 50:
            self.offers[int(draw.random() * 50)] = offer
        else:
            self.offers.append(offer)
        if chance < 0.80:
            self.later(soon, self._answer, offer)
        elif chance < 0.85:
            self.later(soon, self._fail, offer, draw.choice(list(ev.OfferResult)))
        elif chance < 0.89:
            self.later(10 + 5 * soon, self._answer, offer)  # after the time for it
        elif chance < 0.93:
            self.later(soon, self._answer_and_hang_up, offer)
        elif chance < 0.96:
            self.later(soon, self._answer, offer)
            self.later(soon + draw.choice((0.0, 0.5)), self._answer, offer)

    def _answer(self, offer: ev.Offer) -> None:
        if not self.feed(ev.OfferAnswered(contact=offer.contact, agent=offer.agent)):
            return
        talk = self.random.expovariate(1 / TALK)
        self.later(talk, self._release, offer.contact, offer.agent)
        if self.random.random() < 0.05:
            self.later(talk / 3, self._hold, offer.contact, offer.agent, True)
            self.later(talk / 2, self._hold, offer.contact, offer.agent, False)
        if self.random.random() < 0.02:
            self.later(talk, self._release, offer.contact, offer.agent)

    def _answer_and_hang_up(self, offer: ev.Offer) -> None:
        acts: list[Callable[[], None]] = [
            lambda: self._answer(offer),
            lambda: self._hang_up(offer.contact),
        ]
        self.random.shuffle(acts)
        for act in acts:
            act()

    def _fail(self, offer: ev.Offer, result: ev.OfferResult) -> None:
        self.feed(ev.OfferFailed(contact=offer.contact, agent=offer.agent, result=result))

    def _release(self, contact: str, agent: str) -> None:
        self.feed(ev.ContactReleased(contact=contact, agent=agent))

    def _hold(self, contact: str, agent: str, on_hold: bool) -> None:
        self.feed(ev.HoldChanged(contact=contact, agent=agent, on_hold=on_hold))

    # --- agents -------------------------------------------------------------------------------

    def _somebody_acts(self) -> None:
        """Some agent, whatever the agent is doing, or somebody nobody knows."""
        draw = self.random
        self.later(draw.expovariate(1 / STAGGER), self._somebody_acts)
        agent = STRANGER if draw.random() < 0.01 else draw.choice(AGENTS)
        draw.choice(
            (
                self._pause,
                self._leave,
                self._lose_phone,
                self._call_outside,
                self._take,
                self._stale,
            )
        )(agent)

    def _pause(self, agent: str) -> None:
        self.feed(ev.Paused(agent=agent, reason="break"))
        self.later(30 * self.random.random(), self.feed, ev.Ready(agent=agent))

    def _leave(self, agent: str) -> None:
        self.feed(ev.LoggedOut(agent=agent))
        back = ev.LoggedIn(agent=agent, ready=self.random.random() < 0.9)
        self.later(30 * self.random.random(), self.feed, back)
        self.later(40.0, self.feed, ev.Ready(agent=agent))

    def _lose_phone(self, agent: str) -> None:
        self.feed(ev.ReachableChanged(agent=agent, reachable=False))
        back = ev.ReachableChanged(agent=agent, reachable=True)
        self.later(20 * self.random.random(), self.feed, back)

    def _call_outside(self, agent: str) -> None:
        self.feed(ev.BusyChanged(agent=agent, busy=True))
        over = ev.BusyChanged(agent=agent, busy=False)
        self.later(20 * self.random.random(), self.feed, over)

    def _take(self, agent: str) -> None:
        """By hand: a contact that waits, or one that came otherwise."""
        waiting = next(iter(self.watch.queued), "")
        contact = waiting if waiting and self.random.random() < 0.5 else f"x{self.report.events}"
        queue = self.random.choice(("", *QUEUES, NOWHERE))
        if self.feed(ev.ContactAssigned(contact=contact, agent=agent, queue=queue)):
            self.later(self.random.expovariate(1 / TALK), self._release, contact, agent)

    def _stale(self, agent: str) -> None:
        """An answer or a failure of long ago, or from another agent."""
        if self.offers:
            offer = self.random.choice(self.offers)
            if self.random.random() < 0.5:
                self._answer(msgspec.structs.replace(offer, agent=agent))
            else:
                self._fail(offer, ev.OfferResult.FAILED)

    # --- the site -----------------------------------------------------------------------------

    def _reconfigure(self, everything: bool = False) -> None:
        """Other members, skills and strategies; now and then a queue or an agent is gone."""
        self.report.reconfigurations += 1
        draw = self.random
        agents = [agent for agent in AGENTS if everything or draw.random() < 0.95]
        queues = [name for name in QUEUES if everything or draw.random() < 0.95]
        self.feed(
            ev.Configured(
                queues={name: self._queue(name) for name in queues},
                agents={
                    agent: Agent(
                        id=agent, skills={"en": draw.randint(0, 3), "zh": draw.randint(0, 2)}
                    )
                    for agent in agents
                },
            )
        )
        for agent in agents:
            self.feed(ev.LoggedIn(agent=agent))

    def _queue(self, name: str) -> Queue:
        draw = self.random
        strategy = draw.choice(sorted(STRATEGIES))
        # What rings now may still ring at several phones until it ends.
        if STRATEGIES[strategy].rings_all:
            self.watch.shared.add(name)
        return Queue(
            id=name,
            members=tuple(
                Member(agent=agent, penalty=draw.randint(0, 2))
                for agent in AGENTS
                if draw.random() < 0.6
            ),
            strategy=strategy,
            wrap_up_seconds=draw.choice((0.0, 5.0, 10.0)),
            max_wait_seconds=draw.choice((0.0, 0.0, 45.0)),
            max_size=draw.choice((0, 0, 8)),
            rona_limit=draw.choice((0, 2)),
            retry_seconds=draw.choice((0.0, 1.0, 5.0)),
            ring_seconds=draw.choice((8.0, 15.0)),
        )

    def _restart(self) -> None:
        """Everything but the encoded snapshot is gone."""
        self.report.restarts += 1
        self.report.ignored.update(self.distributor.ignored)
        data = msgspec.msgpack.encode(self.distributor.snapshot())
        self.distributor = Distributor(msgspec.msgpack.decode(data, type=DistributorState))
        self.distributor.ignored.clear()
        self._look()
