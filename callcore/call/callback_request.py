"""A waiting caller asks to be called back: the key, the number, the promise.

The caller keeps waiting meanwhile: an agent who answers ends the dialogue. The number is read back;
``1`` confirms it, digits and ``#`` name another one, ``*`` goes back to waiting. Only numbers that
an outbound route carries are taken; an anonymous caller has to enter one.
"""

from __future__ import annotations

import re

from callcore.call import announcements, callback_promise, queueing, tree_walk
from callcore.call.context import Context
from callcore.call.model import Call, CallbackRequest, CallbackStep, PlayFor
from callcore.call.numbering import TargetKind, resolve
from callcore.ivr import say
from callcore.types import Outcome

CONFIRM, CANCEL, END = "1", "*", "#"
#: Silence after the question, after a key, and the longest question.
ANSWER_SECONDS = 8.0
KEY_SECONDS = 2.5
QUESTION_SECONDS = 60.0
MAX_TRIES = 3
MAX_DIGITS = 32
_NUMBER = re.compile(r"\+?[0-9]{2,}")


def offer(cx: Context, call: Call) -> None:
    """The caller has just entered a queue: offer a callback where the wait will be long."""
    queue = cx.state.directory.queues.get(call.queue)
    settings = queue.callback if queue is not None else None
    if settings is None or settings.offer_at_seconds <= 0 or call.callback is not None:
        return
    estimate = cx.distributor.estimate_new(call.queue, cx.now)
    if estimate is None or estimate < settings.offer_at_seconds or call.queued_since is None:
        return
    _begin(cx, call, CallbackStep.OFFERED, call.queued_since)
    cx.note(call, "callback_offered", queue=call.queue, estimate=round(estimate, 1))
    key = callback_promise.settings_of(cx, call).key or CONFIRM
    _ask(cx, call, "callback-offer", *say.digits(key), "callback-offer-end")


def begin(cx: Context, call: Call, since: float) -> None:
    """Ask for the number; `since` is the place in line that is kept."""
    number = call.caller_number
    known = is_dialable(cx, number)
    step = CallbackStep.CONFIRM if known else CallbackStep.NUMBER
    _begin(cx, call, step, since, number if known else "")
    cx.note(call, "callback_asked", queue=call.queue, number=number if known else "")
    _ask_again(cx, call)


def _begin(cx: Context, call: Call, step: CallbackStep, since: float, number: str = "") -> None:
    announcements.stop(cx, call)
    call.request = CallbackRequest(step=step, since=since, number=number)


def is_dialable(cx: Context, number: str) -> bool:
    """An outbound route carries it, and it is nobody here."""
    if len(number) > MAX_DIGITS or not _NUMBER.fullmatch(number):
        return False
    target = resolve(cx.state.directory, number)
    return target is not None and target.kind is TargetKind.OUTSIDE


# --- keys and time -------------------------------------------------------------------------------


def digit(cx: Context, call: Call, key: str) -> bool:
    """A key pressed by a waiting caller; false: it means nothing here."""
    if call.callback is not None or call.agent:
        return False
    settings = callback_promise.settings_of(cx, call)
    request = call.request
    if request is None:
        queue = cx.state.directory.queues.get(call.queue)
        offered = queue is not None and queue.callback is not None
        if call.queued_since is None or not offered or key != settings.key:
            return False
        begin(cx, call, call.queued_since)
    elif request.step is CallbackStep.OFFERED:
        if key == (settings.key or CONFIRM):
            begin(cx, call, request.since)
    else:
        _typed(cx, call, request, key)
    return True


def _typed(cx: Context, call: Call, request: CallbackRequest, key: str) -> None:
    cx.stop_playing(call, PlayFor.CALLBACK_REQUEST)
    if key == CANCEL:
        give_up(cx, call)
    elif key == END:
        _entered(cx, call, request)
    else:
        if len(request.digits) < MAX_DIGITS:
            request.digits += key
        _until(cx, call, request, KEY_SECONDS if request.digits == CONFIRM else ANSWER_SECONDS)


def _entered(cx: Context, call: Call, request: CallbackRequest) -> None:
    digits, request.digits = request.digits, ""
    if request.step is CallbackStep.CONFIRM and digits == CONFIRM:
        _promise(cx, call, request)
    elif is_dialable(cx, digits):
        request.step, request.number = CallbackStep.CONFIRM, digits
        _ask_again(cx, call)
    else:
        _once_more(cx, call, request, "callback-invalid" if digits else "")


def _once_more(cx: Context, call: Call, request: CallbackRequest, complaint: str = "") -> None:
    request.tries += 1
    if request.tries >= MAX_TRIES:
        give_up(cx, call)
    else:
        _ask_again(cx, call, complaint)


def timer(cx: Context, call: Call) -> None:
    """No further key came."""
    request = call.request
    if request is None:
        return
    request.deadline = None
    if request.step is CallbackStep.OFFERED:
        give_up(cx, call)
    elif request.digits:
        _entered(cx, call, request)
    else:
        _once_more(cx, call, request)


def asked(cx: Context, call: Call) -> None:
    """The question has been played to its end."""
    if call.request is not None:
        _until(cx, call, call.request, ANSWER_SECONDS)


def _until(cx: Context, call: Call, request: CallbackRequest, seconds: float) -> None:
    request.deadline = cx.now + seconds
    cx.touched.add(call.id)


# --- the words -----------------------------------------------------------------------------------


def _ask_again(cx: Context, call: Call, complaint: str = "") -> None:
    request = call.request
    if request is None:
        return
    first = (complaint,) if complaint else ()
    if request.step is CallbackStep.NUMBER:
        _ask(cx, call, *first, "callback-enter-number")
    else:
        number = say.digits(request.number)
        _ask(cx, call, *first, "callback-number-is", *number, "callback-confirm")


def _ask(cx: Context, call: Call, *prompts: str) -> None:
    cx.music_off(call)
    cx.stop_playing(call, PlayFor.CALLBACK_REQUEST)
    cx.play(
        call, call.channel, PlayFor.CALLBACK_REQUEST, callback_promise.media(cx, call, *prompts)
    )
    if call.request is not None:
        _until(cx, call, call.request, QUESTION_SECONDS)


# --- the end -------------------------------------------------------------------------------------


def give_up(cx: Context, call: Call) -> None:
    """No callback: the caller waits on, or hears goodbye where the queue had given up already."""
    cx.stop_playing(call, PlayFor.CALLBACK_REQUEST)
    call.request = None
    cx.note(call, "callback_declined", queue=call.queue)
    if call.queued_since is not None:
        announcements.wait_on(cx, call)
    else:
        tree_walk.say_goodbye(cx, call, "not-available")


def _promise(cx: Context, call: Call, request: CallbackRequest) -> None:
    """The place in line goes to the callback; this call ends with goodbye."""
    call.request = None
    callback_promise.promise(cx, call, request.number, request.since)
    call.outcome = Outcome.CALLBACK
    queueing.leave_queue(cx, call, "callback")
    cx.music_off(call)
    cx.play(
        call, call.channel, PlayFor.FAREWELL, callback_promise.media(cx, call, "callback-promised")
    )
