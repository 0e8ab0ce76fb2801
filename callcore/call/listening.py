"""What a supervisor's channel is connected to, and how one connection becomes another."""

from __future__ import annotations

from typing import NamedTuple

from callcore.call.actions import Join, Leave, Listen, StopListening
from callcore.call.context import Context
from callcore.call.model import Call, Leg, LegState, Role, Supervision
from callcore.call.state import CallState
from callcore.types import BridgeId, ChannelId, SupervisionMode


class Connection(NamedTuple):
    """One channel listened to, or a bridge joined; neither: silence."""

    to: ChannelId = ""
    whisper: bool = False
    bridge: BridgeId = ""


def wanted(supervised: Call, mode: SupervisionMode) -> Connection:
    """The agent's ears (or the bridge) while there is an agent, else the caller's alone."""
    agent = _far_side(supervised)
    if agent is not None and mode is SupervisionMode.BARGE:
        return Connection(bridge=supervised.bridge)
    if agent is not None:
        return Connection(to=agent.channel, whisper=mode is SupervisionMode.WHISPER)
    caller = supervised.legs.get(supervised.channel)
    if caller is not None and caller.state is LegState.UP and supervised.answered:
        return Connection(to=caller.channel)
    return Connection()


def _far_side(call: Call) -> Leg | None:
    """Who talks to the caller."""
    if call.state is not CallState.TALKING:
        return None
    for leg in call.legs.values():
        if leg.role is not Role.CALLER and leg.state is LegState.UP:
            return leg
    return None


def connect(cx: Context, call: Call, supervision: Supervision, to: Connection) -> None:
    """Give the supervisor's channel this connection instead of the one it has.

    In the order of the supervised call's actions: its bridge is made, and its agent's channel is
    ended, among them.
    """
    if to == Connection(supervision.to, supervision.whisper, supervision.bridge):
        return
    if supervision.bridge:
        leave = Leave(call=supervision.call, bridge=supervision.bridge, channel=call.channel)
        cx.do(leave)
    disconnect(cx, call, supervision)
    supervision.to, supervision.whisper, supervision.bridge = to
    if to.bridge:
        cx.do(Join(call=supervision.call, bridge=to.bridge, channels=(call.channel,)))
    elif to.to:
        supervision.listening = cx.new_id("l")
        cx.do(
            Listen(
                call=supervision.call,
                listening=supervision.listening,
                channel=call.channel,
                to=to.to,
                whisper=to.whisper,
            )
        )


def disconnect(cx: Context, call: Call, supervision: Supervision) -> None:
    """Nothing is listened to any more; a bridge is left by hanging up."""
    if supervision.listening:
        cx.do(
            StopListening(
                call=supervision.call, listening=supervision.listening, channel=call.channel
            )
        )
    supervision.listening = supervision.to = supervision.bridge = ""
    supervision.whisper = False
