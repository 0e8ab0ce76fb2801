"""Figures of real calls: API, command line, metrics and queue_log agree, also after a kill."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from .floor import Floor, open_floor, phone_config, rung, talk

Holds = Callable[[], Awaitable[bool]]

pytestmark = [pytest.mark.acceptance, pytest.mark.asyncio(loop_scope="module")]

CONFIG = (
    phone_config("p1")
    + """
[store]
queue_log = true
[agents.ann]
phone = "p1"
[queues.line]
members = ["ann"]
ring_seconds = 2
retry_seconds = 1
short_abandon_seconds = 0
[[routes]]
pattern = "601"
queue = "line"
"""
)


@pytest_asyncio.fixture(loop_scope="module")
async def floor(tmp_path: Path) -> AsyncIterator[Floor]:
    async with open_floor(tmp_path, CONFIG, ("p1",)) as floor:
        yield floor
        await floor.clear()


async def figures(floor: Floor, what: str = "queues") -> dict[str, object]:
    (row,) = (await floor.site.get(f"statistics/{what}"))[what]
    return dict(row)


async def lines(path: Path) -> Counter[str]:
    """Events in the queue_log of the queue and its agent."""
    text = await asyncio.to_thread(path.read_text)
    return Counter(line.split("|")[4] for line in text.splitlines())


async def test_every_door_shows_the_same_figures(floor: Floor) -> None:
    """One call answered, one not answered and then given up, one carried over a kill."""
    site = floor.site
    await floor.login("ann")
    caller, _ = await talk(floor, "601", "p1")
    await caller.hang_up()
    await site.quiet()
    await site.agent_is("ann", "idle")

    impatient = await floor.call("601")
    await rung(floor, "p1", impatient)
    await site.until(_rona(floor), "the agent did not answer")
    await impatient.hang_up()
    await site.quiet()
    await site.post("agents/ann/pause", reason="lunch")

    waiting = await floor.call("601")
    await floor.is_in(waiting, state="queued", position=1)
    await site.kill()
    await site.start()
    await floor.is_in(waiting, state="queued", position=1)
    row = await figures(floor)
    assert (row["entered"], row["answered"], row["abandoned"]) == (3, 1, 1)
    assert (row["waiting"], row["rona"], row["handled"]) == (1, 1, 1)
    await waiting.hang_up()
    await site.quiet()

    row = await figures(floor)
    assert (row["entered"], row["abandoned"], row["waiting"]) == (3, 2, 0)
    printed = json.loads(await floor.run("report", "queues", "--json"))["queues"]
    same = set(row) - {"end"}
    assert [{name: each[name] for name in same} for each in printed] == [
        {name: row[name] for name in same}
    ]
    agent = await figures(floor, "agents")
    assert (agent["answered"], agent["rona"]) == (1, row["rona"])
    counted = {"answered": row["answered"], "abandoned": row["abandoned"]}
    await site.until(_outcomes(floor, counted), f"the records tell {counted}")
    told = await lines(site.var / "log" / "queue_log")
    assert told["ENTERQUEUE"] == row["entered"]
    assert told["CONNECT"] == told["COMPLETECALLER"] == row["answered"]
    assert told["ABANDON"] == row["abandoned"]
    assert told["RINGNOANSWER"] == row["rona"]
    assert told["QUEUESTART"] == 2
    assert told["AGENTLOGIN"] == told["PAUSEALL"] == told["PAUSE"] == 1


def _outcomes(floor: Floor, expected: dict[str, object]) -> Holds:
    async def holds() -> bool:
        records = (await floor.site.get("calls/ended"))["calls"]
        return Counter(record["outcome"] for record in records) == expected

    return holds


def _rona(floor: Floor) -> Holds:
    async def holds() -> bool:
        return (await figures(floor))["rona"] == 1

    return holds
