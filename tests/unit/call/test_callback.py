"""Callbacks: asked for, promised, made when their turn has come, tried again, taken back."""

from __future__ import annotations

import msgspec
import pytest

from callcore.call import actions as act
from callcore.call import events as ev
from callcore.call.model import Call
from callcore.call.record import SegmentKind
from callcore.call.switch import SwitchSnapshot, restore
from callcore.directory import Agent, Outbound, Trunk
from callcore.directory_queue import Callback, CallbackFirst, OverflowOn, OverflowRule
from callcore.monitor.callbacks import callback_views
from callcore.monitor.live import live_snapshot
from callcore.types import LegFailure, Outcome, Reach

from .desk import QUEUE, Desk, site

CUSTOMER = "0301234"
SETTINGS = Callback(attempts=2, retry_seconds=60, ring_seconds=20)


def desk_with(settings: Callback | None = SETTINGS, **queue: object) -> Desk:
    changed = msgspec.structs.replace(QUEUE, callback=settings, max_wait_seconds=0, **queue)
    return Desk(site(queues={"sales": changed}))


def said(desk: Desk, channel: str = "x1") -> list[str]:
    """Names of the prompts played last on a channel."""
    plays = [play for play in desk.every(act.Play) if play.channel == channel]
    return [media.rpartition("/")[2] for media in plays[-1].media]


def ask(desk: Desk, channel: str = "x1", caller: str = CUSTOMER) -> Call:
    """A caller waits ten seconds, asks for a callback, confirms and hangs up."""
    call = desk.arrive(channel=channel, caller=caller)
    desk.wait(10)
    desk.key("2", channel)
    desk.key("1#", channel)
    desk.hang_up(channel)
    return call


def back_of(desk: Desk, call: Call) -> Call:
    return desk.switch.state.calls[call.promised]


def agent_takes(desk: Desk, agent: str = "ann") -> act.Dial:
    """The agent logs in, answers and hears the number; the customer's phone rings."""
    desk.login(agent)
    dial = desk.last(act.Dial)
    desk.answer(dial)
    desk.played(dial.channel)
    return dial


def stats(desk: Desk):
    return desk.switch.distributor.today(desk.now).queues["sales"]


def restarted(desk: Desk) -> None:
    data = msgspec.msgpack.encode(desk.switch.snapshot())
    desk.switch = restore(msgspec.msgpack.decode(data, type=SwitchSnapshot))


# --- asking --------------------------------------------------------------------------------------


def test_the_number_is_read_back_confirmed_and_promised() -> None:
    """Key, number, 1, goodbye: the first call ends as `callback`, and names the callback."""
    desk = desk_with()
    call = desk.arrive(caller=CUSTOMER)
    desk.key("2")
    assert said(desk) == [
        "callback-number-is", *[f"digit-{d}" for d in CUSTOMER], "callback-confirm"
    ]  # fmt: skip
    desk.played()
    desk.key("1")
    desk.wait(3)
    assert said(desk) == ["callback-promised"]
    desk.played()
    record = desk.record(call)
    assert (record.outcome, record.hung_up_by) == (Outcome.CALLBACK, "callcore")
    back = back_of(desk, call)
    assert record.variables["callback"] == back.id
    assert back.variables["callback_of"] == call.id
    queued = [s for s in record.segments if s.kind is SegmentKind.QUEUE]
    assert [s.result for s in queued] == ["callback"]


def test_it_keeps_the_place_in_line() -> None:
    """Who came later waits behind the callback; it gets in line when the phone is free again."""
    desk = desk_with()
    first = ask(desk)
    second = desk.arrive(channel="x2")
    assert back_of(desk, first).queued_since is None
    desk.wait(2)
    waiting = desk.switch.distributor.waiting(desk.now)
    assert [place.contact for place in waiting] == [first.promised, second.id]
    assert back_of(desk, first).queued_since == first.arrived_at


def test_another_number_is_read_back_as_well() -> None:
    """Digits and # name another number, which has to be confirmed."""
    desk = desk_with()
    call = desk.arrive(caller=CUSTOMER)
    desk.key("2")
    desk.key("0555#")
    assert said(desk)[1:-1] == ["digit-0", "digit-5", "digit-5", "digit-5"]
    desk.key("1#")
    assert back_of(desk, call).dialled == "0555"


