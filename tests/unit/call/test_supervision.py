"""Listen, whisper, barge: what is connected when, by keys, commands, transfers and ends."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from callcore.call import actions as act
from callcore.call import events as ev
from callcore.call import supervision
from callcore.call.events import BridgeFact, ChannelFact
from callcore.call.model import Call
from callcore.directory import Member
from callcore.types import LegFailure, Outcome, SupervisionMode

from .desk import QUEUE, Desk, site

LISTEN, WHISPER, BARGE = SupervisionMode


def talk(desk: Desk) -> tuple[Call, str]:
    """A caller talks to Ann; the call and her channel."""
    desk.login("ann")
    call = desk.arrive()
    dial = desk.only(act.Dial)
    desk.answer(dial)
    return call, dial.channel


def ask(desk: Desk, call: Call, mode: SupervisionMode = LISTEN, phone: str = "p3") -> None:
    desk.feed(ev.CallSuperviseAsked(call=call.id, phone=phone, mode=mode))


def supervise(desk: Desk, call: Call, mode: SupervisionMode = LISTEN, phone: str = "p3") -> Call:
    """The supervision, its phone answered."""
    ask(desk, call, mode, phone)
    dial = desk.only(act.Dial)
    desk.answer(dial)
    return desk.call_on(dial.channel)


def connected(desk: Desk, mine: Call) -> tuple[str, str, bool]:
    """Bridge joined, channel listened to, whisper: as all actions so far leave it."""
    bridge, now = "", ""
    listens: dict[str, act.Listen] = {}
    for action in desk.all:
        match action:
            case act.Join(channels=channels) if mine.channel in channels:
                bridge, now = action.bridge, ""
            case act.Leave(channel=mine.channel):
                bridge = ""
            case act.Listen(channel=mine.channel):
                bridge, now = "", action.listening
                listens[now] = action
            case act.StopListening() if action.listening in listens:
                del listens[action.listening]
                now = "" if now == action.listening else now
    assert list(listens) == ([now] if now else []), "the former ones are stopped"
    return (bridge, listens[now].to, listens[now].whisper) if now else (bridge, "", False)


def notes(desk: Desk, call: Call, name: str = "supervised") -> list[object]:
    events = [w.event for w in desk.every(act.WriteEvent) if w.event.call == call.id]
    return [e.details["mode"] for e in events if e.name == name]


# --- modes ---------------------------------------------------------------------------------------


def test_the_phone_is_rung_and_hears_when_it_answers() -> None:
    """Its display says whom it is about; nothing is connected before the answer."""
    desk = Desk()
    call, ann = talk(desk)
    ask(desk, call, WHISPER)
    dial = desk.only(act.Dial)
    assert (dial.endpoint, dial.caller_number, dial.caller_name) == ("phone:p3", "555", "whisper")
    assert not desk.now_out(act.Listen)
    desk.answer(dial)
    listen = desk.only(act.Listen)
    assert (listen.call, listen.channel, listen.to) == (call.id, dial.channel, ann)
    assert listen.whisper


@pytest.mark.parametrize("by", ["key", "command"])
@pytest.mark.parametrize("begin", list(SupervisionMode))
@pytest.mark.parametrize("then", list(SupervisionMode))
def test_each_mode_after_each_other(begin: SupervisionMode, then: SupervisionMode, by: str) -> None:
    """The former connection goes before the next one comes; asking for the same changes nothing."""
    desk = Desk()
    call, ann = talk(desk)
    connections = {
        LISTEN: ("", ann, False), WHISPER: ("", ann, True), BARGE: (call.bridge, "", False),
    }  # fmt: skip
    mine = supervise(desk, call, begin)
    assert connected(desk, mine) == connections[begin]
    if by == "key":
        keys = {mode: key for key, mode in supervision.KEYS.items()}
        desk.key(keys[then], mine.channel)
    else:
        ask(desk, call, then)
        assert not desk.now_out(act.Dial), "it is on the phone already"
    assert connected(desk, mine) == connections[then]
    if then is begin:
        assert not desk.out
    modes = [begin.value] if then is begin else [begin.value, then.value]
    assert notes(desk, call) == notes(desk, mine) == modes


def test_other_keys_mean_nothing() -> None:
    desk = Desk()
    call, _ = talk(desk)
    mine = supervise(desk, call)
    assert desk.key("1237890*#", mine.channel) == []


def test_a_mode_chosen_while_the_phone_rings() -> None:
    desk = Desk()
    call, ann = talk(desk)
    ask(desk, call, LISTEN)
    dial = desk.only(act.Dial)
    ask(desk, call, WHISPER)
    assert not desk.now_out(act.Dial)
    desk.answer(dial)
    assert connected(desk, desk.call_on(dial.channel)) == ("", ann, True)


def test_two_supervisors_have_a_mode_each() -> None:
    desk = Desk()
    call, ann = talk(desk)
    first = supervise(desk, call, LISTEN, "p2")
    second = supervise(desk, call, BARGE, "p3")
    desk.key("5", first.channel)
    assert connected(desk, first) == ("", ann, True)
    assert connected(desk, second) == (call.bridge, "", False)


# --- ends ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", list(SupervisionMode))
def test_the_supervisor_hangs_up_and_the_talk_goes_on(mode: SupervisionMode) -> None:
    desk = Desk()
    call, _ = talk(desk)
    mine = supervise(desk, call, mode)
    desk.hang_up(mine.channel)
    assert connected(desk, mine)[1] == ""
    assert call.live
    record = desk.record(mine)
    assert (record.outcome, record.direction) == (Outcome.SERVICE, "internal")
    assert (record.hung_up_by, record.variables) == ("caller", {"supervised": call.id})
    assert mine.id not in desk.switch.state.calls
    supervise(desk, call, mode)


@pytest.mark.parametrize("mode", list(SupervisionMode))
@pytest.mark.parametrize("who", ["caller", "agent", "operator"])
def test_the_call_ends_and_the_phone_is_let_go(mode: SupervisionMode, who: str) -> None:
    desk = Desk()
    call, ann = talk(desk)
    mine = supervise(desk, call, mode)
    if who == "operator":
        desk.feed(ev.CallHangupAsked(call=call.id))
    else:
        desk.hang_up(call.channel if who == "caller" else ann)
    assert mine.channel in [hangup.channel for hangup in desk.now_out(act.Hangup)]
    assert connected(desk, mine)[1] == ""
    assert desk.record(mine).hung_up_by == "callcore"
    desk.confirm_hangups()
    desk.wait(10)
    assert not desk.switch.state.calls


def test_an_operator_ends_the_supervision_alone() -> None:
    desk = Desk()
    call, _ = talk(desk)
    mine = supervise(desk, call, BARGE)
    desk.feed(ev.CallHangupAsked(call=mine.id))
    assert desk.only(act.Hangup).channel == mine.channel
    assert call.live


@pytest.mark.parametrize("failure", [LegFailure.BUSY, LegFailure.REJECTED])
def test_a_phone_that_does_not_answer(failure: LegFailure) -> None:
    desk = Desk()
    call, _ = talk(desk)
    ask(desk, call)
    dial = desk.only(act.Dial)
    mine = desk.call_on(dial.channel)
    desk.fail(dial, failure)
    assert desk.record(mine).outcome is Outcome.SERVICE
    assert call.live
    assert list(desk.switch.state.calls) == [call.id]


def test_a_phone_rings_as_long_as_a_transfer_does() -> None:
    desk = Desk()
    call, _ = talk(desk)
    ask(desk, call)
    dial = desk.only(act.Dial)
    desk.wait(29)
    assert not desk.now_out(act.Hangup)
    desk.wait(2)
    assert desk.only(act.Hangup).channel == dial.channel
    assert call.live


def test_a_node_that_cannot_connect_it_lets_the_supervisor_go() -> None:
    """The talk is not to suffer, whatever went wrong."""
    for mode, action in ((LISTEN, "Listen"), (BARGE, "Join")):
        desk = Desk()
        call, _ = talk(desk)
        mine = supervise(desk, call, mode)
        failed = ev.ActionFailed(call=call.id, action=action, channel=mine.channel, reason="no")
        desk.feed(failed)
        assert desk.only(act.Hangup).channel == mine.channel
        assert call.live
        desk.feed(replace(failed, channel="x1", gone=True))
        assert call.live


# --- the call moves on ---------------------------------------------------------------------------


@pytest.mark.parametrize("mode", list(SupervisionMode))
def test_a_transfer_leads_to_the_next_agent(mode: SupervisionMode) -> None:
    """Between two agents the supervisor hears what the caller hears, and nobody hears it."""
    desk = Desk()
    call, ann = talk(desk)
    desk.login("bob")
    mine = supervise(desk, call, mode)
    desk.feed(ev.TransferAsked(channel=ann, target="bob"))
    bob = desk.only(act.Dial)
    assert connected(desk, mine) == ("", call.channel, False)
    desk.answer(bob)
    whisper = mode is WHISPER
    expected = (call.bridge, "", False) if mode is BARGE else ("", bob.channel, whisper)
    assert connected(desk, mine) == expected


def test_a_transfer_that_fails_leads_back() -> None:
    desk = Desk()
    call, ann = talk(desk)
    mine = supervise(desk, call, WHISPER)
    desk.feed(ev.TransferAsked(channel=ann, target="0555"))
    desk.fail(desk.only(act.Dial), LegFailure.BUSY)
    assert connected(desk, mine) == ("", ann, True)


def test_an_attended_transfer_is_followed() -> None:
    desk = Desk()
    call, ann = talk(desk)
    mine = supervise(desk, call, WHISPER)
    desk.feed(ev.HoldStarted(channel=ann))
    desk.dial_from("p1", "0555", "y1")
    far = desk.only(act.Dial)
    desk.answer(far)
    desk.feed(ev.TransferAsked(channel=ann, other="y1"))
    assert connected(desk, mine) == ("", far.channel, True)


def test_a_caller_who_waits_is_listened_to_until_an_agent_answers() -> None:
    """Barging waits for the agent as well: there is nobody to talk to but the caller."""
    desk = Desk()
    call = desk.arrive()
    mine = supervise(desk, call, BARGE)
    assert connected(desk, mine) == ("", "x1", False)
    desk.login("ann")
    dial = desk.only(act.Dial)
    assert connected(desk, mine) == ("", "x1", False)
    desk.answer(dial)
    assert connected(desk, mine) == (call.bridge, "", False)


def test_a_line_that_stays_up_is_not_listened_to_after_the_call() -> None:
    """The agent's channel outlives the call supervised."""
    desk = Desk(site(queues={"sales": replace(QUEUE, members=(Member(agent="cid"),))}))
    desk.login("cid")
    line = desk.dial_from("p3", "*15", "line")
    call = desk.arrive()
    desk.played("line")
    mine = supervise(desk, call, WHISPER, "p1")
    assert connected(desk, mine) == ("", "line", True)
    desk.hang_up("x1")
    assert connected(desk, mine) == ("", "", False)
    assert line.live


