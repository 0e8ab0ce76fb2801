"""The bearer token: made at first run, kept in a private file, compared in constant time."""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Middleware

from callcore.api.endpoint import problem
from callcore.errors import ConfigError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
#: Answer without a token: they tell nothing but whether callcore lives.
OPEN_PATHS = ("/healthz", "/readyz")


def load_or_make_token(path: Path) -> str:
    """The token of `path`, made there when the file does not exist."""
    try:
        return read_token(path)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    token = secrets.token_urlsafe(32)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return read_token(path)  # another process was first
    with os.fdopen(handle, "w") as file:
        file.write(token + "\n")
    return token


def read_token(path: Path) -> str:
    """Raises FileNotFoundError, or ConfigError for a file that others can read or that is empty."""
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise ConfigError("others can read the API token: run chmod 600 on it", file=str(path))
    token = path.read_text("ascii", "replace").strip()
    if len(token) < 16:
        raise ConfigError("expected an API token of 16 characters or more", file=str(path))
    return token


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
