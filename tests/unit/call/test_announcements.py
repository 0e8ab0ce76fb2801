"""Waiting callers hear their position and estimated wait, and nothing waits for it."""

from __future__ import annotations

import msgspec
import pytest

from callcore.call import actions as act
from callcore.call import events as ev
from callcore.call.announcements import (
    LONGEST_SECONDS,
    position_media,
    spoken_minutes,
    wait_media,
)
from callcore.call.state import CallState
from callcore.call.switch import SwitchSnapshot, restore
from callcore.directory import Member
from callcore.directory_queue import Announcements

from .desk import QUEUE, Desk, site

TOLD = Announcements(first_after_seconds=3, every_seconds=30, wait=False)


def desk_with(told: Announcements = TOLD, **changes: object) -> Desk:
    queue = msgspec.structs.replace(QUEUE, announcements=told, max_wait_seconds=0, **changes)
    return Desk(site(queues={"sales": queue}))


def sounds(desk: Desk) -> list[str]:
    """What was asked of the caller's ears and of the bridge, in order."""
    kinds = (act.StopMusic, act.StartMusic, act.Play, act.StopPlay, act.Join)
    return [type(action).__name__ for action in desk.out if isinstance(action, kinds)]


def heard(desk: Desk) -> list[str]:
    return [media for play in desk.now_out(act.Play) for media in play.media]


def test_position_between_the_music() -> None:
    """After the first seconds, then in turn; the music stops for it and goes on after it."""
    desk = desk_with()
    desk.arrive(channel="x0")
    desk.now += 1
    desk.arrive()
    desk.wait(2.5)
    assert heard(desk) == ["prompt:en/you-are-next"]
    desk.played("x0")
    desk.wait(0.5)
    assert sounds(desk) == ["StopMusic", "Play"]
    assert heard(desk) == [
        "prompt:en/your-position-is",
        "prompt:en/num-2",
        "prompt:en/in-the-queue",
    ]
    desk.now += 2
    desk.played()
    assert sounds(desk) == ["StartMusic"]
    desk.hang_up("x0")
    desk.wait(29)
    assert sounds(desk) == []
    desk.wait(1)
    assert heard(desk) == ["prompt:en/you-are-next"]


def test_once_only() -> None:
    """`every_seconds = 0`: the first announcement is the only one."""
    desk = desk_with(msgspec.structs.replace(TOLD, every_seconds=0))
    desk.arrive()
    desk.wait(3)
    desk.played()
    desk.wait(1000)
    assert heard(desk) == []


def test_nothing_to_say() -> None:
    """Neither position nor a wait that is known: the music is not interrupted."""
    desk = desk_with(Announcements(position=False, wait=True, first_after_seconds=3))
    desk.arrive()
    desk.wait(200)
    assert sounds(desk) == []


def test_agents_are_offered_while_it_plays_and_the_answer_cuts_it() -> None:
    """The phone rings at once; the answer stops the sound before the join."""
    desk = desk_with()
    call = desk.arrive()
    desk.wait(3)
    desk.login("ann")
    dial = desk.only(act.Dial)
    assert sounds(desk) == []
    desk.answer(dial)
    assert sounds(desk) == ["StopPlay", "Join"]
    assert call.state is CallState.TALKING
    assert not call.playing
    desk.wait(1000)
    assert sounds(desk) == []


def test_an_agent_who_frees_as_it_is_due_is_not_talked_over() -> None:
    """A line that stays up takes the caller in the moment of the announcement: there is none."""
    queue = msgspec.structs.replace(
        QUEUE,
        announcements=TOLD,
        members=(Member(agent="cid"),),
        agent_announcement="text:en/{queue}",
        wrap_up_seconds=3,
    )
    desk = Desk(site(queues={"sales": queue}))
    desk.login("cid")
    desk.dial_from("p3", "*15", "line")
    desk.arrive(channel="x0")
    desk.played("line")
    desk.hang_up("x0")
    call = desk.arrive()
    desk.wait(3)
    assert call.agent == "cid"
    assert [play.channel for play in desk.now_out(act.Play)] == ["line"]


def test_the_caller_of_an_agent_who_hears_an_announcement_has_music_again() -> None:
    """Cut at the answer; the agent hears the queue's name alone, the caller no silence."""
    desk = desk_with(agent_announcement="text:en/{queue}")
    desk.arrive()
    desk.wait(3)
    desk.login("ann")
    dial = desk.only(act.Dial)
    desk.answer(dial)
    assert sounds(desk) == ["StopPlay", "StartMusic", "Play"]
    desk.wait(30)
    assert sounds(desk) == [], "no announcement to a caller who is taken"
    desk.hang_up(dial.channel)
    desk.feed(ev.AgentPaused(agent="ann", reason="tea"))
    desk.wait(3)
    assert heard(desk) == ["prompt:en/you-are-next"], "back in line, told again"


