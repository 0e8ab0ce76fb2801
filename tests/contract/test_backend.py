"""The contract of `Backend`, on every implementation."""

from __future__ import annotations

from typing import Any

import pytest

from callcore.call import actions as act
from callcore.call import events as ev
from callcore.errors import ActionRefused
from callcore.telephony.simulated_peers import Caller, Peer
from callcore.types import Entry, HangupReason, LegFailure
from tests.contract.worlds import ANNOUNCEMENT

World = Any


async def test_a_call_arrives_as_data(world: World) -> None:
    """Number, name and what was dialled come through as they were sent."""
    await world.call_in("4000", number="0301234567", name="Bob ${SHELL(id)}")
    arrived = await world.want(ev.CallArrived)
    assert (arrived.entry, arrived.endpoint, arrived.dialled) == (Entry.TRUNK, "trunk", "4000")
    assert (arrived.caller_number, arrived.caller_name) == ("0301234567", "Bob ${SHELL(id)}")
    assert not arrived.answered
    assert arrived.arrived_at is None


async def test_caller_and_agent_are_bridged_and_hung_up(world: World) -> None:
    """The main flow; each channel ends exactly once, and it is said by whom."""
    channel, leg, bridge = await world.talking()
    await world.caller_hangs_up()
    gone = await world.want(ev.HungUp, channel=channel)
    assert (gone.by_peer, gone.cause) == (True, 16)
    await world.do(act.Hangup(call="c", channel=leg))
    gone = await world.want(ev.HungUp, channel=leg)
    assert (gone.by_peer, gone.cause) == (False, 16)
    await world.do(act.DestroyBridge(call="c", bridge=bridge))
    await world.never(ev.HungUp)


async def test_ringing_is_told_once_before_the_answer(world: World) -> None:
    await world.phone("p1", Peer(answer_after=0.3))
    leg = await world.dial()
    await world.want(ev.LegRinging, channel=leg)
    await world.want(ev.LegAnswered, channel=leg)
    await world.never(ev.LegRinging)
    await world.never(ev.LegFailed)


@pytest.mark.parametrize(
    ("peer", "failure", "cause"),
    [
        (Peer(busy=True), LegFailure.BUSY, 17),
        (Peer(rejects=True), LegFailure.REJECTED, 21),
        (Peer(unreachable=True), LegFailure.UNREACHABLE, 20),
        (Peer(), LegFailure.NO_ANSWER, 19),
    ],
    ids=["busy", "rejected", "unreachable", "no answer"],
)
async def test_a_leg_that_fails_says_why_once(
    world: World, peer: Peer, failure: LegFailure, cause: int
) -> None:
    await world.phone("p2", peer)
    leg = await world.dial("p2", timeout=1.0)
    failed = await world.want(ev.LegFailed, channel=leg)
    assert (failed.failure, failed.cause) == (failure, cause)
    await world.never(ev.LegFailed)
    await world.never(ev.HungUp, seconds=0.0)


async def test_an_unknown_endpoint_fails_as_a_leg(world: World) -> None:
    leg = await world.dial("nobody")
    failed = await world.want(ev.LegFailed, channel=leg)
    assert failed.failure is LegFailure.UNREACHABLE


async def test_a_leg_we_hang_up_is_cancelled(world: World) -> None:
    await world.phone("p1", Peer())
    leg = await world.dial()
    await world.want(ev.LegRinging, channel=leg)
    await world.do(act.Hangup(call="c", channel=leg, reason=HangupReason.ANSWERED_ELSEWHERE))
    failed = await world.want(ev.LegFailed, channel=leg)
    assert (failed.failure, failed.cause) == (LegFailure.CANCELLED, 26)


async def test_a_caller_who_gives_up_before_the_answer(world: World) -> None:
    await world.call_in("4000")
    channel = (await world.want(ev.CallArrived)).channel
    await world.caller_hangs_up()
    gone = await world.want(ev.HungUp, channel=channel)
    assert (gone.by_peer, gone.cause) == (True, 16)


async def test_digits_arrive_one_by_one(world: World) -> None:
    await world.call_in("4000", Caller(digits=((0.3, "1"), (0.6, "#"))))
    channel = (await world.want(ev.CallArrived)).channel
    await world.do(act.Answer(call="c", channel=channel))
    assert (await world.want(ev.DigitPressed, channel=channel)).digit == "1"
    assert (await world.want(ev.DigitPressed, channel=channel)).digit == "#"


