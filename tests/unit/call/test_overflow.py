"""Callers a queue gives up: each target of an overflow rule is carried out, with nothing lost."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from callcore.call import actions as act
from callcore.call import events as ev
from callcore.call.record import SegmentKind
from callcore.call.state import CallState
from callcore.directory import Member, Queue
from callcore.directory_queue import OverflowOn, OverflowRule
from callcore.types import LegFailure, Outcome

from .desk import QUEUE, Desk, site

SECOND = Queue(id="second", members=(Member(agent="bob"),), music="slow")


def on_wait(to: str, at: float = 20.0) -> OverflowRule:
    return OverflowRule(on=OverflowOn.WAIT, at=at, to=to)


def desk_with(to: str, second: Queue = SECOND, **changes: Any) -> Desk:
    """After 20 seconds the queue "sales" gives its callers to `to`."""
    first = msgspec.structs.replace(QUEUE, overflow_rules=(on_wait(to),), **changes)
    return Desk(site(queues={"sales": first, "second": second}))


def queue_segments(call: Any) -> list[tuple[str, float, str]]:
    return [
        (s.queue, s.since or s.start, s.result)
        for s in call.segments
        if s.kind is SegmentKind.QUEUE
    ]


def test_to_a_queue_the_wait_goes_on() -> None:
    """The place is that of the whole wait; segments tell both queues and the reason."""
    desk = desk_with("queue:second")
    call = desk.arrive()
    desk.now += 5
    later = desk.arrive(channel="x2")
    desk.feed(ev.CallTransferAsked(call=later.id, target="queue:second"))
    desk.wait(15)
    assert (call.queue, call.queued_since, call.state) == ("second", 1000.0, CallState.QUEUED)
    assert [type(a) for a in desk.out if isinstance(a, act.StopMusic | act.StartMusic)] == [
        act.StopMusic,
        act.StartMusic,
    ]
    assert desk.last(act.StartMusic).music == "slow"
    desk.login("bob")
    assert desk.only(act.Dial).call == call.id, "before one who came later"
    desk.answer(desk.only(act.Dial))
    desk.now += 10
    desk.hang_up("x1")
    record = desk.record(call)
    assert record.outcome is Outcome.ANSWERED
    assert record.queue == "second"
    assert record.wait_seconds == 20
    assert queue_segments(call) == [("sales", 1000.0, "max_wait"), ("second", 1000.0, "answered")]
    overflowed = [
        e.event.details for e in desk.every(act.WriteEvent) if e.event.name == "overflowed"
    ]
    assert overflowed == [{"queue": "sales", "reason": "max_wait", "to": "queue:second"}]


def test_a_chain_of_queues_ends_in_a_message() -> None:
    """Queue, queue, voicemail: the announcement, the message for the queue's mailbox, thanks."""
    second = msgspec.structs.replace(SECOND, overflow_rules=(on_wait("voicemail", at=30.0),))
    desk = desk_with("queue:second", second)
    call = desk.arrive()
    desk.wait(20)
    assert call.queue == "second"
    desk.wait(10)
    assert desk.only(act.Play).media == ("prompt:en/leave-message",)
    assert call.state is CallState.IVR
    desk.played()
    recording = desk.only(act.RecordVoicemail)
    assert recording.mailbox == "second"
    desk.now += 8
    desk.feed(ev.VoicemailEnded(channel="x1", recording=recording.recording, seconds=7.5))
    assert desk.only(act.Play).media == ("prompt:en/message-saved",)
    desk.played()
    desk.confirm_hangups()
    assert desk.record(call).outcome is Outcome.VOICEMAIL
    assert desk.record(call).wait_seconds == 30
    assert not desk.switch.state.calls


def test_without_a_word_there_is_no_message() -> None:
    """An empty message ends in a goodbye, and the call counts as overflowed."""
    desk = desk_with("voicemail")
    call = desk.arrive()
    desk.wait(20)
    desk.played()
    recording = desk.only(act.RecordVoicemail).recording
    desk.feed(ev.VoicemailEnded(channel="x1", recording=recording, seconds=0.0))
    assert desk.only(act.Play).media == ("prompt:en/goodbye",)
    desk.played()
    assert desk.record(call).outcome is Outcome.OVERFLOWED


def test_to_a_number_which_answers() -> None:
    """It is dialled with music meanwhile, and the call is transferred."""
    desk = desk_with("number:0555")
    call = desk.arrive()
    desk.wait(20)
    assert desk.only(act.Dial).endpoint == "trunk:tel/0555"
    assert call.music
    desk.answer(desk.only(act.Dial))
    assert call.state is CallState.TALKING
    desk.hang_up("x1")
    assert desk.record(call).outcome is Outcome.TRANSFERRED