@pytest.mark.parametrize("end", ["hang_up", "number", "queue", "overflow"])
def test_leaving_while_it_plays_leaves_nothing_behind(end: str) -> None:
    """Hang-up, transfer, another queue, overflow: the sound ends, and no timer is left."""
    queue = msgspec.structs.replace(QUEUE, announcements=TOLD, max_wait_seconds=4)
    other = msgspec.structs.replace(QUEUE, id="other", max_wait_seconds=0)
    desk = Desk(site(queues={"sales": queue, "other": other}))
    call = desk.arrive()
    desk.wait(3)
    playback = desk.only(act.Play).playback
    if end == "hang_up":
        desk.hang_up("x1")
    elif end == "overflow":
        desk.wait(1)
    else:
        target = {"number": "0555", "queue": "queue:other"}[end]
        desk.feed(ev.CallTransferAsked(call=call.id, target=target))
    if end != "hang_up":
        assert sounds(desk)[0] == "StopPlay"
        assert desk.only(act.StopPlay).playback == playback
        assert sounds(desk)[1] == ("Play" if end == "overflow" else "StartMusic")
    assert playback not in call.playing
    desk.feed(ev.PlaybackEnded(channel="x1", playback=playback))
    assert sounds(desk) == [], "its late end means nothing"
    desk.wait(LONGEST_SECONDS)
    assert "prompt:en/you-are-next" not in heard(desk)


def test_an_end_that_is_never_told_does_not_silence_the_caller() -> None:
    """The node forgot: after the longest time an announcement can take there is music again."""
    desk = desk_with()
    desk.arrive()
    desk.wait(3)
    desk.wait(LONGEST_SECONDS)
    assert sounds(desk) == ["StopPlay", "StartMusic"]
    desk.wait(30)
    assert heard(desk) == ["prompt:en/you-are-next"]


def test_an_announcement_that_cannot_be_played_is_music_again() -> None:
    """No prompt, no voice: the caller hears music, and the next one is tried in its time."""
    desk = desk_with()
    call = desk.arrive()
    desk.wait(3)
    desk.feed(ev.ActionFailed(call=call.id, action="Play", channel="x1", reason="no prompt"))
    assert sounds(desk) == ["StartMusic"]
    desk.wait(30)
    assert sounds(desk) == ["StopMusic", "Play"]


def test_after_a_restart_music_and_a_later_announcement() -> None:
    """callcore dies in the middle of one; the node says the caller is still there."""
    desk = desk_with()
    call = desk.arrive()
    desk.wait(3)
    data = msgspec.msgpack.encode(desk.switch.snapshot())
    desk.switch = restore(msgspec.msgpack.decode(data, type=SwitchSnapshot))
    desk.now += 5
    fact = ev.ChannelFact(channel="x1", up=True, ours=True)
    desk.feed(ev.BackendUp(node="n", channels=(fact,), bridges=()))
    assert "StartMusic" in sounds(desk)
    assert not desk.call_on("x1").playing
    assert call.id == desk.call_on("x1").id
    desk.wait(29)
    assert heard(desk) == []
    desk.wait(1)
    assert heard(desk) == ["prompt:en/you-are-next"]


def test_the_estimated_wait_in_the_callers_language(monkeypatch: pytest.MonkeyPatch) -> None:
    """Position and wait in one breath, in the language the caller chose."""
    tree = """
start: zh
nodes:
  zh: {step: set, values: {language: zh}, next: in}
  in: {step: enqueue, queue: sales}
"""
    queue = msgspec.structs.replace(QUEUE, announcements=Announcements())
    desk = Desk(site(queues={"sales": queue}), tree)
    monkeypatch.setattr(desk.switch.distributor, "estimate", lambda contact, now: 130)
    desk.arrive("700")
    desk.wait(3)
    assert heard(desk) == [
        "prompt:zh/you-are-next",
        "prompt:zh/the-wait-is-about",
        "prompt:zh/liang",
        "prompt:zh/minutes",
    ]


@pytest.mark.parametrize(
    ("seconds", "minutes"),
    [
        (0, 0), (59, 0), (60, 1), (89, 1), (91, 2), (600, 10), (640, 10), (700, 10), (780, 15),
        (3500, 60), (3700, 60), (3750, None), (float("inf"), None),
    ],
)  # fmt: skip
def test_waits_are_rounded_as_a_person_would(seconds: float, minutes: int | None) -> None:
    """To the minute up to ten, then to five, more than an hour beyond that."""
    assert spoken_minutes(seconds) == minutes


def test_words() -> None:
    """English, Chinese, and numbers by TTS in languages without prompts for them."""
    assert position_media(21, "en") == [
        "prompt:en/your-position-is",
        "prompt:en/num-20",
        "prompt:en/num-1",
        "prompt:en/in-the-queue",
    ]
    assert position_media(2, "zh")[1] == "prompt:zh/num-2"
    assert position_media(3, "fi")[1] == "text:fi/3"
    assert wait_media(20, "en") == ["prompt:en/wait-under-a-minute"]
    assert wait_media(60, "en") == ["prompt:en/wait-one-minute"]
    assert wait_media(240, "en") == [
        "prompt:en/the-wait-is-about",
        "prompt:en/num-4",
        "prompt:en/minutes",
    ]
    assert wait_media(9000, "zh") == ["prompt:zh/wait-over-an-hour"]
