"""A supervisor listens, whispers and barges, heard with three tones on both back ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import pytest
import pytest_asyncio

from callcore.lab import audio
from callcore.lab.call import Call
from callcore.lab.errors import ApiRefused, LabTimeout
from callcore.lab.site import PATIENCE

from .embedded import QUEUES, open_embedded
from .floor import Floor, open_floor, phone_config, rung

pytestmark = [pytest.mark.acceptance, pytest.mark.asyncio(loop_scope="module")]

PHONES = ("p1", "p2", "p3")
SUPERVISORS_PHONE = """
[phones.p3]
host = "127.0.{number}.2:5063"
"""
CALLER, ANN, BOB, SUPERVISOR = 440.0, 880.0, 1250.0, 1700.0
VOICES = (CALLER, ANN, BOB, SUPERVISOR)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["asterisk", "pjsip"])
async def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Floor]:
    """Ann and Bob at p1 and p2; nobody is logged in at p3."""
    directory = tmp_path_factory.mktemp("supervision")
    if request.param == "pjsip":
        opened = open_embedded(directory, SUPERVISORS_PHONE, PHONES)
    else:
        opened = open_floor(directory, phone_config(*PHONES) + QUEUES, PHONES)
    async with opened as floor:
        yield floor


@pytest_asyncio.fixture(loop_scope="module")
async def floor(shared: Floor) -> AsyncIterator[Floor]:
    yield shared
    await shared.clear()


def speaks(call: Call, hz: float) -> None:
    call.play(audio.tone(hz, 1.0), loop=True)


async def hear(*heard: tuple[Call, set[float]]) -> None:
    """Soon each call hears these voices, and no other, for a third of a second."""

    def now() -> list[set[float]]:
        until = time.time() - 0.1
        sound = [call.heard().between(until - 0.33, until) for call, _ in heard]
        return [{hz for hz in VOICES if audio.tone_level(each, hz) > 1000} for each in sound]

    wanted = [voices for _, voices in heard]
    try:
        async with asyncio.timeout(8 * PATIENCE):
            while now() != wanted:  # noqa: ASYNC110
                await asyncio.sleep(0.05)  # sound must flow
    except TimeoutError:
        raise LabTimeout(f"wanted {wanted}, heard {now()}") from None


async def conversation(floor: Floor, number: str) -> tuple[Call, Call, str]:
    """A caller and Ann, talking; and the id of their call."""
    await floor.login("ann")
    caller = await floor.call(number)
    ann = await rung(floor, "p1", caller)
    await ann.answer()
    row = await floor.is_in(caller, state="talking")
    speaks(caller, CALLER)
    speaks(ann, ANN)
    await hear((caller, {ANN}), (ann, {CALLER}))
    return caller, ann, row["id"]


async def supervise(floor: Floor, call: str, mode: str, phone: str = "p3") -> Call:
    """`callcore call listen|whisper|barge`: the phone rings and is answered."""
    command = asyncio.create_task(floor.run("call", mode, call, "--phone", phone))
    supervisor = await rung(floor, phone)
    await supervisor.answer()
    assert f"call {call}: phone {phone}" in await command
    speaks(supervisor, SUPERVISOR)
    return supervisor


async def hear_as(mode: str, caller: Call, agent: Call, supervisor: Call, voice: float) -> None:
    """`voice` is the agent's."""
    to_agent = {"listen": set[float](), "whisper": {SUPERVISOR}, "barge": {SUPERVISOR}}[mode]
    to_caller = {SUPERVISOR} if mode == "barge" else set[float]()
    await hear(
        (supervisor, {CALLER, voice}),
        (agent, {CALLER} | to_agent),
        (caller, {voice} | to_caller),
    )


