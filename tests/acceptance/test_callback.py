"""Callbacks on real Asterisk: asked for by keys, made when an agent is free, tried again, kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from callcore.lab import audio
from callcore.lab.call import Call
from callcore.lab.phone import Phone

from .floor import Floor, ever_heard, hears, open_floor, phone_config, rung, unless_over, until

pytestmark = [pytest.mark.acceptance, pytest.mark.asyncio(loop_scope="module")]

CONFIG = (
    phone_config("p1", "p2")
    + """
[agents.ann]
phone = "p1"
[agents.bob]
phone = "p2"
[queues.agents]
members = ["ann"]
wrap_up_seconds = 0.6
callback = { key = "2", retry_seconds = 3, attempts = 2 }
[queues.customers]
members = ["bob"]
wrap_up_seconds = 0.6
callback = { key = "2", first = "customer", retry_seconds = 3 }
[queues.full]
members = ["bob"]
overflow_rules = [{ on = "wait", at = 1, to = "callback" }]
callback = { key = "2" }
[[routes]]
pattern = "601"
queue = "agents"
[[routes]]
pattern = "602"
queue = "customers"
[[routes]]
pattern = "603"
queue = "full"
[[outbound]]
pattern = "0X."
trunk = "tel"
"""
)

CUSTOMER, AGENT = 440.0, 880.0
#: Recordings of the site's own, in the place of callcore's prompts.
NUMBER_IS, PROMISED, BACK_FOR, FAILED = 1100.0, 1300.0, 1500.0, 1700.0
PROMPTS = {
    "callback-number-is": NUMBER_IS,
    "callback-promised": PROMISED,
    "callback-for": BACK_FOR,
    "callback-failed": FAILED,
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Floor]:
    sounds = {f"prompts/en/{name}": audio.tone(hz, 0.6) for name, hz in PROMPTS.items()}
    # Spoken, a number takes its time.
    sounds |= {f"prompts/en/digit-{digit}": audio.tone(600.0, 0.1) for digit in range(10)}
    directory = tmp_path_factory.mktemp("callback")
    async with open_floor(directory, CONFIG, ("p1", "p2"), sounds=sounds) as floor:
        yield floor


@pytest_asyncio.fixture(loop_scope="module")
async def floor(shared: Floor) -> AsyncIterator[Floor]:
    yield shared
    for row in (await shared.site.get("callbacks"))["callbacks"]:
        with unless_over():
            await shared.site.post(f"callbacks/{row['id']}/cancel")
    await shared.clear()


@pytest_asyncio.fixture(loop_scope="module")
async def customer(floor: Floor) -> Phone:
    """The phone that rings when callcore dials the customer's number."""
    return await floor.far_side()


async def ask(floor: Floor, number: str, user: str) -> dict[str, Any]:
    """A caller asks for a callback, confirms, hears goodbye and hangs up; the pending callback."""
    call = await floor.call(number, user=user)
    await floor.is_in(call, state="queued")
    await call.send_digits("2")
    await hears(call, NUMBER_IS)
    await call.send_digits("1#")
    await hears(call, PROMISED)
    await call.hang_up()
    return await promised(floor, user)


async def promised(floor: Floor, number: str) -> dict[str, Any]:
    """The callback to this number, in line."""
    found: list[dict[str, Any]] = []

    async def holds() -> bool:
        rows = (await floor.site.get("callbacks"))["callbacks"]
        found[:] = [row for row in rows if row["number"] == number]
        return [row["state"] for row in found] == ["waiting"]

    await floor.site.until(holds, f"callback to {number} is in line; there are {found}")
    return found[0]


async def speak(customer: Call, agent: Call) -> None:
    """Both sides hear each other."""
    customer.play(audio.tone(CUSTOMER, 1.0), loop=True)
    agent.play(audio.tone(AGENT, 1.0), loop=True)
    await hears(customer, AGENT)
    await hears(agent, CUSTOMER)


async def record_of(floor: Floor, call: str) -> dict[str, Any]:
    """The row of an ended call, by its id."""
    return await floor.site.ended_call(call=call)


async def test_the_agent_first_then_the_customer(floor: Floor, customer: Phone) -> None:
    """Key, number, goodbye; the agent hears whom to call, then both hear each other, recorded."""
    back = await ask(floor, "601", "0301001")
    asked = await record_of(floor, back["asked_by"])
    assert (asked["outcome"], asked["variables"]["callback"]) == ("callback", back["id"])
    shown = await floor.run("queue", "callbacks", "agents")
    assert back["id"] in shown
    assert "0301001" in shown
    await floor.login("ann", to="offered")
    desk = await rung(floor, "p1")
    assert desk.caller.user == "0301001"
    await desk.answer()
    await hears(desk, BACK_FOR)
    far = await customer.incoming(15)
    assert far.header("To").count("0301001") == 1
    await far.ring()
    await far.answer()
    await speak(far, desk)
    assert not ever_heard(far, BACK_FOR)
    await far.hang_up()
    await desk.ended
    record = await record_of(floor, back["id"])
    assert (record["direction"], record["outcome"]) == ("outbound", "answered")
    assert (record["agent"], record["hung_up_by"]) == ("ann", "caller")
    assert record["variables"]["callback_of"] == asked["call"]
    assert abs(record["wait_seconds"] - (record["answered_at"] - record["queued_at"])) < 1
    recording = await floor.site.recording_of(record["call"])
    left, right = audio.read_channels(recording["file"])
    assert audio.tone_intervals(left, CUSTOMER, threshold=1500)
    assert audio.tone_intervals(right, AGENT, threshold=1500)


