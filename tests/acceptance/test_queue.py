"""Callers in queues on real Asterisk: hanging up anywhere, phones that do not answer, overflow."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from callcore.lab import audio
from callcore.lab.call import Call
from callcore.lab.errors import LabError
from tests.load import slack

from .floor import (
    Floor,
    ever_heard,
    hears,
    hears_speech,
    open_floor,
    phone_config,
    rung,
    talk,
    until,
)

pytestmark = [pytest.mark.acceptance, pytest.mark.asyncio(loop_scope="module")]

CONFIG = (
    phone_config("p1", "p2", "p3")
    + """
[agents.ann]
phone = "p1"
[agents.bob]
phone = "p2"
[agents.cid]
phone = "p3"
[queues.line]
members = ["ann", "bob", "cid"]
ring_seconds = 5
retry_seconds = 30
[queues.brief]
members = ["ann", "bob"]
ring_seconds = 1
retry_seconds = 0.5
rona_limit = 2
[queues.everyone]
strategy = "ring_all"
members = ["ann", "bob", "cid"]
ring_seconds = 10
[queues.told]
name = "Sales"
members = ["ann"]
agent_announcement = "text:{queue}, a caller who waited for {wait} seconds."
[queues.impatient]
members = ["ann"]
ring_seconds = 20
max_wait_seconds = 1.5
overflow = "sorry/said"
[queues.small]
members = ["ann"]
max_size = 1
overflow = "sorry/said"
[queues.secret]
members = ["ann"]
record = "off"
[queues.early]
members = ["ann"]
record = "answered"
[[routes]]
pattern = "601"
queue = "line"
[[routes]]
pattern = "602"
queue = "brief"
[[routes]]
pattern = "603"
queue = "everyone"
[[routes]]
pattern = "604"
queue = "told"
[[routes]]
pattern = "605"
queue = "impatient"
[[routes]]
pattern = "606"
queue = "small"
[[routes]]
pattern = "607"
queue = "secret"
[[routes]]
pattern = "608"
queue = "early"
[[routes]]
pattern = "610"
tree = "menu"
"""
)

TREES = {
    "sorry": """
start: said
nodes:
  said: {step: prompt, play: [{file: sounds/sorry.wav}], next: bye}
  bye: {step: hangup}
""",
    "menu": """
start: ask
nodes:
  ask:
    step: menu
    play: [{text: "Press one for the line."}]
    keys: {1: line, 2: low, 3: high}
    failed: bye
  line: {step: enqueue, queue: line, overflow: bye}
  low: {step: enqueue, queue: line, priority: 0}
  high: {step: enqueue, queue: line, priority: 5}
  bye: {step: hangup}
""",
}

SORRY, CALLER, AGENT = 1200.0, 440.0, 880.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Floor]:
    async with open_floor(
        tmp_path_factory.mktemp("queue"),
        CONFIG,
        ("p1", "p2", "p3"),
        trees=TREES,
        sounds={"sounds/sorry": audio.tone(SORRY, 1.5)},
    ) as floor:
        yield floor


@pytest_asyncio.fixture(loop_scope="module")
async def floor(shared: Floor) -> AsyncIterator[Floor]:
    yield shared
    await shared.clear()


async def recordings_are_complete(floor: Floor) -> None:
    """No marks of an unfinished one are left; they go a moment after the row is there."""
    pending = floor.site.var / "recordings" / ".pending"
    await until(lambda: not list(pending.glob("*.marks")))


# --- the caller hangs up at each stage ---------------------------------------------------------


async def test_a_caller_who_gives_up_before_the_answer_leaves_nothing(floor: Floor) -> None:
    """CANCEL races the answer; nothing is left behind, and a call that reached callcore (the
    first may be gone before Asterisk hands it over) is the caller's to have ended."""
    await floor.login("ann")
    numbers = []
    for _ in range(4):
        caller = await floor.dial("601")
        numbers.append(caller.phone.user)
        caller.hanging_up = True  # CANCEL follows the first provisional answer
        await caller.ended
        await floor.site.quiet()
        await floor.site.agent_is("ann", "idle")
    await floor.nobody_rings()
    rows = (await floor.site.get("calls/ended"))["calls"]
    for record in (row for row in rows if row["caller_number"] in numbers):
        assert record["hung_up_by"] == "caller"
        assert record["outcome"] in ("abandoned", "ivr_only")