async def test_each_mode_by_command_key_and_api(floor: Floor) -> None:
    """Who hears whom in each mode, with the talk going on; the supervision's record and the event
    list of the call say what happened; the supervisor's phone is let go with the call."""
    caller, ann, name = await conversation(floor, "601")
    supervisor = await supervise(floor, name, "listen")
    await hear_as("listen", caller, ann, supervisor, ANN)
    await supervisor.send_digits("5")
    await hear_as("whisper", caller, ann, supervisor, ANN)
    answer = await floor.site.post(f"calls/{name}/supervise", phone="p3", mode="barge")
    await hear_as("barge", caller, ann, supervisor, ANN)
    row = await floor.is_in(caller, supervisors={"p3": "barge"})
    assert row["state"] == "talking"
    assert "talking (barge: p3)" in await floor.run("call", "list")
    await supervisor.send_digits("4")
    await hear_as("listen", caller, ann, supervisor, ANN)
    await supervisor.send_digits("6")
    await hear_as("barge", caller, ann, supervisor, ANN)
    await supervisor.send_digits("5")
    await hear_as("whisper", caller, ann, supervisor, ANN)
    await ann.hold()
    await ann.resume()
    await hear_as("whisper", caller, ann, supervisor, ANN)
    assert not caller.media.heard_digits() + ann.media.heard_digits(), "keys are for callcore"
    await caller.hang_up()
    await supervisor.ended
    record = await floor.site.ended_call(call=answer["call"])
    assert (record["outcome"], record["direction"]) == ("service", "internal")
    assert record["variables"] == {"supervised": name}
    shown = await floor.site.get(f"calls/{name}")
    modes = [e["details"]["mode"] for e in shown["events"] if e["name"] == "supervised"]
    assert modes == ["listen", "whisper", "barge", "listen", "barge", "whisper"]
    assert (await floor.record(caller))["outcome"] == "answered"


async def test_the_talk_goes_on_without_the_supervisor(floor: Floor) -> None:
    """Who hangs up after barging leaves the two to themselves, and may come again."""
    caller, ann, name = await conversation(floor, "601")
    for mode in ("barge", "whisper"):
        supervisor = await supervise(floor, name, mode)
        await hear_as(mode, caller, ann, supervisor, ANN)
        await supervisor.hang_up()
        await hear((caller, {ANN}), (ann, {CALLER}))
        await floor.is_in(caller, supervisors={})
    await caller.hang_up()
    assert (await floor.record(caller))["hung_up_by"] == "caller"


@pytest.mark.parametrize("mode", ["whisper", "barge"])
async def test_a_supervisor_who_holds_is_not_heard(floor: Floor, mode: str) -> None:
    """Neither is the music Asterisk has for whom is held."""
    caller, ann, name = await conversation(floor, "601")
    supervisor = await supervise(floor, name, mode)
    await hear_as(mode, caller, ann, supervisor, ANN)
    caller.send_silence()
    ann.send_silence()
    await supervisor.hold()
    held = time.time()
    await asyncio.sleep(1.5)  # of whatever there is to hear
    for call in (ann, caller):
        sound = call.heard().between(held + 0.4, held + 1.3)
        assert audio.level(sound) < 50, audio.level(sound)
    await supervisor.resume()
    speaks(caller, CALLER)
    speaks(ann, ANN)
    await hear_as(mode, caller, ann, supervisor, ANN)
    await caller.hang_up()
    await supervisor.ended


async def test_two_supervisors_at_once(floor: Floor) -> None:
    """One listens, the other whispers and barges: each has the mode of its own."""
    caller, ann, name = await conversation(floor, "601")
    first = await supervise(floor, name, "listen", "p2")
    second = await supervise(floor, name, "listen", "p3")
    speaks(first, BOB)
    await hear((first, {CALLER, ANN}), (second, {CALLER, ANN}), (ann, {CALLER}), (caller, {ANN}))
    await second.send_digits("6")
    everybody = {CALLER, ANN, SUPERVISOR}
    await hear((first, everybody), (second, {CALLER, ANN}), (ann, everybody - {ANN}))
    await second.send_digits("5")
    await hear_as("whisper", caller, ann, second, ANN)
    await first.hang_up()
    await hear_as("whisper", caller, ann, second, ANN)
    await caller.hang_up()
    await second.ended


async def test_a_supervisor_follows_the_caller_to_the_next_agent(floor: Floor) -> None:
    """Ann sends the caller to Bob while the supervisor whispers: Bob is whispered to next."""
    caller, ann, name = await conversation(floor, "601")
    await floor.login("bob")
    supervisor = await supervise(floor, name, "whisper")
    await hear_as("whisper", caller, ann, supervisor, ANN)
    asked = asyncio.create_task(ann.transfer("bob"))
    bob = await rung(floor, "p2", caller)
    # What waits hears music, and so does the supervisor: and the caller's voice.
    await hear((supervisor, {CALLER}))
    await bob.answer()
    speaks(bob, BOB)
    assert (await asked).ok
    await hear_as("whisper", caller, bob, supervisor, BOB)
    await floor.site.post(f"calls/{name}/supervise", phone="p3", mode="barge")
    await hear_as("barge", caller, bob, supervisor, BOB)
    await bob.hang_up()
    await caller.ended
    await supervisor.ended


