"""What the shell answers to the rules' questions: look-ups over HTTP, and PINs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import argon2
import pytest
from aiohttp import web

from callcore.call.actions import CheckPin, LookUp
from callcore.call.events import LookUpAnswered, PinChecked
from callcore.directory import Agent, Directory
from callcore.recording.recorder import Recorder
from callcore.recording.simulated import SimulatedTap
from callcore.services import MAX_ANSWER_BYTES, ShellServices
from callcore.store.store import Store

Serve = Callable[[Callable[[web.Request], Awaitable[web.StreamResponse]]], Awaitable[str]]


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[ShellServices]:
    store = Store(str(tmp_path / "c.db"), tmp_path / "outbox")
    await store.open()
    recorder = Recorder(
        SimulatedTap(), store, directory=tmp_path / "recordings", raw=tmp_path / "raw"
    )
    pin_hash = argon2.PasswordHasher(time_cost=1, memory_cost=64).hash("1234")
    directory = Directory(
        agents={"ann": Agent(id="ann", pin_hash=pin_hash), "bob": Agent(id="bob")}
    )
    made = ShellServices(store, recorder, lambda: directory, lambda record: None)
    yield made
    await made.close()
    await recorder.close()
    await store.close()


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    runners: list[web.AppRunner] = []

    async def start(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> str:
        app = web.Application()
        app.router.add_get("/customer", handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        runners.append(runner)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        return f"http://127.0.0.1:{port}/customer"

    yield start
    for runner in runners:
        await runner.cleanup()


async def look_up(services: ShellServices, url: str, timeout: float = 2.0) -> LookUpAnswered:
    answer = await services.answer(
        LookUp(call="c1", token="1", url=url, query={"number": "5&5"}, timeout=timeout)
    )
    assert isinstance(answer, LookUpAnswered)
    return answer


async def test_a_look_up_brings_plain_values_as_text(services, serve) -> None:
    """Strings, numbers and booleans; the query arrives as data."""

    async def handler(request: web.Request) -> web.Response:
        assert request.query["number"] == "5&5"
        return web.json_response({"tier": "gold", "age": 7, "vip": True, "none": None})

    answer = await look_up(services, await serve(handler))
    assert answer.values == {"tier": "gold", "age": "7", "vip": "true", "none": ""}
    assert not answer.error


async def _slow(request: web.Request) -> web.Response:
    await asyncio.sleep(30)
    return web.Response()


async def _status(request: web.Request) -> web.Response:
    return web.Response(status=503)


async def _garbage(request: web.Request) -> web.Response:
    return web.Response(text="<html>")


async def _nested(request: web.Request) -> web.Response:
    return web.json_response({"a": {"b": 1}})


async def _endless(request: web.Request) -> web.Response:
    return web.Response(text='{"a": "' + "x" * MAX_ANSWER_BYTES + '"}')


async def _elsewhere(request: web.Request) -> web.Response:
    return web.Response(status=302, headers={"Location": "/elsewhere"})


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (_slow, "no answer within 0.2 s"),
        (_status, "503"),
        (_garbage, "not a JSON object"),
        (_nested, "not a JSON object"),
        (_endless, "more than"),
        (_elsewhere, "302"),
    ],
)
async def test_a_look_up_that_fails_says_why_and_never_raises(
    services, serve, handler, reason
) -> None:
    """The tree gets an error and goes to its fallback."""
    answer = await look_up(services, await serve(handler), timeout=0.2)
    assert reason in answer.error
    assert not answer.values


async def test_nobody_listens(services) -> None:
    """A refused connection is an answer like the others."""
    assert (await look_up(services, "http://127.0.0.1:9/customer")).error


@pytest.mark.parametrize(
    ("agent", "pin", "ok"),
    [("ann", "1234", True), ("ann", "4321", False), ("bob", "", False), ("nobody", "1234", False)],
)
async def test_pins(services, agent: str, pin: str, ok: bool) -> None:
    """Right, wrong, an agent without PIN, and nobody at all."""
    answer = await services.answer(CheckPin(call="c1", agent=agent, pin=pin))
    assert answer == PinChecked(call="c1", agent=agent, ok=ok)