# --- the supervisor's phone ----------------------------------------------------------------------


def test_the_agent_at_the_supervisors_phone_is_busy_meanwhile() -> None:
    desk = Desk()
    call, _ = talk(desk)
    desk.login("bob")
    mine = supervise(desk, call, LISTEN, "p2")
    assert desk.agent_state("bob") == "busy"
    desk.hang_up(mine.channel)
    assert desk.agent_state("bob") == "idle"


def test_the_supervisors_phone_sends_nobody_anywhere() -> None:
    desk = Desk()
    call, ann = talk(desk)
    mine = supervise(desk, call, BARGE)
    desk.feed(ev.TransferAsked(channel=mine.channel, target="0555"))
    assert desk.only(act.AnswerTransfer).ok is False
    desk.feed(ev.CallTransferAsked(call=mine.id, target="0555"))
    assert not desk.now_out(act.Dial)
    desk.feed(ev.HoldStarted(channel=mine.channel))
    assert not desk.now_out(act.StartMusic)
    second = desk.dial_from("p3", "0555", "y1")
    desk.answer(desk.only(act.Dial))
    desk.feed(ev.TransferAsked(channel=mine.channel, other="y1"))
    assert desk.only(act.AnswerTransfer).ok is False
    assert call.live
    assert mine.live
    assert second.live
    assert ann in call.legs


