"""A caller in a queue: the wait, the offers, the bridge, the record."""

from __future__ import annotations

import msgspec
import pytest

from callcore.call import actions as act
from callcore.call import events as ev
from callcore.call import queueing
from callcore.call.model import Needs
from callcore.call.record import SegmentKind
from callcore.call.state import CallState
from callcore.directory import Member, RecordFrom
from callcore.directory_queue import WrapUp
from callcore.types import HangupReason, LegFailure, Outcome

from .desk import QUEUE, Desk, site


def ring_all() -> Desk:
    queue = msgspec.structs.replace(QUEUE, strategy="ring_all")
    return Desk(site(queues={"sales": queue}))


def test_a_free_agent_is_rung_at_once_and_bridged() -> None:
    """Arrive, ring, answer, bridge, record: the whole happy path in its order."""
    desk = Desk()
    desk.login("ann")
    call = desk.arrive()
    rows = (act.WriteEvent, act.WriteAgentState)
    kinds = [type(a).__name__ for a in desk.out if not isinstance(a, rows)]
    assert kinds == ["Answer", "StartMusic", "Dial"]
    dial = desk.only(act.Dial)
    assert (dial.endpoint, dial.caller_number) == ("phone:p1", "555")
    desk.now += 3
    desk.answer(dial)
    join = desk.only(act.Join)
    assert join.channels == ("x1", dial.channel)
    assert desk.only(act.StartRecording).channel == "x1"
    assert call.state is CallState.TALKING
    desk.now += 20
    desk.hang_up("x1")
    assert [h.channel for h in desk.now_out(act.Hangup)] == [dial.channel]
    record = desk.record(call)
    assert (record.outcome, record.hung_up_by) == (Outcome.ANSWERED, "caller")
    assert (record.wait_seconds, record.talk_seconds) == (3, 20)
    assert record.recording
    assert record.agent == "ann"


def test_wrap_up_is_timed_and_ends_in_a_second_record() -> None:
    """The row is written when the call ends, and again when wrap-up is over."""
    desk = Desk()
    desk.login("ann")
    call = desk.arrive()
    desk.answer(desk.last(act.Dial))
    desk.hang_up("x1")
    assert desk.agent_state("ann") == "wrapping_up"
    assert desk.record(call).wrap_up_ended_at is None
    desk.confirm_hangups()
    desk.wait(5)
    assert desk.agent_state("ann") == "idle"
    assert desk.record(call).wrap_up_seconds == 5
    assert call.id not in desk.switch.state.calls, "the call is forgotten"


def test_no_answer_rings_the_next_agent_and_keeps_the_place() -> None:
    """Ring time-out: the first phone stops, the second rings, the caller waits on."""
    desk = Desk()
    desk.login("ann", "bob")
    call = desk.arrive()
    first = desk.only(act.Dial)
    desk.wait(10)
    second = desk.only(act.Dial)
    assert [h.channel for h in desk.now_out(act.Hangup)] == [first.channel]
    assert first.endpoint != second.endpoint
    assert call.queued_since == 1000.0
    desk.answer(second)
    assert call.state is CallState.TALKING
    kinds = [(s.kind, s.result) for s in call.segments if s.kind is SegmentKind.OFFER]
    assert kinds == [(SegmentKind.OFFER, "no_answer"), (SegmentKind.OFFER, "answered")]


@pytest.mark.parametrize("failure", [LegFailure.BUSY, LegFailure.UNREACHABLE, LegFailure.REJECTED])
def test_a_phone_that_cannot_ring_passes_the_caller_on(failure: LegFailure) -> None:
    """Busy, unreachable, rejected: the next agent is rung at once."""
    desk = Desk()
    desk.login("ann", "bob")
    desk.arrive()
    desk.fail(desk.only(act.Dial), failure)
    assert desk.only(act.Dial).endpoint == "phone:p2"


def test_ring_all_has_one_winner_and_the_losers_see_no_missed_call() -> None:
    """The loser's phone is told that the call was answered elsewhere."""
    desk = ring_all()
    desk.login("ann", "bob")
    call = desk.arrive()
    first, second = desk.now_out(act.Dial)
    desk.answer(second)
    hangup = desk.only(act.Hangup)
    assert (hangup.channel, hangup.reason) == (first.channel, HangupReason.ANSWERED_ELSEWHERE)
    assert call.agent == "bob"
    assert desk.answer(first) == [], "an answer in the same instant changes nothing"


def test_a_caller_who_hangs_up_while_it_rings_leaves_no_ghost() -> None:
    """The phone stops ringing, the agent is free again, the record says abandoned."""
    desk = Desk()
    desk.login("ann")
    call = desk.arrive()
    dial = desk.only(act.Dial)
    desk.now += 4
    desk.hang_up("x1")
    assert desk.only(act.Hangup).channel == dial.channel
    assert desk.agent_state("ann") == "idle"
    record = desk.record(call)
    assert (record.outcome, record.wait_seconds) == (Outcome.ABANDONED, 4)
    assert record.no_recording_reason == "never_bridged"
    desk.confirm_hangups()
    assert not desk.switch.state.calls


