"""Explanations for operators: sentences, places, and the offers in a call's event list."""

from callcore.acd.why import Reason
from callcore.call.record import CallEvent
from callcore.monitor.why import offers_made, view


def event(number, name, **details):
    return CallEvent(call="c1", sequence=number, at=float(number), name=name, details=details)


def test_offers_are_read_from_the_event_list():
    """Each offer has the rules that chose the agent, and how it ended."""
    reasons = "idle_agent lowest_penalty longest_idle"
    events = [
        event(1, "queued", queue="sales"),
        event(2, "offered", agent="ann", queue="sales", reasons=reasons),
        event(3, "offer_failed", agent="ann", result="no_answer"),
        event(4, "offered", agent="bob", queue="sales", reasons="freed_agent"),
        event(5, "offered", agent="cid", queue="sales", reasons=""),
        event(6, "agent_answered", agent="bob", channel="x"),
        event(7, "offer_withdrawn", agent="cid", reason="answered_elsewhere"),
        event(8, "offered", agent="ann", queue="sales", reasons="a_code_of_tomorrow"),
    ]
    first, second, third, last = offers_made(events)
    assert (first.agent, first.result, first.at) == ("ann", "no_answer", 2.0)
    assert first.reasons[1].text == "has the lowest penalty of those idle"
    assert (second.agent, second.result) == ("bob", "answered")
    assert (third.reasons, third.result) == ((), "answered_elsewhere")
    assert (last.result, last.reasons[0].text) == ("", "a_code_of_tomorrow")


def test_a_moment_is_shown_as_the_clock_shows_it():
    """Nobody reads seconds since the epoch."""
    shown = view(Reason("resting", "1000000000.0"))
    assert shown.text.startswith("did not take an offer and rests until ")
    assert shown.detail.count(":") == 2
