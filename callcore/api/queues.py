"""/api/v1/queues: queues with their waiting callers, and changes to them while they work."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from callcore.api.changes import change, configured, remove, settings_now
from callcore.api.endpoint import Call, Done, Endpoint
from callcore.directory import GROUP
from callcore.directory_additions import DirectoryFile
from callcore.errors import Refused, UnknownEntity
from callcore.monitor.view import AgentView, CallView, QueueView

# --- schemas -----------------------------------------------------------------------------------


class QueueList(msgspec.Struct, frozen=True):
    queues: list[QueueView]


class QueueDetails(msgspec.Struct, frozen=True):
    """A queue with the callers in it, first in line first, and its members."""

    queue: QueueView
    waiting: list[CallView]
    members: list[AgentView]
    #: Keys of `[queues.ID]` that are not at their default.
    settings: dict[str, Any] = {}
    #: Those of them that were changed at run time and differ from callcore.toml.
    changed: list[str] = []


class QueueInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A queue to add; `settings` are keys of `[queues.ID]`."""

    id: Annotated[str, msgspec.Meta(max_length=100)]
    settings: dict[str, Any] = {}


class SettingsInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Keys of `[queues.ID]` or `[agents.ID]` with their new values; null takes a table away."""

    settings: dict[str, Any]


class ResetInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """These keys go back to what callcore.toml says; none: all that was changed."""

    keys: list[str] = []


class MemberInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Place of a member; `position` 0: as listed."""

    penalty: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 0
    position: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 0


# --- handlers ----------------------------------------------------------------------------------


async def list_all(call: Call) -> QueueList:
    return QueueList(list(call.context.switchboard.snapshot().queues))


async def show(call: Call) -> QueueDetails:
    now = call.context.switchboard.snapshot()
    name = call.path["id"]
    queue = next((row for row in now.queues if row.id == name), None)
    if queue is None:
        raise UnknownEntity("queue", name[:80])
    waiting = [row for row in now.calls if row.queue == name and row.position]
    members = [row for row in now.agents if row.id in queue.members]
    in_line = sorted(waiting, key=lambda row: row.position)
    settings, changed = settings_now(call.context.switchboard.settings(), "queues", name)
    return QueueDetails(queue, in_line, members, settings, changed)


async def create(call: Call) -> Done:
    name, table = call.body.id, call.body.settings

    def add(file: DirectoryFile) -> None:
        if name in file.additions.queues:
            raise Refused(f"there is a queue {name!r} already")
        file.add_queue(name, table)

    await change(call.context, add)
    return Done()


async def delete(call: Call) -> Done:
    await remove(call.context, "queues", call.path["id"])
    return Done()


async def set_keys(call: Call) -> Done:
    name = _queue(call)
    await change(call.context, lambda file: file.set_queue(name, call.body.settings))
    return Done()


async def reset(call: Call) -> Done:
    name = configured(call.context, "queues", _queue(call))
    await change(call.context, lambda file: file.reset_queue(name, call.body.keys))
    return Done()


async def put_member(call: Call) -> Done:
    queue, agent, body = _queue(call), _member(call), call.body
    await change(
        call.context, lambda file: file.put_member(queue, agent, body.penalty, body.position)
    )
    return Done()


async def remove_member(call: Call) -> Done:
    queue, agent = _queue(call), _member(call)
    base = call.context.switchboard.settings().configured.queues.get(queue)
    await change(call.context, lambda file: file.remove_member(queue, agent, base))
    return Done()


def _queue(call: Call) -> str:
    name = call.path["id"]
    if name not in call.context.switchboard.settings().directory.queues:
        raise UnknownEntity("queue", name[:80])
    return name


def _member(call: Call) -> str:
    """An agent, or a group, which the check of the directory knows."""
    name = call.path["agent"]
    known = call.context.switchboard.settings().directory.agents
    if not name.startswith(GROUP) and name not in known:
        raise UnknownEntity("agent", name[:80])
    return name


# --- routes ------------------------------------------------------------------------------------

ALL, ONE = "/api/v1/queues", "/api/v1/queues/{id}"
MEMBER = f"{ONE}/members/{{agent}}"
ENDPOINTS = (
    Endpoint("GET", ALL, list_all, "All queues", answer=QueueList),
    Endpoint("POST", ALL, create, "Add a queue", body=QueueInput, status=201),
    Endpoint("GET", ONE, show, "One queue with callers and settings", answer=QueueDetails),
    Endpoint("PATCH", ONE, set_keys, "Change settings; waiting callers stay", body=SettingsInput),
    Endpoint("DELETE", ONE, delete, "Remove a queue added at run time"),
    Endpoint(
        "POST", f"{ONE}/reset", reset, "Drop what was changed at run time",
        body=ResetInput, body_optional=True,
    ),
    Endpoint(
        "PUT", MEMBER, put_member, "Add an agent or @GROUP to a queue, or change the place",
        body=MemberInput, body_optional=True,
    ),
    Endpoint("DELETE", MEMBER, remove_member, "Take a member out of a queue"),
)  # fmt: skip
