"""/api/v1/calls: live and ended calls, and what an operator can do to a call."""

from __future__ import annotations

from typing import Annotated

import msgspec

from callcore.api.endpoint import Call, Done, Endpoint, Page, page
from callcore.call.events import (
    CallHangupAsked,
    CallPriorityAsked,
    CallSuperviseAsked,
    CallTransferAsked,
    QueueLeaveAsked,
    RecordingPauseAsked,
    RecordingResumeAsked,
)
from callcore.call.record import CallEvent, CallRecord
from callcore.errors import BackendUnavailable, Refused, UnknownEntity
from callcore.monitor.view import CallView
from callcore.monitor.why import ContactWhy, offers_made
from callcore.types import CallId, SupervisionMode

# --- schemas -----------------------------------------------------------------------------------

Target = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class TransferInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`target`: a number, ``queue:ID`` or ``agent:ID``."""

    target: Target


class SuperviseInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The supervisor's phone, and what it is to have of the call.

    A phone that supervises the call already gets the new mode without being rung again."""

    phone: Target
    mode: SupervisionMode = SupervisionMode.LISTEN


class SuperviseAnswer(msgspec.Struct, frozen=True):
    """The supervisor's own call; hanging it up ends the supervision."""

    call: CallId


class MoveInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a waiting caller goes."""

    queue: Target


class PriorityInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Higher is served first; callers without one have 0."""

    priority: Annotated[int, msgspec.Meta(ge=-1000, le=1000)]


class CallList(msgspec.Struct, frozen=True):
    calls: list[CallView]


class CallHistory(msgspec.Struct, frozen=True):
    """Ended calls, newest first; the next page starts `before` the last `arrived_at`."""

    calls: list[CallRecord]


class CallDetails(msgspec.Struct, frozen=True, omit_defaults=True):
    """`live` while the call goes on; `record` and `events` once it ended."""

    live: CallView | None = None
    record: CallRecord | None = None
    events: list[CallEvent] = []


# --- handlers ----------------------------------------------------------------------------------


async def list_live(call: Call) -> CallList:
    return CallList(list(call.context.switchboard.snapshot().calls))


async def list_ended(call: Call) -> CallHistory:
    wanted = page(call.query)
    return CallHistory(await call.context.archive.calls(wanted.limit, wanted.before))


async def show(call: Call) -> CallDetails:
    name = call.path["id"]
    live = [row for row in call.context.switchboard.snapshot().calls if row.id == name]
    if live:
        return CallDetails(live=live[0])
    ended = await call.context.archive.call(name)
    if ended is None:
        raise UnknownEntity("call", name[:80])
    return CallDetails(record=ended[0], events=ended[1])


async def why(call: Call) -> ContactWhy:
    """The rules as they are now for a contact that waits; for others what the event list tells."""
    board, archive, name = call.context.switchboard, call.context.archive, call.path["id"]
    found = board.why_contact(name)
    if found is None:
        live = [row for row in board.snapshot().calls if row.id == name]
        ended = None if live else await archive.call(name)
        if ended is None and not live:
            raise UnknownEntity("contact", name[:80])
        events = ended[1] if ended is not None else await archive.events(name)
        queue = ended[0].queue if ended is not None else live[0].queue
        state = live[0].state if live else "ended"
        return ContactWhy(contact=name, state=state, queue=queue, offers=offers_made(events))
    try:
        events = await archive.events(name)
    except BackendUnavailable:
        events = []  # why it waits can be told without the store
    return msgspec.structs.replace(found, offers=offers_made(events))


async def hang_up(call: Call) -> Done:
    await call.context.switchboard.submit(CallHangupAsked(call=call.path["id"]))
    return Done()


async def transfer(call: Call) -> Done:
    event = CallTransferAsked(call=call.path["id"], target=call.body.target)
    await call.context.switchboard.submit(event)
    return Done()


async def supervise(call: Call) -> SuperviseAnswer:
    name, phone = call.path["id"], call.body.phone
    board = call.context.switchboard
    await board.submit(CallSuperviseAsked(call=name, phone=phone, mode=call.body.mode))
    for row in board.snapshot().calls:
        if row.supervised == name and row.caller == phone:
            return SuperviseAnswer(row.id)
    raise Refused(f"phone {phone!r} cannot be rung")  # it failed at once


async def move(call: Call) -> Done:
    event = QueueLeaveAsked(call=call.path["id"], queue=call.body.queue)
    await call.context.switchboard.submit(event)
    return Done()


async def change_priority(call: Call) -> Done:
    event = CallPriorityAsked(call=call.path["id"], priority=call.body.priority)
    await call.context.switchboard.submit(event)
    return Done()


async def pause_recording(call: Call) -> Done:
    await call.context.switchboard.submit(RecordingPauseAsked(call=call.path["id"]))
    return Done()


async def resume_recording(call: Call) -> Done:
    await call.context.switchboard.submit(RecordingResumeAsked(call=call.path["id"]))
    return Done()


# --- routes ------------------------------------------------------------------------------------

ONE = "/api/v1/calls/{id}"
ENDPOINTS = (
    Endpoint("GET", "/api/v1/calls", list_live, "Live calls", answer=CallList),
    Endpoint(
        "GET", "/api/v1/calls/ended", list_ended, "Ended calls, newest first",
        answer=CallHistory, query=Page,
    ),
    Endpoint("GET", ONE, show, "One call, live or ended", answer=CallDetails),
    Endpoint(
        "GET", f"{ONE}/why", why, "Why a contact waits, or why it got its agent", answer=ContactWhy
    ),
    Endpoint("POST", f"{ONE}/hangup", hang_up, "End a call"),
    Endpoint("POST", f"{ONE}/transfer", transfer, "Transfer a call", body=TransferInput),
    Endpoint(
        "POST", f"{ONE}/supervise", supervise, "Listen to a call, whisper to its agent, barge in",
        body=SuperviseInput, answer=SuperviseAnswer,
    ),
    Endpoint("POST", f"{ONE}/move", move, "Move a caller to another queue", body=MoveInput),
    Endpoint(
        "POST", f"{ONE}/priority", change_priority, "Move a caller up or down the queue",
        body=PriorityInput,
    ),
    Endpoint("POST", f"{ONE}/recording/pause", pause_recording, "Pause the recording"),
    Endpoint("POST", f"{ONE}/recording/resume", resume_recording, "Resume the recording"),
)  # fmt: skip
