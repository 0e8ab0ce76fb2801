"""One route as data, and what turns it into an aiohttp handler: bodies in, values or errors out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web

from callcore.api.metrics import Metrics
from callcore.api.ports import Archive, Switchboard
from callcore.errors import (
    BackendUnavailable,
    CallcoreError,
    ConfigError,
    Refused,
    UnknownEntity,
)

MAX_BODY = 64 * 1024
#: An operator's command that takes longer than this is answered with 503.
PATIENCE = 10.0

STATUS: tuple[tuple[type[CallcoreError], int], ...] = (
    (UnknownEntity, 404),
    (Refused, 409),
    (ConfigError, 422),
    (BackendUnavailable, 503),
)


class Problem(msgspec.Struct, frozen=True):
    """The body of every error: one sentence."""

    error: str


class Done(msgspec.Struct, frozen=True):
    """The body of a command that was carried out."""

    ok: bool = True


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Query of a list in the store."""

    limit: int = 50
    before: float | None = None


@dataclass(frozen=True)
class Context:
    """What handlers work with."""

    switchboard: Switchboard
    archive: Archive
    metrics: Metrics
    #: One change of var/directory.json at a time.
    editing: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True)
class Call:
    """One request, decoded."""

    context: Context
    path: dict[str, str]
    query: dict[str, str]
    body: Any = None


@dataclass(frozen=True)
class Endpoint:
    """A route: everything the server and the OpenAPI document need to know."""

    method: str
    path: str
    handler: Callable[[Call], Awaitable[object]]
    summary: str
    body: Any = None
    answer: Any = Done
    status: int = 200
    query: Any = None
    #: Without a body every field has its default.
    body_optional: bool = False


def problem(status: int, sentence: str) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(Problem(sentence)), status=status, content_type="application/json"
    )


def json_answer(value: object, status: int = 200) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(value), status=status, content_type="application/json"
    )


def as_handler(
    endpoint: Endpoint, context: Context
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The aiohttp handler of an endpoint."""

    async def handle(request: web.Request) -> web.StreamResponse:
        body = await read_body(request, endpoint)
        call = Call(context, dict(request.match_info), dict(request.query), body)
        async with asyncio.timeout(PATIENCE):
            answer = await endpoint.handler(call)
        if isinstance(answer, web.StreamResponse):
            return answer
        return json_answer(answer, endpoint.status)

    return handle


class BadBody(CallcoreError):
    """The body of a request is not what the endpoint takes."""


async def read_body(request: web.Request, endpoint: Endpoint) -> Any:
    if endpoint.body is None:
        return None
    text = await request.read()
    if not text and endpoint.body_optional:
        text = b"{}"
    try:
        return msgspec.json.decode(text, type=endpoint.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise BadBody(f"body: {exc}") from exc


def page(query: dict[str, str]) -> Page:
    """`limit` and `before` of a list, within bounds."""
    try:
        wanted = msgspec.convert(query, Page, strict=False)
    except msgspec.ValidationError as exc:
        raise BadBody(f"query: {exc}") from exc
    if not 1 <= wanted.limit <= 1000:
        raise BadBody("query: limit must be from 1 to 1000")
    return wanted


@web.middleware
async def errors_as_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Every error callcore raises on purpose becomes a status and one sentence."""
    try:
        return await handler(request)
    except BadBody as exc:
        return problem(400, str(exc))
    except CallcoreError as exc:
        status = next((code for kind, code in STATUS if isinstance(exc, kind)), 500)
        return problem(status, str(exc))
    except TimeoutError:
        return problem(503, f"not done within {PATIENCE:.0f} s; it may still happen")
    except web.HTTPRequestEntityTooLarge:
        return problem(413, f"body: more than {MAX_BODY} bytes")
    except web.HTTPException as exc:
        if exc.status < 400:
            raise
        answer = problem(exc.status, f"{exc.reason}: {request.method} {request.path[:200]}")
        if "Allow" in exc.headers:
            answer.headers["Allow"] = exc.headers["Allow"]
        return answer
