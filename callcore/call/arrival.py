"""A channel arrives: from a trunk to a tree or queue, from a phone to whatever it dialled."""

from __future__ import annotations

from callcore.call import announcements, direct, queueing, service, tree_walk, trunks
from callcore.call.actions import Hangup, StartRinging
from callcore.call.context import Context
from callcore.call.ending import end_call
from callcore.call.events import CallArrived
from callcore.call.model import Call, Leg, LegState, Role
from callcore.call.numbering import Target, TargetKind, resolve
from callcore.ivr.routes import match_route
from callcore.types import Entry, HangupReason, Outcome


def arrived(cx: Context, event: CallArrived) -> None:
    """Open the call and send it on its way."""
    if event.channel in cx.by_channel:
        _came_back(cx, event)
        return
    call = _open(cx, event)
    if event.entry is Entry.PHONE:
        _from_phone(cx, call)
    else:
        _from_trunk(cx, call)


def _open(cx: Context, event: CallArrived) -> Call:
    call = Call(
        id=cx.new_id("c"),
        node=event.node,
        direction="internal" if event.entry is Entry.PHONE else "inbound",
        endpoint=event.endpoint,
        channel=event.channel,
        caller_number=event.caller_number,
        caller_name=event.caller_name,
        dialled=event.dialled,
        arrived_at=event.arrived_at if event.arrived_at is not None else cx.now,
        answered=event.answered,
    )
    cx.state.calls[call.id] = call
    cx.add_leg(call, Leg(channel=event.channel, role=Role.CALLER, state=LegState.UP))
    cx.note(
        call,
        "arrived",
        channel=event.channel,
        endpoint=event.endpoint,
        caller=event.caller_number,
        dialled=event.dialled,
    )
    return call


def _from_trunk(cx: Context, call: Call) -> None:
    trunk = cx.state.directory.trunks.get(call.endpoint)
    limit = trunk.max_channels if trunk is not None else 0
    if limit and trunks.channels_on(cx.state, call.endpoint) > limit:
        cx.note(call, "trunk_full", trunk=call.endpoint)
        _refuse(cx, call, HangupReason.CONGESTION)
        return
    route = match_route(cx.state.directory.routes, call.dialled)
    if route is None:
        cx.note(call, "no_route", dialled=call.dialled)
        _refuse(cx, call, HangupReason.NO_SUCH_NUMBER)
    elif route.tree:
        tree_walk.enter_tree(cx, call, route.tree)
    else:
        queueing.enter_queue(cx, call, route.queue, since=call.arrived_at)


def _from_phone(cx: Context, call: Call) -> None:
    agent = direct.agent_at(cx, call.endpoint)
    target = resolve(cx.state.directory, call.dialled)
    if target is not None and target.kind is TargetKind.FEATURE:
        service.serve(cx, call, target.id)
        return
    if target is None:
        cx.note(call, "no_such_number", dialled=call.dialled)
        _refuse(cx, call, HangupReason.NO_SUCH_NUMBER)
        return
    if agent:
        call.placed_by = agent
        cx.check_phone(agent)
    _internal(cx, call, target)


def _internal(cx: Context, call: Call, target: Target) -> None:
    if target.kind is TargetKind.QUEUE:
        queueing.enter_queue(cx, call, target.id)
    elif target.kind is TargetKind.TREE:
        tree_walk.enter_tree(cx, call, target.id)
    else:
        cx.do(StartRinging(call=call.id, channel=call.channel))
        direct.dial_for_caller(cx, call, call.dialled, ring_seconds=60.0)


def _refuse(cx: Context, call: Call, reason: HangupReason) -> None:
    call.no_recording_reason = "refused"
    end_call(cx, call, hung_up_by="callcore", outcome=Outcome.REJECTED, reason=reason)


def _came_back(cx: Context, event: CallArrived) -> None:
    """A channel we know entered again: it was held, or in the fallback queue, while we were away.

    A waiting caller keeps the place; anything else starts its tree again.
    """
    call = cx.call_of(event.channel)
    if call is None or not call.live:
        cx.do(Hangup(call="", channel=event.channel))
        return
    cx.note(call, "came_back")
    call.answered = call.answered or event.answered
    if call.queued_since is not None:
        call.music = False
        announcements.wait_on(cx, call)
    elif call.run is not None:
        tree_walk.restart_node(cx, call)
