"""callcore is killed with callers in every stage; Asterisk goes on, and callcore takes all over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from callcore.lab import audio
from callcore.lab.call import Call
from callcore.lab.sipp import answering_phones, callers, register_phones
from tests.load import slack

from .floor import Floor, hears, hears_speech, open_floor, phone_config, rung, talk

pytestmark = [pytest.mark.acceptance, pytest.mark.asyncio(loop_scope="module")]

AGENTS = ("ann", "bob", "cid", "dan", "eve", "fay", "gus")
PHONES = tuple(f"p{n}" for n, _ in enumerate(AGENTS, 1))

CONFIG = (
    phone_config(*PHONES)
    + "".join(
        f"""
[agents.{agent}]
phone = "p{n}"
[queues.q{n}]
members = ["{agent}"]
ring_seconds = 60
wrap_up_seconds = {"WRAP_UP" if agent == "dan" else 1}
[[routes]]
pattern = "60{n}"
queue = "q{n}"
"""
        for n, agent in enumerate(AGENTS, 1)
    )
    + """
[queues.line]
members = ["fay"]
[[routes]]
pattern = "610"
queue = "line"
[[routes]]
pattern = "700"
tree = "menu"
[[routes]]
pattern = "701"
tree = "message"
[[outbound]]
pattern = "0X."
trunk = "tel"
[transfers]
ring_seconds = 100
"""
)

LOAD_PHONES = 15
CONFIG += phone_config(*(f"l{n}" for n in range(1, LOAD_PHONES + 1)))
CONFIG += "".join(f'[agents.l{n}]\nphone = "l{n}"\n' for n in range(1, LOAD_PHONES + 1))
CONFIG += f"""
[queues.load]
members = {[f"l{n}" for n in range(1, LOAD_PHONES + 1)]}
record = "off"
[[routes]]
pattern = "620"
queue = "load"
"""

TREES = {
    "menu": """
start: menu
nodes:
  menu:
    step: menu
    play: [{text: "For a call that survives everything, press the one key. Two does nothing."}]
    keys: {1: line}
    timeout: 60
    failed: bye
  line: {step: enqueue, queue: line}
  bye: {step: hangup}
""",
    "message": """
start: note
nodes:
  note: {step: record, mailbox: general, max_seconds: 200, silence_seconds: 20, next: bye}
  bye: {step: hangup}
""",
}

#: Longer than a start takes on a busy machine: else callers under load are in the fallback queue.
FALLBACK_AFTER = 10


@dataclass
class Night:
    """Who was where when callcore was killed."""

    floor: Floor
    calls: dict[str, Call]
    before: dict[str, dict[str, Any]]
    agents: dict[str, dict[str, Any]]
    killed_at: float = 0.0
    started_at: float = 0.0
    #: Seconds from the start of the process to the answer "ready".
    took: float = 0.0

    async def rows(self) -> dict[str, dict[str, Any]]:
        """Live calls by the caller's number."""
        return {row["caller"]: row for row in (await self.floor.site.get("calls"))["calls"]}

    def row(self, name: str) -> dict[str, Any]:
        """The live call as it was before."""
        return self.before[self.calls[name].phone.user]


async def agents_of(floor: Floor) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in (await floor.site.get("agents"))["agents"]}