async def test_barging_waits_for_the_agent(floor: Floor) -> None:
    """A caller in line is listened to; who is to take part does so when the agent answers."""
    caller = await floor.call("601")
    row = await floor.is_in(caller, state="queued")
    speaks(caller, CALLER)
    supervisor = await supervise(floor, row["id"], "barge")
    await hear((supervisor, {CALLER}), (caller, set()))
    await floor.login("ann", to="offered")
    ann = await rung(floor, "p1", caller)
    await ann.answer()
    speaks(ann, ANN)
    await hear_as("barge", caller, ann, supervisor, ANN)
    await ann.hang_up()
    await caller.ended
    await supervisor.ended


async def test_a_recording_holds_what_the_caller_heard(floor: Floor) -> None:
    """Nothing of a whisper, all of a barge."""
    caller, ann, name = await conversation(floor, "602")
    supervisor = await supervise(floor, name, "whisper")
    await hear_as("whisper", caller, ann, supervisor, ANN)
    await asyncio.sleep(1)  # of the recording
    barged = time.time()
    await supervisor.send_digits("6")
    await hear_as("barge", caller, ann, supervisor, ANN)
    await asyncio.sleep(1)
    await caller.hang_up()
    record = await floor.record(caller)
    recording = await floor.site.recording_of(record["call"])
    left, right = audio.read_channels(recording["file"])
    assert audio.tone_intervals(left, CALLER, threshold=1000)
    for channel in (left, right):
        before = audio.tone_intervals(channel, SUPERVISOR, threshold=500)
        assert all(begin > barged - recording["started_at"] - 0.1 for begin, _ in before), before
    spans = audio.tone_intervals(right, SUPERVISOR, threshold=1000)
    assert max(end - begin for begin, end in spans) > 0.8, spans
    assert audio.tone_intervals(right, ANN, threshold=1000)


async def refused(asking: Awaitable[Any], why: str) -> None:
    with pytest.raises(ApiRefused, match=why):
        await asking


async def test_what_cannot_be_is_refused_with_a_reason(floor: Floor) -> None:
    caller, _, name = await conversation(floor, "601")
    path = f"calls/{name}/supervise"
    await refused(floor.site.post(path, phone="p9", mode="listen"), "no phone named 'p9'")
    await refused(floor.site.post(path, phone="p1", mode="listen"), "is part of call")
    await refused(floor.site.post(path, phone="p3", mode="shout"), "shout")
    await refused(floor.site.post("calls/gone/supervise", phone="p3"), "no call named")
    await caller.hang_up()
    await floor.record(caller)
    await refused(floor.site.post(path, phone="p3", mode="listen"), "no call named")


@pytest.mark.parametrize("shared", ["asterisk"], indirect=True)  # elsewhere calls end with callcore
async def test_callcore_restarted_while_a_supervisor_listens(floor: Floor) -> None:
    """The supervision goes on, its mode can be changed, and Asterisk keeps nothing of it."""
    caller, ann, name = await conversation(floor, "601")
    supervisor = await supervise(floor, name, "whisper")
    await hear_as("whisper", caller, ann, supervisor, ANN)
    await asyncio.sleep(0.5)  # the journal is synced
    await floor.site.kill()
    await hear_as("whisper", caller, ann, supervisor, ANN)
    await floor.site.start()
    await floor.is_in(caller, supervisors={"p3": "whisper"})
    await hear_as("whisper", caller, ann, supervisor, ANN)
    await supervisor.send_digits("6")
    await hear_as("barge", caller, ann, supervisor, ANN)
    await floor.site.kill()
    await floor.site.start()
    await floor.is_in(caller, supervisors={"p3": "barge"})
    await hear_as("barge", caller, ann, supervisor, ANN)
    await supervisor.send_digits("4")
    await hear_as("listen", caller, ann, supervisor, ANN)
    await supervisor.hang_up()
    await floor.is_in(caller, supervisors={})
    await hear((caller, {ANN}), (ann, {CALLER}))
    await nothing_is_left(floor, channels=2, bridges=1)
    await caller.hang_up()
    await floor.record(caller)
    await nothing_is_left(floor, channels=0, bridges=0)


async def nothing_is_left(floor: Floor, channels: int, bridges: int) -> None:
    """Asterisk has so many channels and bridges, and no more; a snoop channel ends with a frame."""
    shown: list[str] = []

    async def holds() -> bool:
        commands = ("core show channels concise", "bridge show all")
        shown[:] = [await floor.site.asterisk(command) for command in commands]
        # The list of bridges has a heading.
        return [len(text.splitlines()) for text in shown] == [channels, bridges + 1]

    await floor.site.until(holds, f"{channels} channels, {bridges} bridges; there are {shown}")
