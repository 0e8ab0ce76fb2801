"""/api/v1/phones: phones, and those added at run time."""

from __future__ import annotations

import msgspec

from callcore.api.changes import add, remove
from callcore.api.endpoint import Call, Done, Endpoint
from callcore.directory import Phone
from callcore.directory_file import with_secret
from callcore.monitor.view import PhoneView

# --- schemas -----------------------------------------------------------------------------------


class PhoneList(msgspec.Struct, frozen=True):
    phones: list[PhoneView]


class PhoneAdded(msgspec.Struct, frozen=True, omit_defaults=True):
    """`secret` only when it was made now: it is shown this once."""

    id: str
    secret: str = ""

    def __repr__(self) -> str:
        return f"PhoneAdded(id={self.id!r})"


# --- handlers ----------------------------------------------------------------------------------


async def list_all(call: Call) -> PhoneList:
    return PhoneList(list(call.context.switchboard.snapshot().phones))


async def create(call: Call) -> PhoneAdded:
    phone, made = with_secret(call.body)
    await add(call.context, phone)
    return PhoneAdded(phone.id, made)


async def delete(call: Call) -> Done:
    await remove(call.context, "phones", call.path["id"])
    return Done()


# --- routes ------------------------------------------------------------------------------------

ALL = "/api/v1/phones"
ENDPOINTS = (
    Endpoint("GET", ALL, list_all, "All phones", answer=PhoneList),
    Endpoint("POST", ALL, create, "Add a phone", body=Phone, answer=PhoneAdded, status=201),
    Endpoint("DELETE", f"{ALL}/{{id}}", delete, "Remove a phone added at run time"),
)