async def test_a_caller_who_gives_up_in_the_menu_never_was_in_a_queue(floor: Floor) -> None:
    """Outcome ivr_only, no offer, and a reason why there is no recording."""
    await floor.login("ann")
    caller = await floor.call("610")
    await hears_speech(caller)
    await caller.hang_up()
    await floor.site.quiet()
    record = await floor.record(caller)
    assert (record["outcome"], record["hung_up_by"]) == ("ivr_only", "caller")
    assert (record["offers"], record["queued_at"], record["recording"]) == (0, None, "")
    assert record["no_recording_reason"] == "never_bridged"
    assert not floor.phones["p1"].calls


async def test_a_caller_who_gives_up_while_waiting_is_abandoned(floor: Floor) -> None:
    """Music while waiting; after the hang-up an agent who logs in gets no call."""
    caller = await floor.call("601")
    await floor.is_in(caller, state="queued", queue="line", position=1)
    await hears_speech(caller, above=50)
    await caller.hang_up()
    await floor.site.quiet()
    await floor.login("ann")
    record = await floor.record(caller)
    assert (record["outcome"], record["hung_up_by"]) == ("abandoned", "caller")
    assert record["offers"] == 0
    assert record["wait_seconds"] > 0
    assert not floor.phones["p1"].calls


async def test_a_caller_who_gives_up_while_a_phone_rings_stops_the_ringing(floor: Floor) -> None:
    """The phone gets its CANCEL at once, the agent is idle again."""
    await floor.login("ann")
    caller = await floor.call("601")
    desk = await rung(floor, "p1", caller)
    await floor.site.agent_is("ann", "offered")
    await caller.hang_up()
    ending = await desk.ended.within(3)
    assert (ending.by, ending.status) == ("remote", 487)
    await floor.site.agent_is("ann", "idle")
    await floor.site.quiet()
    record = await floor.record(caller)
    assert (record["outcome"], record["hung_up_by"], record["offers"]) == ("abandoned", "caller", 1)
    await floor.nobody_rings()


async def test_the_announcement_is_for_the_agent_alone(floor: Floor) -> None:
    """The agent hears words, the caller music and no words; then both hear each other."""
    await floor.login("ann")
    caller = await floor.call("604")
    desk = await rung(floor, "p1", caller)
    await desk.answer()
    answered = asyncio.get_running_loop().time()
    caller.play(audio.tone(CALLER, 1.0), loop=True)
    await hears_speech(desk)
    assert not ever_heard(desk, CALLER)
    await hears(desk, CALLER)
    assert asyncio.get_running_loop().time() - answered > 1.0, "words before the bridge"
    desk.play(audio.tone(AGENT, 1.0), loop=True)
    await hears(caller, AGENT)
    await caller.hang_up()
    await desk.ended
    await floor.site.agent_is("ann", "idle")
    record = await floor.record(caller)
    assert record["outcome"] == "answered"


async def test_a_caller_who_gives_up_during_the_announcement_frees_the_agent(floor: Floor) -> None:
    """The agent's leg ends, nothing was recorded, the caller counts as abandoned."""
    await floor.login("ann")
    caller = await floor.call("604")
    desk = await rung(floor, "p1", caller)
    await desk.answer()
    await hears_speech(desk)
    await caller.hang_up()
    assert (await desk.ended.within(3)).by == "remote"
    await floor.site.agent_is("ann", "idle")
    await floor.site.quiet()
    record = await floor.record(caller)
    assert (record["outcome"], record["hung_up_by"]) == ("abandoned", "caller")
    assert record["recording"] == ""