async def test_a_playback_ends_once_after_all_its_media(world: World) -> None:
    channel = await world.arrived_and_answered()
    await world.do(act.Play(call="c", channel=channel, playback="b1", media=("beep", "beep")))
    ended = await world.want(ev.PlaybackEnded)
    assert (ended.channel, ended.playback, ended.ok) == (channel, "b1", True)
    await world.never(ev.PlaybackEnded)


async def test_a_stopped_playback_ends_at_once(world: World) -> None:
    channel = await world.arrived_and_answered()
    media = (ANNOUNCEMENT, ANNOUNCEMENT)
    await world.do(act.Play(call="c", channel=channel, playback="b2", media=media))
    await world.do(act.StopPlay(call="c", channel=channel, playback="b2"))
    await world.want(ev.PlaybackEnded, playback="b2", timeout=0.5)
    await world.do(act.StopPlay(call="c", channel=channel, playback="b2"))
    await world.never(ev.PlaybackEnded)


async def test_joining_a_bridge_stops_what_plays(world: World) -> None:
    """Music and announcements on a channel never hold up its way into a bridge."""
    await world.phone("p1", Peer(answer_after=0.1))
    channel = await world.arrived_and_answered()
    leg = await world.dial()
    await world.want(ev.LegAnswered, channel=leg)
    await world.do(act.StartMusic(call="c", channel=leg))
    await world.do(act.Play(call="c", channel=channel, playback="b3", media=(ANNOUNCEMENT,)))
    await world.do(act.CreateBridge(call="c", bridge="j" + leg))
    await world.do(act.Join(call="c", bridge="j" + leg, channels=(channel, leg)))
    await world.want(ev.PlaybackEnded, playback="b3", timeout=0.5)
    await world.do(act.Leave(call="c", bridge="j" + leg, channel=channel))
    await world.do(act.StartMusic(call="c", channel=channel))
    await world.do(act.StopMusic(call="c", channel=channel))


async def test_a_voicemail_ends_with_the_call(world: World) -> None:
    channel = await world.arrived_and_answered()
    await world.do(act.RecordVoicemail(call="c", channel=channel, recording="vm-" + channel))
    await world.never(ev.VoicemailEnded, seconds=0.5)
    await world.caller_hangs_up()
    ended = await world.want(ev.VoicemailEnded, channel=channel)
    assert ended.recording == "vm-" + channel
    await world.want(ev.HungUp, channel=channel)
    await world.never(ev.VoicemailEnded)


async def test_hold_and_resume_from_the_phone(world: World) -> None:
    _, leg, _ = await world.talking()
    await world.hold_and_resume(leg)
    await world.want(ev.HoldStarted, channel=leg)
    await world.want(ev.HoldEnded, channel=leg)


@pytest.mark.parametrize("ok", [True, False])
async def test_the_phone_hears_what_came_of_its_transfer(world: World, ok: bool) -> None:
    _, leg, _ = await world.talking()

    async def answer() -> None:
        asked = await world.want(ev.TransferAsked, channel=leg)
        assert (asked.target, asked.other) == ("4711", "")
        await world.do(act.AnswerTransfer(call="c", channel=leg, ok=ok))

    assert await world.transfer(leg, "4711", answer) is ok
    if ok:
        await world.want(ev.HungUp, channel=leg)


LISTENING = {
    False: {"caller": "p1", "p1": "caller", "p2": "caller p1"},
    True: {"caller": "p1", "p1": "caller p2", "p2": "caller p1"},
}


async def supervised(world: World) -> tuple[str, str, str, str]:
    """Caller, agent leg, their bridge and the leg of a supervisor; all speak."""
    channel, leg, bridge = await world.talking()
    await world.phone("p2", Peer(answer_after=0.1))
    supervisor = await world.dial("p2")
    await world.want(ev.LegAnswered, channel=supervisor)
    await world.speak()
    return channel, leg, bridge, supervisor


