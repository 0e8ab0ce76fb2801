"""/healthz, /readyz and /metrics, for whatever watches the process."""

from __future__ import annotations

import msgspec
from aiohttp import web

from callcore.api.endpoint import Call, Endpoint, json_answer
from callcore.api.metrics import CONTENT_TYPE

# --- schemas -----------------------------------------------------------------------------------


class Health(msgspec.Struct, frozen=True):
    """The process lives and its loop turns."""

    ok: bool = True


class Readiness(msgspec.Struct, frozen=True):
    """Calls can be served, or why not."""

    ready: bool
    reason: str = ""


# --- handlers ----------------------------------------------------------------------------------


async def healthz(call: Call) -> Health:
    return Health()


async def readyz(call: Call) -> web.StreamResponse:
    reason = call.context.switchboard.ready()
    return json_answer(Readiness(not reason, reason), 503 if reason else 200)


async def metrics(call: Call) -> web.StreamResponse:
    text = call.context.metrics.text()
    return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE})


# --- routes ------------------------------------------------------------------------------------

ENDPOINTS = (
    Endpoint("GET", "/healthz", healthz, "The process lives (no token needed)", answer=Health),
    Endpoint("GET", "/readyz", readyz, "Calls can be served (no token needed)", answer=Readiness),
    Endpoint("GET", "/metrics", metrics, "Prometheus metrics", answer=str),
)
