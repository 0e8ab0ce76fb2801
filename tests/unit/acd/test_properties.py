"""Random events, late, duplicate and out of order: the invariants hold after every one."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from callcore.acd import events as ev
from callcore.acd.strategy import STRATEGIES
from callcore.directory import Agent
from callcore.directory_queue import Kind, OverflowOn, OverflowRule, Ring, Staffing, Urgency, WrapUp
from callcore.ivr.calendar import Hours

EXAMPLES = int(os.environ.get("CALLCORE_ACD_EXAMPLES", "60"))
NAMES = ("ann", "bob", "cyd", "dan")
AGENTS = st.sampled_from([*NAMES, "nobody"])
CONTACTS = st.sampled_from([f"c{n}" for n in range(8)])
QUEUES = st.sampled_from(["one", "all", "skill", "chats", "mails", "gone"])
SECONDS = st.sampled_from([0.0, 0.0, -0.5, 0.25, 1.0, 5.0, 14.0, 60.0])
#: From noon to a few minutes after 1000 seconds, the machine's first moment.
MORNING = Hours(zone="UTC", weekly={"mon-sun": ("00:00-00:20",)})
KINDS = {"chat": Kind(capacity=3), "mail": Kind(capacity=2, exclusive=True)}
STATUSES = {"training": (), "writing": ("chat", "mail"), "calls_only": ("voice",)}
RINGS = (
    Ring(after_seconds=4.0, max_penalty=0),
    Ring(after_seconds=10.0, skills={"en": 1}, max_penalty=1),
    Ring(after_seconds=20.0, skills={"en": 0, "zh": 0}),
)
RULES = ["", "", "", "en >= 1", "not en or zh > 1", "group:desk and language:de", "site:east"]
#: What every queue may have, whatever its members.
SETTINGS = st.fixed_dictionaries(
    {"strategy": st.sampled_from(sorted(STRATEGIES))},
    optional={
        "criteria": st.sampled_from([{"skill_fit": 2.0, "last_agent": 1.0}, {"idle_time": 1.0}]),
        "urgency": st.sampled_from(Urgency),
        "weight": st.sampled_from([0.5, 2.0]),
        "priority_seconds": st.sampled_from([0.0, 10.0]),
        "service_level_seconds": st.sampled_from([0.0, 5.0]),
        "wrap_up": st.sampled_from(WrapUp),
        "wrap_up_seconds": st.sampled_from([2.0, 5.0]),
        "max_wait_seconds": st.sampled_from([10.0, 40.0]),
        "max_size": st.sampled_from([1, 2]),
        "retry_seconds": st.sampled_from([0.0, 1.0]),
        "rona_limit": st.sampled_from([1, 2]),
        "ring_seconds": st.sampled_from([0.0, 5.0]),
        "join_needs": st.sampled_from(Staffing),
        "stay_needs": st.sampled_from(Staffing),
        "hours": st.just(MORNING),
        "requires": st.sampled_from(RULES),
        "match_language": st.just(True),
        "last_agent_seconds": st.sampled_from([3.0, 30.0]),
        "rings": st.sampled_from([RINGS[:1], RINGS]),
        "overflow_rules": st.lists(
            st.sampled_from(
                [
                    OverflowRule(on=OverflowOn.WAIT, at=8.0, to="queue:all"),
                    OverflowRule(on=OverflowOn.SIZE, at=2.0, to="voicemail"),
                    OverflowRule(on=OverflowOn.UNSTAFFED, to="number:123"),
                    OverflowRule(on=OverflowOn.CLOSED, to="tree:main"),
                ]
            ),
            max_size=3,
        ).map(tuple),
    },
)
PLAIN = [{"strategy": "longest_idle", "wrap_up_seconds": 2.0}] * 5


def agents(variant):
    """Four, or the first three."""
    everybody = [
        Agent(
            id="ann", skills={"en": 2, "zh": variant}, languages=("de", "fr"), groups=("desk",),
            cost=2.0, site="east",
        ),
        Agent(id="bob", groups=("desk", "night"), capacity={"chat": 1, "mail": 0}),
        Agent(id="cyd", skills={"en": 1}, languages=("de",), capacity={"voice": variant % 2}),
        Agent(id="dan", skills={"zh": 3}, site="west", cost=1.0),
    ]  # fmt: skip
    return everybody[: 4 - variant // 2]


def machine(make_watched, make_queue):
    """The machine's rules, around a fresh watched distributor for each example."""

    class Machine(RuleBasedStateMachine):
        def __init__(self):
            super().__init__()
            self.floor = make_watched()
            self.configure(0, PLAIN)

        def feed(self, event, seconds=0.0):
            self.floor.now = max(self.floor.now, self.floor.now + seconds)
            self.floor.feed(event, at=self.floor.now + min(seconds, 0.0))

        def configure(self, variant, each):
            members = {
                "one": ["ann", ("bob", 1), "cyd"],
                "all": ["@desk", "dan"],
                "skill": [("ann", 2), "cyd", ("@night", 1), "dan"],
                "chats": ["@desk", ("cyd", 1), ("dan", 1)],
                "mails": ["ann", "dan", "cyd"],
            }
            kinds = {"chats": "chat", "mails": "mail"}
            queues = [
                make_queue(name, members[name], kind=kinds.get(name, "voice"), **extra)
                for name, extra in zip(members, each, strict=True)
            ]
            self.floor.configure(
                *queues[variant // 2 :], agents=agents(variant), kinds=KINDS, statuses=STATUSES
            )

        @rule(variant=st.integers(0, 2), each=st.lists(SETTINGS, min_size=5, max_size=5))
        def reconfigure(self, variant, each):
            queues_before = set(self.floor.queued)
            self.configure(variant, each)
            assert self.floor.queued <= queues_before

        @rule(each=SETTINGS)
        def all_queues_of_one_kind(self, each):
            """Contacts stay and become what their queue serves; other queues are gone."""
            names = ("one", "chats", "mails")
            queues = [make_queue(name, list(NAMES), kind="chat", **each) for name in names]
            self.floor.configure(*queues, agents=agents(0), kinds={"chat": KINDS["chat"]})

        @rule(agent=AGENTS, reachable=st.booleans(), ready=st.booleans(), busy=st.booleans())
        def log_in(self, agent, reachable, ready, busy):
            self.feed(ev.LoggedIn(agent=agent, reachable=reachable, ready=ready, busy=busy))

        @rule(seconds=SECONDS)
        def everybody_in(self, seconds):
            for agent in NAMES:
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

        @rule(agent=AGENTS, status=st.sampled_from([*STATUSES, "unheard_of"]))
        def choose_status(self, agent, status):
            self.feed(ev.StatusChosen(agent=agent, status=status))

        @rule(agent=AGENTS)
        def ask_for_wrap_up(self, agent):
            self.feed(ev.WrapUpAsked(agent=agent))

        @rule(agent=AGENTS, more=st.sampled_from([-1.0, 1.0, 20.0]), seconds=SECONDS)
        def extend_wrap_up(self, agent, more, seconds):
            self.feed(ev.WrapUpExtended(agent=agent, seconds=more), seconds)

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
            needs=st.fixed_dictionaries(
                {},
                optional={
                    "priority": st.integers(-1, 2),
                    "skills": st.sampled_from([{"en": 1}, {"en": 2}, {"zh": 1, "en": 1}]),
                    "rule": st.sampled_from(RULES),
                    "language": st.sampled_from(["de", "fr", "it"]),
                    "wanted": AGENTS,
                    "wanted_seconds": st.sampled_from([0.0, 4.0, 30.0]),
                    "direction": st.sampled_from(ev.Direction),
                    "value": st.sampled_from([0.5, 1.0]),
                    "site": st.just("east"),
                    "transferred": st.just(True),
                },
            ),
        )
        def call(self, contact, queue, seconds, ago, needs):
            since = None if ago is None else self.floor.now - ago
            self.feed(ev.ContactQueued(contact=contact, queue=queue, since=since, **needs), seconds)

        @rule(contact=CONTACTS, priority=st.integers(-1, 2), seconds=SECONDS)
        def change_priority(self, contact, priority, seconds):
            self.feed(ev.PriorityChanged(contact=contact, priority=priority), seconds)

        @rule(contact=CONTACTS, abandoned=st.booleans(), seconds=SECONDS)
        def leave(self, contact, abandoned, seconds):
            self.feed(ev.ContactLeft(contact=contact, abandoned=abandoned), seconds)

        def held(self, does):
            return [
                (contact, agent)
                for agent, held in self.floor.desks.items()
                for contact, what in held.items()
                if what == does
            ]

        def past_offer(self, data):
            """Mostly one that rings now, else any that ever was."""
            known = self.held("rings") * 3 + self.floor.offered[-10:] or [("c0", "ann")]
            return data.draw(st.sampled_from(known))

        @rule(data=st.data(), seconds=SECONDS)
        def answer(self, data, seconds):
            contact, agent = self.past_offer(data)
            self.feed(ev.OfferAnswered(contact=contact, agent=agent), seconds)

        @rule(data=st.data(), seconds=SECONDS)
        def reserve(self, data, seconds):
            contact, agent = self.past_offer(data)
            self.feed(ev.OfferReserved(contact=contact, agent=agent), seconds)

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

        @rule(contact=CONTACTS, agent=AGENTS, queue=st.sampled_from(["", "one", "chats", "gone"]))
        def assign(self, contact, agent, queue):
            self.feed(ev.ContactAssigned(contact=contact, agent=agent, queue=queue))

        @rule(data=st.data(), on_hold=st.booleans(), seconds=SECONDS)
        def hold(self, data, on_hold, seconds):
            contact, agent = self.past_offer(data)
            self.feed(ev.HoldChanged(contact=contact, agent=agent, on_hold=on_hold), seconds)

        @rule(data=st.data(), transferred=st.booleans(), seconds=SECONDS)
        def release(self, data, transferred, seconds):
            known = self.held("talks") * 3 + self.floor.offered[-3:] or [("c0", "ann")]
            contact, agent = data.draw(st.sampled_from(known))
            event = ev.ContactReleased(contact=contact, agent=agent, transferred=transferred)
            self.feed(event, seconds)

        @rule(day=st.booleans(), seconds=SECONDS)
        def a_quarter_is_over(self, day, seconds):
            self.feed(ev.IntervalBegan(at=self.floor.now), seconds)
            if day:
                self.feed(ev.DayBegan())

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
            self.configure(0, PLAIN)
            for _ in range(40):
                self.everybody_in(1.0)
                for does, event in (("rings", ev.OfferAnswered), ("talks", ev.ContactReleased)):
                    for contact, agent in self.held(does):
                        if floor.desks[agent].get(contact) == does:
                            self.feed(event(contact=contact, agent=agent), 1.0)
                floor.until(floor.now + 6.0)
            contacts = floor.distributor.floor.contacts.values()
            assert [each.id for each in contacts if not each.skills and not each.rule] == []

    return Machine


@pytest.mark.filterwarnings("default")
@pytest.mark.timeout(120 + EXAMPLES)
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
