"""Agents at real phones: sessions, feature codes, hot-desking, ways to be reached, own calls."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from callcore import journal
from callcore.call.events import DigitPressed
from callcore.directory_file import hash_pin
from callcore.lab import audio
from callcore.lab.call import Call
from callcore.lab.errors import CallFailed
from tests.load import slack

from .floor import Floor, ever_heard, hears, hears_speech, open_floor, phone_config, rung, talk

pytestmark = [pytest.mark.acceptance, pytest.mark.asyncio(loop_scope="module")]

#: Long enough to be seen in a list that is asked for again and again.
WRAP_UP = 2.0
CONFIG = (
    phone_config("p1", "p2", "p3")
    + f"""
[trunks.out]
host = "127.0.{{number}}.4"
codecs = ["ulaw"]
caller_number = "49301234"
max_channels = 1
qualify_seconds = 0
[agents.1001]
name = "Anna"
phone = "p1"
pin_hash = "{hash_pin("4711")}"
[agents.1002]
name = "Bo"
phone = "p2"
pin_hash = "{hash_pin("0815")}"
[agents.eve]
phone = "p2"
reach = "auto_answer"
[agents.nia]
phone = "p3"
reach = "nailed_up"
"""
    + f"""
[queues.sales]
members = ["1001", "1002"]
ring_seconds = 6
[queues.support]
members = ["1001"]
[queues.after]
members = ["1001"]
wrap_up_seconds = {WRAP_UP}
[queues.long_after]
members = ["1001"]
wrap_up_seconds = 60
[queues.auto]
members = ["eve"]
[queues.lines]
members = ["nia"]
[[routes]]
pattern = "601"
queue = "sales"
[[routes]]
pattern = "602"
queue = "support"
[[routes]]
pattern = "603"
queue = "after"
[[routes]]
pattern = "604"
queue = "long_after"
[[routes]]
pattern = "605"
queue = "auto"
[[routes]]
pattern = "606"
queue = "lines"
[[outbound]]
pattern = "0X."
trunk = "out"
strip = 1
prefix = "00"
"""
)

BEEP, CALLER, AGENT = 1000.0, 440.0, 700.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Floor]:
    async with open_floor(tmp_path_factory.mktemp("agents"), CONFIG, ("p1", "p2", "p3")) as floor:
        yield floor


@pytest_asyncio.fixture(loop_scope="module")
async def floor(shared: Floor) -> AsyncIterator[Floor]:
    yield shared
    await shared.clear()


async def agent(floor: Floor, name: str) -> dict[str, Any]:
    return dict(await floor.site.get(f"agents/{name}"))


async def press(floor: Floor, phone: str, code: str) -> Call:
    """Dial a feature code at a phone."""
    call = await floor.phones[phone].dial(code)
    await call.answered
    return call


async def log_in_by_phone(floor: Floor, phone: str, number: str, pin: str) -> Call:
    """``*11``, then number and PIN as RFC 4733 events after each question."""
    call = await press(floor, phone, "*11")
    await answer_by_keys(call, number, pin)
    return call


async def answer_by_keys(call: Call, *answers: str, **how: int) -> None:
    """Press each after a question of its own has begun."""
    before = 0
    for digits in answers:
        await hears_speech(call, since=before)
        await call.send_digits(f"{digits}#", **how)
        before = len(call.heard().samples)


# --- sessions ------------------------------------------------------------------------------------


async def test_logging_in_and_out_at_the_phone(floor: Floor) -> None:
    """Number and PIN by keys; the agent takes a call there, and is gone after *12."""
    call = await log_in_by_phone(floor, "p1", "1001", "4711")
    await floor.site.agent_is("1001", "idle")
    assert (await agent(floor, "1001"))["phone"] == "p1"
    assert (await call.ended).by == "remote"
    caller, desk = await talk(floor, "601", "p1")
    await caller.hang_up()
    await desk.ended
    goodbye = await press(floor, "p1", "*12")
    await floor.site.agent_is("1001", "logged_out")
    await hears_speech(goodbye)
    await goodbye.ended
    record = await floor.site.ended_call(dialled="*12")
    assert (record["outcome"], record["direction"]) == ("service", "internal")


async def test_a_wrong_pin_is_refused_and_never_written(floor: Floor) -> None:
    """Three tries, then the end; the digits of a PIN are in no log, journal or record."""
    began = time.time()
    call = await press(floor, "p1", "*11")
    await answer_by_keys(call, *("1001", "97531") * 3, tone_ms=60, gap_ms=60)
    await call.ended
    assert (await agent(floor, "1001"))["state"] == "logged_out"
    record = await floor.ended_since(began, dialled="*11")
    names = await floor.site.events_of(record["call"])
    assert names.count("login_refused") == 3
    written = [p for p in floor.site.var.rglob("*") if p.is_file() and "asterisk" not in p.parts]
    for path in [*written, floor.site.log_file]:
        assert b"97531" not in path.read_bytes(), path
    inputs = [entry.event for entry in journal.read(floor.site.var / "journal")]
    keys = "".join(event.digit for event in inputs if isinstance(event, DigitPressed))
    assert "1001#" in keys, "key by key"
    assert "97531" not in keys


async def test_another_phone_and_another_person(floor: Floor) -> None:
    """Hot-desking: the agent's calls follow to the other phone; who sat there is logged out."""
    await floor.login("1002", phone="p2")
    call = await log_in_by_phone(floor, "p2", "1001", "4711")
    await floor.site.agent_is("1001", "idle")
    assert (await agent(floor, "1001"))["phone"] == "p2"
    assert (await agent(floor, "1002"))["state"] == "logged_out"
    await call.ended
    caller = await floor.call("601")
    desk = await rung(floor, "p2", caller)
    assert not floor.phones["p1"].calls
    await desk.answer()
    await floor.is_in(caller, state="talking", agent="1001")
    await caller.hang_up()
    await floor.site.agent_is("1001", "idle")
    await floor.login("1001", phone="p1")
    assert (await agent(floor, "1001"))["phone"] == "p1"
    caller = await floor.call("601")
    await rung(floor, "p1", caller)


