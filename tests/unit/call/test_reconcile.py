"""After the link was lost: what the node says exists against what we remember."""

from __future__ import annotations

from callcore.call import actions as act
from callcore.call import events as ev
from callcore.call.events import BridgeFact, ChannelFact
from callcore.types import Outcome

from .desk import Desk


def back(desk: Desk, *channels: str, bridges: tuple[BridgeFact, ...] = ()) -> None:
    facts = tuple(ChannelFact(channel=name, up=True, ours=True) for name in channels)
    desk.feed(
        ev.BackendUp(node="n", channels=facts, bridges=bridges, reachable_phones=("p1", "p2", "p3"))
    )


def test_a_caller_who_hung_up_meanwhile_is_an_abandon_with_estimated_time() -> None:
    desk = Desk()
    call = desk.arrive()
    desk.feed(ev.BackendDown(node="n"))
    desk.now += 2
    back(desk)
    record = desk.record(call)
    assert (record.outcome, record.estimated) == (Outcome.ABANDONED, True)
    assert not desk.switch.state.calls


def test_a_waiting_caller_keeps_place_and_music() -> None:
    desk = Desk()
    call = desk.arrive()
    desk.feed(ev.BackendDown(node="n"))
    desk.now += 2
    back(desk, "x1")
    assert desk.only(act.StartMusic).channel == "x1"
    assert call.queued_since == 1000.0


def test_a_party_left_alone_in_the_bridge_is_let_go() -> None:
    desk = Desk()
    desk.login("ann")
    call = desk.arrive()
    desk.answer(desk.only(act.Dial))
    desk.feed(ev.BackendDown(node="n"))
    back(desk, "x1", bridges=(BridgeFact(bridge=call.bridge, channels=("x1",)),))
    assert [h.channel for h in desk.now_out(act.Hangup)] == ["x1"]
    assert desk.record(call).estimated


def test_a_bridge_that_never_came_to_be_is_made() -> None:
    """callcore died between the decision and the request."""
    desk = Desk()
    desk.login("ann")
    call = desk.arrive()
    dial = desk.only(act.Dial)
    desk.answer(dial)
    back(desk, "x1", dial.channel)
    assert desk.only(act.CreateBridge).bridge == call.bridge
    assert desk.only(act.Join).channels == ("x1", dial.channel)
    back(desk, "x1", dial.channel, bridges=(BridgeFact(bridge=call.bridge, channels=("x1",)),))
    assert not desk.now_out(act.CreateBridge)
    assert desk.only(act.Join).channels == (dial.channel,)


def test_an_offer_whose_leg_is_gone_rings_again() -> None:
    desk = Desk()
    desk.login("ann", "bob")
    desk.arrive()
    back(desk, "x1")
    assert desk.only(act.Dial).endpoint == "phone:p2"


def test_a_leg_answered_meanwhile_is_an_answer() -> None:
    desk = Desk()
    desk.login("ann")
    desk.arrive()
    dial = desk.only(act.Dial)
    back(desk, "x1", dial.channel)
    assert desk.only(act.Join).channels == ("x1", dial.channel)


def test_a_caller_in_a_tree_hears_the_node_again() -> None:
    desk = Desk()
    desk.arrive("700")
    back(desk, "x1")
    assert desk.only(act.Play).media == ("text:en/For sales press 1.",)


def test_strangers_and_empty_bridges_are_cleared_away() -> None:
    desk = Desk()
    back(desk, "z9", bridges=(BridgeFact(bridge="b-old"),))
    assert desk.only(act.Hangup).channel == "z9"
    assert desk.only(act.DestroyBridge).bridge == "b-old"


def test_a_caller_whose_arrival_was_never_heard_of_is_welcomed() -> None:
    """callcore died between the arrival and the journal: the caller does not pay for it."""
    desk = Desk()
    fact = ChannelFact(
        channel="x7", up=True, ours=True, entry=ev.Entry.TRUNK, endpoint="tel", dialled="600",
        caller_number="77", arrived_at=990.0,
    )  # fmt: skip
    desk.feed(ev.BackendUp(node="n", channels=(fact,)))
    call = desk.call_on("x7")
    assert (call.queue, call.queued_since, call.caller_number) == ("sales", 990.0, "77")
    assert not desk.now_out(act.Answer), "it was answered already"


def test_asterisk_died_closes_its_calls_and_frees_the_agents() -> None:
    desk = Desk()
    desk.login("ann")
    waiting = desk.arrive(channel="x1")
    desk.answer(desk.only(act.Dial))
    second = desk.arrive(channel="x2")
    desk.feed(ev.BackendDown(node="n", dead=True, reason="asterisk restarted"))
    assert desk.record(waiting).outcome is Outcome.ANSWERED
    assert desk.record(second).outcome is Outcome.FAILED
    assert desk.record(second).hung_up_by == "network"
    desk.wait(5)
    assert desk.agent_state("ann") == "idle"
    assert not desk.switch.state.calls


def test_a_link_that_stays_lost_closes_the_calls() -> None:
    desk = Desk()
    call = desk.arrive()
    desk.feed(ev.BackendDown(node="n"))
    desk.wait(29)
    assert call.live
    desk.wait(2)
    assert desk.record(call).estimated
    assert not call.live
