"""/api/v1/snapshot: everything there is to see, once; the event stream begins with the same."""

from __future__ import annotations

from callcore.api.endpoint import Call, Endpoint
from callcore.monitor.view import Snapshot

# --- handlers ----------------------------------------------------------------------------------


async def show(call: Call) -> Snapshot:
    return call.context.switchboard.snapshot()


# --- routes ------------------------------------------------------------------------------------

ENDPOINTS = (Endpoint("GET", "/api/v1/snapshot", show, "Everything now", answer=Snapshot),)
