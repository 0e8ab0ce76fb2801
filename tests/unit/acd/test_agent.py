"""The table of an agent's work, and what is shown of it."""

from __future__ import annotations

import itertools

import pytest

from callcore.acd.agent import NEXT, WORK, LiveAgent, State, Status, Step
from callcore.errors import InvalidTransition


@pytest.mark.parametrize(("work", "step"), list(itertools.product(WORK, Step)))
def test_a_step_is_in_the_table_or_raises(work, step):
    """There is no third way: an unknown step is our own mistake and never silent."""
    agent = LiveAgent(id="ann", work=work)
    expected = NEXT[work].get(step)
    if expected is None:
        with pytest.raises(InvalidTransition, match="ann"):
            agent.step(step, 1.0)
        assert agent.work is work
    else:
        agent.step(step, 1.0)
        assert agent.work is expected


def test_every_state_of_work_can_be_reached_and_left():
    """No dead ends: from anywhere the table leads back to idle."""
    for start in WORK:
        seen, todo = {start}, [start]
        while todo:
            following = set(NEXT[todo.pop()].values()) - seen
            seen |= following
            todo += following
        assert seen == set(WORK)


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"status": Status.READY}, State.IDLE),
        ({"status": Status.READY, "deadline": 9.0}, State.IDLE),
        ({"status": Status.PAUSED}, State.PAUSED),
        ({"status": Status.PAUSED, "busy": True}, State.BUSY),
        ({"status": Status.READY, "busy": True, "reachable": False}, State.UNREACHABLE),
        ({"status": Status.LOGGED_OUT, "reachable": False}, State.LOGGED_OUT),
        ({"status": Status.LOGGED_OUT, "work": State.TALKING}, State.TALKING),
        ({"status": Status.PAUSED, "work": State.WRAPPING_UP}, State.WRAPPING_UP),
    ],
)
def test_observed_state(fields, shown):
    """Work shows first, then why an agent without work gets none."""
    assert LiveAgent(id="ann", **fields).observed() is shown


def test_only_a_ready_reachable_rested_agent_without_work_is_available():
    """Each single reason is enough against it."""
    good = {"status": Status.READY}
    assert LiveAgent(id="ann", **good).available
    for against in (
        {"status": Status.PAUSED},
        {"work": State.TALKING},
        {"reachable": False},
        {"busy": True},
        {"deadline": 5.0},
        {"removed": True},
    ):
        assert not LiveAgent(id="ann", **(good | against)).available