async def test_an_agent_who_hangs_up_during_the_announcement_gives_the_caller_back(
    floor: Floor,
) -> None:
    """The caller hears nothing of it, keeps the place, and is offered again."""
    await floor.login("ann")
    caller = await floor.call("604")
    later = await floor.call("604")
    desk = await rung(floor, "p1", caller)
    await desk.answer()
    await hears_speech(desk)
    await desk.hang_up()
    again = await rung(floor, "p1", caller)
    await again.answer()
    await floor.is_in(caller, state="talking", agent="ann")
    assert not caller.ended.happened
    await floor.is_in(later, state="queued", position=1)
    await caller.hang_up()
    record = await floor.record(caller)
    assert (record["offers"], record["outcome"]) == (2, "answered")


@pytest.mark.parametrize("by", ["caller", "agent"])
async def test_either_side_hanging_up_ends_the_talk(floor: Floor, by: str) -> None:
    """The other side gets BYE at once, the record says who it was, the recording is closed."""
    await floor.login("ann")
    caller, desk = await talk(floor, "601", "p1")
    caller.play(audio.tone(CALLER, 1.0), loop=True)
    await hears(desk, CALLER)
    await asyncio.sleep(0.3)  # sound must flow into the file
    first, second = (caller, desk) if by == "caller" else (desk, caller)
    await first.hang_up()
    assert (await second.ended.within(3)).by == "remote"
    await floor.site.agent_is("ann", "idle")
    await floor.site.quiet()
    record = await floor.record(caller)
    assert (record["outcome"], record["hung_up_by"]) == ("answered", by)
    assert record["hangup_cause"] == 16
    recording = await floor.site.recording_of(record["call"])
    left, _ = audio.read_channels(recording["file"])
    assert audio.tone_intervals(left, CALLER)
    await recordings_are_complete(floor)


# --- agents who do not answer --------------------------------------------------------------------


@pytest.mark.parametrize(("status", "result"), [(486, "busy"), (603, "rejected"), (480, None)])
async def test_a_phone_that_refuses_passes_the_caller_on(
    floor: Floor, status: int, result: str | None
) -> None:
    """The next agent rings at once; the caller keeps the place before one who came later."""
    await floor.login("ann")
    await floor.login("bob")
    caller = await floor.call("601")
    first = await rung(floor, "p1", caller)
    await first.reject(status)
    second = await rung(floor, "p2", caller)
    await second.answer()
    await floor.is_in(caller, state="talking", agent="bob")
    await caller.hang_up()
    record = await floor.record(caller)
    assert (record["agent"], record["offers"]) == ("bob", 2)
    offers = [s for s in record["segments"] if s["kind"] == "offer"]
    assert [s["agent"] for s in offers] == ["ann", "bob"]
    assert offers[1]["result"] == "answered"
    if result is not None:
        assert offers[0]["result"] == result
    assert record["wait_seconds"] < 5 * slack()  # a phone that rings is given up after 5


async def test_a_phone_that_rings_too_long_passes_the_caller_on_in_place(floor: Floor) -> None:
    """Ring time-out: CANCEL, and the caller still stands before the one who came later."""
    await floor.login("ann")
    caller = await floor.call("602")
    first = await rung(floor, "p1", caller)
    later = await floor.call("602")
    await floor.is_in(later, state="queued", position=2)
    assert (await first.ended.within(4)).status == 487
    again = await rung(floor, "p1", caller)
    await again.answer()
    await floor.is_in(caller, state="talking", agent="ann")
    await floor.login("bob", to="offered")
    second = await rung(floor, "p2", later)
    await second.answer()
    await floor.is_in(later, state="talking", agent="bob")


async def test_unanswered_offers_pause_the_agent(floor: Floor) -> None:
    """RONA: after two the agent is paused with the reason, the caller waits for someone else."""
    await floor.login("ann")
    caller = await floor.call("602")
    for _ in range(2):
        ringing = await rung(floor, "p1", caller)
        assert (await ringing.ended.within(4)).status == 487
    await floor.site.agent_is("ann", "paused")
    assert (await floor.site.get("agents/ann"))["reason"] == "rona"
    await floor.is_in(caller, state="queued", position=1)
    await floor.site.post("agents/ann/ready")
    third = await rung(floor, "p1", caller)
    await third.answer()
    await floor.is_in(caller, state="talking")