@pytest.mark.parametrize("caller", ["", "anonymous", "555", "600", "ann"])
def test_who_cannot_be_called_has_to_enter_a_number(caller: str) -> None:
    """Anonymous, or a number no outbound route carries; one like that is refused if typed, too."""
    desk = desk_with()
    call = desk.arrive(caller=caller)
    desk.key("2")
    assert said(desk) == ["callback-enter-number"]
    desk.key("600#")
    assert said(desk) == ["callback-invalid", "callback-enter-number"]
    desk.key("0555#1#")
    assert back_of(desk, call).dialled == "0555"


@pytest.mark.parametrize("keys", ["*", "99#99#99#"])
def test_who_does_not_confirm_waits_on(keys: str) -> None:
    """Star, or three numbers that cannot be called: music again, the place is as it was."""
    desk = desk_with()
    call = desk.arrive(caller=CUSTOMER)
    desk.key("2")
    desk.key(keys)
    assert desk.now_out(act.StartMusic)
    assert (call.request, call.queued_since, call.promised) == (None, call.arrived_at, "")


def test_silence_ends_the_dialogue_in_the_end() -> None:
    """The question is asked three times, then music goes on."""
    desk = desk_with()
    call = desk.arrive(caller=CUSTOMER)
    desk.key("2")
    for _ in range(3):
        desk.played()
        desk.wait(8)
    assert call.request is None
    assert call.music


def test_an_agent_who_answers_ends_the_dialogue() -> None:
    """Nobody is called back who can be spoken to now."""
    desk = desk_with()
    call = desk.arrive(caller=CUSTOMER)
    desk.key("2")
    desk.login("ann")
    desk.answer(desk.last(act.Dial))
    assert desk.now_out(act.StopPlay)
    assert desk.only(act.Join).channels[0] == "x1"
    assert call.request is None


def test_no_key_without_callbacks() -> None:
    """A queue that has none takes no notice of keys."""
    desk = desk_with(None)
    call = desk.arrive(caller=CUSTOMER)
    desk.key("2")
    assert call.request is None


def test_it_is_offered_where_the_wait_will_be_long() -> None:
    """Those who ignore the offer wait on; the key takes it."""
    desk = desk_with(msgspec.structs.replace(SETTINGS, key="", offer_at_seconds=30))
    desk.login("ann")
    desk.arrive(channel="x0")
    desk.answer(desk.last(act.Dial))
    desk.arrive(channel="x1", caller=CUSTOMER)
    assert said(desk) == ["callback-offer", "digit-1", "callback-offer-end"]
    desk.played()
    desk.wait(8)
    assert desk.call_on("x1").music
    late = desk.arrive(channel="x2", caller=CUSTOMER)
    desk.key("1", "x2")
    assert said(desk, "x2")[0] == "callback-number-is"
    desk.key("1#", "x2")
    assert late.promised


def test_a_queue_overflows_into_a_callback() -> None:
    """Who waited too long is asked; who does not confirm hears goodbye."""
    rule = OverflowRule(on=OverflowOn.WAIT, at=30, to="callback")
    desk = desk_with(overflow_rules=(rule,))
    first = desk.arrive(caller=CUSTOMER)
    second = desk.arrive(channel="x2", caller=CUSTOMER)
    desk.wait(30)
    assert said(desk)[0] == "callback-number-is"
    desk.key("1#")
    desk.key("*", "x2")
    assert said(desk, "x2") == ["not-available"]
    desk.played("x2")
    assert desk.record(second).outcome is Outcome.OVERFLOWED
    desk.hang_up("x1")
    desk.wait(200)
    assert back_of(desk, first).queued_since == first.arrived_at, "it is given up no more"


# --- agent first ---------------------------------------------------------------------------------


