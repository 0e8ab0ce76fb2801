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
        #: What each agent has, from actions and answers alone: contact, "rings" or "talks".
        self.desks = {}
        self.shown = {}
        #: Before the event: wrap-ups with their ends, and where each contact stood.
        self.wrap_ups = {}
        self.stood = {}
        #: Contacts in a queue, and everything that was ever offered.
        self.queued = set()
        self.offered = []

    # --- feeding ---

    @property
    def phones(self):
        """By agent, the first thing held; all there is where agents take one contact at once."""
        return {agent: next(iter(held.items())) for agent, held in self.desks.items() if held}

    def configure(self, *queues, agents=(), kinds=None, statuses=None):
        known = {each: Agent(id=each) for each in agents if isinstance(each, str)}
        known |= {each.id: each for each in agents if not isinstance(each, str)}
        for each in queues:
            for member in each.members:
                if not member.agent.startswith("@"):
                    known.setdefault(member.agent, Agent(id=member.agent))
        return self.feed(
            ev.Configured(
                queues={each.id: each for each in queues},
                agents=known,
                kinds=kinds or {},
                statuses=statuses or {},
            )
        )

    def login(self, *agents):
        for agent in agents:
            self.feed(ev.LoggedIn(agent=agent))
            self.now += 1.0
        return self

    def call(self, contact, queue="q", **settings):
        return self.feed(ev.ContactQueued(contact=contact, queue=queue, **settings))

    def feed(self, event, at=None):
        now = self.now if at is None else at
        self._look_before()
        ignored = sum(self.distributor.ignored.values())
        self.out = self.distributor.handle(event, now)
        if self.twin is not None:
            other = self.twin.handle(event, now)
            assert other == self.out, (other, self.out)
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
        self._look_before()
        self.out = self.distributor.handle_timer(self.now)
        if self.twin is not None:
            other = self.twin.handle_timer(self.now)
            assert other == self.out, (other, self.out)
        self._watch(None)
        return self.out

    def restart(self):
        """From now on a twin made from the encoded snapshot must act alike."""
        data = msgspec.msgpack.encode(self.distributor.snapshot())
        self.twin = Distributor(msgspec.msgpack.decode(data, type=DistributorState))

    # --- watching ---

    def _look_before(self):
        floor = self.distributor.floor
        self.wrap_ups = self._wrap_ups()
        self.stood = {
            name: (each.queue, each.stand, each.requirement, each.place)
            for name, each in floor.contacts.items()
            if not each.offers
        }

    def _wrap_ups(self):
        return {
            (seat.agent.id, work.contact): work.deadline
            for seat in self.distributor.floor.seats.values()
            for work in seat.agent.works.values()
            if work.state == "wrapping_up"
        }

    def _holds(self, agent, contact):
        return self.desks.get(agent, {}).get(contact)

    def _before(self, event, taken):
        if not taken:
            return
        if isinstance(event, ev.ContactQueued):
            self.queued.add(event.contact)
        if isinstance(event, ev.ContactLeft):
            self.queued.remove(event.contact)
        if isinstance(event, ev.OfferAnswered):
            assert self._holds(event.agent, event.contact) == "rings"
            self.desks[event.agent][event.contact] = "talks"
            self.queued.remove(event.contact)
        if isinstance(event, ev.OfferFailed):
            assert self.desks[event.agent].pop(event.contact) == "rings"
        if isinstance(event, ev.ContactReleased):
            assert self.desks[event.agent].pop(event.contact) == "talks"
        if isinstance(event, ev.ContactAssigned):
            self.queued.discard(event.contact)
            self.desks.setdefault(event.agent, {})[event.contact] = "talks"

    def _watch(self, event):
        for action in self.out:
            getattr(self, "_saw_" + type(action).__name__.lower())(action, event)
        assert self.queued == set(self.distributor.floor.contacts)
        check(self.distributor)
        if self.twin is not None:
            check(self.twin)
        self._first_come_first_served()
        self._wrap_ups_last()

    def _saw_offer(self, action, event):
        held = self.desks.setdefault(action.agent, {})
        assert "rings" not in held.values(), "an agent is offered two contacts"
        seat = self.distributor.floor.seats[action.agent]
        if not seat.several:
            assert not held, "a phone rings during a talk"
        held[action.contact] = "rings"
        self.offered.append((action.contact, action.agent))

    def _saw_withdraw(self, action, event):
        assert self.desks[action.agent].pop(action.contact) == "rings"

    def _saw_overflow(self, action, event):
        self.queued.remove(action.contact)
        assert all(held.get(action.contact) != "rings" for held in self.desks.values())

    def _saw_agentchanged(self, action, event):
        before = self.shown.get(action.agent, ("logged_out", ""))[0]
        assert action.before == before
        self.shown[action.agent] = (action.state, action.contact)

    def _saw_wrapupended(self, action, event):
        """By its timer or by the agent; or the same contact comes back to the agent."""
        taken = isinstance(event, ev.ContactAssigned) and event.contact == action.contact
        if self._holds(action.agent, action.contact) == "talks" and not taken:
            del self.desks[action.agent][action.contact]  # exchanged, or it comes back
        until = self.wrap_ups.get((action.agent, action.contact))
        ended_by_agent = (
            isinstance(event, ev.Ready | ev.LoggedOut | ev.ContactAssigned)
            and event.agent == action.agent
        )
        back = (action.contact, action.agent) in self.offers()
        early = until is not None and self.distributor.now < until
        assert not early or ended_by_agent or back

    def _wrap_ups_last(self):
        """No wrap-up that goes on ends earlier than it would have."""
        for key, until in self._wrap_ups().items():
            before = self.wrap_ups.get(key)
            assert before is None or until is None or until >= before

    def _saw_intervalended(self, action, event):
        assert isinstance(event, ev.IntervalBegan)

    def _first_come_first_served(self):
        """Whoever was offered just now was the first in line for that agent.

        Where all that counts is the wait, over all lines of a queue; else within one line.
        """
        floor = self.distributor.floor
        for action in self.out:
            chosen = floor.contacts.get(getattr(action, "contact", ""))
            if not isinstance(action, ev.Offer) or chosen is None:
                continue
            seat = floor.seats[action.agent]
            for other in floor.contacts.values():
                if not other.offers and self._could_have_been(seat, chosen, other):
                    assert chosen.place <= other.place

    def _could_have_been(self, seat, chosen, other):
        """Stood where it stands when the choice was made, in the line chosen from."""
        stands = (other.queue, other.stand, other.requirement, other.place)
        queue = self.distributor.floor.queues[other.queue]
        member = queue.members.get(seat.agent.id)
        if self.stood.get(other.id) != stands or member is None:
            return False
        if (other.queue, other.stand) != (chosen.queue, chosen.stand):
            return False
        if queue.config.criteria or queue.config.urgency == "service_level":
            return other.requirement == chosen.requirement
        return seat.meets(other.requirement, queue)

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