async def test_a_phone_that_is_gone_is_not_rung(floor: Floor) -> None:
    """An unregistered phone makes its agent unreachable; registered again, the waiting caller."""
    await floor.login("ann")
    await floor.phones["p1"].unregister()
    await floor.site.agent_is("ann", "unreachable")
    caller = await floor.call("601")
    await floor.is_in(caller, state="queued", position=1)
    assert not floor.phones["p1"].calls
    await floor.phones["p1"].register(keep=True)
    desk = await rung(floor, "p1", caller)
    await desk.answer()
    await floor.is_in(caller, state="talking", agent="ann")


async def test_a_deaf_phone_passes_the_caller_on(floor: Floor) -> None:
    """No answer at all to the INVITE: the ring time-out applies, the next phone rings."""
    await floor.login("ann")
    await floor.login("bob")
    floor.phones["p1"].deaf = True
    try:
        caller = await floor.call("602")
        desk = await rung(floor, "p2", caller)
        await desk.answer()
        await floor.is_in(caller, state="talking", agent="bob")
    finally:
        floor.phones["p1"].deaf = False
    # Awake again, it gets a repetition of the INVITE, and at once the CANCEL that had to wait.
    late = await floor.phones["p1"].incoming(20)
    assert (await late.ended.within(3)).status == 487


async def test_losers_of_ring_all_show_no_missed_call(floor: Floor) -> None:
    """All ring, one wins; the others' CANCEL says that the call was completed elsewhere."""
    await floor.login("ann", "bob", "cid")
    caller = await floor.call("603")
    ringing = [await rung(floor, name, caller) for name in ("p1", "p2", "p3")]
    winner, losers = ringing[1], (ringing[0], ringing[2])
    await winner.answer()
    for loser in losers:
        assert (await loser.ended.within(3)).status == 487
        (cancel,) = {e.message.branch: e for e in loser.requests("CANCEL", sent=False)}.values()
        reason = cancel.message.get("reason")
        assert "completed elsewhere" in reason.lower()
        assert "cause=26" in reason or "cause=200" in reason
    await floor.is_in(caller, state="talking", agent="bob")
    await floor.site.agent_is("ann", "idle")
    await floor.site.agent_is("cid", "idle")
    winner.play(audio.tone(AGENT, 1.0), loop=True)
    await hears(caller, AGENT)
    await caller.hang_up()
    record = await floor.record(caller)
    results = {s["agent"]: s["result"] for s in record["segments"] if s["kind"] == "offer"}
    assert results == {"ann": "answered_elsewhere", "bob": "answered", "cid": "answered_elsewhere"}


async def test_a_caller_who_gives_up_shows_as_missed_to_all(floor: Floor) -> None:
    """Nobody took it: the CANCELs do not say that somebody did."""
    await floor.login("ann", "bob")
    caller = await floor.call("603")
    ringing = [await rung(floor, name, caller) for name in ("p1", "p2")]
    await caller.hang_up()
    for desk in ringing:
        await desk.ended.within(3)
        assert "elsewhere" not in desk.reason_header.lower()
    await floor.site.quiet()


async def test_calls_go_round_by_longest_idle(floor: Floor) -> None:
    """Six calls, three agents: each time the one who has been idle longest."""
    for agent in ("bob", "cid", "ann"):
        await floor.login(agent)
    order = []
    for phone in ("p2", "p3", "p1", "p2", "p3", "p1"):
        caller, desk = await talk(floor, "601", phone)
        order.append((await floor.live(caller))["agent"])
        await caller.hang_up()
        await desk.ended
        await floor.site.agent_is(order[-1], "idle")
    assert order == ["bob", "cid", "ann"] * 2


