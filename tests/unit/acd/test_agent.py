"""An agent's work table, the kinds of contact that fit beside each other, and the state shown."""

from __future__ import annotations

import pytest

from callcore.acd.agent import NEXT, LiveAgent, State, Status, Step, Work
from callcore.directory import VOICE_KIND
from callcore.directory_queue import Kind
from callcore.errors import InvalidTransition

KINDS = {"voice": VOICE_KIND, "chat": Kind(capacity=3), "mail": Kind(capacity=1, exclusive=True)}


def agent(*works, **settings):
    """An agent who is ready, with works given as (kind, state)."""
    held = {
        f"c{n}": Work(contact=f"c{n}", kind=kind, state=state)
        for n, (kind, state) in enumerate(works)
    }
    capacity = {name: kind.capacity for name, kind in KINDS.items()}
    settings = {"status": Status.READY, "capacity": capacity, "works": held} | settings
    return LiveAgent(id="ann", **settings)


@pytest.mark.parametrize("work", list(NEXT))
@pytest.mark.parametrize("step", list(Step))
def test_a_step_is_in_the_table_or_raises(work, step):
    """Every pair of state and step leads where the table says, or is a contradiction."""
    held = Work(contact="c", state=work)
    if step in NEXT[work]:
        held.step(step, 5.0)
        assert held.state is NEXT[work][step]
        assert held.since == 5.0
    else:
        with pytest.raises(InvalidTransition, match=f"contact c: {step} while {work}"):
            held.step(step, 5.0)


def test_talk_and_hold_are_accounted_apart():
    """Times add up over holds."""
    held = Work(contact="c", state=State.TALKING, since=100.0)
    held.step(Step.HOLD, 110.0)
    held.step(Step.RESUME, 113.0)
    held.step(Step.RELEASE, 120.0)
    assert (held.talk_seconds, held.hold_seconds) == (17.0, 3.0)


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        ({}, State.IDLE),
        ({"status": Status.PAUSED}, State.PAUSED),
        ({"status": Status.LOGGED_OUT, "reachable": False}, State.LOGGED_OUT),
        ({"reachable": False, "busy": True}, State.UNREACHABLE),
        ({"busy": True, "status": Status.PAUSED}, State.BUSY),
        ({"reachable": False, "capacity": {"chat": 3}}, State.IDLE),
    ],
)
def test_without_work_the_reason_for_getting_none_is_shown(settings, shown):
    """Logged out before unreachable, that before busy, that before paused."""
    assert agent(**settings).observed() is shown


@pytest.mark.parametrize(
    ("states", "shown"),
    [
        ([State.WRAPPING_UP, State.TALKING], State.TALKING),
        ([State.WRAPPING_UP, State.OFFERED], State.OFFERED),
        ([State.OFFERED, State.ON_HOLD], State.ON_HOLD),
    ],
)
def test_of_several_contacts_the_one_that_asks_most_is_shown(states, shown):
    """Talking, on hold, offered, wrapping up, whatever the order of coming."""
    ann = agent(*(("chat", state) for state in states))
    assert ann.observed() is shown
    assert ann.works[ann.contact].state is shown


@pytest.mark.parametrize(
    ("works", "open_kinds"),
    [
        ([], ["voice", "chat", "mail"]),
        ([("voice", State.TALKING)], []),
        ([("voice", State.WRAPPING_UP)], []),
        ([("chat", State.TALKING)], ["chat"]),
        ([("chat", State.TALKING), ("chat", State.WRAPPING_UP)], ["chat"]),
        ([("chat", State.TALKING)] * 3, []),
        ([("chat", State.OFFERED)], []),
        ([("mail", State.TALKING)], []),
    ],
)
def test_kinds_fit_beside_each_other_up_to_the_capacity(works, open_kinds):
    """Exclusive kinds alone, others up to their capacity, and one offer at a time."""
    ann = agent(*works)
    assert [name for name, kind in KINDS.items() if ann.may_take(name, kind, KINDS)] == open_kinds


@pytest.mark.parametrize(
    ("settings", "open_kinds"),
    [
        ({"status": Status.PAUSED}, []),
        ({"busy": True}, []),
        ({"resting_until": 5.0}, []),
        ({"removed": True}, []),
        ({"reachable": False}, ["chat", "mail"]),
        ({"offered_kinds": ("chat",)}, ["chat"]),
        ({"capacity": {"voice": 1}}, ["voice"]),
    ],
)
def test_what_an_agent_without_work_may_be_offered(settings, open_kinds):
    """A phone that cannot be reached stops only what goes by phone."""
    ann = agent(**settings)
    assert [name for name, kind in KINDS.items() if ann.may_take(name, kind, KINDS)] == open_kinds
