"""/api/v1/queues: queues with their waiting callers, and members added at run time."""

from __future__ import annotations

from typing import Annotated

import msgspec

from callcore.api.changes import change
from callcore.api.endpoint import Call, Done, Endpoint
from callcore.directory_file import DirectoryFile
from callcore.errors import UnknownEntity
from callcore.monitor.view import AgentView, CallView, QueueView

# --- schemas -----------------------------------------------------------------------------------


class QueueList(msgspec.Struct, frozen=True):
    queues: list[QueueView]


class QueueDetails(msgspec.Struct, frozen=True):
    """A queue with the callers in it, first in line first, and its members."""

    queue: QueueView
    waiting: list[CallView]
    members: list[AgentView]


class MemberInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    penalty: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 0


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
    return QueueDetails(queue, sorted(waiting, key=lambda row: row.position), members)


async def put_member(call: Call) -> Done:
    queue, agent = _names(call)

    def add(file: DirectoryFile) -> None:
        file.put_member(queue, agent, call.body.penalty)

    await change(call.context, add)
    return Done()


async def remove_member(call: Call) -> Done:
    queue, agent = _names(call)
    await change(call.context, lambda file: file.remove_member(queue, agent))
    return Done()


def _names(call: Call) -> tuple[str, str]:
    directory = call.context.switchboard.settings().directory
    queue, agent = call.path["id"], call.path["agent"]
    if queue not in directory.queues:
        raise UnknownEntity("queue", queue[:80])
    if agent not in directory.agents:
        raise UnknownEntity("agent", agent[:80])
    return queue, agent


# --- routes ------------------------------------------------------------------------------------

MEMBER = "/api/v1/queues/{id}/members/{agent}"
ENDPOINTS = (
    Endpoint("GET", "/api/v1/queues", list_all, "All queues", answer=QueueList),
    Endpoint("GET", "/api/v1/queues/{id}", show, "One queue with callers", answer=QueueDetails),
    Endpoint(
        "PUT", MEMBER, put_member, "Add an agent to a queue, or set the penalty",
        body=MemberInput, body_optional=True,
    ),
    Endpoint("DELETE", MEMBER, remove_member, "Remove a member added at run time"),
)  # fmt: skip