def test_what_cannot_be_says_why() -> None:
    desk = Desk()
    call, _ = talk(desk)
    desk.login("bob")
    desk.feed(ev.PhoneReachability(phone="p3", reachable=False))
    cx = desk.switch.cx
    assert supervision.refusal(cx, call, "p9") == "no phone named 'p9'"
    assert supervision.refusal(cx, call, "p1") == f"phone 'p1' is part of call {call.id!r}"
    assert supervision.refusal(cx, call, "p3") == "phone 'p3' is not reachable"
    assert supervision.refusal(cx, call, "p2") == ""
    second = desk.arrive(channel="x2")
    desk.answer(desk.last(act.Dial))
    assert supervision.refusal(cx, call, "p2") == "agent 'bob' at phone 'p2' is on a call"
    desk.feed(ev.PhoneReachability(phone="p3", reachable=True))
    mine = supervise(desk, second)
    assert supervision.refusal(cx, call, "p3") == f"phone 'p3' supervises call {second.id!r}"
    assert supervision.refusal(cx, mine, "p2") == f"nobody talks in call {mine.id!r}"
    internal = desk.dial_from("p1", "0555", "y1")
    assert supervision.refusal(cx, internal, "p1") == f"phone 'p1' is part of call {internal.id!r}"
    before = list(desk.switch.state.calls)
    ask(desk, call, LISTEN, "p1")
    assert list(desk.switch.state.calls) == before