# --- order, overflow ----------------------------------------------------------------------------


async def test_priority_goes_before_those_who_came_earlier(floor: Floor) -> None:
    """Two wait; the later one has the higher priority and is served first."""
    low = await floor.call("610")
    await low.send_digits("2")
    await floor.is_in(low, state="queued", position=1)
    high = await floor.call("610")
    await high.send_digits("3")
    await floor.is_in(high, state="queued", position=1)
    await floor.is_in(low, position=2)
    await floor.login("ann", to="offered")
    desk = await rung(floor, "p1", high)
    await desk.answer()
    await floor.is_in(high, state="talking")
    await high.hang_up()
    desk = await rung(floor, "p1", low)
    await desk.answer()
    await floor.is_in(low, state="talking")


async def test_waiting_too_long_leads_to_the_overflow_node(floor: Floor) -> None:
    """The phone stops ringing, the caller hears the node, the record says why."""
    await floor.login("ann")
    caller = await floor.call("605")
    desk = await rung(floor, "p1", caller)
    assert (await desk.ended.within(4)).status == 487
    await hears(caller, SORRY)
    assert (await caller.ended).by == "remote"
    await floor.site.agent_is("ann", "idle")
    record = await floor.record(caller)
    assert record["hung_up_by"] == "callcore"
    assert [s["result"] for s in record["segments"] if s["kind"] == "queue"] == ["max_wait"]
    assert "overflowed" in await floor.site.events_of(record["call"])
    assert 1.4 < record["wait_seconds"] < 1.5 + slack()


async def test_a_full_queue_refuses_the_next_caller_only(floor: Floor) -> None:
    """One may wait; the second hears the overflow node while the first keeps waiting."""
    first = await floor.call("606")
    await floor.is_in(first, state="queued", position=1)
    second = await floor.call("606")
    await hears(second, SORRY)
    await second.ended
    await floor.login("ann", to="offered")
    desk = await rung(floor, "p1", first)
    await desk.answer()
    await floor.is_in(first, state="talking")


# --- recording ---------------------------------------------------------------------------------


async def test_a_queue_that_does_not_record_says_so(floor: Floor) -> None:
    """No file, and the reason in the record."""
    await floor.login("ann")
    caller, _ = await talk(floor, "607", "p1")
    await caller.hang_up()
    record = await floor.record(caller)
    assert (record["recording"], record["no_recording_reason"]) == ("", "queue_does_not_record")


async def test_a_paused_recording_is_silent_in_the_gap(floor: Floor) -> None:
    """Tone before and after, silence between, the gap listed where the silence is."""
    await floor.login("ann")
    caller, desk = await talk(floor, "601", "p1")
    call = (await floor.live(caller))["id"]
    caller.play(audio.tone(CALLER, 1.0), loop=True)
    desk.play(audio.tone(AGENT, 1.0), loop=True)
    await hears(desk, CALLER)
    await asyncio.sleep(0.6)  # sound must flow
    began = time.monotonic()
    await floor.site.post(f"calls/{call}/recording/pause")
    await floor.is_in(caller, recording_paused=True)
    await asyncio.sleep(1.0)  # and be heard by nobody later
    await floor.site.post(f"calls/{call}/recording/resume")
    await floor.is_in(caller, recording_paused=False)
    lasted = time.monotonic() - began
    await asyncio.sleep(0.8)  # sound must flow
    await caller.hang_up()
    recording = await floor.site.recording_of(call)
    (gap,) = recording["gaps"]
    begin, end = gap["start"], gap["end"]
    assert gap["reason"] == "paused"
    assert 1.0 <= end - begin <= lasted + 0.05  # the file counts in frames
    for samples, hz in zip(audio.read_channels(recording["file"]), (CALLER, AGENT), strict=True):
        before = samples[int((begin - 0.5) * 8000) : int((begin - 0.1) * 8000)]
        inside = samples[int((begin + 0.1) * 8000) : int((end - 0.1) * 8000)]
        after = samples[int((end + 0.1) * 8000) : int((end + 0.5) * 8000)]
        assert audio.tone_level(before, hz) > 1500
        assert audio.level(inside) < 20
        assert audio.tone_level(after, hz) > 1500
    events = await floor.site.events_of(call)
    assert events.index("recording_paused") < events.index("recording_resumed")


