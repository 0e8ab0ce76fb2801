"""The simulated back end: time moves when told, scripts are followed, nothing is waited for."""

from __future__ import annotations

import time

import pytest

from callcore.call import actions as act
from callcore.call import events as ev
from callcore.errors import ActionRefused, BackendUnavailable
from callcore.telephony.simulated import SimulatedBackend
from callcore.telephony.simulated_peers import Caller, Peer
from callcore.types import LegFailure
from tests.listening import events_of


@pytest.fixture
def node() -> SimulatedBackend:
    node = SimulatedBackend(start=100.0)
    node.phones = {"p1": Peer(answer_after=3.0, hang_up_after=60.0, digits=((1.0, "9"),))}
    assert node.advance() == [ev.BackendUp(node="simulated", reachable_phones=("p1",))]
    return node


def test_scripts_follow_the_virtual_clock(node: SimulatedBackend) -> None:
    """An hour of waiting takes no time, and each thing happens at its own moment."""
    started = time.process_time()
    node.perform(act.Dial(call="c", channel="leg", endpoint="phone:p1"))
    assert node.advance(2.9) == [ev.LegRinging(channel="leg")]
    assert node.advance(0.1) == [ev.LegAnswered(channel="leg")]
    assert node.advance(1.0) == [ev.DigitPressed(channel="leg", digit="9", duration_ms=100)]
    assert node.advance(3600) == [ev.HungUp(channel="leg", cause=16, by_peer=True)]
    assert node.now == 100.0 + 3604
    assert node.channels == {}
    assert time.process_time() - started < 0.5


def test_the_order_within_one_advance(node: SimulatedBackend) -> None:
    channel = node.call_in("4000", Caller(digits=((2.0, "1"), (1.0, "2")), hang_up_after=5.0))
    told = node.advance(10.0)
    assert [type(event).__name__ for event in told] == [
        "CallArrived", "DigitPressed", "DigitPressed", "HungUp",
    ]  # fmt: skip
    assert [e.digit for e in told if isinstance(e, ev.DigitPressed)] == ["2", "1"]
    assert channel not in node.channels


def test_playbacks_wait_for_each_other(node: SimulatedBackend) -> None:
    channel = node.call_in("4000")
    node.media_seconds = {"short": 1.0, "long": 10.0}.__getitem__
    node.perform(act.Play(call="c", channel=channel, playback="a", media=("short", "short")))
    node.perform(act.Play(call="c", channel=channel, playback="b", media=("long",)))
    node.advance(1.9)
    assert node.advance(0.1) == [ev.PlaybackEnded(channel=channel, playback="a")]
    assert node.advance(9.9) == []
    node.perform(act.StopPlay(call="c", channel=channel, playback="b"))
    assert node.advance() == [ev.PlaybackEnded(channel=channel, playback="b")]
    assert node.advance(100) == []


def test_an_engaged_phone_is_busy_without_call_waiting(node: SimulatedBackend) -> None:
    node.perform(act.Dial(call="a", channel="one", endpoint="phone:p1"))
    node.perform(act.Dial(call="b", channel="two", endpoint="phone:p1"))
    failed = [e for e in node.advance(3.0) if isinstance(e, ev.LegFailed)]
    assert failed == [ev.LegFailed(channel="two", failure=LegFailure.BUSY, cause=17)]


def test_outside_numbers(node: SimulatedBackend) -> None:
    node.numbers["0301"] = Peer(answer_after=1.0)
    node.perform(act.Dial(call="a", channel="one", endpoint="trunk:t/0301"))
    node.perform(act.Dial(call="a", channel="two", endpoint="trunk:t/0302"))
    told = node.advance(2.0)
    assert ev.LegAnswered(channel="one") in told
    assert ev.LegFailed(channel="two", failure=LegFailure.UNREACHABLE, cause=20) in told


def test_auto_answer_needs_no_person(node: SimulatedBackend) -> None:
    node.phones["p2"] = Peer()
    node.perform(act.Dial(call="a", channel="one", endpoint="phone:p2", auto_answer=True))
    assert node.advance(0.0) == [ev.LegAnswered(channel="one")]


def test_bridges_hold_who_joined_and_survived(node: SimulatedBackend) -> None:
    first, second = node.call_in("1"), node.call_in("2")
    node.perform(act.CreateBridge(call="c", bridge="b"))
    node.perform(act.StartMusic(call="c", channel=first))
    node.perform(act.Join(call="c", bridge="b", channels=(first, second)))
    assert node.bridges == {"b": [first, second]}
    assert node.channels[first].music == ""
    node.hang_up(second)
    assert node.bridges == {"b": [first]}
    node.perform(act.Leave(call="c", bridge="b", channel=first))
    with pytest.raises(ActionRefused):
        node.perform(act.Leave(call="c", bridge="b", channel=first))
    node.perform(act.DestroyBridge(call="c", bridge="b"))
    assert node.bridges == {}


def test_a_lost_link_hides_what_happens(node: SimulatedBackend) -> None:
    """Ends are told behind the next snapshot; a leg that answers meanwhile has nowhere to go."""
    staying, leaving = node.call_in("1"), node.call_in("2", Caller(hang_up_after=2.0))
    node.perform(act.Dial(call="c", channel="leg", endpoint="phone:p1"))
    node.advance(1.0)
    node.lose_link("gone")
    node.perform(act.Dial(call="c", channel="late", endpoint="phone:p1"))
    assert node.advance(10.0) == [
        ev.BackendDown(node="simulated", reason="gone"),
        ev.LegFailed(channel="late", failure=LegFailure.UNREACHABLE, cause=20),
    ]
    with pytest.raises(BackendUnavailable):
        node.perform(act.Answer(call="c", channel=staying))
    node.restore_link()
    up, *ended = node.advance()
    assert isinstance(up, ev.BackendUp)
    assert [fact.channel for fact in up.channels] == [staying]
    assert ended == [
        ev.HungUp(channel=leaving, cause=16, by_peer=True),
        ev.LegFailed(channel="leg", failure=LegFailure.FAILED, cause=16),
    ]


def test_a_restart_takes_all_channels(node: SimulatedBackend) -> None:
    channel = node.call_in("1", Caller(hang_up_after=5.0))
    node.advance()
    node.restart()
    assert [type(e).__name__ for e in node.advance(10.0)] == ["BackendDown", "BackendUp"]
    with pytest.raises(ActionRefused):
        node.perform(act.Answer(call="c", channel=channel))


async def test_it_serves_the_protocol_too() -> None:
    """`run` tells the same, from the snapshot on, while time is moved elsewhere."""
    node = SimulatedBackend()
    events = events_of(node)
    assert isinstance(await anext(events), ev.BackendUp)
    channel = node.call_in("4000")
    arrived = await anext(events)
    assert isinstance(arrived, ev.CallArrived)
    await node.execute(act.Answer(call="c", channel=channel))
    node.hang_up(channel)
    assert await anext(events) == ev.HungUp(channel=channel, cause=16)
    await node.close()
    assert [event async for event in events] == []