async def set_the_scene(floor: Floor) -> dict[str, Call]:
    """One caller in each stage."""
    site = floor.site
    await floor.login(*AGENTS)
    await site.post("agents/fay/pause", reason="lunch")
    calls: dict[str, Call] = {}
    calls["talking"], calls["ann"] = await talk(floor, "601", "p1")
    calls["held"], calls["cid"] = await talk(floor, "603", "p3")
    await calls["cid"].hold()
    await site.agent_is("cid", "on_hold")
    calls["left alone"], calls["gus"] = await talk(floor, "607", "p7")
    calls["transferred"], calls["eve"] = await talk(floor, "605", "p5")
    far = await floor.far_side()
    floor.asking = asyncio.create_task(calls["eve"].transfer("0555", 100))  # type: ignore[attr-defined]
    calls["far"] = await far.incoming()
    await calls["far"].ring()
    for name in ("first in line", "second in line", "leaving the line"):
        calls[name] = await floor.call("610")
        await floor.is_in(calls[name], state="queued")
    calls["ringing"] = await floor.call("602")
    calls["bob"] = await rung(floor, "p2", calls["ringing"])
    calls["in wrap-up"], _ = await talk(floor, "604", "p4")
    await calls["in wrap-up"].hang_up()
    await site.agent_is("dan", "wrapping_up")
    calls["at the menu"] = await floor.call("700")
    calls["message"] = await floor.call("701")
    await floor.is_in(calls["message"], state="ivr")
    calls["listening"] = await floor.call("700")
    await hears_speech(calls["listening"])
    calls["message"].play(audio.tone(440, 1.0), loop=True)
    return calls


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def floor(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Floor]:
    directory: Path = tmp_path_factory.mktemp("restart")
    # It begins before the kill, and is looked at after it.
    config = CONFIG.replace("WRAP_UP", f"{min(12 * slack(), 60):.0f}")
    async with open_floor(
        directory, config, PHONES, trees=TREES, fallback_after=FALLBACK_AFTER
    ) as floor:
        yield floor


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def night(floor: Floor) -> AsyncIterator[Night]:
    """The kill, what happens meanwhile, and the start; the tests look at one caller each."""
    calls = await set_the_scene(floor)
    night = Night(floor, calls, {}, {})
    calls["talking"].play(audio.tone(440, 1.0), loop=True)
    calls["ann"].play(audio.tone(880, 1.0), loop=True)
    await hears(calls["ann"], 440)
    await asyncio.sleep(1)  # sound must flow; the journal is synced
    night.before, night.agents = await night.rows(), await agents_of(floor)
    await floor.site.kill()
    night.killed_at = time.time()
    calls["talking"].play(audio.tone(600, 1.0), loop=True)
    await hears(calls["ann"], 600)
    await hears(calls["talking"], 880)
    await calls["left alone"].hang_up()
    await calls["leaving the line"].hang_up()
    await hears_speech(calls["first in line"], above=50)
    calls["new"] = await floor.call("610")
    await hears_speech(calls["new"], above=50)
    night.started_at = time.time()
    await floor.site.start()
    night.took = time.time() - night.started_at
    print(f"ready {night.took:.2f} s after the start of the process")
    calls["talking"].play(audio.tone(1000, 1.0), loop=True)
    for name in ("listening", "at the menu"):
        await hears_speech(calls[name])
    yield night
    floor.asking.cancel()  # type: ignore[attr-defined]
    await asyncio.gather(floor.asking, return_exceptions=True)  # type: ignore[attr-defined]
    await floor.clear()


async def test_callcore_is_back_soon(night: Night) -> None:
    """Ready, with everybody, within three seconds (the interpreter's start is in it)."""
    assert night.took < 3 * slack(), night.took


async def test_nobody_is_lost_and_nobody_is_twice(night: Night) -> None:
    """The same calls under the same ids; those who left are gone, who came is there."""
    await night.floor.is_in(night.calls["new"], state="queued")
    now = await night.rows()
    gone = {night.calls[name].phone.user for name in ("left alone", "leaving the line")}
    assert {row["id"] for number, row in night.before.items() if number not in gone} == {
        row["id"] for number, row in now.items() if number != night.calls["new"].phone.user
    }


async def test_sessions_pauses_and_wrap_ups_go_on(night: Night) -> None:
    """The agents are where they were."""
    agents = await agents_of(night.floor)
    for agent, state in (
        ("ann", "talking"),
        ("bob", "offered"),
        ("cid", "on_hold"),
        ("dan", "wrapping_up"),
        ("fay", "paused"),
    ):
        assert agents[agent]["state"] == state, agent
        assert agents[agent]["since"] == night.agents[agent]["since"]
    assert agents["fay"]["reason"] == "lunch"
    assert agents["dan"]["until"] == night.agents["dan"]["until"]


async def test_the_line_keeps_order_and_waiting_time(night: Night) -> None:
    """Who waited before waits on, in front of who came meanwhile."""
    await night.floor.is_in(night.calls["new"], position=3)
    rows = await night.rows()
    first, second, new = (
        rows[night.calls[name].phone.user] for name in ("first in line", "second in line", "new")
    )
    assert (first["position"], second["position"]) == (1, 2)
    assert first["queued_at"] == night.row("first in line")["queued_at"]
    assert night.killed_at - 1 < new["arrived_at"] < night.started_at
    for name in ("first in line", "new"):
        await hears_speech(night.calls[name], above=50)


