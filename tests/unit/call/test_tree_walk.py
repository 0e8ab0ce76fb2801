"""A caller in a tree: keys, queue, overflow, transfer, message."""

from __future__ import annotations

import pytest

from callcore.call import actions as act
from callcore.call import events as ev
from callcore.call.state import CallState
from callcore.types import LegFailure, Outcome

from .desk import Desk


def test_a_key_leads_to_the_queue() -> None:
    """Answer, menu, key, queue, agent."""
    desk = Desk()
    desk.login("ann")
    call = desk.arrive("700")
    assert [type(a).__name__ for a in desk.out if not isinstance(a, act.WriteEvent)] == [
        "Answer",
        "Play",
    ]
    desk.key("1")
    assert desk.now_out(act.StopPlay), "the key cuts the announcement short"
    assert call.state is CallState.RINGING
    assert desk.only(act.Dial).endpoint == "phone:p1"


def test_a_caller_who_presses_nothing_is_let_go_after_the_retries() -> None:
    """Time-out twice, then the failed node."""
    desk = Desk()
    call = desk.arrive("700")
    for _ in range(2):
        desk.played()
        desk.wait(5)
    assert not call.live
    assert desk.record(call).outcome is Outcome.IVR_ONLY


def test_overflow_returns_to_the_tree() -> None:
    """max_wait: the tree's overflow node speaks."""
    desk = Desk()
    call = desk.arrive("700")
    desk.key("1")
    desk.wait(60)
    assert desk.only(act.Play).media == ("text:en/Nobody is there.",)
    assert call.state is CallState.IVR


def test_a_number_dialled_by_the_tree_that_is_busy_comes_back() -> None:
    """Transfer's failed node."""
    desk = Desk()
    call = desk.arrive("700")
    desk.key("2")
    dial = desk.only(act.Dial)
    assert dial.endpoint == "trunk:tel/0555"
    desk.fail(dial, LegFailure.BUSY)
    assert desk.only(act.Play).media == ("text:en/Nobody is there.",)
    assert call.state is CallState.IVR


def test_a_message_left_while_hanging_up_counts() -> None:
    """The caller speaks and hangs up: the outcome is voicemail; an empty one is not."""
    for seconds, outcome in ((4.0, Outcome.VOICEMAIL), (0.0, Outcome.IVR_ONLY)):
        desk = Desk()
        call = desk.arrive("700")
        desk.key("3")
        recording = desk.only(act.RecordVoicemail).recording
        desk.hang_up("x1")
        desk.feed(ev.VoicemailEnded(channel="x1", recording=recording, seconds=seconds))
        assert desk.record(call).outcome is outcome
        assert not desk.switch.state.calls


def test_a_changed_tree_does_not_touch_callers_inside() -> None:
    """The caller goes on in the version entered; the next one gets the new one."""
    desk = Desk()
    call = desk.arrive("700")
    from callcore.ivr.loader import load_trees

    new = "start: bye\nnodes:\n  bye: {step: hangup}\n"
    desk.feed(ev.TreesChanged(trees=load_trees({"hotline.yaml": new})))
    desk.key("1")
    assert call.state is CallState.QUEUED
    second = desk.switch.state.last_id
    desk.feed(
        ev.CallArrived(channel="x2", node="n", entry=ev.Entry.TRUNK, endpoint="tel", dialled="700")
    )
    assert desk.last(act.Hangup).channel == "x2"
    assert desk.switch.state.last_id > second


@pytest.mark.parametrize("by", ["caller", "party"])
def test_a_number_reached_from_a_tree_counts_as_transferred(by: str) -> None:
    """Whoever hangs up: the caller was handed outside the queues and answered there."""
    desk = Desk()
    call = desk.arrive("700")
    desk.key("2")
    dial = desk.last(act.Dial)
    desk.answer(dial)
    desk.hang_up("x1" if by == "caller" else dial.channel)
    record = desk.record(call)
    assert (record.outcome, record.hung_up_by) == (Outcome.TRANSFERRED, by)