@pytest.mark.parametrize("number", ["0555", "no-such"])
def test_a_number_that_does_not_answer_is_no_dead_end(number: str) -> None:
    """The caller goes on as if the rule were not there: to the tree's overflow node."""
    desk = desk_with(f"number:{number}")
    call = desk.arrive("700")
    desk.played()
    desk.key("1")
    desk.wait(20)
    if number == "0555":
        desk.fail(desk.only(act.Dial), LegFailure.BUSY)
    assert desk.only(act.Play).media == ("text:en/Nobody is there.",)
    assert call.run is not None
    assert call.run.variables["overflow_reason"] == "max_wait"


def test_a_number_that_rings_too_long_is_given_up() -> None:
    """The time a transfer may ring counts; then the queue's own overflow."""
    desk = desk_with("number:0555", overflow="hotline/sorry")
    desk.arrive()
    desk.wait(20)
    dial = desk.only(act.Dial)
    desk.wait(30)
    assert [h.channel for h in desk.now_out(act.Hangup)] == [dial.channel]
    assert desk.only(act.Play).media == ("text:en/Nobody is there.",)


@pytest.mark.parametrize("dialled", ["600", "700"])
def test_to_a_node_of_a_tree(dialled: str) -> None:
    """Also where the caller comes from a tree with an overflow node of its own: the rule wins."""
    desk = desk_with("tree:hotline/note")
    call = desk.arrive(dialled)
    if dialled == "700":
        desk.played()
        desk.key("1")
    desk.wait(20)
    assert desk.only(act.RecordVoicemail).mailbox == "general"
    assert call.run is not None
    assert call.run.variables["overflow_reason"] == "max_wait"


def test_to_the_start_of_a_tree() -> None:
    """``tree:TREE`` without a node."""
    desk = desk_with("tree:hotline")
    desk.arrive()
    desk.wait(20)
    assert desk.only(act.Play).media == ("text:en/For sales press 1.",)


def test_without_a_rule_for_the_cause_the_tree_decides() -> None:
    """The queue has a rule for being full; the caller waited too long."""
    rule = OverflowRule(on=OverflowOn.SIZE, at=5, to="voicemail")
    queue = msgspec.structs.replace(QUEUE, overflow_rules=(rule,), overflow="hotline/note")
    desk = Desk(site(queues={"sales": queue}))
    desk.arrive("700")
    desk.played()
    desk.key("1")
    desk.wait(60)
    assert desk.only(act.Play).media == ("text:en/Nobody is there.",)


def test_a_ringing_phone_stops_when_the_caller_overflows() -> None:
    """Nobody picks up a caller who is on the way to another queue."""
    desk = desk_with("queue:second", ring_seconds=30)
    desk.login("ann")
    call = desk.arrive()
    dial = desk.only(act.Dial)
    desk.wait(20)
    assert [h.channel for h in desk.now_out(act.Hangup)] == [dial.channel]
    assert (call.queue, call.state) == ("second", CallState.QUEUED)
    desk.login("bob")
    assert desk.only(act.Dial).endpoint == "phone:p2"


def test_what_the_caller_needs_goes_along() -> None:
    """Skills, rule, language, value and site of the Enqueue step hold in the next queue as well;
    the wanted agent was waited for long enough."""
    tree = """
start: in
nodes:
  in:
    step: enqueue
    queue: sales
    skills: {billing: 3}
    rule: english >= 2
    agent: bob
    language: zh
    value: 0.7
    site: north
"""
    first = msgspec.structs.replace(QUEUE, overflow_rules=(on_wait("queue:second"),))
    desk = Desk(site(queues={"sales": first, "second": SECOND}), tree)
    call = desk.arrive("700")
    contact = desk.switch.distributor.floor.contacts[call.id]
    assert (contact.skills, contact.rule) == ({"billing": 3}, "english >= 2")
    assert (contact.language, contact.wanted) == ("zh", "bob")
    assert (contact.value, contact.site) == (0.7, "north")
    desk.wait(20)
    contact = desk.switch.distributor.floor.contacts[call.id]
    assert contact.queue == "second"
    assert (contact.skills, contact.rule) == ({"billing": 3}, "english >= 2")
    assert (contact.language, contact.wanted) == ("zh", "")
    assert (contact.value, contact.site) == (0.7, "north")
