"""Random events, late, duplicate and out of order: the invariants hold after every one."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from callcore.acd import events as ev
from callcore.directory import Agent

EXAMPLES = int(os.environ.get("CALLCORE_ACD_EXAMPLES", "60"))
AGENTS = st.sampled_from(["ann", "bob", "cyd", "dan", "nobody"])
CONTACTS = st.sampled_from([f"c{n}" for n in range(8)])
QUEUES = st.sampled_from(["one", "all", "skill", "gone"])
SECONDS = st.sampled_from([0.0, 0.0, -0.5, 0.25, 1.0, 5.0, 14.0, 60.0])


def machine(make_watched, make_queue):
    """The machine's rules, around a fresh watched distributor for each example."""

    class Machine(RuleBasedStateMachine):
        def __init__(self):
            super().__init__()
            self.floor = make_watched()
            self.configure(0, False)

        def feed(self, event, seconds=0.0):
            self.floor.now = max(self.floor.now, self.floor.now + seconds)
            self.floor.feed(event, at=self.floor.now + min(seconds, 0.0))

        def configure(self, variant, ring_all):
            strategies = ("longest_idle", "ring_all")
            queues = [
                make_queue(
                    "one",
                    ["ann", ("bob", 1), "cyd"],
                    wrap_up_seconds=5.0,
                    strategy=strategies[ring_all],
                    max_wait_seconds=(40.0, 0.0, 10.0)[variant],
                    rona_limit=2,
                ),
                make_queue(
                    "all", ["ann", "bob", "dan"], strategy=strategies[not ring_all], max_size=2
                ),
                make_queue("skill", [("ann", 2), "cyd", "dan"], wrap_up_seconds=2.0),
            ]
            agents = [
                Agent(id="ann", skills={"en": 2, "zh": variant}),
                Agent(id="bob"),
                Agent(id="cyd", skills={"en": 1}),
                Agent(id="dan", skills={"zh": 3}),
            ]
            self.floor.configure(*queues[: 3 - variant // 2], agents=agents[: 4 - variant // 2])

        @rule(variant=st.integers(0, 2), ring_all=st.booleans())
        def reconfigure(self, variant, ring_all):
            # Rebuilds members only through what the event holds: agents left out are removed.
            queues_before = set(self.floor.queued)
            self.configure(variant, ring_all)
            assert self.floor.queued <= queues_before

        @rule(agent=AGENTS, reachable=st.booleans(), ready=st.booleans(), busy=st.booleans())
        def log_in(self, agent, reachable, ready, busy):
            self.feed(ev.LoggedIn(agent=agent, reachable=reachable, ready=ready, busy=busy))

        @rule(seconds=SECONDS)
        def everybody_in(self, seconds):
            for agent in ("ann", "bob", "cyd", "dan"):
                self.feed(ev.LoggedIn(agent=agent), seconds)
                self.feed(ev.Ready(agent=agent))
                self.feed(ev.ReachableChanged(agent=agent, reachable=True))
                self.feed(ev.BusyChanged(agent=agent, busy=False))

        @rule(agent=AGENTS)
        def log_out(self, agent):
            self.feed(ev.LoggedOut(agent=agent))

        @rule(agent=AGENTS, reason=st.sampled_from(["lunch", "coaching"]))
        def pause(self, agent, reason):
            self.feed(ev.Paused(agent=agent, reason=reason))

        @rule(agent=AGENTS)
        def ready(self, agent):
            self.feed(ev.Ready(agent=agent))

        @rule(agent=AGENTS, reachable=st.booleans())
        def reach(self, agent, reachable):
            self.feed(ev.ReachableChanged(agent=agent, reachable=reachable))

        @rule(agent=AGENTS, busy=st.booleans())
        def busy(self, agent, busy):
            self.feed(ev.BusyChanged(agent=agent, busy=busy))

        @rule(
            contact=CONTACTS,
            queue=QUEUES,
            seconds=SECONDS,
            ago=st.sampled_from([None, 0.0, 20.0, -5.0]),
            priority=st.integers(0, 2),
            skills=st.sampled_from([{}, {}, {"en": 1}, {"en": 2}, {"zh": 1, "en": 1}]),
        )
        def call(self, contact, queue, seconds, ago, priority, skills):
            since = None if ago is None else self.floor.now - ago
            event = ev.ContactQueued(
                contact=contact, queue=queue, since=since, priority=priority, skills=skills
            )
            self.feed(event, seconds)

        @rule(contact=CONTACTS, abandoned=st.booleans(), seconds=SECONDS)
        def leave(self, contact, abandoned, seconds):
            self.feed(ev.ContactLeft(contact=contact, abandoned=abandoned), seconds)

        def past_offer(self, data):
            """Mostly one that rings now, else any that ever was."""
            ringing = [
                (held[0], agent) for agent, held in self.floor.phones.items() if held[1] == "rings"
            ]
            known = ringing * 3 + self.floor.offered[-10:] or [("c0", "ann")]
            return data.draw(st.sampled_from(known))

        @rule(data=st.data(), seconds=SECONDS)
        def answer(self, data, seconds):
            contact, agent = self.past_offer(data)
            self.feed(ev.OfferAnswered(contact=contact, agent=agent), seconds)

        @rule(data=st.data())
        def answer_and_hang_up_together(self, data):
            contact, agent = self.past_offer(data)
            both = [
                ev.OfferAnswered(contact=contact, agent=agent),
                ev.ContactLeft(contact=contact),
            ]
            for event in data.draw(st.permutations(both)):
                self.feed(event)

        @rule(data=st.data(), result=st.sampled_from(list(ev.OfferResult)))
        def fail(self, data, result):
            contact, agent = self.past_offer(data)
            self.feed(ev.OfferFailed(contact=contact, agent=agent, result=result))

        @rule(contact=CONTACTS, agent=AGENTS, queue=st.sampled_from(["", "one", "gone"]))
        def assign(self, contact, agent, queue):
            self.feed(ev.ContactAssigned(contact=contact, agent=agent, queue=queue))

        @rule(data=st.data(), on_hold=st.booleans(), seconds=SECONDS)
        def hold(self, data, on_hold, seconds):
            contact, agent = self.past_offer(data)
            self.feed(ev.HoldChanged(contact=contact, agent=agent, on_hold=on_hold), seconds)

        @rule(data=st.data(), seconds=SECONDS)
        def release(self, data, seconds):
            talking = [
                (held[0], agent) for agent, held in self.floor.phones.items() if held[1] == "talks"
            ]
            known = talking * 3 + self.floor.offered[-3:] or [("c0", "ann")]
            contact, agent = data.draw(st.sampled_from(known))
            self.feed(ev.ContactReleased(contact=contact, agent=agent), seconds)

        @rule(seconds=SECONDS)
        def time_passes(self, seconds):
            self.floor.until(self.floor.now + max(seconds, 0.0))

        @rule(seconds=SECONDS)
        def timers_fire_late(self, seconds):
            self.floor.now += max(seconds, 0.0)
            self.floor.fire()

        @rule()
        def restart(self):
            self.floor.restart()

        def teardown(self):
            """Nobody is stuck: with everyone at work and time, all who wait are served."""
            floor = self.floor
            self.configure(0, False)
            for _ in range(40):
                self.everybody_in(1.0)
                for agent, (contact, does) in list(floor.phones.items()):
                    event = ev.OfferAnswered if does == "rings" else ev.ContactReleased
                    self.feed(event(contact=contact, agent=agent), 1.0)
                floor.until(floor.now + 6.0)
            stuck = [each for each in floor.distributor.waiting(floor.now) if not each.skills]
            assert stuck == []

    return Machine


@pytest.mark.filterwarnings("default")
def test_invariants_hold_whatever_happens(make_watched, make_queue):
    """No order of events breaks an invariant, sticks an agent or loses a contact."""
    run_state_machine_as_test(
        machine(make_watched, make_queue),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=40,
            deadline=None,
            derandomize=EXAMPLES == 60,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
