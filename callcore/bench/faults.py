"""A small floor on which everything goes wrong, for as many contacts as asked: by seed, replayable.

Answers come late, twice, for others' offers; callers hang up in the same instant; phones do not
answer, are busy, reject, vanish and come back; agents pause, choose statuses, log out and in
whatever they are doing, ask for wrap-up and extend it; contacts are calls, chats (three at once)
and mails, want an agent, move up and down, overflow from queue to queue, are taken by hand; timers
fire late; queues, members, groups, skills, strategies, rings and rules change; and every so often
the distributor is made anew from its encoded snapshot.

Three kinds of checks. What the phones and callers see is checked at every event, from the actions
alone (`fault_watch`), and that the engine cuts no wrap-up short. The tables (`acd.invariants`) are
looked at after every `check_every` events: slow on purpose.
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
from callcore.acd.agent import State
from callcore.acd.distributor import Distributor
from callcore.acd.floor import DistributorState
from callcore.acd.invariants import violations
from callcore.bench.fault_site import (
    AGENTS,
    KINDS,
    QUEUES,
    RULES,
    STATUSES,
    draw_agent,
    draw_queue,
)
from callcore.bench.fault_watch import Watch

STRANGER, NOWHERE = "stranger", "nowhere"
TALK, PATIENCE, STAGGER = 40.0, 60.0, 15.0
#: Contacts between two restarts, and between two reconfigurations.
RESTART_EVERY, RECONFIGURE_EVERY = 900, 400
#: Contacts between two quarters of an hour.
INTERVAL_EVERY = 170
INBOUND = ev.Direction.INBOUND
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
        wrap_ups = self._wrap_ups()
        actions = self.distributor.handle(event, at)
        taken = sum(ignored.values()) == before
        if taken:
            self.watch.took(event, self.distributor.now)
        self._carry_out(actions, event)
        self._none_cut_short(wrap_ups, event, actions)
        if taken and isinstance(event, ev.ContactAssigned):
            # What rang at that phone has stopped by now.
            self.watch.desks[event.agent][event.contact] = True
            work = self.distributor.floor.seats[event.agent].agent.works[event.contact]
            self.watch.kinds[event.contact] = work.kind
        self._look_now_and_then()
        return taken

    def _carry_out(self, actions: list[ev.AnyAcdAction], event: ev.AnyAcdEvent | None) -> None:
        self.report.events += 1
        for action in actions:
            waiting = self.watch.queued.get(getattr(action, "contact", ""))
            self.watch.saw(action)
            if isinstance(action, ev.Overflow) and waiting is not None:
                self.later(0.0, self._overflow, action, waiting.since)
            if isinstance(action, ev.Offer):
                self._ring(action)

    def _wrap_ups(self) -> dict[tuple[str, str], float]:
        """When each one under way ends by itself."""
        return {
            (seat.agent.id, work.contact): work.deadline
            for seat in self.distributor.floor.seats.values()
            for work in seat.agent.works.values()
            if work.state is State.WRAPPING_UP and work.deadline is not None
        }

    def _none_cut_short(
        self,
        before: dict[tuple[str, str], float],
        event: ev.AnyAcdEvent,
        actions: list[ev.AnyAcdAction],
    ) -> None:
        """Only the agent ends a wrap-up early, or the same contact coming back."""
        if not before:
            return
        offers = [(each.agent, each.contact) for each in actions if isinstance(each, ev.Offer)]
        after = self._wrap_ups()
        for (agent, contact), until in before.items():
            end = after.get((agent, contact), self.distributor.now)
            own = getattr(event, "agent", "") == agent or (agent, contact) in offers
            if end < until and not own:
                self._broken(f"wrap-up of {agent} ends {until - end:.3f} s early")

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
        if self.report.contacts % INTERVAL_EVERY == 0:
            self.feed(ev.IntervalBegan(at=self.now))
        if self.report.contacts % (50 * INTERVAL_EVERY) == 0:
            self.feed(ev.DayBegan())
        if self.report.contacts % RECONFIGURE_EVERY == 0:
            self._reconfigure()
        if self.report.contacts % RESTART_EVERY == 0:
            self._restart()
        draw, contact = self.random, f"c{self.report.contacts}"
        ago = draw.choice((None, None, None, 0.0, 20.0, -5.0))
        event = ev.ContactQueued(
            contact=contact,
            queue=NOWHERE if draw.random() < 0.002 else draw.choice(list(QUEUES)),
            since=None if ago is None else self.now - ago,
            priority=draw.choice((0, 0, 0, 0, 1, 2)),
            skills=draw.choice(SKILLS),
            rule=draw.choice(RULES),
            language=draw.choice(("", "", "", "de")),
            direction=draw.choice((INBOUND, INBOUND, INBOUND, *ev.Direction)),
            wanted=draw.choice(AGENTS) if draw.random() < 0.2 else "",
            wanted_seconds=draw.choice((None, 5.0)),
            value=draw.random(),
            site=draw.choice(("", "east")),
        )
        self.later(draw.expovariate(1 / PATIENCE), self._hang_up, contact)
        self.feed(event)
        if draw.random() < 0.01 and contact in self.watch.queued:
            self.feed(event)
        if draw.random() < 0.05:
            moved = ev.PriorityChanged(contact=contact, priority=draw.choice((-1, 0, 1, 3)))
            self.later(PATIENCE * draw.random(), self.feed, moved)

    def _overflow(self, action: ev.Overflow, since: float) -> None:
        """On to the queue where the rule leads, with the wait so far."""
        queue = action.to.removeprefix("queue:")
        if queue in QUEUES and action.contact not in self.watch.queued:
            self.feed(ev.ContactQueued(contact=action.contact, queue=queue, since=since))

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
                self._choose_status,
                self._wrap_up,
            )
        )(agent)

    def _pause(self, agent: str) -> None:
        self.feed(ev.Paused(agent=agent, reason="break"))
        self.later(30 * self.random.random(), self.feed, ev.Ready(agent=agent))

    def _choose_status(self, agent: str) -> None:
        status = self.random.choice((*STATUSES, NOWHERE))
        self.feed(ev.StatusChosen(agent=agent, status=status))
        self.later(30 * self.random.random(), self.feed, ev.Ready(agent=agent))

    def _wrap_up(self, agent: str) -> None:
        """Asked for, and extended if there is one; ended some time, where it has no end."""
        self.feed(ev.WrapUpAsked(agent=agent))
        self.feed(ev.WrapUpExtended(agent=agent, seconds=self.random.choice((5.0, -1.0))))
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
        names = [name for name in QUEUES if everything or draw.random() < 0.95]
        queues = {name: draw_queue(draw, name, names) for name in names}
        for queue in queues.values():
            self.watch.configured(queue)
        self.feed(
            ev.Configured(
                queues=queues,
                agents={agent: draw_agent(draw, agent) for agent in agents},
                kinds=KINDS,
                statuses=STATUSES,
            )
        )
        for agent in agents:
            self.feed(ev.LoggedIn(agent=agent))

    def _restart(self) -> None:
        """Everything but the encoded snapshot is gone."""
        self.report.restarts += 1
        self.report.ignored.update(self.distributor.ignored)
        data = msgspec.msgpack.encode(self.distributor.snapshot())
        self.distributor = Distributor(msgspec.msgpack.decode(data, type=DistributorState))
        self.distributor.ignored.clear()
        self._look()
