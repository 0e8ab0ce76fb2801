"""Callers find the agent they spoke to last, while that one is there."""

from __future__ import annotations

import msgspec
import pytest

from callcore.call import actions as act
from callcore.call import events as ev
from callcore.call.last_agent import MOST, last_agent, remember
from callcore.call.model import SwitchState
from callcore.call.switch import SwitchSnapshot, restore

from .desk import QUEUE, Desk, site


def sticky(seconds: float = 30.0) -> Desk:
    queue = msgspec.structs.replace(QUEUE, last_agent_seconds=seconds, wrap_up_seconds=0)
    return Desk(site(queues={"sales": queue}))


def talk_with_bob(desk: Desk, caller: str = "5551234") -> None:
    desk.login("bob")
    call = desk.arrive(channel=f"first-{caller}", caller=caller)
    desk.answer(desk.last(act.Dial))
    assert call.agent == "bob"
    desk.hang_up(f"first-{caller}")
    desk.confirm_hangups()


def test_the_next_call_rings_the_agent_of_the_last() -> None:
    """Ann has been idle longer, but Bob spoke with this caller."""
    desk = sticky()
    talk_with_bob(desk)
    desk.login("ann")
    desk.now += 60
    desk.feed(ev.AgentPaused(agent="bob", reason="tea"))
    desk.now += 1
    desk.feed(ev.AgentReady(agent="bob"))
    desk.arrive(caller="5551234")
    assert desk.only(act.Dial).endpoint == "phone:p2"


def test_a_busy_last_agent_is_waited_for_and_then_anyone() -> None:
    """For the queue's seconds, though somebody else is free."""
    desk = sticky()
    talk_with_bob(desk)
    desk.arrive(channel="other", caller="777")
    desk.answer(desk.last(act.Dial))
    desk.login("ann")
    desk.arrive(caller="5551234")
    assert not desk.now_out(act.Dial)
    assert not [a for a in desk.wait(29) if isinstance(a, act.Dial)]
    desk.wait(1)
    assert desk.only(act.Dial).endpoint == "phone:p1"


def test_a_queue_without_the_setting_does_not_wait_for_anybody() -> None:
    """The longest idle agent rings as ever."""
    desk = sticky(0.0)
    talk_with_bob(desk)
    desk.arrive(channel="other", caller="777")
    desk.answer(desk.last(act.Dial))
    desk.login("ann")
    desk.arrive(caller="5551234")
    assert desk.only(act.Dial).endpoint == "phone:p1"


def test_who_transferred_the_caller_is_not_wanted_again() -> None:
    """In the second queue of a call nobody is waited for."""
    desk = sticky()
    desk.login("bob", "ann")
    call = desk.arrive(caller="5551234")
    desk.answer(desk.last(act.Dial))
    desk.feed(ev.CallTransferAsked(call=call.id, target="queue:sales"))
    contact = desk.switch.distributor.floor.contacts[call.id]
    assert (contact.wanted, contact.wanted_until) == ("", None)


@pytest.mark.parametrize("number", ["", "anonymous", "unavailable", "12", "a" * 40])
def test_callers_without_a_number_are_not_remembered(number: str) -> None:
    """Two anonymous callers are not the same person."""
    state = SwitchState()
    remember(state, number, "ann")
    assert not state.last_agents


def test_the_memory_is_bounded() -> None:
    """Whoever was spoken to longest ago is forgotten first; a new talk counts as new."""
    state = SwitchState()
    for number in range(MOST):
        remember(state, f"{1000 + number}", "ann")
    remember(state, "1000", "bob")
    remember(state, "999999999", "ann")
    assert len(state.last_agents) == MOST
    assert last_agent(state, "1000") == "bob"
    assert last_agent(state, "1001") == ""


def test_it_survives_a_restart() -> None:
    """The snapshot holds it, in the same order."""
    desk = sticky()
    talk_with_bob(desk)
    talk_with_bob(desk, "5559999")
    data = msgspec.msgpack.encode(desk.switch.snapshot())
    restored = restore(msgspec.msgpack.decode(data, type=SwitchSnapshot))
    assert list(restored.state.last_agents.items()) == [("5551234", "bob"), ("5559999", "bob")]