async def test_pause_and_ready_by_phone_and_by_api(floor: Floor) -> None:
    """Paused: visible with its reason and not rung; ready: the waiting caller at once."""
    await floor.login("1001")
    await floor.site.post("agents/1001/pause", reason="lunch")
    await floor.site.agent_is("1001", "paused")
    assert (await agent(floor, "1001"))["reason"] == "lunch"
    await floor.site.post("agents/1001/ready")
    await floor.site.agent_is("1001", "idle")
    code = await press(floor, "p1", "*13")
    await floor.site.agent_is("1001", "paused")
    await code.ended
    caller = await floor.call("601")
    await floor.is_in(caller, state="queued")
    assert (await agent(floor, "1001"))["reason"] == "break"
    code = await press(floor, "p1", "*14")
    desk = await rung(floor, "p1", caller)
    await desk.answer()
    await floor.is_in(caller, state="talking")
    await code.ended


async def test_sessions_by_the_command_line(floor: Floor) -> None:
    """login, pause, ready and logout as `callcore agent …`; what the lists print is so."""
    await floor.run("agent", "login", "1001", "--phone", "p3")
    await floor.site.agent_is("1001", "idle")
    await floor.run("agent", "pause", "1001", "--reason", "coaching")
    rows = json.loads(await floor.run("agent", "list", "--json"))
    (row,) = [r for r in rows["agents"] if r["id"] == "1001"]
    assert (row["state"], row["reason"], row["phone"]) == ("paused", "coaching", "p3")
    await floor.run("agent", "ready", "1001")
    await floor.site.agent_is("1001", "idle")
    await floor.run("agent", "logout", "1001")
    await floor.site.agent_is("1001", "logged_out")


async def test_monitor_and_lists_show_what_is(floor: Floor) -> None:
    """One talks, one waits: monitor as text and JSON, and the lists, all say so."""
    await floor.login("1001")
    caller, desk = await talk(floor, "602", "p1")
    waiting = await floor.call("602")
    await floor.is_in(waiting, state="queued", position=1)
    shown = json.loads(await floor.run("monitor", "--once", "--json"))
    (queue,) = [q for q in shown["queues"] if q["id"] == "support"]
    assert (queue["waiting"], queue["agents"]["talking"]) == (1, 1)
    states = {row["caller"]: row["state"] for row in shown["calls"]}
    assert states == {caller.phone.user: "talking", waiting.phone.user: "queued"}
    text = await floor.run("monitor", "--once")
    for part in (caller.phone.user, waiting.phone.user, "support", "Anna", "talking", "queued"):
        assert part in text
    calls = json.loads(await floor.run("call", "list", "--json"))["calls"]
    assert {row["caller"] for row in calls} == set(states)
    queues = json.loads(await floor.run("queue", "list", "--json"))["queues"]
    assert {q["id"]: q["waiting"] for q in queues}["support"] == 1
    await waiting.hang_up()
    await caller.hang_up()
    await desk.ended
    record = await floor.record(caller)
    await floor.site.recording_of(record["call"])
    recordings = json.loads(await floor.run("recording", "list", "--json"))["recordings"]
    assert record["call"] in {row["call"] for row in recordings}


