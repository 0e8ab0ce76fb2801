"""A caller inside an IVR tree: what the runner asks for becomes actions on the channel."""

from __future__ import annotations

from callcore.call import direct, queueing
from callcore.call.actions import LookUp, RecordVoicemail
from callcore.call.context import Context
from callcore.call.ending import end_call
from callcore.call.model import Call, Needs, PlayFor
from callcore.call.record import SegmentKind
from callcore.call.state import CallState, Move
from callcore.ivr import runner
from callcore.ivr.actions import (
    AnyIvrAction,
    Ask,
    End,
    EnterQueue,
    Hush,
    Note,
    PickUp,
    Say,
    TakeMessage,
    TransferTo,
)
from callcore.ivr.state import Facts, Wait
from callcore.types import HangupReason, Outcome


def enter_tree(cx: Context, call: Call, target: str) -> None:
    """Start at ``tree``, or inside it at ``tree/node``."""
    tree = target.partition("/")[0]
    if cx.state.trees.latest(tree) is None:
        cx.note(call, "no_such_tree", tree=tree)
        end_call(
            cx, call, hung_up_by="callcore", outcome=Outcome.FAILED, reason=HangupReason.CONGESTION
        )
        return
    call.tree = tree
    facts = Facts(
        caller_number=call.caller_number,
        caller_name=call.caller_name,
        dialled=call.dialled,
        language=cx.state.directory.language,
        variables=call.variables,
        answered=call.answered,
    )
    call.run, actions = runner.start(cx.state.trees, target, facts, cx.now)
    _enter(cx, call)
    apply(cx, call, actions)


def _enter(cx: Context, call: Call) -> None:
    if call.state is not CallState.IVR:
        cx.move(call, Move.ENTER_TREE)
        call.ivr_at = call.ivr_at or cx.now
        cx.begin(call, SegmentKind.IVR, tree=call.tree)
        cx.note(call, "ivr_entered", tree=call.tree)
        cx.music_off(call)


def restart_node(cx: Context, call: Call) -> None:
    """After callcore was away: what was playing or being asked is asked again."""
    if call.run is not None:
        call.playing.clear()
        here = f"{call.run.tree}/{call.run.node}"
        apply(cx, call, runner.enter(call.run, cx.state.trees, here, cx.now))


def apply(cx: Context, call: Call, actions: list[AnyIvrAction]) -> None:
    """Carry out what the runner asked for, in order; stops when the call left the tree."""
    cx.touched.add(call.id)
    for action in actions:
        if not call.live:
            return
        _apply_one(cx, call, action)


def _apply_one(cx: Context, call: Call, action: AnyIvrAction) -> None:
    match action:
        case PickUp():
            cx.answer(call)
        case Say(media=media):
            cx.play(call, call.channel, PlayFor.IVR, media)
        case Hush():
            cx.stop_playing(call, PlayFor.IVR)
        case Ask(url=url, query=query, timeout=timeout):
            call.token += 1
            cx.do(
                LookUp(call=call.id, token=str(call.token), url=url, query=query, timeout=timeout)
            )
        case TakeMessage():
            _take_message(cx, call, action)
        case EnterQueue(queue=queue, priority=priority):
            leave_tree(cx, call, "queued")
            queueing.enter_queue(cx, call, queue, priority=priority, needs=_needs(action))
        case TransferTo(target=target, ring_seconds=seconds):
            leave_tree(cx, call, "transfer")
            direct.dial_for_caller(cx, call, target, seconds)
        case End(reason=reason):
            leave_tree(cx, call, "ended")
            end_call(cx, call, hung_up_by="callcore", reason=HangupReason(reason))
        case Note(text=text):
            cx.note(call, "ivr_note", text=text)


def _needs(action: EnterQueue) -> Needs:
    return Needs(
        skills=action.skills,
        rule=action.rule,
        language=action.language,
        wanted=action.agent,
        wanted_seconds=action.agent_seconds if action.agent else None,
        value=action.value,
        site=action.site,
    )


def masked_key(cx: Context, call: Call, key: str) -> str:
    """What the journal may hold of a key this caller presses now."""
    if call.run is None or call.state is not CallState.IVR:
        return key
    return runner.masked_key(call.run, cx.state.trees, key)


