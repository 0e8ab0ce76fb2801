"""A callcore without Asterisk for the acceptance tests: `serve --backend pjsip` and its phones."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from callcore.lab import audio
from callcore.lab.call import Call

from .floor import Floor, hears, open_floor, rung

#: Where the phones are: nobody registers with the embedded stack.
PORTS = {"p1": 5061, "p2": 5062, "p3": 5063}
CALLER_HZ, DESK_HZ = 440.0, 880.0
#: A far end that is gone: its call stays until the transaction gives up (RFC 3261, 17.1.1.2).
FORGET_SECONDS = 45.0

DESKS = """
[phones.p1]
host = "127.0.{number}.2:5061"
[phones.p2]
host = "127.0.{number}.2:5062"
"""
QUEUES = """
[agents.ann]
phone = "p1"
[agents.bob]
phone = "p2"
[queues.sales]
members = ["ann", "bob"]
ring_seconds = 30
record = "off"
[queues.recorded]
members = ["ann"]
[[routes]]
pattern = "601"
queue = "sales"
[[routes]]
pattern = "602"
queue = "recorded"
"""
BASE = DESKS + QUEUES


@contextlib.asynccontextmanager
async def open_embedded(
    directory: Path, config: str = "", phones: tuple[str, ...] = ("p1", "p2"), **options: Any
) -> AsyncIterator[Floor]:
    """A site on the SIP stack inside callcore; its phones answer pings."""
    async with open_floor(directory, BASE + config, (), backend="pjsip", **options) as floor:
        for name in phones:
            floor.phones[name] = await floor.site.phone(name, port=PORTS[name])

        async def all_there() -> bool:
            rows = (await floor.site.get("phones"))["phones"]
            there = {row["id"] for row in rows if row["reachable"]}
            return there >= set(phones)

        await floor.site.until(all_there, "the phones are reachable")
        yield floor


async def sip_calls(floor: Floor) -> int:
    """Calls pjsua itself holds, those that are ending included."""
    async with floor.site.session.get(f"{floor.site.url}/metrics") as answer:
        found = re.search(r"^callcore_sip_calls (\d+)", await answer.text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


async def no_call_is_left(floor: Floor, seconds: float = 10.0) -> None:
    """Neither in callcore nor in the SIP stack."""

    async def holds() -> bool:
        return await sip_calls(floor) == 0

    await floor.clear()
    await floor.site.until(holds, "the SIP stack has no call", seconds)


async def hear_each_other(caller: Call, desk: Call) -> None:
    """Each side's tone is what arrives last at the other."""
    caller.play(audio.tone(CALLER_HZ, 1.0), loop=True)
    desk.play(audio.tone(DESK_HZ, 1.0), loop=True)
    await hears(caller, DESK_HZ)
    await hears(desk, CALLER_HZ)


async def conversation(floor: Floor, number: str = "601") -> tuple[Call, Call]:
    """A caller and Ann at her phone, talking."""
    await floor.login("ann")
    caller = await floor.call(number)
    desk = await rung(floor, "p1", caller)
    await desk.answer()
    await floor.is_in(caller, state="talking")
    return caller, desk


async def next_call_is_fine(floor: Floor) -> None:
    """With sound both ways, and nothing left of it."""
    caller, desk = await conversation(floor)
    await hear_each_other(caller, desk)
    await caller.hang_up()
    assert (await desk.ended).by == "remote"
    assert (await floor.record(caller))["outcome"] == "answered"
    await no_call_is_left(floor)