def test_the_agent_hears_the_number_then_the_customer_is_dialled() -> None:
    """Ring, announcement, the customer on the trunk, both in the bridge, recorded."""
    desk = desk_with(record="bridged")
    call = ask(desk)
    desk.wait(20)
    back = back_of(desk, call)
    desk.login("ann")
    ring = desk.only(act.Dial)
    assert (ring.endpoint, ring.caller_number) == ("phone:p1", CUSTOMER)
    desk.answer(ring)
    assert said(desk, ring.channel) == ["callback-for", *[f"digit-{d}" for d in CUSTOMER]]
    desk.played(ring.channel)
    dial = desk.only(act.Dial)
    assert (dial.endpoint, dial.caller_number) == (f"trunk:tel/{CUSTOMER}", "600")
    assert desk.only(act.StartRinging).channel == ring.channel
    assert desk.agent_state("ann") == "offered"
    desk.now += 5
    desk.answer(dial)
    assert desk.only(act.Join).channels == (dial.channel, ring.channel)
    assert desk.only(act.StartRecording).channel == dial.channel
    assert desk.agent_state("ann") == "talking"
    desk.now += 30
    desk.hang_up(dial.channel)
    record = desk.record(back)
    assert (record.direction, record.outcome) == ("outbound", Outcome.ANSWERED)
    assert (record.agent, record.dialled, record.talk_seconds) == ("ann", CUSTOMER, 30)
    assert (record.offers, record.hung_up_by) == (1, "caller")
    counted = stats(desk)
    assert (counted.entered, counted.taken_out, counted.answered) == (2, 1, 1)
    assert desk.switch.state.callbacks == []


@pytest.mark.parametrize("failure", [LegFailure.BUSY, LegFailure.NO_ANSWER])
def test_a_customer_not_reached_is_tried_again_and_dropped_in_the_end(
    failure: LegFailure,
) -> None:
    """The agent is told and free at once; the place stays; after two calls it is over."""
    desk = desk_with()
    back = back_of(desk, ask(desk))
    desk.wait(2)
    agent = agent_takes(desk)
    dial = desk.last(act.Dial)
    if failure is LegFailure.BUSY:
        desk.fail(dial, failure)
    else:
        desk.wait(20)
        assert dial.channel in [each.channel for each in desk.now_out(act.Hangup)]
    assert said(desk, agent.channel) == ["callback-failed"]
    desk.played(agent.channel)
    assert [each.channel for each in desk.now_out(act.Hangup)] == [agent.channel]
    assert desk.agent_state("ann") == "idle"
    assert back.queued_since is None
    desk.confirm_hangups()
    desk.wait(60)
    assert back.queued_since == back.callback.since
    agent = desk.only(act.Dial)
    desk.answer(agent)
    desk.played(agent.channel)
    desk.fail(desk.last(act.Dial), failure)
    desk.played(agent.channel)
    record = desk.record(back)
    assert record.outcome is Outcome.UNANSWERED
    results = [s.result for s in record.segments if s.kind is SegmentKind.QUEUE]
    assert results == [f"customer_{failure.value}", "dropped"]
    counted = stats(desk)
    assert (counted.abandoned, counted.dropped, counted.answered) == (0, 1, 0)
    assert desk.agent_state("ann") == "idle"
    desk.confirm_hangups()
    assert desk.switch.state.calls == {}


def test_an_agent_who_hangs_up_meanwhile_passes_it_on() -> None:
    """The customer's phone stops ringing; the next agent is rung; it was no attempt."""
    desk = desk_with()
    back = back_of(desk, ask(desk))
    desk.wait(2)
    agent = agent_takes(desk)
    dial = desk.last(act.Dial)
    desk.login("bob")
    desk.hang_up(agent.channel)
    assert dial.channel in [each.channel for each in desk.now_out(act.Hangup)]
    assert desk.only(act.Dial).endpoint == "phone:p2"
    assert back.callback.attempts == 0
    desk.confirm_hangups()
    assert back.live