def test_an_answer_after_the_caller_left_is_hung_up() -> None:
    """The answer was on its way when the caller hung up; nobody talks to a dead line."""
    desk = Desk()
    desk.login("ann")
    desk.arrive()
    dial = desk.only(act.Dial)
    desk.hang_up("x1")
    desk.hang_up(dial.channel)
    desk.answer(dial)
    assert desk.only(act.Hangup).channel == dial.channel


def test_callers_are_served_in_order() -> None:
    """First come, first served, when one agent frees."""
    desk = Desk()
    first = desk.arrive(channel="x1")
    desk.now += 1
    second = desk.arrive(channel="x2")
    desk.login("ann")
    desk.answer(desk.last(act.Dial))
    assert (first.state, second.state) == (CallState.TALKING, CallState.QUEUED)
    desk.hang_up("x1")
    desk.wait(5)
    assert desk.only(act.Dial).call == second.id


def test_a_caller_who_waited_too_long_hears_goodbye() -> None:
    """max_wait without an overflow node: a sentence, then the end."""
    desk = Desk()
    call = desk.arrive()
    desk.wait(60)
    assert desk.only(act.Play).media == ("prompt:en/not-available",)
    desk.played()
    assert desk.record(call).outcome is Outcome.OVERFLOWED
    assert not call.live


def test_the_agent_hears_the_announcement_before_the_bridge() -> None:
    """Queue name and wait are spoken to the agent alone; then the bridge."""
    queue = msgspec.structs.replace(QUEUE, agent_announcement="text:en/{queue}, {wait} seconds")
    desk = Desk(site(queues={"sales": queue}))
    desk.login("ann")
    call = desk.arrive()
    dial = desk.only(act.Dial)
    desk.now += 7
    desk.answer(dial)
    assert desk.only(act.Play).media == ("text:en/Sales, 7 seconds",)
    assert not desk.now_out(act.Join)
    desk.played(dial.channel)
    assert desk.only(act.Join).channels == ("x1", dial.channel)
    assert call.state is CallState.TALKING


@pytest.mark.parametrize(
    ("written", "played"),
    [
        ("text:{queue}, {wait} seconds", "text:zh/Sales, 0 seconds"),
        ("text:Sales/Support", "text:zh/Sales/Support"),
        ("text:en-GB/{queue}", "text:en-GB/Sales"),
        ("prompt:new-call", "prompt:zh/new-call"),
        ("prompt:en/new-call", "prompt:en/new-call"),
        ("beep", "beep"),
    ],
)
def test_an_announcement_speaks_the_queue_s_language(written: str, played: str) -> None:
    """Unless it names its own."""
    queue = msgspec.structs.replace(QUEUE, agent_announcement=written, language="zh")
    desk = Desk(site(queues={"sales": queue}))
    desk.login("ann")
    desk.arrive()
    desk.answer(desk.last(act.Dial))
    assert desk.only(act.Play).media == (played,)


def test_an_agent_lost_during_the_announcement_gives_the_caller_back() -> None:
    """The caller keeps the place earned and the next agent is rung."""
    queue = msgspec.structs.replace(QUEUE, agent_announcement="text:en/{queue}")
    desk = Desk(site(queues={"sales": queue}))
    desk.login("ann", "bob")
    call = desk.arrive()
    dial = desk.only(act.Dial)
    desk.now += 2
    desk.answer(dial)
    desk.hang_up(dial.channel)
    assert call.queued_since == 1000.0
    assert desk.only(act.Dial).endpoint == "phone:p2"


def test_an_agent_lost_during_the_announcement_gets_the_same_caller_again() -> None:
    """Not the one who stands behind."""
    queue = msgspec.structs.replace(
        QUEUE, agent_announcement="beep", wrap_up_seconds=0, members=(Member(agent="ann"),)
    )
    desk = Desk(site(queues={"sales": queue}))
    desk.login("ann")
    first, later = desk.arrive(), desk.arrive(channel="x2", caller="556")
    dial = desk.last(act.Dial)
    desk.answer(dial)
    desk.hang_up(dial.channel)
    assert desk.only(act.Dial).call == first.id
    assert later.state is CallState.QUEUED
    desk.answer(desk.last(act.Dial))
    desk.played(desk.last(act.Dial).channel)
    assert (first.state, first.agent) == (CallState.TALKING, "ann")


@pytest.mark.parametrize("start", list(RecordFrom))
def test_recording_starts_where_the_queue_says(start: RecordFrom) -> None:
    """At the bridge, from the answer, or never, with the reason in the record."""
    queue = msgspec.structs.replace(QUEUE, record=start)
    desk = Desk(site(queues={"sales": queue}))
    call = desk.arrive()
    at_answer = len(desk.every(act.StartRecording))
    desk.login("ann")
    desk.answer(desk.last(act.Dial))
    at_bridge = len(desk.every(act.StartRecording))
    expected = {RecordFrom.ANSWERED: (1, 1), RecordFrom.BRIDGED: (0, 1), RecordFrom.OFF: (0, 0)}
    assert (at_answer, at_bridge) == expected[start]
    desk.hang_up("x1")
    reason = desk.record(call).no_recording_reason
    assert reason == ("queue_does_not_record" if start is RecordFrom.OFF else "")


