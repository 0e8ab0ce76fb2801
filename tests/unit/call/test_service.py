"""Feature codes at a phone, sessions, and the nailed-up line."""

from __future__ import annotations

import msgspec

from callcore.call import actions as act
from callcore.call import events as ev
from callcore.directory import Agent
from callcore.types import Outcome

from .desk import Desk, site


def type_login(desk: Desk, agent: str = "2", pin: str = "1234") -> None:
    desk.dial_from("p3", "*11")
    desk.key(agent + "#", "y1")
    desk.key(pin + "#", "y1")


def desk_with_numbers() -> Desk:
    return Desk(site(agents={"2": Agent(id="2"), "ann": Agent(id="ann", phone="p1")}, queues={}))


def test_login_by_phone_with_pin() -> None:
    """Agent number, PIN, verdict: a session at the phone that dialled."""
    desk = desk_with_numbers()
    type_login(desk)
    check = desk.only(act.CheckPin)
    assert (check.agent, check.pin) == ("2", "1234")
    desk.feed(ev.PinChecked(call=check.call, agent="2", ok=True))
    assert desk.switch.state.sessions["2"].phone == "p3"
    assert desk.only(act.Play).media == ("prompt:en/login-ok",)


def test_a_wrong_pin_is_asked_again_three_times() -> None:
    """Then the call ends; nobody is logged in."""
    desk = desk_with_numbers()
    call = desk.dial_from("p3", "*11")
    for _ in range(3):
        desk.key("2#1#", "y1")
        desk.feed(ev.PinChecked(call=call.id, agent="2", ok=False))
    desk.played("y1")
    assert not call.live
    assert not desk.switch.state.sessions
    assert desk.record(call).outcome is Outcome.SERVICE


def test_pin_digits_are_secret_and_never_noted() -> None:
    """The journal masks them; no event of the call carries them."""
    desk = desk_with_numbers()
    desk.dial_from("p3", "*11")
    two, end = (ev.DigitPressed(channel="y1", digit=digit) for digit in "2#")
    assert desk.switch.masked(two) == two
    desk.key("2#", "y1")
    assert desk.switch.masked(two) == ev.DigitPressed(channel="y1", digit="x")
    assert desk.switch.masked(end) == end
    desk.key("9876", "y1")
    assert b"9876" not in msgspec.msgpack.encode(desk.switch.snapshot())
    desk.key("#", "y1")
    assert desk.last(act.CheckPin).pin == "9876"
    assert "9876" not in repr([w.event for w in desk.every(act.WriteEvent)])
    assert "9876" not in repr(desk.last(act.CheckPin))


def test_hot_desking_logs_the_former_agent_out() -> None:
    """One phone, one agent."""
    desk = Desk()
    desk.login("ann")
    desk.feed(ev.AgentLogin(agent="bob", phone="p1"))
    assert set(desk.switch.state.sessions) == {"bob"}
    assert desk.agent_state("ann") == "logged_out"


def test_pause_and_ready_by_feature_code() -> None:
    """*13 and *14 act on whoever is logged in at the phone."""
    desk = Desk()
    desk.login("ann")
    desk.dial_from("p1", "*13")
    assert desk.agent_state("ann") == "paused"
    assert desk.last(act.WriteAgentState).reason == "break"
    desk.dial_from("p1", "*14", channel="y2")
    assert desk.agent_state("ann") == "idle"


def test_a_pause_by_feature_code_has_the_first_reason_of_the_site() -> None:
    """Reports know no reason that the site does not."""
    desk = Desk(site(pause_reasons=("lunch", "training")))
    desk.login("ann")
    desk.dial_from("p1", "*13")
    assert desk.last(act.WriteAgentState).reason == "lunch"


def test_a_nailed_up_agent_gets_calls_on_the_line_that_stays() -> None:
    """A beep, the bridge, and after the call the line is still there."""
    desk = Desk(sales_with_cid())
    desk.login("cid")
    assert desk.agent_state("cid") == "unreachable"
    desk.dial_from("p3", "*15")
    assert desk.agent_state("cid") == "idle"
    call = desk.arrive()
    assert not desk.now_out(act.Dial)
    assert desk.only(act.Play).media == ("beep",)
    desk.played("y1")
    assert desk.only(act.Join).channels == ("x1", "y1")
    desk.hang_up("x1")
    assert "y1" not in [h.channel for h in desk.now_out(act.Hangup)]
    desk.wait(5)
    assert desk.agent_state("cid") == "idle"
    assert not call.live
    second = desk.arrive(channel="x2")
    desk.played("y1")
    desk.hang_up("y1")
    assert desk.agent_state("cid") in ("wrapping_up", "unreachable")
    assert not second.live
    assert not desk.switch.state.sessions["cid"].line


def sales_with_cid():  # type: ignore[no-untyped-def]
    import msgspec

    from callcore.directory import Member

    from .desk import QUEUE, site

    queue = msgspec.structs.replace(QUEUE, members=(Member(agent="cid"),))
    return site(queues={"sales": queue})


def test_a_phone_that_is_gone_is_not_rung() -> None:
    """Unreachable is known before the offer; a binding that comes back gets the caller."""
    desk = Desk()
    desk.login("ann")
    desk.feed(ev.PhoneReachability(phone="p1", reachable=False))
    desk.arrive()
    assert not desk.every(act.Dial)
    desk.feed(ev.PhoneReachability(phone="p1", reachable=True))
    assert desk.only(act.Dial).endpoint == "phone:p1"


def test_an_agent_on_another_call_is_not_offered() -> None:
    """A call the agent placed makes them busy until it ends."""
    desk = Desk()
    desk.login("ann")
    call = desk.dial_from("p1", "0555")
    desk.arrive()
    assert len(desk.every(act.Dial)) == 1
    desk.hang_up("y1")
    assert not call.live
    assert desk.last(act.Dial).endpoint == "phone:p1"
