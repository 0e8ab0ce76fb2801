"""The HTTP server: gathers the endpoints of the files beside it, and starts and stops."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

import msgspec
import structlog
from aiohttp import web

from callcore.api import (
    agents,
    callbacks,
    calls,
    health,
    phones,
    queues,
    recordings,
    site,
    snapshot,
    statistics,
    trunks,
)
from callcore.api.endpoint import (
    MAX_BODY,
    Context,
    Endpoint,
    as_handler,
    errors_as_json,
)
from callcore.api.events import PATH as EVENTS_PATH
from callcore.api.events import Hub
from callcore.api.metrics import Metrics
from callcore.api.openapi import document
from callcore.api.ports import Archive, Switchboard
from callcore.api.token import token_check
from callcore.api_token import load_or_make_token
from callcore.config import Settings
from callcore.errors import SetupError

log = structlog.get_logger(__name__)

ENDPOINTS: tuple[Endpoint, ...] = (
    *calls.ENDPOINTS,
    *queues.ENDPOINTS,
    *callbacks.ENDPOINTS,
    *agents.ENDPOINTS,
    *phones.ENDPOINTS,
    *trunks.ENDPOINTS,
    *recordings.ENDPOINTS,
    *snapshot.ENDPOINTS,
    *statistics.ENDPOINTS,
    *site.ENDPOINTS,
    *health.ENDPOINTS,
)


class ApiServer:
    """Listens from `start` to `close`."""

    def __init__(
        self, settings: Settings, switchboard: Switchboard, archive: Archive, metrics: Metrics
    ) -> None:
        self._settings = settings
        metrics.watch(switchboard.snapshot, switchboard.today)
        self._context = Context(switchboard, archive, metrics)
        self._hub = Hub(switchboard)
        self._watching: asyncio.Task[None] | None = None
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Raises `SetupError` when the address is taken, `ConfigError` for a bad token file."""
        api = self._settings.api
        token = load_or_make_token(self._settings.token_file)
        app = build(self._context, self._hub, token)
        self._runner = web.AppRunner(
            app, handle_signals=False, access_log=None, shutdown_timeout=2.0
        )
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, api.bind, api.port).start()
        except OSError as exc:
            await self._runner.cleanup()
            self._runner = None
            reason = os.strerror(exc.errno).lower() if exc.errno else str(exc)
            raise SetupError(
                f"the API cannot listen on {api.bind}:{api.port} ({reason}):"
                " stop what listens there or set api.port in callcore.toml"
            ) from exc
        self._watching = asyncio.create_task(self._hub.run(), name="api events")
        log.info("api_listening", address=api.bind, port=api.port)

    async def close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
            self._watching = None
        self._hub.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None


def build(context: Context, hub: Hub, token: str) -> web.Application:
    """The aiohttp application."""
    app = web.Application(
        middlewares=[errors_as_json, token_check(token)], client_max_size=MAX_BODY
    )
    for endpoint in ENDPOINTS:
        app.router.add_route(endpoint.method, endpoint.path, as_handler(endpoint, context))
    app.router.add_get(EVENTS_PATH, hub.serve)
    app.router.add_get("/api/openapi.json", _openapi_handler())
    return app


def _openapi_handler() -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    text = msgspec.json.encode(document(ENDPOINTS))

    async def handle(request: web.Request) -> web.StreamResponse:
        return web.Response(body=text, content_type="application/json")

    return handle