async def test_who_left_meanwhile_is_closed_with_an_estimated_end(night: Night) -> None:
    """A caller who gave up, and a talk of which one side is gone."""
    left = await night.floor.record(night.calls["leaving the line"])
    assert (left["outcome"], left["estimated"]) == ("abandoned", True)
    alone = await night.floor.record(night.calls["left alone"])
    assert (alone["outcome"], alone["estimated"]) == ("answered", True)
    await night.calls["gus"].ended
    await night.floor.site.agent_is("gus", "idle")


async def test_the_phone_that_rang_rings_on_and_is_answered(night: Night) -> None:
    """The offer is the same one."""
    await night.calls["bob"].answer()
    await night.floor.is_in(night.calls["ringing"], state="talking")
    night.calls["bob"].play(audio.tone(880, 1.0), loop=True)
    await hears(night.calls["ringing"], 880)
    await night.calls["ringing"].hang_up()
    record = await night.floor.record(night.calls["ringing"])
    assert record["offers"] == 1
    recording = await night.floor.site.recording_of(record["call"])
    _, right = audio.read_channels(recording["file"])
    assert audio.tone_intervals(right, 880, threshold=2000)


async def test_the_held_caller_is_taken_back(night: Night) -> None:
    """With music until then."""
    await hears_speech(night.calls["held"], above=50)
    await night.calls["cid"].resume()
    night.calls["cid"].play(audio.tone(880, 1.0), loop=True)
    await hears(night.calls["held"], 880)
    await night.calls["held"].hang_up()
    record = await night.floor.record(night.calls["held"])
    assert len([s for s in record["segments"] if s["kind"] == "hold"]) == 1


async def test_the_number_that_rang_for_a_transfer_is_answered(night: Night) -> None:
    """The phone that asked hears of it, too."""
    await night.calls["far"].answer()
    night.calls["far"].play(audio.tone(1250, 1.0), loop=True)
    await hears(night.calls["transferred"], 1250)
    outcome = await night.floor.asking  # type: ignore[attr-defined]
    assert outcome.ok
    await night.floor.site.agent_is("eve", "idle")
    await night.calls["far"].hang_up()
    record = await night.floor.record(night.calls["transferred"])
    assert (record["outcome"], record["transfers"]) == ("answered", 1)


@pytest.mark.parametrize("who", ["listening", "at the menu"])
async def test_callers_in_a_tree_hear_their_node_again(night: Night, who: str) -> None:
    """(The fixture waited for that.) And their keys work."""
    await night.calls[who].send_digits("1")
    await night.floor.is_in(night.calls[who], state="queued", queue="line")
    await night.calls[who].hang_up()


async def test_the_message_goes_on_and_is_kept(night: Night) -> None:
    """What was said before, meanwhile and after."""
    call = night.calls["message"]
    call.play(audio.tone(1000, 1.0), loop=True)
    await asyncio.sleep(1)  # sound must flow
    await call.hang_up()
    record = await night.floor.record(call)
    assert record["outcome"] == "voicemail"
    message = await night.floor.site.recording_of(record["call"])
    (samples, *_) = audio.read_channels(message["file"])
    assert audio.tone_intervals(samples, 440, threshold=2000)
    assert audio.tone_intervals(samples, 1000, threshold=2000)


async def test_the_recording_is_one_file_with_everything(night: Night) -> None:
    """What was said before the kill, while callcore was away, and after."""
    call = night.calls["talking"]
    await hears(night.calls["ann"], 1000)
    await asyncio.sleep(0.5)  # sound must flow
    await call.hang_up()
    record = await night.floor.record(call)
    assert record["call"] == night.row("talking")["id"]
    recording = await night.floor.site.recording_of(record["call"])
    left, right = audio.read_channels(recording["file"])
    spans = [audio.tone_intervals(left, hz, threshold=2000) for hz in (440, 600, 1000)]
    assert all(spans)
    assert spans[0][-1][1] <= spans[1][0][0] + 0.05
    assert spans[1][-1][1] <= spans[2][0][0] + 0.05
    begin, end = spans[0][0][0], spans[2][-1][1]
    heard = [(begin, begin), *audio.tone_intervals(right, 880, threshold=2000), (end, end)]
    away = night.started_at + night.took - night.killed_at
    assert max(later[0] - sooner[1] for sooner, later in pairwise(heard)) < min(0.3, away / 2)
    assert len(left) / 8000 == pytest.approx(record["talk_seconds"], abs=0.3 * slack())


