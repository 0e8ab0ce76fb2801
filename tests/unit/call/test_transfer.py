"""Transfers: blind and attended, to queue, agent and number, and each way they fail."""

from __future__ import annotations

import pytest

from callcore.call import actions as act
from callcore.call import events as ev
from callcore.call.model import Call
from callcore.call.state import CallState
from callcore.directory import Queue, Route, Transfers
from callcore.types import Entry, LegFailure, Outcome

from .desk import QUEUE, Desk, site


def talking() -> tuple[Desk, Call, act.Dial]:
    """Ann talks to a caller; Bob is free."""
    desk = Desk()
    desk.login("ann", "bob")
    call = desk.arrive()
    dial = desk.only(act.Dial)
    desk.answer(dial)
    desk.now += 10
    return desk, call, dial


def test_blind_to_a_number_waits_for_the_answer() -> None:
    """The phone hears of success only when the number answered; then its part is over."""
    desk, call, ann = talking()
    desk.feed(ev.TransferAsked(channel=ann.channel, target="0555"))
    dial = desk.only(act.Dial)
    assert dial.endpoint == "trunk:tel/0555"
    assert not desk.every(act.AnswerTransfer)
    desk.answer(dial)
    assert desk.only(act.AnswerTransfer).ok
    assert [h.channel for h in desk.now_out(act.Hangup)] == [ann.channel]
    assert desk.only(act.Join).channels == ("x1", dial.channel)
    assert desk.agent_state("ann") == "wrapping_up"
    desk.hang_up(dial.channel)
    record = desk.record(call)
    assert (record.transfers, record.outcome) == (1, Outcome.ANSWERED)
    assert len(desk.every(act.StartRecording)) == 1, "one recording goes on"


@pytest.mark.parametrize("failure", [LegFailure.BUSY, LegFailure.NO_ANSWER, LegFailure.FAILED])
def test_a_failed_blind_transfer_comes_back_to_the_agent(failure: LegFailure) -> None:
    """The agent's phone is told, and the two talk again."""
    desk, call, ann = talking()
    desk.feed(ev.TransferAsked(channel=ann.channel, target="0555"))
    desk.fail(desk.only(act.Dial), failure)
    assert not desk.only(act.AnswerTransfer).ok
    assert desk.only(act.Join).channels == ("x1", ann.channel)
    assert (call.state, call.agent) == (CallState.TALKING, "ann")


def test_a_failed_blind_transfer_goes_to_the_queue_when_the_agent_left() -> None:
    """Phones that hang up after REFER: the caller is queued again, before the others."""
    desk, call, ann = talking()
    desk.feed(ev.TransferAsked(channel=ann.channel, target="0555"))
    number = desk.only(act.Dial)
    desk.hang_up(ann.channel)
    desk.fail(number, LegFailure.BUSY)
    assert call.queued_since == 1000.0
    assert desk.only(act.Dial).endpoint == "phone:p2"
    assert call.priority == 1


@pytest.mark.parametrize("target", ["999", "cid", "0555"])
def test_a_phone_that_hangs_up_before_it_hears_of_the_failure(target: str) -> None:
    """Its BYE crosses our news: the caller waits in the queue again instead of being cut off."""
    desk, call, ann = talking()
    desk.feed(ev.TransferAsked(channel=ann.channel, target=target))
    if target == "0555":
        desk.fail(desk.only(act.Dial), LegFailure.BUSY)
    desk.now += 0.1
    desk.hang_up(ann.channel)
    assert call.live
    assert call.queued_since == 1000.0
    assert desk.only(act.Dial).endpoint == "phone:p2"
    assert desk.agent_state("ann") == "wrapping_up"


def test_a_phone_that_hangs_up_well_after_a_failed_transfer_ends_the_call() -> None:
    """By then the agent has heard of it, talked on, and means it."""
    desk, call, ann = talking()
    desk.feed(ev.TransferAsked(channel=ann.channel, target="999"))
    desk.now += 3
    desk.hang_up(ann.channel)
    assert not call.live