# --- work ----------------------------------------------------------------------------------------


async def test_an_agent_in_two_queues_gets_one_call_at_a_time(floor: Floor) -> None:
    """Two queues at once: one talks, the other caller waits for the same agent and is next."""
    await floor.login("1001")
    first, desk = await talk(floor, "601", "p1")
    second = await floor.call("602")
    await floor.is_in(second, state="queued", queue="support")
    assert len(floor.phones["p1"].calls) == 1
    await desk.hang_up()
    await first.ended
    again = await rung(floor, "p1", second)
    await again.answer()
    row = await floor.is_in(second, state="talking")
    assert (row["queue"], row["agent"]) == ("support", "1001")


async def test_wrap_up_is_seen_and_timed(floor: Floor) -> None:
    """The next caller rings only when it is over; its seconds are in the record."""
    await floor.login("1001")
    caller, desk = await talk(floor, "603", "p1")
    waiting = await floor.call("602")
    await floor.is_in(waiting, state="queued")
    await caller.hang_up()
    over = time.monotonic()
    await desk.ended
    await floor.site.agent_is("1001", "wrapping_up")
    row = await agent(floor, "1001")
    assert 0 < row["until"] - time.time() <= WRAP_UP
    await rung(floor, "p1", waiting)
    assert WRAP_UP - 0.2 < time.monotonic() - over < WRAP_UP + 2.5 * slack()
    record = await floor.record(caller, wrapped_up=True)
    assert WRAP_UP - 0.1 < record["wrap_up_seconds"] < WRAP_UP + 1.5 * slack()


async def test_ready_ends_a_wrap_up(floor: Floor) -> None:
    """*14 during the wrap-up: the waiting caller rings at once."""
    await floor.login("1001")
    caller, desk = await talk(floor, "604", "p1")
    await caller.hang_up()
    await desk.ended
    await floor.site.agent_is("1001", "wrapping_up")
    waiting = await floor.call("602")
    code = await press(floor, "p1", "*14")
    ringing = await rung(floor, "p1", waiting)
    await ringing.answer()
    await floor.is_in(waiting, state="talking")
    await code.ended


async def test_a_logout_during_a_talk_lets_it_end(floor: Floor) -> None:
    """The talk goes on; afterwards nobody is there for the next caller."""
    await floor.login("1001")
    caller, desk = await talk(floor, "601", "p1")
    await floor.site.post("agents/1001/logout")
    desk.play(audio.tone(AGENT, 1.0), loop=True)
    await hears(caller, AGENT)
    await desk.hang_up()
    await caller.ended
    await floor.site.agent_is("1001", "logged_out")
    record = await floor.record(caller)
    assert (record["agent"], record["hung_up_by"]) == ("1001", "agent")
    waiting = await floor.call("602")
    await floor.is_in(waiting, state="queued")
    assert len(floor.phones["p1"].calls) == 1


# --- ways to be reached --------------------------------------------------------------------------


async def test_auto_answer_asks_the_phone_to_answer(floor: Floor) -> None:
    """Alert-Info (or Call-Info) is in the INVITE of this agent only."""
    await floor.login("eve", "1001")
    caller = await floor.call("605")
    desk = await floor.phones["p2"].incoming()
    assert desk.auto_answer, desk.invite
    await desk.answer()
    await floor.is_in(caller, state="talking", agent="eve")
    other = await floor.call("602")
    ringing = await rung(floor, "p1", other)
    assert not ringing.auto_answer


async def test_a_nailed_up_line_stays_for_the_next_call(floor: Floor) -> None:
    """Beep, bridge, and after the call the line is still there; hanging it up takes it out."""
    await floor.login("nia", to="unreachable")
    line = await press(floor, "p3", "*15")
    await floor.site.agent_is("nia", "idle")
    await hears_speech(line)
    for _ in range(2):
        caller = await floor.call("606")
        await hears(line, BEEP)
        await floor.is_in(caller, state="talking", agent="nia")
        assert not ever_heard(caller, BEEP)
        caller.play(audio.tone(CALLER, 1.0), loop=True)
        line.play(audio.tone(AGENT, 1.0), loop=True)
        await hears(line, CALLER)
        await hears(caller, AGENT)
        await caller.hang_up()
        await floor.site.agent_is("nia", "idle")
        assert not line.ended.happened
    record = await floor.record(caller)
    assert (record["agent"], record["outcome"], record["hung_up_by"]) == (
        "nia", "answered", "caller",
    )  # fmt: skip
    last = await floor.call("606")
    await floor.is_in(last, state="talking")
    await line.hang_up()
    assert (await last.ended).by == "remote"
    await floor.site.agent_is("nia", "unreachable")
    assert (await floor.record(last))["hung_up_by"] == "agent"