async def test_the_wrap_up_ends_when_it_would_have(night: Night) -> None:
    """(After the tests of what rings: that does not wait for it.)"""
    await night.floor.site.agent_is("dan", "idle", 65)
    idle_since = (await agents_of(night.floor))["dan"]["since"]
    assert idle_since == pytest.approx(night.agents["dan"]["until"], abs=1.0)


async def test_the_line_is_served_in_its_order(night: Night) -> None:
    """By the agent whose pause outlived callcore, until it is ended."""
    await night.floor.site.post("agents/fay/ready")
    for name in ("first in line", "second in line", "new"):
        desk = await rung(night.floor, "p6", night.calls[name])
        await desk.answer()
        await night.floor.is_in(night.calls[name], state="talking")
        await night.calls[name].hang_up()
    new = await night.floor.record(night.calls["new"])
    assert new["arrived_at"] < night.started_at
    assert new["wait_seconds"] > 1


async def test_callers_of_the_fallback_queue_are_brought_back(floor: Floor) -> None:
    """Away for longer than callers are held: they come back under the same channel."""
    await floor.clear()
    await floor.site.kill()
    call = await floor.call("610")

    async def is_in_fallback() -> bool:
        return "!Queue!" in await floor.site.asterisk("core show channels concise")

    await floor.site.until(is_in_fallback, "the caller is in Queue()", FALLBACK_AFTER + 10)
    await floor.site.start()
    row = await floor.is_in(call, state="queued", queue="line")
    assert row["arrived_at"] < time.time() - FALLBACK_AFTER
    await hears_speech(call, above=50)
    await call.hang_up()
    assert (await floor.record(call))["outcome"] == "abandoned"
    await floor.site.quiet()


async def test_a_proper_stop_is_taken_over_as_well(floor: Floor) -> None:
    """SIGTERM ends no call."""
    await floor.clear()
    await floor.login("ann")
    call, desk = await talk(floor, "601", "p1")
    assert await floor.site.stop() == 0
    desk.play(audio.tone(880, 1.0), loop=True)
    await hears(call, 880)
    await floor.site.start()
    await floor.is_in(call, state="talking")
    await call.hang_up()
    await desk.ended
    await floor.site.agent_is("ann", "idle")
    record = await floor.record(call, wrapped_up=True)
    assert record["estimated"] is False
    await floor.site.post("agents/ann/logout")
    await floor.site.quiet()


async def test_killed_twice_in_five_seconds_under_load(floor: Floor, tmp_path: Path) -> None:
    """Every call has exactly one row, no agent is stuck, Asterisk is empty."""
    await floor.clear()
    site = floor.site
    began = time.time()
    desks = (f"127.0.{site.number}.4", 5070)
    users = [(f"l{n}", f"l{n}-secret") for n in range(1, LOAD_PHONES + 1)]
    registered = await register_phones(
        users, tmp_path / "register", local=desks, remote=site.sip, expires=600
    )
    assert registered.ok, registered.meaning
    for user, _ in users:
        await site.post(f"agents/{user}/login")
    async with (
        answering_phones(tmp_path / "phones", local=desks, remote=site.sip, talk_ms=800),
        callers(
            tmp_path / "callers",
            "620",
            local=(site.caller_address, 5080),
            remote=site.sip,
            calls=80,
            rate=10,
            talk_ms=20_000,
        ) as load,
    ):
        for _ in range(2):
            await asyncio.sleep(1.8)  # so long under load before each kill
            await site.kill()
            await site.start()
        result = await load.wait(60)
    await site.quiet(20)
    for user, _ in users:
        await site.agent_is(user, "idle")
    rows: list[dict[str, Any]] = []

    async def written() -> bool:  # rows are a second behind the calls
        rows[:] = [
            row
            for row in (await site.get("calls/ended?limit=500"))["calls"]
            if row["arrived_at"] >= began and row["direction"] == "inbound"
        ]
        return len(rows) >= 80

    await site.until(written, f"every call has a row; {result.meaning}")
    assert len({row["call"] for row in rows}) == len(rows)
    assert len({row["caller_number"] for row in rows}) == len(rows) == 80