def test_a_blind_transfer_that_rings_out_comes_back() -> None:
    """After what the site has configured, from the next transfer on."""
    desk, call, ann = talking()
    transfers = Transfers(ring_seconds=7)
    desk.feed(ev.DirectoryChanged(directory=site(transfers=transfers)))
    desk.feed(ev.TransferAsked(channel=ann.channel, target="0555"))
    desk.wait(6.9)
    assert not desk.every(act.AnswerTransfer)
    desk.wait(0.1)
    assert not desk.only(act.AnswerTransfer).ok
    assert call.state is CallState.TALKING


def test_blind_to_an_agent_gives_them_the_contact() -> None:
    """Bob's phone rings although no queue offered; he holds the contact afterwards."""
    desk, call, ann = talking()
    desk.feed(ev.TransferAsked(channel=ann.channel, target="bob"))
    dial = desk.only(act.Dial)
    assert dial.endpoint == "phone:p2"
    assert desk.agent_state("bob") == "busy"
    desk.answer(dial)
    assert (call.agent, desk.agent_state("bob")) == ("bob", "talking")
    desk.hang_up("x1")
    assert desk.agent_state("bob") == "wrapping_up"


def test_blind_to_a_queue_releases_the_agent_at_once() -> None:
    """The caller waits in the queue; the transferring agent wraps up."""
    desk, call, ann = talking()
    desk.feed(ev.TransferAsked(channel=ann.channel, target="600"))
    assert desk.only(act.AnswerTransfer).ok
    assert desk.agent_state("ann") == "wrapping_up"
    assert desk.only(act.Dial).endpoint == "phone:p2"
    assert call.state is CallState.RINGING


@pytest.mark.parametrize("overflow", ["", "hotline"])
def test_blind_to_a_full_queue(overflow: str) -> None:
    """Without an overflow the caller would be cut off: the transfer is refused, they talk on."""
    directory = site(
        queues={
            "sales": QUEUE,
            "full": Queue(id="full", max_size=1, overflow=overflow),
        },
        routes=(Route(pattern="600", queue="sales"), Route(pattern="603", queue="full")),
    )
    desk = Desk(directory)
    desk.login("ann")
    call = desk.arrive()
    ann = desk.only(act.Dial)
    desk.answer(ann)
    desk.arrive("603", channel="x2")
    desk.feed(ev.TransferAsked(channel=ann.channel, target="603"))
    assert desk.only(act.AnswerTransfer).ok == bool(overflow)
    assert (call.state is CallState.TALKING) == (not overflow)


def test_a_transfer_to_nobody_is_refused_and_the_talk_goes_on() -> None:
    """An unknown number changes nothing."""
    desk, call, ann = talking()
    desk.feed(ev.TransferAsked(channel=ann.channel, target="999"))
    assert not desk.only(act.AnswerTransfer).ok
    assert call.state is CallState.TALKING
    assert not desk.now_out(act.Leave)


def test_attended_joins_the_consulted_agent() -> None:
    """Ann consults Bob, then connects the caller to him and is out."""
    desk, call, ann = talking()
    desk.feed(ev.HoldStarted(channel=ann.channel))
    consult = desk.dial_from("p1", "bob")
    bob = desk.only(act.Dial)
    desk.answer(bob)
    assert consult.state is CallState.TALKING
    desk.feed(ev.TransferAsked(channel=ann.channel, other="y1"))
    assert desk.only(act.AnswerTransfer).ok
    assert desk.only(act.Join).channels == (bob.channel,)
    assert call.agent == "bob"
    assert (desk.agent_state("ann"), desk.agent_state("bob")) == ("wrapping_up", "talking")
    assert desk.record(consult).outcome is Outcome.TRANSFERRED
    desk.confirm_hangups()
    desk.hang_up("x1")
    desk.confirm_hangups()
    desk.wait(5)
    assert not desk.switch.state.calls
    assert [desk.agent_state(a) for a in ("ann", "bob")] == ["idle", "idle"]


