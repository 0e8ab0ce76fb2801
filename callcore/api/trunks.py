"""/api/v1/trunks: trunks, and those added at run time."""

from __future__ import annotations

import msgspec

from callcore.api.changes import add, remove
from callcore.api.endpoint import Call, Done, Endpoint
from callcore.directory import Trunk
from callcore.directory_file import with_secret
from callcore.monitor.view import TrunkView

# --- schemas -----------------------------------------------------------------------------------


class TrunkList(msgspec.Struct, frozen=True):
    trunks: list[TrunkView]


class TrunkAdded(msgspec.Struct, frozen=True, omit_defaults=True):
    """`secret` only when it was made now: it is shown this once."""

    id: str
    secret: str = ""

    def __repr__(self) -> str:
        return f"TrunkAdded(id={self.id!r})"


# --- handlers ----------------------------------------------------------------------------------


async def list_all(call: Call) -> TrunkList:
    return TrunkList(list(call.context.switchboard.snapshot().trunks))


async def create(call: Call) -> TrunkAdded:
    trunk, made = with_secret(call.body)
    await add(call.context, trunk)
    return TrunkAdded(trunk.id, made)


async def delete(call: Call) -> Done:
    await remove(call.context, "trunks", call.path["id"])
    return Done()


# --- routes ------------------------------------------------------------------------------------

ALL = "/api/v1/trunks"
ENDPOINTS = (
    Endpoint("GET", ALL, list_all, "All trunks", answer=TrunkList),
    Endpoint("POST", ALL, create, "Add a trunk", body=Trunk, answer=TrunkAdded, status=201),
    Endpoint("DELETE", f"{ALL}/{{id}}", delete, "Remove a trunk added at run time"),
)
