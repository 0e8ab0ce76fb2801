"""/api/v1/reload: put changed files in force now, instead of within the next second."""

from __future__ import annotations

from callcore.api.endpoint import Call, Done, Endpoint

# --- handlers ----------------------------------------------------------------------------------


async def reload(call: Call) -> Done:
    await call.context.switchboard.reload()
    return Done()


# --- routes ------------------------------------------------------------------------------------

ENDPOINTS = (Endpoint("POST", "/api/v1/reload", reload, "Read settings, directory, trees again"),)