def test_success_is_told_before_the_phone_is_hung_up() -> None:
    """A phone whose call ended first would hear that its transfer failed."""
    desk, _, ann = talking()
    desk.dial_from("p1", "bob")
    desk.answer(desk.only(act.Dial))
    desk.feed(ev.TransferAsked(channel=ann.channel, other="y1"))
    kinds = [type(a) for a in desk.out if isinstance(a, act.AnswerTransfer | act.Hangup)]
    assert kinds == [act.AnswerTransfer, act.Hangup, act.Hangup]


@pytest.mark.parametrize("dialled", ["*14", "700", "999"])
def test_attended_to_what_is_nobody_is_refused(dialled: str) -> None:
    """A feature code, a tree, a call that has ended: the talk goes on."""
    desk, call, ann = talking()
    desk.feed(
        ev.CallArrived(channel="y1", node="n", entry=Entry.PHONE, endpoint="p1", dialled=dialled)
    )
    desk.feed(ev.TransferAsked(channel=ann.channel, other="y1"))
    assert not desk.only(act.AnswerTransfer).ok
    assert (call.state, call.agent) == (CallState.TALKING, "ann")


@pytest.mark.parametrize("other", ["nobody", "same"])
def test_attended_to_a_call_we_do_not_have_is_refused(other: str) -> None:
    """The phone waits for our word: it gets one."""
    desk, call, ann = talking()
    desk.feed(ev.TransferAsked(channel=ann.channel, other="x1" if other == "same" else "gone"))
    assert not desk.only(act.AnswerTransfer).ok
    assert call.state is CallState.TALKING


def test_attended_when_the_consultation_came_through_a_queue() -> None:
    """Bob holds the consultation as a contact: he exchanges it for the caller, unwrapped."""
    desk, call, ann = talking()
    desk.feed(ev.HoldStarted(channel=ann.channel))
    consult = desk.dial_from("p1", "600")
    bob = desk.only(act.Dial)
    desk.answer(bob)
    assert consult.agent == "bob"
    desk.feed(ev.TransferAsked(channel=ann.channel, other="y1"))
    assert desk.only(act.AnswerTransfer).ok
    assert (call.agent, consult.agent) == ("bob", "")
    assert desk.switch.distributor.ignored == {}
    assert desk.switch.distributor.floor.seats["bob"].agent.contact == call.id
    desk.confirm_hangups()
    desk.hang_up("x1")
    desk.confirm_hangups()
    assert desk.agent_state("bob") == "wrapping_up"
    desk.wait(5)
    assert [desk.agent_state(a) for a in ("ann", "bob")] == ["idle", "idle"]
    assert not desk.switch.state.calls


def test_an_agent_who_is_consulted_is_offered_nothing_in_between() -> None:
    """From busy with the consultation straight to the caller: no ring that flashes up."""
    desk, call, ann = talking()
    desk.dial_from("p1", "bob")
    desk.answer(desk.only(act.Dial))
    desk.arrive(channel="x2")
    desk.feed(ev.TransferAsked(channel=ann.channel, other="y1"))
    assert call.agent == "bob"
    assert not desk.now_out(act.Dial)


@pytest.mark.parametrize("caller_first", [True, False])
def test_an_internal_call_leaves_both_agents_free(caller_first: bool) -> None:
    """Whoever hangs up."""
    desk = Desk()
    desk.login("ann", "bob")
    desk.dial_from("p1", "bob")
    bob = desk.only(act.Dial)
    desk.answer(bob)
    assert [desk.agent_state(a) for a in ("ann", "bob")] == ["busy", "busy"]
    desk.hang_up("y1" if caller_first else bob.channel)
    desk.confirm_hangups()
    assert [desk.agent_state(a) for a in ("ann", "bob")] == ["idle", "idle"]