async def test_a_recording_from_the_answer_holds_the_wait(floor: Floor) -> None:
    """What the caller said while waiting is in it, on the caller's side."""
    caller = await floor.call("608")
    await floor.is_in(caller, state="queued")
    await caller.play(audio.tone(1500, 1.0)).finished
    await floor.login("ann", to="offered")
    desk = await rung(floor, "p1", caller)
    await desk.answer()
    await floor.is_in(caller, state="talking")
    desk.play(audio.tone(AGENT, 1.0), loop=True)
    await hears(caller, AGENT)
    await caller.hang_up()
    record = await floor.record(caller)
    recording = await floor.site.recording_of(record["call"])
    left, right = audio.read_channels(recording["file"])
    assert audio.tone_intervals(left, 1500)
    assert audio.tone_intervals(right, AGENT)


async def test_a_caller_who_gives_up_as_the_agent_answers(floor: Floor) -> None:
    """BYE crosses the answer: whoever was first, it was the caller who hung up."""
    await floor.login("ann")
    for _ in range(5):
        caller = await floor.call("601")
        desk = await rung(floor, "p1", caller)
        await desk.answer_without_waiting()
        await caller.hang_up()
        assert (await desk.ended.within(3)).by == "remote"
        await floor.site.agent_is("ann", "idle")
        record = await floor.record(caller)
        assert record["hung_up_by"] == "caller", await floor.site.get(f"calls/{record['call']}")
        assert record["outcome"] in ("answered", "abandoned")
        await floor.site.quiet()


# --- any moment ----------------------------------------------------------------------------------


async def test_hanging_up_at_any_moment_leaves_nothing(floor: Floor) -> None:
    """Thirty callers and three agents who hang up, refuse or ignore when they like (seeded)."""
    chance = random.Random(22)
    await floor.login("ann", "bob", "cid")

    async def agent(call: Call) -> None:
        with contextlib.suppress(LabError):  # the caller was faster
            await call.ring()
            mood = chance.random()
            await asyncio.sleep(chance.uniform(0, 0.3))
            if mood < 0.15:
                await call.reject(chance.choice((486, 603)))
            elif mood < 0.9:
                await call.answer()
                await asyncio.sleep(chance.uniform(0, 0.8))
                if mood < 0.5:
                    await call.hang_up()

    async def caller(number: str) -> Call:
        call = await floor.dial(number)
        with contextlib.suppress(LabError, TimeoutError):
            async with asyncio.timeout(chance.uniform(0, 2)):
                await call.answered
                await call.ended
        await call.hang_up()
        return call

    async with asyncio.TaskGroup() as people:
        desks = [people.create_task(phone.serve(agent)) for phone in floor.phones.values()]
        callers = []
        for _ in range(30):
            callers.append(people.create_task(caller(chance.choice(("601", "602", "603", "604")))))
            await asyncio.sleep(chance.uniform(0, 0.2))
        calls = [await call for call in callers]
        await floor.site.quiet()
        for desk in desks:
            desk.cancel()
    await floor.nobody_rings()
    for call in calls:
        record = await floor.record(call)
        story = (record["outcome"], record["hung_up_by"])
        assert story in {
            ("answered", "caller"), ("answered", "agent"), ("abandoned", "caller"),
            ("ivr_only", "caller"),
        }, await floor.site.get(f"calls/{record['call']}")  # fmt: skip
        assert all(segment.get("end") for segment in record["segments"])
        if record["recording"]:
            await floor.site.recording_of(record["call"])
    await recordings_are_complete(floor)
    for row in (await floor.site.get("agents"))["agents"]:
        assert row["state"] in ("idle", "paused"), row
        assert not row["contact"]