def test_pausing_the_recording_is_listed_once() -> None:
    """Pause and resume reach the recorder once each, however often they are asked."""
    desk = Desk()
    desk.login("ann")
    call = desk.arrive()
    desk.answer(desk.last(act.Dial))
    for _ in range(2):
        desk.feed(ev.RecordingPauseAsked(call=call.id))
    for _ in range(2):
        desk.feed(ev.RecordingResumeAsked(call=call.id))
    assert len(desk.every(act.PauseRecording)) == len(desk.every(act.ResumeRecording)) == 1


def test_hold_is_a_segment_and_the_agents_state() -> None:
    """Hold time is counted apart from talk time."""
    desk = Desk()
    desk.login("ann")
    call = desk.arrive()
    dial = desk.only(act.Dial)
    desk.answer(dial)
    desk.now += 10
    desk.feed(ev.HoldStarted(channel=dial.channel))
    assert desk.agent_state("ann") == "on_hold"
    desk.now += 5
    desk.feed(ev.HoldEnded(channel=dial.channel))
    desk.now += 1
    desk.hang_up(dial.channel)
    record = desk.record(call)
    assert (record.talk_seconds, record.hold_seconds) == (11, 5)
    assert record.hung_up_by == "agent"
    assert [h.channel for h in desk.now_out(act.Hangup)] == ["x1"]


def test_a_caller_moved_during_the_announcement_releases_the_agent() -> None:
    """The agent had accepted: moving the caller must not leave them talking to nobody."""
    queue = msgspec.structs.replace(QUEUE, agent_announcement="text:en/{queue}")
    other = msgspec.structs.replace(QUEUE, id="other", members=())
    desk = Desk(site(queues={"sales": queue, "other": other}))
    desk.login("ann")
    call = desk.arrive()
    desk.answer(desk.only(act.Dial))
    desk.feed(ev.QueueLeaveAsked(call=call.id, queue="other"))
    assert desk.agent_state("ann") == "wrapping_up"
    assert call.queue == "other"


def test_an_operator_moves_a_caller_up() -> None:
    """A higher priority is taken first; the event list says that it changed."""
    desk = Desk()
    first, second = desk.arrive(), desk.arrive(channel="x2")
    desk.feed(ev.CallPriorityAsked(call=second.id, priority=2))
    assert [(e.event.name, e.event.details) for e in desk.now_out(act.WriteEvent)] == [
        ("priority", {"queue": "sales", "priority": 2})
    ]
    desk.login("ann")
    assert (first.state, second.state) == (CallState.QUEUED, CallState.RINGING)
    desk.feed(ev.CallPriorityAsked(call="nobody", priority=9))


def test_a_caller_moved_by_an_operator_needs_what_it_needed() -> None:
    """Language and skills belong to the caller; the wait goes along."""
    other = msgspec.structs.replace(QUEUE, id="other")
    desk = Desk(site(queues={"sales": QUEUE, "other": other}))
    call = desk.arrive()
    queueing.enter_queue(
        desk.switch.cx, call, "sales", needs=Needs(skills={"zh": 2}, wanted="ann"), since=990.0
    )
    desk.feed(ev.QueueLeaveAsked(call=call.id, queue="other"))
    assert (call.queue, call.queued_since) == ("other", 990.0)
    assert call.needs == Needs(skills={"zh": 2})


def test_statuses_and_wrap_ups_of_agents_are_commanded() -> None:
    """A status of the site; a wrap-up that was asked for, and one that lasts longer."""
    queue = msgspec.structs.replace(QUEUE, wrap_up=WrapUp.OPTIONAL)
    desk = Desk(site(queues={"sales": queue}, statuses={"coaching": ()}))
    desk.login("ann", "bob")
    desk.feed(ev.AgentStatusChosen(agent="bob", status="coaching"))
    assert desk.agent_state("bob") == "paused"
    desk.arrive()
    dial = desk.only(act.Dial)
    desk.answer(dial)
    desk.feed(ev.AgentWrapUpAsked(agent="ann"))
    desk.hang_up(dial.channel)
    assert desk.agent_state("ann") == "wrapping_up"
    desk.feed(ev.AgentWrapUpExtended(agent="ann", seconds=10))
    desk.wait(14)
    assert desk.agent_state("ann") == "wrapping_up"
    desk.wait(1)
    assert desk.agent_state("ann") == "idle"


def test_a_call_above_the_trunk_s_limit_is_refused_and_written() -> None:
    """The desk's trunk takes three: the fourth hears congestion and has its row."""
    desk = Desk()
    for number in range(3):
        desk.arrive(channel=f"x{number}")
    call = desk.arrive(channel="x9")
    hangup = desk.only(act.Hangup)
    assert (hangup.channel, hangup.reason) == ("x9", HangupReason.CONGESTION)
    record = desk.record(call)
    assert (record.outcome, record.no_recording_reason) == (Outcome.REJECTED, "refused")