def test_the_caller_hears_music_while_held_and_none_after_the_transfer() -> None:
    """Nobody resumes a call that was transferred away."""
    desk, _, ann = talking()
    desk.feed(ev.HoldStarted(channel=ann.channel))
    assert desk.only(act.StartMusic).channel == "x1"
    desk.dial_from("p1", "bob")
    desk.answer(desk.only(act.Dial))
    desk.feed(ev.TransferAsked(channel=ann.channel, other="y1"))
    assert desk.only(act.StopMusic).channel == "x1"


def test_attended_while_the_target_still_rings() -> None:
    """Semi-attended: the caller waits for the target with music."""
    desk, call, ann = talking()
    desk.dial_from("p1", "0555")
    number = desk.only(act.Dial)
    desk.feed(ev.TransferAsked(channel=ann.channel, other="y1"))
    assert desk.only(act.AnswerTransfer).ok
    assert not [h for h in desk.now_out(act.Hangup) if h.channel == number.channel]
    desk.answer(number)
    assert desk.only(act.Join).channels == ("x1", number.channel)
    assert call.state is CallState.TALKING


def test_a_target_that_rings_on_after_the_transfer_rings_no_longer_than_any() -> None:
    """Phones ring each other for a minute; a caller waits as long as for other transfers."""
    desk, call, ann = talking()
    desk.dial_from("p1", "0555")
    number = desk.only(act.Dial)
    desk.now += 5
    desk.feed(ev.TransferAsked(channel=ann.channel, other="y1"))
    desk.wait(29.9)
    assert not [h for h in desk.every(act.Hangup) if h.channel == number.channel]
    desk.wait(0.1)
    assert [h for h in desk.every(act.Hangup) if h.channel == number.channel]
    assert call.queued_since is not None


def test_attended_into_a_queue_takes_the_place_there() -> None:
    """The consultation waits in a queue: the caller takes over its place."""
    desk, call, ann = talking()
    desk.feed(ev.AgentPaused(agent="bob", reason="lunch"))
    desk.now += 5
    consult = desk.dial_from("p1", "600")
    since = consult.queued_since
    desk.now += 7
    desk.feed(ev.TransferAsked(channel=ann.channel, other="y1"))
    assert desk.only(act.AnswerTransfer).ok
    assert call.queued_since == since
    assert not consult.live


def test_an_operator_moves_a_talking_caller() -> None:
    """No phone asked, so none waits for a verdict."""
    desk, call, ann = talking()
    desk.feed(ev.CallTransferAsked(call=call.id, target="queue:sales"))
    assert not desk.every(act.AnswerTransfer)
    assert call.state is CallState.RINGING
    assert ann.channel in [h.channel for h in desk.now_out(act.Hangup)]


def test_an_agent_who_called_out_sends_the_customer_to_a_queue() -> None:
    """REFER by the side that placed the call: its party goes on, the agent is free."""
    desk = Desk()
    desk.login("ann", "bob")
    call = desk.dial_from("p1", "0555")
    number = desk.only(act.Dial)
    desk.answer(number)
    desk.feed(ev.AgentPaused(agent="bob", reason="lunch"))
    desk.feed(ev.TransferAsked(channel="y1", target="600"))
    assert desk.only(act.AnswerTransfer).ok
    assert [h.channel for h in desk.now_out(act.Hangup)] == ["y1"]
    assert desk.last(act.StartMusic).channel == number.channel
    assert desk.last(act.Dial).endpoint == "phone:p1", "ann is free, and takes the next one"
    desk.hang_up(number.channel)
    desk.confirm_hangups()
    assert not call.live
    assert not desk.switch.state.calls


def test_an_operator_overtakes_a_transfer_that_still_rings() -> None:
    """The agent who asked for it is not left talking to nobody."""
    desk, call, ann = talking()
    desk.feed(ev.TransferAsked(channel=ann.channel, target="0555"))
    desk.feed(ev.CallTransferAsked(call=call.id, target="queue:sales"))
    assert desk.agent_state("ann") == "wrapping_up"
    assert ann.channel in [h.channel for h in desk.now_out(act.Hangup)]
    assert desk.only(act.Dial).endpoint == "phone:p2"