@pytest.mark.parametrize("moment", ["announcing", "ringing", "failed"])
def test_an_agent_who_pauses_meanwhile_passes_it_on(moment: str) -> None:
    """Withdrawn at every stage: nothing rings on, the callback is still promised."""
    desk = desk_with()
    back = back_of(desk, ask(desk))
    desk.wait(2)
    desk.login("ann")
    agent = desk.last(act.Dial)
    desk.answer(agent)
    if moment != "announcing":
        desk.played(agent.channel)
    if moment == "failed":
        desk.fail(desk.last(act.Dial), LegFailure.BUSY)
    desk.feed(ev.AgentPaused(agent="ann", reason="tea"))
    desk.confirm_hangups()
    assert [leg.channel for leg in back.legs.values()] == []
    assert (back.queued_since is None) == (moment == "failed")
    assert back.id in desk.switch.state.callbacks
    desk.wait(60)
    desk.login("bob")
    assert desk.last(act.Dial).endpoint == "phone:p2"


def test_a_nailed_up_line_beeps_and_is_given_back() -> None:
    """The agent's line stays up, whether the customer answers or not."""
    queue = msgspec.structs.replace(QUEUE, callback=SETTINGS, members=QUEUE.members[:1])
    ann = Agent(id="ann", phone="p1", reach=Reach.NAILED_UP)
    desk = Desk(site(queues={"sales": queue}, agents={"ann": ann}))
    desk.login("ann")
    line = desk.dial_from("p1", "*15", channel="line")
    desk.feed(ev.AgentPaused(agent="ann", reason="tea"))
    back = back_of(desk, ask(desk))
    desk.wait(2)
    desk.feed(ev.AgentReady(agent="ann"))
    assert said(desk, "line")[:2] == ["beep", "callback-for"]
    desk.played("line")
    desk.fail(desk.last(act.Dial), LegFailure.BUSY)
    desk.played("line")
    assert line.live
    assert desk.now_out(act.Hangup) == []
    desk.wait(60)
    desk.played("line")
    desk.answer(desk.last(act.Dial))
    assert desk.only(act.Join).channels == (back.channel, "line")


def test_a_full_trunk_is_no_attempt() -> None:
    """The agent is told, and it is tried again later."""
    desk = Desk(
        site(
            queues={"sales": msgspec.structs.replace(QUEUE, callback=SETTINGS)},
            trunks={"tel": Trunk(id="tel", host="127.0.0.9"),
                    "out": Trunk(id="out", host="127.0.0.8", max_channels=1)},
            outbound=(Outbound(pattern="0X.", trunk="out"),),
        )
    )  # fmt: skip
    first, second = ask(desk), ask(desk, "x2", "0309999")
    desk.wait(2)
    agent_takes(desk, "ann")
    agent = agent_takes(desk, "bob")
    assert said(desk, agent.channel) == ["callback-failed"]
    assert back_of(desk, first).callback.attempts == 1
    assert back_of(desk, second).callback.attempts == 0


# --- customer first ------------------------------------------------------------------------------


def customer_first(**queue: object) -> Desk:
    return desk_with(msgspec.structs.replace(SETTINGS, first=CallbackFirst.CUSTOMER), **queue)


@pytest.mark.parametrize("strategy", ["longest_idle", "ring_all"])
def test_the_customer_is_dialled_while_an_agent_is_kept(strategy: str) -> None:
    """No phone of an agent rings before the customer is there; then one does, and they talk."""
    desk = customer_first(strategy=strategy)
    back = back_of(desk, ask(desk))
    desk.wait(2)
    desk.login("ann")
    dial = desk.only(act.Dial)
    assert dial.endpoint.startswith("trunk:tel/")
    desk.login("bob")
    assert desk.now_out(act.Dial) == []
    desk.answer(dial)
    assert said(desk, dial.channel) == ["callback-greeting"]
    ring = desk.only(act.Dial)
    assert ring.endpoint == "phone:p1"
    desk.answer(ring)
    assert desk.only(act.Join).channels == (dial.channel, ring.channel)
    desk.hang_up(ring.channel)
    record = desk.record(back)
    assert (record.outcome, record.hung_up_by) == (Outcome.ANSWERED, "agent")
    assert stats(desk).answered == 1


