"""What a supervisor's channel is connected to, and how one connection becomes another."""

from __future__ import annotations

from typing import NamedTuple

from callcore.call.actions import Join, Leave, Listen, StopListening
from callcore.call.context import Context
from callcore.call.model import Call, LegState, Supervision
from callcore.call.state import CallState
from callcore.types import BridgeId, ChannelId, ListeningId, SupervisionMode


class Connection(NamedTuple):
    """One channel listened to, or a bridge joined; neither: silence."""

    to: ChannelId = ""
    whisper: bool = False
    bridge: BridgeId = ""


def wanted(supervised: Call, mode: SupervisionMode) -> Connection:
    """The agent's ears (or the bridge) while there is an agent, else the caller's alone."""
    agent = supervised.far_side() if supervised.state is CallState.TALKING else None
    if agent is not None and mode is SupervisionMode.BARGE:
        return Connection(bridge=supervised.bridge)
    if agent is not None:
        return Connection(to=agent.channel, whisper=mode is SupervisionMode.WHISPER)
    caller = supervised.legs.get(supervised.channel)
    if caller is not None and caller.state is LegState.UP and supervised.answered:
        return Connection(to=caller.channel)
    return Connection()


def connect(cx: Context, call: Call, supervision: Supervision, to: Connection) -> None:
    """Give the supervisor's channel this connection instead of the one it has.

    In the order of the supervised call's actions: its bridge is made, and its agent's channel is
    ended, among them. The new one comes before the former goes: Asterisk mixes a bridge anew
    whenever somebody joins, leaves or stops listening there, and twice in a moment may leave
    both sides in silence.
    """
    before = Connection(supervision.to, supervision.whisper, supervision.bridge)
    if to == before:
        return
    former = supervision.listening
    supervision.to, supervision.whisper, supervision.bridge = to
    supervision.listening = cx.new_id("l") if to.to else ""
    watched = supervision.call
    if to.bridge:
        # A key changes the mode: one that is passed on and loses its end with the bridge, Asterisk
        # would play to both sides for ever.
        join = Join(call=watched, bridge=to.bridge, channels=(call.channel,), keeps_keys=True)
        cx.do(join)
    elif to.to:
        listening, whisper = supervision.listening, to.whisper
        cx.do(
            Listen(
                call=watched, listening=listening, channel=call.channel, to=to.to, whisper=whisper
            )
        )
    elif before.bridge:
        cx.do(Leave(call=watched, bridge=before.bridge, channel=call.channel))
    _stop(cx, supervision, former, call.channel if to == Connection() else "")


def disconnect(cx: Context, supervision: Supervision) -> None:
    """Nothing is listened to any more; a bridge is left by hanging up."""
    _stop(cx, supervision, supervision.listening)
    supervision.listening = supervision.to = supervision.bridge = ""
    supervision.whisper = False


def _stop(
    cx: Context, supervision: Supervision, listening: ListeningId, channel: ChannelId = ""
) -> None:
    if listening:
        cx.do(StopListening(call=supervision.call, listening=listening, channel=channel))