# --- after the link was lost ---------------------------------------------------------------------


def back(desk: Desk, call: Call, *channels: str, bridges: tuple[BridgeFact, ...] = ()) -> None:
    facts = tuple(ChannelFact(channel=name, up=True, ours=True) for name in channels)
    talking = BridgeFact(bridge=call.bridge, channels=tuple(call.legs))
    phones = ("p1", "p2", "p3")
    desk.feed(
        ev.BackendUp(node="n", channels=facts, bridges=(talking, *bridges), reachable_phones=phones)
    )


def test_after_a_restart_it_listens_anew_and_nothing_is_left_over() -> None:
    """Under a new id: what the node kept for the former one is a stranger's, and goes."""
    desk = Desk()
    call, ann = talk(desk)
    mine = supervise(desk, call, WHISPER)
    former = desk.only(act.Listen).listening
    kept = BridgeFact(bridge=former, channels=(former, mine.channel))
    back(desk, call, "x1", ann, mine.channel, former, bridges=(kept,))
    listen = desk.only(act.Listen)
    assert (listen.to, listen.whisper) == (ann, True)
    assert listen.listening != former
    assert desk.only(act.Hangup).channel == former
    assert desk.only(act.DestroyBridge).bridge == former


@pytest.mark.parametrize("inside", [True, False])
def test_after_a_restart_who_barged_is_in_the_bridge(inside: bool) -> None:
    desk = Desk()
    call, ann = talk(desk)
    mine = supervise(desk, call, BARGE)
    channels = ("x1", ann, mine.channel) if inside else ("x1", ann)
    facts = tuple(
        ChannelFact(channel=name, up=True, ours=True) for name in ("x1", ann, mine.channel)
    )
    bridge = BridgeFact(bridge=call.bridge, channels=channels)
    desk.feed(ev.BackendUp(node="n", channels=facts, bridges=(bridge,), reachable_phones=("p1",)))
    joined = [join.channels for join in desk.now_out(act.Join)]
    assert joined == ([] if inside else [(mine.channel,)])
    assert not desk.now_out(act.Listen)


def test_a_supervisor_who_hung_up_meanwhile() -> None:
    desk = Desk()
    call, ann = talk(desk)
    mine = supervise(desk, call)
    back(desk, call, "x1", ann)
    assert desk.record(mine).estimated
    assert connected(desk, mine) == ("", "", False)
    assert call.live


def test_a_supervised_call_that_ended_meanwhile() -> None:
    desk = Desk()
    call, _ = talk(desk)
    mine = supervise(desk, call)
    back(desk, call, mine.channel)
    assert mine.channel in [hangup.channel for hangup in desk.now_out(act.Hangup)]
    assert not desk.switch.state.supervisions


def test_a_node_that_died_takes_it_along() -> None:
    desk = Desk()
    call, _ = talk(desk)
    supervise(desk, call)
    desk.feed(ev.BackendDown(node="n", dead=True))
    desk.wait(10)
    assert not desk.switch.state.calls
    assert not desk.switch.state.supervisions
