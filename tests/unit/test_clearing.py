"""A phone is rung for the next call only when the former leg has left it."""

from __future__ import annotations

import pytest

from callcore.call import events as ev
from callcore.call.actions import Dial, Hangup
from callcore.clearing import CLEARING_SECONDS, RESPONSE_SECONDS, Clearing
from callcore.types import LegFailure


class Desk:
    """What was sent and posted, as words, and timers that run when told."""

    def __init__(self):
        self.sent, self.posted, self.timers = [], [], []
        self.clearing = Clearing(
            lambda action: self.sent.append(f"{type(action).__name__} {action.channel}"),
            self.posted.append,
            lambda delay, callback, channel: self.timers.append((delay, callback, channel)),
        )

    def dial(self, channel, endpoint="phone:p1"):
        self.clearing.dial(Dial(call=f"call-{channel}", channel=channel, endpoint=endpoint))

    def hang_up(self, channel):
        self.clearing.hang_up(Hangup(call=f"call-{channel}", channel=channel))

    def see(self, event):
        self.clearing.see(event)

    def rings(self, channel):
        self.see(ev.LegRinging(channel=channel))

    def failed(self, channel):
        self.see(ev.LegFailed(channel=channel, failure=LegFailure.CANCELLED))

    def pass_time(self, seconds):
        due = [timer for timer in self.timers if timer[0] <= seconds]
        self.timers = [timer for timer in self.timers if timer[0] > seconds]
        for _, callback, channel in due:
            callback(channel)


@pytest.fixture
def desk():
    return Desk()


@pytest.fixture
def leaving(desk):
    """a rang at p1 and is being cleared."""
    desk.dial("a")
    desk.rings("a")
    desk.hang_up("a")
    assert desk.sent == ["Dial a", "Hangup a"]
    desk.sent.clear()
    return desk


def test_the_next_call_waits_for_the_end_of_the_one_before(leaving):
    """The same phone only; at another one nothing is in the way."""
    leaving.dial("b")
    leaving.dial("c", "phone:p2")
    assert leaving.sent == ["Dial c"]
    leaving.failed("a")
    assert leaving.sent == ["Dial c", "Dial b"]


def test_an_answered_leg_is_waited_for_too(desk):
    """Its BYE has to be there before the next INVITE."""
    desk.dial("a")
    desk.see(ev.LegAnswered(channel="a"))
    desk.hang_up("a")
    desk.dial("b")
    assert desk.sent == ["Dial a", "Hangup a"]
    desk.see(ev.HungUp(channel="a"))
    assert desk.sent[2:] == ["Dial b"]


def test_a_phone_may_hold_several_legs(desk):
    """Only those that are leaving are waited for: a consultation rings during a talk."""
    desk.dial("a")
    desk.see(ev.LegAnswered(channel="a"))
    desk.dial("b")
    assert desk.sent == ["Dial a", "Dial b"]


def test_a_phone_that_was_not_heard_yet_is_not_cancelled(desk):
    """The CANCEL would leave only after its first response, when the leg is already forgotten."""
    desk.dial("a")
    desk.hang_up("a")
    desk.dial("b")
    assert desk.sent == ["Dial a"]
    desk.rings("a")
    assert desk.sent == ["Dial a", "Hangup a"]
    desk.failed("a")
    assert desk.sent[2:] == ["Dial b"]


def test_nothing_waits_for_ever(desk):
    """Neither for a phone that says nothing nor for the end of a leg that is never told."""
    desk.dial("a")
    desk.hang_up("a")
    desk.dial("b")
    desk.pass_time(RESPONSE_SECONDS)
    assert desk.sent == ["Dial a", "Hangup a"]
    desk.pass_time(CLEARING_SECONDS)
    assert desk.sent[2:] == ["Dial b"]


def test_a_call_that_was_not_rung_yet_is_given_up_without_ringing(leaving):
    """Its caller hung up in the meantime: the leg ends as a cancelled one does."""
    leaving.dial("b")
    leaving.hang_up("b")
    (ended,) = leaving.posted
    assert (ended.channel, ended.failure) == ("b", LegFailure.CANCELLED)
    leaving.failed("a")
    assert leaving.sent == []


def test_a_leg_that_ended_by_itself_needs_no_hangup(desk):
    """The phone refused while we waited for its first word."""
    desk.dial("a")
    desk.hang_up("a")
    desk.failed("a")
    desk.pass_time(CLEARING_SECONDS)
    assert desk.sent == ["Dial a"]


def test_without_a_link_nothing_is_waited_for(leaving):
    """The words of what left are lost with it; the dial will be refused, and told."""
    leaving.dial("b")
    leaving.see(ev.BackendDown(node="n", reason="closed"))
    assert leaving.sent == ["Dial b"]


def test_numbers_on_trunks_are_dialled_at_once(desk):
    """A trunk has many lines."""
    for channel in ("a", "b"):
        desk.dial(channel, "trunk:t/123")
        desk.hang_up(channel)
    assert desk.sent == ["Dial a", "Hangup a", "Dial b", "Hangup b"]
