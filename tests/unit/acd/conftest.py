"""A distributor under watch: every event is followed by the invariants and by the phones' view."""

from __future__ import annotations

import msgspec
import pytest

from callcore.acd import events as ev
from callcore.acd.distributor import Distributor
from callcore.acd.floor import DistributorState
from callcore.acd.invariants import check
from callcore.directory import Agent, Member, Queue


def queue(name="q", agents=(), **settings):
    """`agents`: names, or (name, penalty)."""
    members = tuple(
        Member(agent=each) if isinstance(each, str) else Member(agent=each[0], penalty=each[1])
        for each in agents
    )
    return Queue(id=name, members=members, **settings)


class Watched:
    """Feeds a distributor and fails on anything that must never happen."""

    def __init__(self):
        self.distributor = Distributor()
        self.twin = None
        self.now = 1000.0
        self.out = []
        #: What each phone does, from actions and answers alone: (contact, "rings" or "talks").
        self.phones = {}
        self.shown = {}
        self.wrap_up_until = {}
        #: Contacts in a queue, and everything that was ever offered.
        self.queued = set()
        self.offered = []

    # --- feeding ---

    def configure(self, *queues, agents=()):
        known = {each: Agent(id=each) for each in agents if isinstance(each, str)}
        known |= {each.id: each for each in agents if not isinstance(each, str)}
        for each in queues:
            for member in each.members:
                known.setdefault(member.agent, Agent(id=member.agent))
        return self.feed(ev.Configured(queues={each.id: each for each in queues}, agents=known))

    def login(self, *agents):
        for agent in agents:
            self.feed(ev.LoggedIn(agent=agent))
            self.now += 1.0
        return self

    def call(self, contact, queue="q", **settings):
        return self.feed(ev.ContactQueued(contact=contact, queue=queue, **settings))

    def feed(self, event, at=None):
        now = self.now if at is None else at
        ignored = sum(self.distributor.ignored.values())
        self.out = self.distributor.handle(event, now)
        if self.twin is not None:
            assert self.twin.handle(event, now) == self.out
        taken = sum(self.distributor.ignored.values()) == ignored
        assert taken or self.out == [] or isinstance(event, ev.LoggedIn)
        self._before(event, taken)
        self._watch(event)
        return self.out

    def until(self, when):
        """Let time pass, firing every timer at its moment; returns all actions."""
        collected = []
        while (due := self.distributor.next_timer()) is not None and due <= when:
            self.now = max(self.now, due)
            collected += self.fire()
        self.now = max(self.now, when)
        return collected

    def fire(self):
        self.out = self.distributor.handle_timer(self.now)
        if self.twin is not None:
            assert self.twin.handle_timer(self.now) == self.out
        self._watch(None)
        return self.out

    def restart(self):
        """From now on a twin made from the encoded snapshot must act alike."""
        data = msgspec.msgpack.encode(self.distributor.snapshot())
        self.twin = Distributor(msgspec.msgpack.decode(data, type=DistributorState))

    # --- watching ---

    def _before(self, event, taken):
        if isinstance(event, ev.ContactQueued) and taken:
            self.queued.add(event.contact)
        if isinstance(event, ev.ContactLeft) and taken:
            self.queued.remove(event.contact)
        if isinstance(event, ev.OfferAnswered) and taken:
            assert self.phones[event.agent] == (event.contact, "rings")
            self.phones[event.agent] = (event.contact, "talks")
            self.queued.remove(event.contact)
        if isinstance(event, ev.OfferFailed) and taken:
            assert self.phones.pop(event.agent) == (event.contact, "rings")
        if isinstance(event, ev.ContactReleased) and taken:
            assert self.phones.pop(event.agent) == (event.contact, "talks")
        if isinstance(event, ev.ContactAssigned) and taken:
            self.queued.discard(event.contact)

    def _watch(self, event):
        for action in self.out:
            getattr(self, "_saw_" + type(action).__name__.lower())(action, event)
        if isinstance(event, ev.ContactAssigned) and event.agent in self.shown:
            state, contact = self.shown[event.agent]
            if state == "talking" and contact == event.contact:
                self.phones[event.agent] = (event.contact, "talks")
        assert self.queued == set(self.distributor.floor.contacts)
        check(self.distributor)
        if self.twin is not None:
            check(self.twin)
        self._first_come_first_served()

    def _saw_offer(self, action, event):
        assert action.agent not in self.phones, "a phone rings for two contacts"
        self.phones[action.agent] = (action.contact, "rings")
        self.offered.append((action.contact, action.agent))

    def _saw_withdraw(self, action, event):
        assert self.phones.pop(action.agent) == (action.contact, "rings")

    def _saw_overflow(self, action, event):
        self.queued.remove(action.contact)
        assert all(held != (action.contact, "rings") for held in self.phones.values())

    def _saw_agentchanged(self, action, event):
        before = self.shown.get(action.agent, ("logged_out", ""))[0]
        assert action.before == before
        self.shown[action.agent] = (action.state, action.contact)
        if action.state == "wrapping_up" and action.before != "wrapping_up":
            self.wrap_up_until[action.agent] = action.until

    def _saw_wrapupended(self, action, event):
        until = self.wrap_up_until.pop(action.agent, None)
        ended_by_agent = (
            isinstance(event, ev.Ready | ev.LoggedOut | ev.ContactAssigned)
            and event.agent == action.agent
        )
        assert until is None or ended_by_agent or self.distributor.now >= until

    def _saw_intervalended(self, action, event):
        assert isinstance(event, ev.IntervalBegan)

    def _first_come_first_served(self):
        """Whoever was offered just now was the first in line for that agent."""
        floor = self.distributor.floor
        for action in self.out:
            chosen = floor.contacts.get(getattr(action, "contact", ""))
            if not isinstance(action, ev.Offer) or chosen is None:
                continue
            seat = floor.seats[action.agent]
            for other in floor.contacts.values():
                queue = floor.queues[other.queue]
                member = queue.members.get(action.agent)
                same = (other.queue, other.stand) == (chosen.queue, chosen.stand)
                if not other.offers and member and seat.meets(other.requirement, member) and same:
                    assert chosen.place <= other.place

    # --- asking ---

    def offers(self):
        return [(each.contact, each.agent) for each in self.out if isinstance(each, ev.Offer)]

    def withdrawals(self):
        return [
            (each.contact, each.agent, str(each.reason))
            for each in self.out
            if isinstance(each, ev.Withdraw)
        ]

    def kinds(self):
        return [type(each).__name__ for each in self.out]

    def answer(self, contact, agent):
        return self.feed(ev.OfferAnswered(contact=contact, agent=agent))

    def release(self, contact, agent):
        return self.feed(ev.ContactReleased(contact=contact, agent=agent))

    def agent(self, name):
        return self.distributor.floor.seats[name].agent


@pytest.fixture
def make_queue():
    return queue


@pytest.fixture
def make_watched():
    return Watched


@pytest.fixture
def floor():
    return Watched()
