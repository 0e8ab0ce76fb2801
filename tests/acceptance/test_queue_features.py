"""Waiting on real Asterisk: announcements between the music, overflow chains, the last agent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from callcore.lab import audio
from callcore.lab.call import Call
from callcore.lab.g711 import Samples
from tests.load import slack

from .floor import Floor, ever_heard, hears, open_floor, phone_config, rung, talk, until

pytestmark = [pytest.mark.acceptance, pytest.mark.asyncio(loop_scope="module")]

CONFIG = (
    phone_config("p1", "p2")
    + """
[agents.ann]
phone = "p1"
[agents.bob]
phone = "p2"
[queues.told]
members = ["ann"]
announcements = { first_after_seconds = 1, every_seconds = 6 }
[queues.brief]
members = ["ann"]
ring_seconds = 20
announcements = { first_after_seconds = 1, every_seconds = 6 }
overflow_rules = [{ on = "wait", at = 4, to = "queue:second" }]
[queues.second]
members = ["bob"]
overflow_rules = [{ on = "wait", at = 7, to = "voicemail" }]
[queues.known]
members = ["ann", "bob"]
last_agent_seconds = 3
[queues.away]
members = ["ann"]
overflow_rules = [{ on = "wait", at = 1, to = "tree:sorry/said" }]
[[routes]]
pattern = "601"
queue = "told"
[[routes]]
pattern = "602"
queue = "brief"
[[routes]]
pattern = "603"
queue = "known"
[[routes]]
pattern = "604"
queue = "away"
"""
)

TREES = {
    "sorry": """
start: said
nodes:
  said: {step: prompt, play: [{file: sounds/sorry.wav}], next: bye}
  bye: {step: hangup}