# --- an agent's own calls ------------------------------------------------------------------------


async def test_a_call_out_over_the_trunk(floor: Floor) -> None:
    """The number as the trunk wants it, the trunk's caller number, both voices, agent not rung."""
    await floor.login("1001")
    far = await floor.far_side(host=f"127.0.{floor.site.number}.4")
    out = await floor.phones["p1"].dial("0555123")
    arriving = await far.incoming()
    assert arriving.invite.uri.startswith("sip:00555123@")
    assert arriving.caller.user == "49301234"
    await arriving.ring()
    await out.ringing
    assert not out.answered.happened
    await floor.site.agent_is("1001", "busy")
    waiting = await floor.call("602")
    await floor.is_in(waiting, state="queued")
    await arriving.answer()
    await out.answered
    out.play(audio.tone(AGENT, 1.0), loop=True)
    arriving.play(audio.tone(CALLER, 1.0), loop=True)
    await hears(arriving, AGENT)
    await hears(out, CALLER)
    assert not floor.phones["p1"].calls[1:]
    await arriving.hang_up()
    assert (await out.ended).by == "remote"
    ringing = await rung(floor, "p1", waiting)
    await ringing.answer()
    await floor.is_in(waiting, state="talking")
    record = await floor.site.ended_call(dialled="0555123", endpoint="p1")
    assert record["direction"] == "internal"
    assert record["hung_up_by"] == "party"


@pytest.mark.parametrize("status", [486, 603, 404])
async def test_a_refused_call_out_is_refused_at_the_phone(floor: Floor, status: int) -> None:
    """What the far side says reaches the phone before any answer; nothing is left."""
    far = await floor.far_side(host=f"127.0.{floor.site.number}.4")
    out = await floor.phones["p1"].dial(f"0777{status}")
    arriving = await far.incoming()
    await arriving.reject(status)
    with pytest.raises(CallFailed):
        await out.answered
    ending = await out.ended
    assert ending.by == "remote"
    assert ending.status >= 400
    if status == 486:
        assert ending.status == 486
    await floor.site.quiet()
    record = await floor.site.ended_call(dialled=f"0777{status}")
    assert record["outcome"] == "unanswered"


async def test_a_caller_inside_who_gives_up_stops_the_far_phone(floor: Floor) -> None:
    """Phone to phone: rings, is cancelled; then answered, with both voices."""
    inside = await floor.phones["p1"].dial("p2")
    ringing = await rung(floor, "p2")
    assert ringing.caller.user == "p1"
    await inside.ringing
    await inside.hang_up()
    assert (await ringing.ended.within(3)).status == 487
    await floor.site.quiet()
    inside = await floor.phones["p1"].dial("p2")
    ringing = await rung(floor, "p2")
    await ringing.answer()
    await inside.answered
    inside.play(audio.tone(CALLER, 1.0), loop=True)
    ringing.play(audio.tone(AGENT, 1.0), loop=True)
    await hears(ringing, CALLER)
    await hears(inside, AGENT)
    await ringing.hang_up()
    await inside.ended


async def test_a_number_nobody_has_is_refused(floor: Floor) -> None:
    """An agent's typing error ends with a refusal, not with silence."""
    out = await floor.phones["p1"].dial("99999")
    ending = await out.ended
    assert (ending.by, ending.status) == ("remote", 404)
    record = await floor.site.ended_call(dialled="99999")
    assert record["outcome"] == "rejected"


async def test_a_full_trunk_refuses_the_next_call_in_and_out(floor: Floor) -> None:
    """One channel: while it is in use the next call is refused, in and out."""
    host = f"127.0.{floor.site.number}.4"
    first = await floor.call("601", host=host)
    await floor.is_in(first, state="queued")
    second = await floor.dial("601", host=host)
    ending = await second.ended
    assert (ending.by, ending.status) == ("remote", 503)
    assert (await floor.record(second))["outcome"] == "rejected"
    out = await floor.phones["p1"].dial("0123456")
    assert (await out.ended).status >= 480
    await first.hang_up()
    await floor.site.quiet()
    third = await floor.call("601", host=host)
    await floor.is_in(third, state="queued")