async def test_the_customer_first_then_the_agent(floor: Floor, customer: Phone) -> None:
    """The agent's phone rings when the customer is on the line."""
    back = await ask(floor, "602", "0301002")
    await floor.login("bob", to="offered")
    far = await customer.incoming(15)
    await far.ring()
    assert floor.phones["p2"].calls == []
    await far.answer()
    desk = await rung(floor, "p2")
    await desk.answer()
    await speak(far, desk)
    await desk.hang_up()
    await far.ended
    record = await record_of(floor, back["id"])
    assert (record["outcome"], record["hung_up_by"]) == ("answered", "agent")
    assert record["agent"] == "bob"


async def test_a_busy_customer_is_tried_again(floor: Floor, customer: Phone) -> None:
    """The agent is told and free; the second call reaches the customer."""
    back = await ask(floor, "601", "0301003")
    await floor.login("ann", to="offered")
    desk = await rung(floor, "p1")
    await desk.answer()
    await (await customer.incoming(15)).reject(486)
    await hears(desk, FAILED)
    await desk.ended
    await floor.site.agent_is("ann", "idle")
    desk = await rung(floor, "p1")
    await desk.answer()
    far = await customer.incoming(15)
    await far.answer()
    await speak(far, desk)
    await far.hang_up()
    record = await record_of(floor, back["id"])
    results = [each["result"] for each in record["segments"] if each["kind"] == "queue"]
    assert (record["outcome"], results) == ("answered", ["customer_busy", "answered"])


async def test_a_customer_who_stays_busy_is_given_up(floor: Floor, customer: Phone) -> None:
    """After two calls: counted as dropped, not as abandoned."""
    before = (await floor.site.get("queues/agents"))["queue"]["abandoned_today"]
    back = await ask(floor, "601", "0301004")
    await floor.login("ann", to="offered")
    for _ in range(2):
        desk = await rung(floor, "p1")
        await desk.answer()
        await (await customer.incoming(15)).reject(486)
        await desk.ended
    record = await record_of(floor, back["id"])
    assert record["outcome"] == "unanswered"
    assert (await floor.site.get("callbacks"))["callbacks"] == []
    assert (await floor.site.get("queues/agents"))["queue"]["abandoned_today"] == before
    await floor.site.agent_is("ann", "idle")


async def test_callcore_dies_between_request_and_call(floor: Floor, customer: Phone) -> None:
    """Killed and started again: the promise, the place and the number are still there."""
    back = await ask(floor, "601", "0301005")
    await floor.site.kill()
    await floor.site.start()
    kept = await promised(floor, "0301005")
    assert (kept["id"], kept["since"]) == (back["id"], back["since"])
    await floor.login("ann", to="offered")
    desk = await rung(floor, "p1")
    await desk.answer()
    far = await customer.incoming(15)
    await far.answer()
    await speak(far, desk)
    await far.hang_up()
    assert (await record_of(floor, back["id"]))["outcome"] == "answered"


async def test_callcore_dies_while_the_customer_is_rung(floor: Floor, customer: Phone) -> None:
    """Nobody is left ringing or waiting alone; the callback is made in the end."""
    back = await ask(floor, "601", "0301006")
    await floor.login("ann", to="offered")
    desk = await rung(floor, "p1")
    await desk.answer()
    far = await customer.incoming(15)
    await far.ring()
    await floor.site.kill()
    await floor.site.start()
    await far.answer()
    await speak(far, desk)
    await far.hang_up()
    assert (await record_of(floor, back["id"]))["outcome"] == "answered"


async def test_a_queue_overflows_into_a_callback(floor: Floor, customer: Phone) -> None:
    """Who waited too long enters another number; who calls again and is helped is not called."""
    call = await floor.call("603", user="0301007")
    await hears(call, NUMBER_IS)
    await call.send_digits("0301008#")
    await until(
        lambda: len(audio.tone_intervals(call.heard().samples, NUMBER_IS, shortest=0.1)) > 1
    )
    await call.send_digits("1#")
    await hears(call, PROMISED)
    await call.ended
    back = await promised(floor, "0301008")
    again = await floor.call("601", user="0301007")
    await floor.login("ann", to="offered")
    desk = await rung(floor, "p1", again)
    await desk.answer()
    assert (await record_of(floor, back["id"]))["outcome"] == "cancelled"
    assert customer.calls == []
