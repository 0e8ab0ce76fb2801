"""Moving a caller blind: to a number, an agent, a queue or a tree.

(REFER, RFC 3515; Asterisk's ChannelTransfer with ``ari-only``.) The transferring phone waits for
our verdict, so it is kept in the call, off the bridge, until the target answered. If the target
fails, the caller comes back to that agent, or to the queue if the agent is gone by then.
"""

from __future__ import annotations

from callcore.call import direct, queueing, talking, tree_walk
from callcore.call.actions import AnswerTransfer, Leave
from callcore.call.context import Context
from callcore.call.ending import release_agent
from callcore.call.model import Call, Leg, LegState, Role, Transfer
from callcore.call.numbering import Target, TargetKind, resolve
from callcore.call.record import SegmentKind
from callcore.call.state import CallState

LEAVING_SECONDS = 2.0
"""A phone that hangs up so soon after its transfer failed did not wait to hear of it."""


def blind(cx: Context, call: Call, leg: Leg | None, dialled: str, *, refer: bool) -> None:
    """Send the caller on; `leg` is the side that asked (None: an operator did)."""
    target = resolve(cx.state.directory, dialled)
    by_agent = leg.agent if leg is not None else call.agent
    cx.note(call, "transfer_asked", target=dialled, by=by_agent, kind="blind")
    if call.state is not CallState.TALKING or target is None or not _takes_callers(cx, target):
        if refer and leg is not None:
            refuse(cx, call, leg, dialled)
        else:
            cx.note(call, "transfer_refused", target=dialled)
        return
    call.transfers += 1
    if leg is not None and leg.role is Role.CALLER:
        _change_sides(cx, call, leg)
    leg = leg or call.far_side()
    if target.kind in (TargetKind.QUEUE, TargetKind.TREE):
        _let_go(cx, call, leg, refer=refer)
        direct.go_to(cx, call, target, dialled)
        return
    if leg is not None:
        cx.close(call, SegmentKind.TALK, "transferring", leg.agent)
        talking.hold(cx, call, leg, on=False)
        cx.do(Leave(call=call.id, bridge=call.bridge, channel=leg.channel))
        call.transfer = Transfer(by_channel=leg.channel, by_agent=leg.agent, refer=refer)
    cx.do(Leave(call=call.id, bridge=call.bridge, channel=call.channel))
    direct.dial_for_caller(cx, call, dialled)


def _takes_callers(cx: Context, target: Target) -> bool:
    """A queue that is full and knows no way out would cut off a caller who has an agent now."""
    queue = cx.state.directory.queues.get(target.id) if target.kind is TargetKind.QUEUE else None
    if queue is None or not queue.max_size or queue.overflow:
        return target.kind is not TargetKind.FEATURE
    calls = cx.state.calls.values()
    waiting = sum(call.queued_since is not None and call.queue == queue.id for call in calls)
    return waiting < queue.max_size


def _change_sides(cx: Context, call: Call, asking: Leg) -> None:
    """The phone that placed the call sends its party on: the party is the caller from here on."""
    party = call.far_side()
    if party is None:
        return
    party.role, asking.role = Role.CALLER, Role.PARTY
    asking.agent, call.placed_by = call.placed_by, ""
    call.channel = party.channel
    cx.check_phone(party.agent)


def by_operator(cx: Context, call: Call, dialled: str) -> None:
    """Someone at the CLI or API moves a caller: out of a talk, a queue or a tree."""
    if call.state is CallState.TALKING:
        blind(cx, call, None, dialled, refer=False)
        return
    if call.state is CallState.SERVICE or resolve(cx.state.directory, dialled) is None:
        cx.note(call, "transfer_refused", target=dialled)
        return
    cx.note(call, "transfer_asked", target=dialled, by="operator", kind="blind")
    call.transfers += 1
    direct.stop(cx, call)
    if call.transfer is not None:  # overtaken: the agent who asked for it is done as well
        moved, call.transfer = call.transfer, None
        finish(cx, call, moved)
    queueing.leave_queue(cx, call, "transferred")
    tree_walk.leave_tree(cx, call, "transferred")
    direct.dial_for_caller(cx, call, dialled)


def _let_go(cx: Context, call: Call, leg: Leg | None, *, refer: bool) -> None:
    """The transferring side is done with the call."""
    if leg is not None:
        talking.hold(cx, call, leg, on=False)
    cx.do(Leave(call=call.id, bridge=call.bridge, channel=call.channel))
    if leg is None:
        return
    if refer:
        cx.do(AnswerTransfer(call=call.id, channel=leg.channel, ok=True))
    cx.close(call, SegmentKind.TALK, "transferred", leg.agent)
    release_agent(cx, call, leg, transferred=True)
    cx.hang_up(call, leg)


def finish(cx: Context, call: Call, moved: Transfer) -> None:
    """The target answered: the phone that asked is let go."""
    cx.note(call, "transferred", by=moved.by_agent)
    leg = call.legs.get(moved.by_channel)
    if leg is None:
        return
    if moved.refer:
        cx.do(AnswerTransfer(call=call.id, channel=leg.channel, ok=True))
    release_agent(cx, call, leg, transferred=True)
    cx.hang_up(call, leg)


def come_back(cx: Context, call: Call, moved: Transfer) -> None:
    """The target failed: back to the agent who is still there, else to the queue."""
    leg = call.legs.get(moved.by_channel)
    if leg is None or leg.state is LegState.ENDING:
        cx.note(call, "transfer_failed", back_to="queue")
        _recall(cx, call)
        return
    cx.note(call, "transfer_failed", back_to=leg.agent)
    talking.connect(cx, call, leg)
    if moved.refer:
        _tell_failure(cx, call, leg)


def refuse(cx: Context, call: Call, leg: Leg, dialled: str = "") -> None:
    """A transfer that a phone asked for and that cannot be: it waits for our word."""
    cx.note(call, "transfer_refused", target=dialled)
    _tell_failure(cx, call, leg)


def _tell_failure(cx: Context, call: Call, leg: Leg) -> None:
    leg.transfer_failed_at = cx.now
    cx.do(AnswerTransfer(call=call.id, channel=leg.channel, ok=False))


def left_too_soon(cx: Context, leg: Leg) -> bool:
    """The phone's BYE may have crossed our news that its transfer failed."""
    failed = leg.transfer_failed_at
    return failed is not None and cx.now - failed <= LEAVING_SECONDS


def recall(cx: Context, call: Call, leg: Leg) -> None:
    """The phone hung up as if its transfer had worked: the caller must not pay for that."""
    release_agent(cx, call, leg)
    cx.close(call, SegmentKind.TALK, "ended", leg.agent)
    cx.drop_leg(call, leg.channel)
    cx.note(call, "transfer_failed", back_to="queue")
    cx.do(Leave(call=call.id, bridge=call.bridge, channel=call.channel))
    _recall(cx, call)


def _recall(cx: Context, call: Call) -> None:
    """A caller whose transfer failed, and whose agent is gone, is served before the others."""
    if call.queue:
        queueing.enter_queue(
            cx,
            call,
            call.queue,
            priority=call.priority + 1,
            needs=queueing.anyone(call.needs),
            since=call.queued_at,
        )
    else:
        tree_walk.resume_after_transfer(cx, call, "transfer_failed")


def transferring_side_gone(cx: Context, call: Call, leg: Leg) -> None:
    """The phone that asked hung up before the target answered: it may (RFC 3515 §2.4.4)."""
    release_agent(cx, call, leg, transferred=True)
    cx.drop_leg(call, leg.channel)
