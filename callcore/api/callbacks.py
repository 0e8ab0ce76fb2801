"""/api/v1/callbacks: callers who hung up with the promise of a call, and taking one back."""

from __future__ import annotations

import msgspec

from callcore.api.endpoint import Call, Done, Endpoint
from callcore.call.events import CallbackCancelAsked
from callcore.errors import UnknownEntity
from callcore.monitor.callbacks import CallbackView

# --- schemas -----------------------------------------------------------------------------------


class CallbackQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Of one queue; empty: of all."""

    queue: str = ""


class CallbackList(msgspec.Struct, frozen=True):
    """Pending callbacks in the order in which they were promised, at `at`."""

    at: float
    callbacks: list[CallbackView]


# --- handlers ----------------------------------------------------------------------------------


async def list_all(call: Call) -> CallbackList:
    switchboard = call.context.switchboard
    queue = call.query.get("queue", "")
    if queue and queue not in switchboard.settings().directory.queues:
        raise UnknownEntity("queue", queue[:80])
    found = [each for each in switchboard.callbacks() if queue in ("", each.queue)]
    return CallbackList(switchboard.snapshot().at, found)


async def cancel(call: Call) -> Done:
    await call.context.switchboard.submit(CallbackCancelAsked(call=call.path["id"]))
    return Done()


# --- routes ------------------------------------------------------------------------------------

ENDPOINTS = (
    Endpoint(
        "GET", "/api/v1/callbacks", list_all, "Pending callbacks",
        answer=CallbackList, query=CallbackQuery,
    ),
    Endpoint("POST", "/api/v1/callbacks/{id}/cancel", cancel, "Take a callback back"),
)  # fmt: skip
