"""Pending callbacks as an operator sees them; pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from callcore.call.model import Call, Callback, SwitchState
from callcore.monitor.view import Table, clock, printable
from callcore.types import AgentId, CallId, QueueId


class CallbackView(msgspec.Struct, frozen=True, kw_only=True):
    """One callback whose customer was not reached yet. Times: seconds since the epoch."""

    #: Of the callback's own call, and of the one in which it was asked for last.
    id: CallId
    asked_by: CallId
    queue: QueueId
    number: str
    #: ``resting``: not in line now; ``waiting``; ``ringing``: an agent or the customer is rung.
    state: str
    #: The place in line.
    since: float
    #: Whom it rings first: ``agent`` or ``customer``.
    first: str
    attempts: int
    #: When it gets in line, where it is resting; None: when the caller who asked has hung up.
    due: float | None = None
    agent: AgentId = ""


def callback_views(state: SwitchState) -> tuple[CallbackView, ...]:
    """All of them, in the order in which they were promised."""
    calls = (state.calls[each] for each in state.callbacks)
    return tuple(_view(call, call.callback) for call in calls if call.callback is not None)


def _view(call: Call, callback: Callback) -> CallbackView:
    resting = call.queued_since is None
    ringing = "ringing" if callback.agent or call.legs else "waiting"
    return CallbackView(
        id=call.id,
        asked_by=callback.asked_by,
        queue=call.queue,
        number=callback.number,
        state="resting" if resting else ringing,
        since=callback.since,
        first=callback.first.value,
        attempts=callback.attempts,
        due=callback.deadline if resting else None,
        agent=callback.agent,
    )


def callback_table(views: Sequence[CallbackView], now: float) -> Table:
    columns = ("callback", "queue", "number", "state", "waits", "due", "calls", "first", "agent")
    return Table("Callbacks", columns, tuple(_row(view, now) for view in views))


def _row(view: CallbackView, now: float) -> tuple[str, ...]:
    due = "" if view.due is None else f"in {clock(now, view.due)}"
    return (
        view.id,
        view.queue,
        printable(view.number),
        view.state,
        clock(view.since, now),
        due,
        str(view.attempts),
        view.first,
        view.agent,
    )