def leave_tree(cx: Context, call: Call, result: str) -> None:
    cx.stop_playing(call, PlayFor.IVR)
    cx.close(call, SegmentKind.IVR, result)
    if call.run is not None:
        call.variables = call.run.public_variables()


def _take_message(cx: Context, call: Call, action: TakeMessage) -> None:
    call.voicemail = cx.new_id("v")
    cx.begin(call, SegmentKind.VOICEMAIL, target=action.mailbox)
    cx.note(call, "voicemail_started", recording=call.voicemail, mailbox=action.mailbox)
    cx.do(
        RecordVoicemail(
            call=call.id,
            channel=call.channel,
            recording=call.voicemail,
            mailbox=action.mailbox,
            max_seconds=action.max_seconds,
            silence_seconds=action.silence_seconds,
            end_key=action.end_key,
            beep=action.beep,
        )
    )


# --- what came back ----------------------------------------------------------------------------


def digit(cx: Context, call: Call, key: str) -> None:
    if call.run is not None and call.state is CallState.IVR:
        if not runner.secret_entry(call.run, cx.state.trees):
            cx.note(call, "digit", digit=key)
        apply(cx, call, runner.digit(call.run, cx.state.trees, key, cx.now))


def playback_ended(cx: Context, call: Call, ok: bool) -> None:
    if call.run is not None and call.state is CallState.IVR:
        apply(cx, call, runner.playback_ended(call.run, cx.state.trees, ok, cx.now))


def look_up_answered(
    cx: Context, call: Call, token: str, values: dict[str, str], error: str
) -> None:
    if call.run is None or call.state is not CallState.IVR or token != str(call.token):
        return
    cx.note(call, "look_up", error=error)
    apply(cx, call, runner.look_up_answered(call.run, cx.state.trees, values, error, cx.now))


def message_ended(cx: Context, call: Call, recording: str, seconds: float, ok: bool) -> None:
    """The message is complete (also when the caller ended it by hanging up)."""
    cx.close(call, SegmentKind.VOICEMAIL, "recorded" if ok and seconds > 0 else "empty")
    cx.note(call, "voicemail_ended", recording=recording, seconds=round(seconds, 2), ok=ok)
    if ok and seconds > 0 and call.outcome is None:
        call.outcome = Outcome.VOICEMAIL
    if call.run is not None and call.state is CallState.IVR:
        apply(
            cx, call, runner.message_ended(call.run, cx.state.trees, recording, seconds, ok, cx.now)
        )


def timer(cx: Context, call: Call) -> None:
    if call.run is not None and call.state is CallState.IVR:
        apply(cx, call, runner.timer(call.run, cx.state.trees, cx.now))


def resume_after_queue(cx: Context, call: Call, reason: str, to: str = "") -> None:
    """The queue gave up: `to` (``tree`` or ``tree/node``), else the running tree's overflow node,
    else the queue's own, else goodbye."""
    queue = cx.state.directory.queues.get(call.queue)
    own = queue.overflow if queue is not None else ""
    if call.run is not None and call.run.wait is Wait.QUEUE:
        _enter(cx, call)
        trees = cx.state.trees
        apply(cx, call, runner.overflowed(call.run, trees, reason, cx.now, to=to, fallback=own))
    elif to or own:
        call.variables = {**call.variables, "overflow_reason": reason}
        enter_tree(cx, call, to or own)
    else:
        say_goodbye(cx, call, "not-available")


def resume_after_transfer(cx: Context, call: Call, reason: str) -> None:
    """A number or agent the tree dialled did not answer."""
    if call.run is not None and call.run.wait is Wait.TRANSFER:
        _enter(cx, call)
        apply(cx, call, runner.transfer_failed(call.run, cx.state.trees, reason, cx.now))
        return
    say_goodbye(cx, call, "transfer-failed")


def say_goodbye(cx: Context, call: Call, prompt: str) -> None:
    """Tell the caller why, then hang up."""
    language = cx.state.directory.language
    cx.answer(call)
    cx.music_off(call)
    cx.play(call, call.channel, PlayFor.FAREWELL, (f"prompt:{language}/{prompt}",))
