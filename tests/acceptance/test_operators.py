"""Operators at work on real Asterisk: why somebody waits, and changes that move nobody."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from callcore.lab.call import Call

from .floor import Floor, open_floor, phone_config, rung

pytestmark = [pytest.mark.acceptance, pytest.mark.asyncio(loop_scope="module")]

CONFIG = (
    phone_config("p1", "p2")
    + """
[statuses]
coaching = []
[agents.ann]
name = "Ann"
phone = "p1"
[agents.bob]
phone = "p2"
[queues.line]
members = ["ann"]
ring_seconds = 20
wrap_up_seconds = 30
[queues.other]
[[routes]]
pattern = "601"
queue = "line"
"""
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Floor]:
    async with open_floor(tmp_path_factory.mktemp("operators"), CONFIG, ("p1", "p2")) as floor:
        yield floor


@pytest_asyncio.fixture(loop_scope="module")
async def floor(shared: Floor) -> AsyncIterator[Floor]:
    yield shared
    await shared.clear()


async def waiting(floor: Floor, count: int) -> list[Call]:
    callers = []
    for place in range(1, count + 1):
        caller = await floor.call("601")
        await floor.is_in(caller, state="queued", position=place)
        callers.append(caller)
    return callers


async def places(floor: Floor, callers: list[Call]) -> list[tuple[Any, ...]]:
    rows = [await floor.live(caller) for caller in callers]
    return [(row["id"], row["queue"], row["position"], row["queued_at"]) for row in rows]


async def test_changes_while_running_move_no_caller(floor: Floor) -> None:
    """Strategy, weight, members, skills and limits change; places and waits stay; and the change
    is in force: the agent who became a member is rung for the caller who waited longest."""
    callers = await waiting(floor, 3)
    before = await places(floor, callers)
    for command in (
        ("queue", "set", "line", "strategy=linear", "weight=3", "max_size=3"),
        ("queue", "set", "line", "urgency=service_level"),
        ("queue", "set", "line", "rings=[{ after_seconds = 60, max_penalty = 5 }]"),
        ("queue", "add-member", "line", "ann", "--penalty", "2"),
        ("queue", "add-member", "line", "bob", "--position", "1"),
        ("agent", "set", "bob", "--skill", "english=5", "--group", "night"),
        ("queue", "remove-member", "line", "ann"),
        ("queue", "reset", "line", "rings"),
    ):
        await floor.run(*command)
        assert await places(floor, callers) == before, command
    shown = json.loads(await floor.run("queue", "show", "line", "--json"))
    assert shown["settings"]["strategy"] == "linear"
    assert shown["changed"] == ["strategy", "urgency", "weight", "members", "max_size"]
    await floor.site.post("agents/bob/login")
    ringing = await rung(floor, "p2", callers[0])
    assert (await floor.live(callers[1]))["queued_at"] == before[1][3]
    await ringing.reject()
    await floor.run("queue", "reset", "line")
    shown = json.loads(await floor.run("queue", "show", "line", "--json"))
    assert (shown["changed"], shown["queue"]["members"]) == ([], ["ann"])


async def test_why_before_and_after_the_answer(floor: Floor) -> None:
    """What is waited for and why nobody takes it; later, why that agent was chosen."""
    first, second = await waiting(floor, 2)
    name = (await floor.live(second))["id"]
    text = await floor.run("queue", "why", name)
    assert "waits in line: no member is logged in" in text
    assert "position 2" in text
    assert [line.split()[:3] for line in text.splitlines() if "is logged out" in line] == [
        ["ann", "Ann", "no"]
    ]
    first_in_line = (await floor.live(first))["id"]
    assert first_in_line in await floor.run("agent", "why", "ann")
    await floor.run("queue", "priority", name, "5")
    await floor.is_in(second, position=1)
    await floor.is_in(first, position=2)
    await floor.login("ann", to="offered")
    ringing = await rung(floor, "p1", second)
    await ringing.answer()
    await floor.is_in(second, state="talking")
    answer = await floor.site.get(f"calls/{name}/why")
    [offer] = answer["offers"]
    assert (answer["state"], offer["agent"], offer["result"]) == ("talking", "ann", "answered")
    assert "freed_agent" in [reason["code"] for reason in offer["reasons"]]
    assert f"talks to contact {name}" in await floor.run("agent", "why", "ann")
    await second.hang_up()
    await floor.record(second)
    text = await floor.run("queue", "why", name)
    assert "ended, answered by ann" in text
    assert "became free while the contact waited" in text


async def test_supervisors_move_agents_and_callers(floor: Floor) -> None:
    """A status of the site, a longer wrap-up, another queue; the wait goes along."""
    [caller] = await waiting(floor, 1)
    row = await floor.live(caller)
    await floor.run("queue", "move", row["id"], "other")
    moved = await floor.is_in(caller, queue="other", position=1)
    why = await floor.site.get(f"calls/{row['id']}/why")
    assert why["waits_for"]["code"] == "no_members"
    assert moved["id"] == row["id"]
    await caller.hang_up()
    await floor.login("ann")
    await floor.run("agent", "status", "ann", "coaching")
    await floor.site.agent_is("ann", "paused")
    await floor.run("agent", "ready", "ann")
    await floor.site.agent_is("ann", "idle")
    caller = await floor.call("601")
    ringing = await rung(floor, "p1", caller)
    await ringing.answer()
    await caller.hang_up()
    await floor.site.agent_is("ann", "wrapping_up")
    agents = (await floor.site.get("agents"))["agents"]
    until = next(row["until"] for row in agents if row["id"] == "ann")
    await floor.run("agent", "wrap-up", "ann", "--extend", "60")
    agents = (await floor.site.get("agents"))["agents"]
    assert next(row["until"] for row in agents if row["id"] == "ann") == until + 60