def test_ring_all_keeps_one_of_all() -> None:
    """Everybody is offered it: one is kept, the others are free for the next caller."""
    desk = customer_first(strategy="ring_all")
    desk.login("ann", "bob")
    desk.feed(ev.AgentPaused(agent="ann", reason="tea"))
    desk.feed(ev.AgentPaused(agent="bob", reason="tea"))
    ask(desk)
    desk.feed(ev.AgentReady(agent="ann"))
    desk.feed(ev.AgentReady(agent="bob"))
    desk.wait(2)
    assert len(desk.now_out(act.Dial)) == 1
    assert sorted(desk.agent_state(a) for a in ("ann", "bob")) == ["idle", "offered"]


def test_an_agent_who_lets_it_ring_is_followed_by_the_next() -> None:
    """The customer hears music and keeps the place; the first agent missed an offer."""
    desk = customer_first()
    ask(desk)
    desk.wait(2)
    desk.login("ann", "bob")
    desk.answer(desk.last(act.Dial))
    first = desk.last(act.Dial)
    desk.wait(10)
    assert first.channel in [each.channel for each in desk.now_out(act.Hangup)]
    assert desk.only(act.Dial).endpoint == "phone:p2"
    assert stats(desk).rona == 1


def test_a_customer_who_hangs_up_waiting_for_the_agent_was_dropped() -> None:
    """Reached once, the callback is not made again."""
    desk = customer_first()
    back = back_of(desk, ask(desk))
    desk.wait(2)
    desk.login("ann")
    desk.answer(desk.last(act.Dial))
    desk.hang_up(back.channel)
    counted = stats(desk)
    assert (counted.abandoned, counted.dropped) == (0, 1)
    assert desk.record(back).outcome is Outcome.ABANDONED
    assert desk.agent_state("ann") == "idle"


def test_a_customer_not_reached_frees_the_agent_who_never_knew() -> None:
    """No phone rang at the agent's desk."""
    desk = customer_first()
    back = back_of(desk, ask(desk))
    desk.wait(2)
    desk.login("ann")
    desk.fail(desk.last(act.Dial), LegFailure.BUSY)
    assert desk.agent_state("ann") == "idle"
    assert [d for d in desk.every(act.Dial) if d.endpoint.startswith("phone:")] == []
    assert back.live


# --- twice, not needed, taken back ---------------------------------------------------------------


def test_a_second_request_keeps_the_older_place() -> None:
    """The same number in the same queue: one callback, the attempts begin anew."""
    desk = desk_with()
    first = ask(desk)
    desk.wait(2)
    second = ask(desk, "x2")
    assert second.promised == first.promised
    assert len(desk.switch.state.callbacks) == 1
    desk.wait(2)
    assert back_of(desk, second).queued_since == first.arrived_at
    assert desk.record(second).outcome is Outcome.CALLBACK
    assert ask(desk, "x3", "0309999").promised != first.promised


def test_who_calls_again_and_reaches_an_agent_is_not_called_back() -> None:
    """The callback ends as cancelled; the statistics neither lose nor drop it."""
    desk = desk_with()
    back = back_of(desk, ask(desk))
    desk.wait(2)
    agent = agent_takes(desk)
    desk.fail(desk.last(act.Dial), LegFailure.BUSY)
    desk.played(agent.channel)
    desk.confirm_hangups()
    desk.arrive(channel="x2", caller=CUSTOMER)
    desk.answer(desk.last(act.Dial))
    assert desk.agent_state("ann") == "talking"
    assert desk.record(back).outcome is Outcome.CANCELLED
    assert desk.switch.state.callbacks == []
    counted = stats(desk)
    assert (counted.dropped, counted.abandoned) == (0, 0)


def test_another_anonymous_caller_takes_nobodys_callback() -> None:
    """All who hide their number come under the same word."""
    desk = desk_with()
    call = desk.arrive(caller="anonymous")
    desk.key("20555#1#")
    back = back_of(desk, call)
    desk.arrive(channel="x2", caller="anonymous")
    desk.login("ann")
    desk.answer(desk.last(act.Dial))
    assert desk.only(act.Join).channels[0] == "x2"
    assert back.live


