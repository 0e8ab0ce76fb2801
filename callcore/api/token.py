"""Lets only requests with the bearer token pass; it is compared in constant time."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Middleware

from callcore.api.endpoint import problem

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
#: Answer without a token: they tell nothing but whether callcore lives.
OPEN_PATHS = ("/healthz", "/readyz")


def token_check(token: str) -> Middleware:
    """Middleware that lets only requests with the token pass."""
    expected = f"Bearer {token}".encode()

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if request.path in OPEN_PATHS or hmac.compare_digest(given, expected):
            return await handler(request)
        answer = problem(401, "send the API token: Authorization: Bearer TOKEN")
        answer.headers["WWW-Authenticate"] = "Bearer"
        return answer

    return check
