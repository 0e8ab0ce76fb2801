"""Promises of callbacks: who will be called at which number, and what makes a promise void.

A callback is a call of its own (direction ``outbound``, `Call.callback` says the rest) and so a
contact of its own in the queue, with the `since` of the caller who asked. The two records name each
other in their variables ``callback`` and ``callback_of``. What happens when its turn comes is in
`callback`.
"""

from __future__ import annotations

import re

from callcore.call import queueing
from callcore.call.context import Context
from callcore.call.ending import end_call
from callcore.call.model import Call, Callback
from callcore.directory_queue import Callback as Settings
from callcore.types import Outcome

_DEFAULTS = Settings()
_NUMBER = re.compile(r"\+?[0-9]{3,}")


def settings_of(cx: Context, call: Call) -> Settings:
    """As the call's queue has it; a queue without callbacks may still have promised some."""
    queue = cx.state.directory.queues.get(call.queue)
    return _DEFAULTS if queue is None or queue.callback is None else queue.callback


def media(cx: Context, call: Call, *prompts: str) -> tuple[str, ...]:
    """Prompts in the customer's language, else the queue's."""
    queue = cx.state.directory.queues.get(call.queue)
    of_queue = queue.language if queue is not None else ""
    language = call.needs.language or of_queue or cx.state.directory.language
    return tuple(f"prompt:{language}/{name}" for name in prompts)


# --- promised, merged, cancelled -----------------------------------------------------------------


def promise(cx: Context, call: Call, number: str, since: float) -> None:
    """This caller will be called back; one who was promised that already keeps the older place."""
    back = _pending(cx, call.queue, number)
    if back is None or back.callback is None:
        back = _open(cx, call, number, since)
    else:
        _merge(back.callback, call, since)
        cx.note(back, "callback_merged", asked_by=call.id)
    call.promised = back.id
    call.variables = {**call.variables, "callback": back.id}
    cx.note(call, "callback_promised", callback=back.id, number=number, queue=call.queue)
    cx.touched.add(back.id)


def pending(cx: Context) -> list[Call]:
    """Callbacks whose customers were not reached yet."""
    return [cx.state.calls[each] for each in cx.state.callbacks]


def _pending(cx: Context, queue: str, number: str) -> Call | None:
    for back in pending(cx):
        if back.callback is not None and (back.queue, back.callback.number) == (queue, number):
            return back
    return None


def _open(cx: Context, call: Call, number: str, since: float) -> Call:
    back = Call(
        id=cx.new_id("c"),
        node=call.node,
        direction="outbound",
        endpoint="",
        channel="",
        caller_number=number,
        caller_name=call.caller_name if number == call.caller_number else "",
        dialled=number,
        arrived_at=cx.now,
        answered=True,
        queue=call.queue,
        priority=call.priority,
        needs=queueing.anyone(call.needs),
        variables={**call.variables, "callback_of": call.id},
    )
    back.callback = Callback(
        number=number,
        since=since,
        first=settings_of(cx, call).first,
        asked_by=call.id,
        asked_from=_told(call.caller_number),
        hotline=call.dialled,
        asked_at=cx.now,
    )
    cx.state.calls[back.id] = back
    cx.state.callbacks.append(back.id)
    cx.note(back, "callback_opened", asked_by=call.id, number=number, queue=back.queue)
    return back


def _merge(callback: Callback, call: Call, since: float) -> None:
    callback.since = min(callback.since, since)
    callback.attempts = 0
    callback.asked_by, callback.asked_from = call.id, _told(call.caller_number)
    callback.deadline = callback.deadline if callback.agent else None


def _told(number: str) -> str:
    """What tells one caller from another; all who hide it come as the same word."""
    return number if _NUMBER.fullmatch(number) else ""


def connected(cx: Context, call: Call) -> None:
    """An agent speaks with a customer: whatever callback is still promised is not needed."""
    if call.callback is not None:
        call.callback.agent = ""
        call.callback.deadline = None
        reached(cx, call)
        return
    for back in pending(cx) if call.caller_number else ():
        callback = back.callback
        if callback and call.caller_number in (callback.number, callback.asked_from):
            cx.note(back, "callback_not_needed", reached_in=call.id)
            cancel(cx, back)


def cancel(cx: Context, back: Call) -> None:
    """Take a pending callback back; one whose customer has been reached goes on."""
    if back.live and back.id in cx.state.callbacks:
        end_call(cx, back, hung_up_by="callcore", outcome=Outcome.CANCELLED)


def reached(cx: Context, call: Call) -> None:
    """The customer is on the line, or an agent is: it is pending no more."""
    if call.id in cx.state.callbacks:
        cx.state.callbacks.remove(call.id)