"""
}

SORRY, CALLER, AGENT, BEEP = 1200.0, 440.0, 880.0, 1000.0
#: Recordings of the site's own, in the place of callcore's prompts.
WORDS = {
    "you-are-next": "You are the next caller, and that will not take very long any more.",
    "your-position-is": "Your position is",
    "num-2": "two",
    "in-the-queue": "of all those who are waiting here today.",
    "wait-under-a-minute": "It will certainly take less than a minute.",
    "wait-one-minute": "It will probably take about one minute.",
    "the-wait-is-about": "It will probably take",
    "leave-message": "Nobody can help you now, so leave a message.",
    "message-saved": "We shall hear what you said.",
}

#: The last words of an announcement: one of these begins them.
WAITS = ("wait-under-a-minute", "wait-one-minute", "the-wait-is-about")

Prompts = dict[str, Samples]


@pytest.fixture(scope="module")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> Prompts:
    cache = tmp_path_factory.mktemp("words")
    return {name: audio.speak(words, cache) for name, words in WORDS.items()}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(
    tmp_path_factory: pytest.TempPathFactory, prompts: Prompts
) -> AsyncIterator[Floor]:
    sounds = {f"prompts/en/{name}": samples for name, samples in prompts.items()}
    sounds["sounds/sorry"] = audio.tone(SORRY, 1.5)
    directory = tmp_path_factory.mktemp("features")
    async with open_floor(directory, CONFIG, ("p1", "p2"), trees=TREES, sounds=sounds) as floor:
        yield floor


@pytest_asyncio.fixture(loop_scope="module")
async def floor(shared: Floor) -> AsyncIterator[Floor]:
    yield shared
    await shared.clear()


def found(call: Call, prompt: Samples) -> float | None:
    """Where in what this side received a prompt begins, in seconds; None: it was not heard.

    A hang-up cuts the last frame of what is played before it.
    """
    place, match = audio.find_speech(call.heard().samples, prompt[:-400])
    return place if match > 0.9 else None


async def hears_prompt(call: Call, prompt: Samples, seconds: float = 12.0) -> float:
    """Wait until all of a prompt was heard; where it began."""
    await until(lambda: found(call, prompt) is not None, seconds)
    place = found(call, prompt)
    assert place is not None
    return place


def beginning(samples: Samples, seconds: float = 0.6) -> Samples:
    return samples[: int(seconds * 8000)]


# --- announcements -----------------------------------------------------------------------


async def test_position_between_the_music(floor: Floor, prompts: Prompts) -> None:
    """Music, the words, music again, and in their time the words again."""
    first = await floor.call("601")
    await floor.is_in(first, state="queued", position=1)
    second = await floor.call("601")
    await floor.is_in(second, state="queued", position=2)
    place = await hears_prompt(first, prompts["you-are-next"])
    end = place + len(prompts["you-are-next"]) / 8000
    for name in ("your-position-is", "num-2", "in-the-queue"):
        await hears_prompt(second, prompts[name])
    await until(lambda: len(first.heard().samples) / 8000 > end + 2.5)
    heard = first.heard().samples
    before = heard[int((place - 0.6) * 8000) : int((place - 0.1) * 8000)]
    after = heard[int((end + 0.8) * 8000) : int((end + 2.3) * 8000)]
    assert audio.level(before) > 50, "music before it"
    assert audio.level(after) > 50, "music again"
    assert audio.find_speech(after, beginning(prompts["you-are-next"]))[1] < 0.5
    await first.hang_up()
    await hears_prompt(second, prompts["you-are-next"])
    await second.hang_up()
    await floor.site.quiet()


async def test_an_answer_in_the_middle_of_an_announcement(floor: Floor, prompts: Prompts) -> None:
    """The phone rings while it plays; at the answer both hear each other at once, and the rest of
    the announcement is heard by nobody."""
    await floor.login("ann")
    earlier, _ = await talk(floor, "601", "p1")
    caller = await floor.call("601")
    await floor.is_in(caller, state="queued", position=1)
    caller.play(audio.tone(CALLER, 1.0), loop=True)
    opening = beginning(prompts["you-are-next"])
    await until(lambda: found(caller, opening) is not None)
    began = time.monotonic()
    await earlier.hang_up()
    desk = await rung(floor, "p1", caller)
    desk.play(audio.tone(AGENT, 1.0), loop=True)
    await desk.answer()
    answered = time.monotonic()
    await hears(desk, CALLER, 3)
    assert time.monotonic() - answered < 1.0 * slack()
    await hears(caller, AGENT, 3)
    assert answered - began < 2.5 * slack(), "the phone rang while it played"
    await asyncio.sleep(6.0)  # longer than what was left of the words
    for name in WAITS:
        assert found(caller, prompts[name]) is None, f"{name} was not cut"
        assert found(desk, prompts[name]) is None
    await caller.hang_up()
    record = await floor.record(caller)
    assert (record["outcome"], record["agent"]) == ("answered", "ann")
    await floor.site.quiet()


async def test_a_caller_who_gives_up_during_an_announcement(floor: Floor, prompts: Prompts) -> None:
    """Abandoned, and nothing is left; the next caller hears the same words."""
    for _ in range(2):
        caller = await floor.call("601")
        await until(lambda c=caller: found(c, beginning(prompts["you-are-next"])) is not None)
        await caller.hang_up()
        await floor.site.quiet()
        assert (await floor.record(caller))["outcome"] == "abandoned"


async def test_the_estimated_wait_is_told(floor: Floor, prompts: Prompts) -> None:
    """With somebody who serves, the wait follows the position."""
    await floor.login("ann")
    earlier, _ = await talk(floor, "601", "p1")
    caller = await floor.call("601")
    place = await hears_prompt(caller, prompts["you-are-next"])
    await until(lambda: any(found(caller, prompts[name]) is not None for name in WAITS))
    (told,) = [name for name in WAITS if found(caller, prompts[name]) is not None]
    after = found(caller, prompts[told])
    assert after is not None
    assert after > place
    await caller.hang_up()  # before the agent is free: nobody shall be rung for it
    await earlier.hang_up()


# --- overflow ------------------------------------------------------------------------------


async def test_queue_to_queue_to_voicemail(floor: Floor, prompts: Prompts) -> None:
    """The wait counts over both queues; then the caller is asked for a message, which is kept."""
    await floor.login("ann")
    caller = await floor.call("602")
    desk = await rung(floor, "p1", caller)
    assert (await desk.ended.within(8)).status == 487
    await floor.is_in(caller, state="queued", queue="second")
    await hears_prompt(caller, prompts["leave-message"])
    await hears(caller, BEEP)
    await asyncio.sleep(0.4)  # it must end; no packets follow that would tell
    await caller.play(audio.tone(CALLER, 1.0)).finished
    await asyncio.sleep(0.3)  # sound must flow into the file
    await caller.send_digits("#")
    await hears_prompt(caller, prompts["message-saved"])
    assert (await caller.ended.within(5)).by == "remote"
    record = await floor.record(caller)
    assert (record["outcome"], record["queue"]) == ("voicemail", "second")
    assert 6.9 < record["wait_seconds"] < 7 + 1.5 * slack()
    queues = [(s["queue"], s["result"]) for s in record["segments"] if s["kind"] == "queue"]
    assert queues == [("brief", "max_wait"), ("second", "max_wait")]
    recording = await floor.site.recording_of(record["call"])
    assert recording["kind"] == "voicemail"
    (samples,) = audio.read_channels(recording["file"])
    assert audio.tone_intervals(samples, CALLER)
    await floor.site.quiet()


async def test_an_agent_of_the_second_queue_takes_the_caller(floor: Floor) -> None:
    """In the first queue nobody is there; in the second one somebody is."""
    await floor.login("bob")
    caller = await floor.call("602")
    desk = await rung(floor, "p2", caller)
    await desk.answer()
    await floor.is_in(caller, state="talking", agent="bob")
    await caller.hang_up()
    record = await floor.record(caller)
    assert record["outcome"] == "answered"
    assert 3.9 < record["wait_seconds"] < 4 + 2 * slack()


async def test_a_rule_leads_into_a_tree(floor: Floor) -> None:
    """The caller hears the node."""
    caller = await floor.call("604")
    await hears(caller, SORRY)
    assert (await caller.ended).by == "remote"
    assert (await floor.record(caller))["outcome"] == "overflowed"


# --- the last agent ------------------------------------------------------------------------


async def test_the_next_call_finds_the_agent_of_the_last(floor: Floor) -> None:
    """Bob took the first call; in the second one his phone rings though Ann is idle longer."""
    await floor.login("bob")
    caller, desk = await talk(floor, "603", "p2")
    number = caller.phone.user
    await floor.login("ann")
    await caller.hang_up()
    await desk.ended
    await floor.site.agent_is("bob", "idle")
    again = await floor.call("603", user=number)
    desk = await rung(floor, "p2")
    await desk.answer()
    await floor.is_in(again, state="talking", agent="bob")
    assert not ever_heard(again, SORRY)


async def test_the_last_agent_is_waited_for_and_then_anyone(floor: Floor) -> None:
    """Bob is talking: after the queue's three seconds Ann's phone rings."""
    await floor.login("bob")
    caller, desk = await talk(floor, "603", "p2")
    number = caller.phone.user
    await caller.hang_up()
    await desk.ended
    await floor.site.agent_is("bob", "idle")
    await talk(floor, "603", "p2")
    await floor.login("ann")
    began = time.monotonic()
    again = await floor.call("603", user=number)
    desk = await rung(floor, "p1")
    assert time.monotonic() - began > 2.8
    await desk.answer()
    await floor.is_in(again, state="talking", agent="ann")


# --- a restart ---------------------------------------------------------------------------------


async def test_callcore_killed_during_an_announcement(floor: Floor, prompts: Prompts) -> None:
    """Back again, the caller hears music and a later announcement; who spoke with whom last is
    remembered."""
    await floor.login("bob")
    talked, desk = await talk(floor, "603", "p2")
    number = talked.phone.user
    await talked.hang_up()
    await desk.ended
    await floor.site.agent_is("bob", "idle")
    caller = await floor.call("601")
    await until(lambda: found(caller, beginning(prompts["you-are-next"])) is not None)
    await floor.site.kill()
    await floor.site.start()
    await floor.is_in(caller, state="queued", queue="told", position=1)
    back = len(caller.heard().samples)

    def told_again() -> bool:
        later = caller.heard().samples[back:]
        return audio.find_speech(later, prompts["you-are-next"][:-400])[1] > 0.9

    await until(told_again, 15)
    later = caller.heard().samples[back:]
    place = int(audio.find_speech(later, prompts["you-are-next"][:-400])[0] * 8000)
    assert place > 8000, "not at once"
    assert audio.level(later[place - 6000 : place - 800]) > 50, "music before it"
    await caller.hang_up()
    assert (await floor.record(caller))["outcome"] == "abandoned"
    await floor.login("ann")
    await floor.site.post("agents/bob/pause", reason="tea")
    await floor.site.agent_is("bob", "paused")
    await floor.site.post("agents/bob/ready")  # idle for less time than Ann
    await floor.site.agent_is("bob", "idle")
    again = await floor.call("603", user=number)
    desk = await rung(floor, "p2")
    await desk.answer()
    await floor.is_in(again, state="talking", agent="bob")