def test_an_operator_takes_it_back() -> None:
    """At any stage until the customer is there; nobody's phone rings on."""
    desk = desk_with()
    back = back_of(desk, ask(desk))
    desk.wait(2)
    agent_takes(desk)
    desk.feed(ev.CallbackCancelAsked(call=back.id))
    desk.confirm_hangups()
    assert desk.record(back).outcome is Outcome.CANCELLED
    assert desk.switch.state.calls == {}
    assert desk.agent_state("ann") == "idle"


def test_what_operators_do_to_calls_does_no_harm_to_callbacks() -> None:
    """It moves to another queue, is not transferred while nobody is there, and can be ended."""
    desk = desk_with()
    back = back_of(desk, ask(desk))
    desk.wait(2)
    desk.feed(ev.QueueLeaveAsked(call=back.id, queue="sales"))
    assert back.queued_since == 1000.0
    desk.feed(ev.CallTransferAsked(call=back.id, target="0555"))
    assert desk.now_out(act.Dial) == []
    desk.feed(ev.CallHangupAsked(call=back.id))
    assert desk.record(back).outcome is Outcome.CANCELLED


def test_a_queue_that_is_removed_takes_its_callbacks_along() -> None:
    """Nobody would ever make them: they end as failed."""
    desk = desk_with()
    back = back_of(desk, ask(desk))
    desk.wait(2)
    desk.feed(ev.DirectoryChanged(directory=site(queues={})))
    assert desk.record(back).outcome is Outcome.FAILED


def test_operators_see_pending_callbacks() -> None:
    """In the list at every stage, and among the waiting contacts while in line."""
    desk = desk_with()
    back = back_of(desk, ask(desk))
    state = desk.switch.state
    (seen,) = callback_views(state)
    assert (seen.id, seen.state, seen.due) == (back.id, "resting", desk.now + 2)
    desk.wait(2)
    (seen,) = callback_views(state)
    assert (seen.state, seen.since, seen.due) == ("waiting", 1000.0, None)
    shot = live_snapshot(state, desk.switch.distributor, (), desk.now)
    (row,) = [row for row in shot.calls if row.id == back.id]
    assert (row.caller, row.position, row.direction) == (CUSTOMER, 1, "outbound")
    agent_takes(desk)
    (seen,) = callback_views(state)
    assert (seen.state, seen.agent, seen.attempts) == ("ringing", "ann", 1)
    desk.answer(desk.last(act.Dial))
    assert callback_views(state) == ()


# --- restarts and faults -------------------------------------------------------------------------


def test_a_restart_at_every_stage() -> None:
    """Snapshot and back before each step of the whole story: it goes on where it was."""
    desk = desk_with()
    desk.arrive(caller=CUSTOMER)
    steps = [
        lambda: desk.key("2"),
        lambda: desk.key("1#"),
        lambda: desk.hang_up("x1"),
        lambda: desk.wait(2),
        lambda: desk.login("ann"),
        lambda: desk.answer(desk.last(act.Dial)),
        lambda: desk.played(desk.last(act.Dial).channel),
        lambda: desk.fail(desk.last(act.Dial), LegFailure.BUSY),
        lambda: desk.played(desk.every(act.Dial)[-2].channel),
        lambda: desk.wait(60),
        lambda: desk.answer(desk.last(act.Dial)),
        lambda: desk.played(desk.last(act.Dial).channel),
        lambda: desk.answer(desk.last(act.Dial)),
    ]  # fmt: skip
    for step in steps:
        restarted(desk)
        step()
    assert desk.only(act.Join)
    assert desk.agent_state("ann") == "talking"


def test_a_node_that_dies_takes_no_promise_with_it() -> None:
    """The calls are gone, the callback is tried again later."""
    desk = desk_with()
    waiting = back_of(desk, ask(desk))
    desk.wait(2)
    agent_takes(desk)
    desk.feed(ev.BackendDown(node="n", reason="crashed", dead=True))
    assert waiting.live
    assert waiting.legs == {}
    desk.feed(ev.BackendUp(node="n", reachable_phones=("p1", "p2", "p3")))
    desk.wait(60)
    assert desk.last(act.Dial).endpoint == "phone:p1"
    assert waiting.queued_since == waiting.callback.since