async def test_listening_whispering_and_barging_by_turns(world: World) -> None:
    """Each is asked for before the former one is stopped, and takes its place; after the last
    stop nothing is heard, and the talk goes on all the time."""
    _, leg, bridge, supervisor = await supervised(world)

    def listen(name: str, *, whisper: bool = False) -> act.Listen:
        name += supervisor
        return act.Listen(call="c", listening=name, channel=supervisor, to=leg, whisper=whisper)

    def stop(name: str, channel: str = "") -> act.StopListening:
        return act.StopListening(call="c", listening=name + supervisor, channel=channel)

    await world.do(listen("a"))
    await world.hear(**LISTENING[False])
    await world.do(listen("b", whisper=True))
    await world.do(stop("a"))
    await world.hear(**LISTENING[True])
    await world.do(listen("c"))
    await world.do(stop("b"))
    await world.hear(**LISTENING[False])
    await world.do(act.Join(call="c", bridge=bridge, channels=(supervisor,)))
    await world.do(stop("c"))
    await world.hear(caller="p1 p2", p1="caller p2", p2="caller p1")
    await world.do(listen("d", whisper=True))
    await world.hear(**LISTENING[True])
    await world.do(stop("d", supervisor))
    await world.hear(caller="p1", p1="caller", p2="")
    await world.do(act.Join(call="c", bridge=bridge, channels=(supervisor,)))
    await world.hear(caller="p1 p2", p1="caller p2", p2="caller p1")
    await world.do(act.Leave(call="c", bridge=bridge, channel=supervisor))
    await world.hear(caller="p1", p1="caller", p2="")
    await world.never(ev.HungUp)
    await world.never(ev.CallArrived, seconds=0.0)


async def test_listening_ends_with_either_side(world: World) -> None:
    """The stop that follows is harmless, and the ends of what the node made for it are not told."""
    _, leg, bridge, supervisor = await supervised(world)
    listen = act.Listen(call="c", listening="a" + leg, channel=supervisor, to=leg, whisper=True)
    await world.do(listen)
    await world.hear(**LISTENING[True])
    await world.do(act.Hangup(call="c", channel=leg))
    await world.want(ev.HungUp, channel=leg)
    await world.hear(p2="")
    await world.do(act.StopListening(call="c", listening="a" + leg, channel=supervisor))
    await world.do(act.StopListening(call="c", listening="a" + leg, channel=supervisor))
    again = await world.dial("p1")
    await world.want(ev.LegAnswered, channel=again)
    await world.do(act.Join(call="c", bridge=bridge, channels=(again,)))
    listen = act.Listen(call="c", listening="b" + leg, channel=supervisor, to=again)
    await world.do(listen)
    await world.speak()
    await world.hear(**LISTENING[False])
    await world.do(act.Hangup(call="c", channel=supervisor))
    await world.want(ev.HungUp, channel=supervisor)
    await world.do(act.StopListening(call="c", listening="b" + leg, channel=supervisor))
    await world.hear(caller="p1", p1="caller")
    await world.never(ev.HungUp)


async def test_nobody_listens_to_what_is_gone(world: World) -> None:
    channel, *_ = await supervised(world)
    with pytest.raises(ActionRefused) as refused:
        await world.do(act.Listen(call="c", listening="x" + channel, channel=channel, to="gone"))
    assert refused.value.status == 404
    await world.do(act.StopListening(call="c", listening="x" + channel, channel=channel))


@pytest.mark.parametrize(
    "action",
    [
        act.Answer(call="c", channel="gone"),
        act.Hangup(call="c", channel="gone"),
        act.Play(call="c", channel="gone", playback="x", media=("beep",)),
        act.StartMusic(call="c", channel="gone"),
        act.RecordVoicemail(call="c", channel="gone", recording="x"),
        act.Join(call="c", bridge="gone", channels=("gone",)),
        act.DestroyBridge(call="c", bridge="gone"),
    ],
    ids=lambda action: action.__class__.__name__,
)
async def test_what_is_gone_is_refused(world: World, action: act.Action) -> None:
    with pytest.raises(ActionRefused) as refused:
        await world.do(action)
    assert refused.value.status in (400, 404)


async def test_a_leg_that_rings_cannot_be_bridged(world: World) -> None:
    await world.phone("p1", Peer())
    leg = await world.dial()
    await world.want(ev.LegRinging, channel=leg)
    await world.do(act.CreateBridge(call="c", bridge="r" + leg))
    with pytest.raises(ActionRefused):
        await world.do(act.Join(call="c", bridge="r" + leg, channels=(leg,)))


async def test_actions_of_other_parts_are_refused(world: World) -> None:
    with pytest.raises(ActionRefused):
        await world.do(act.StopRecording(call="c", recording="x"))


@pytest.mark.acceptance
async def test_media_that_do_not_exist_are_refused(real: World) -> None:
    """The simulated back end has no media and plays everything."""
    channel = await real.arrived_and_answered()
    for media in ("file:../../etc/passwd", "file:none.wav", "nonsense"):
        with pytest.raises(ActionRefused):
            await real.do(act.Play(call="c", channel=channel, playback="x", media=(media,)))
