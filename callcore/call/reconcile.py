"""After the link to a node was lost: what the node says exists against what we remember.

Asterisk keeps talks and music going while callcore is away, but tells nobody what happened. On
return, channels that are gone are treated as hung up (their time marked as estimated), legs that
were answered meanwhile as answered, parties left alone in a bridge are let go, callers in a tree
hear their node again, a caller nobody knows is welcomed, and any other stray channel is hung up.
"""

from __future__ import annotations

from callcore.call import arrival, callback, legs, supervision, talking, tree_walk
from callcore.call.actions import (
    CreateBridge,
    DestroyBridge,
    Hangup,
    Join,
)
from callcore.call.context import Context
from callcore.call.ending import end_call
from callcore.call.events import BackendDown, BackendUp, CallArrived, ChannelFact
from callcore.call.model import Call, LegState, PlayFor
from callcore.call.state import CallState
from callcore.types import BridgeId, ChannelId, LegFailure, Outcome

Bridges = dict[BridgeId, tuple[ChannelId, ...]]

LINK_GRACE_SECONDS = 30.0
"""So long calls are kept in memory while the node cannot be asked about them."""


def backend_down(cx: Context, event: BackendDown) -> None:
    """Remember since when; if the node itself is gone, so are its calls."""
    cx.state.down.setdefault(event.node, cx.now)
    if event.dead:
        close_all(cx, event.node, event.reason or "node_lost")


def close_all(cx: Context, node: str, reason: str) -> None:
    """End every call of a node in the records; its agents are free again.

    Those who wait come first: else a queue that loses its last agent with the node would still
    give them up, and send on callers who are gone."""
    for call in sorted(cx.state.calls.values(), key=lambda call: call.queued_since is None):
        if call.node != node or callback.node_lost(cx, call):
            continue
        call.estimated = True
        cx.note(call, "node_lost", reason=reason)
        outcome = None if call.connected_at is not None else Outcome.FAILED
        end_call(cx, call, hung_up_by="network", outcome=outcome)
        for channel in list(call.legs):
            legs.gone(cx, channel, by_peer=False)
        legs.message_is_over(cx, call)


def links_overdue(cx: Context) -> None:
    """Nodes that did not come back in time lose their calls."""
    for node, since in list(cx.state.down.items()):
        if since + LINK_GRACE_SECONDS <= cx.now:
            cx.state.down[node] = float("inf")
            close_all(cx, node, "link_lost")


def backend_up(cx: Context, event: BackendUp) -> None:
    """Compare the node's snapshot with our memory."""
    cx.state.down.pop(event.node, None)
    facts = {fact.channel: fact for fact in event.channels}
    bridges = {fact.bridge: fact.channels for fact in event.bridges}
    before = list(cx.state.calls.values())
    for call in before:
        if call.node == event.node:
            _compare(cx, call, facts, bridges)
    _meet_strangers(cx, event)
    _empty_bridges(cx, event)


def _compare(cx: Context, call: Call, facts: dict[str, ChannelFact], bridges: Bridges) -> None:
    state = call.state
    ending = [leg.channel for leg in call.legs.values() if leg.state is LegState.ENDING]
    for channel in list(call.legs):
        if channel not in facts:
            call.estimated = True
            legs.gone(cx, channel, by_peer=True, failure=LegFailure.FAILED)
        elif channel in ending:
            cx.do(Hangup(call=call.id, channel=channel))
        elif facts[channel].up and call.live:
            leg = call.legs.get(channel)
            if leg is not None and leg.state is LegState.DIALLING:
                legs.answered(cx, channel)
    if call.channel not in facts:
        legs.message_is_over(cx, call)
    if call.live and call.state is state:
        _do_again(cx, call, bridges)


def _do_again(cx: Context, call: Call, bridges: Bridges) -> None:
    """What we had decided may never have reached the node; doing it twice is harmless."""
    for playing in list(call.playing.values()):
        if playing.purpose is not PlayFor.IVR:
            legs.playback_ended(cx, playing.channel, playing.playback, ok=False)
    if call.state is CallState.IVR and not call.voicemail:
        tree_walk.restart_node(cx, call)
    elif call.state is CallState.TALKING and call.transfer is None:
        _bridge_again(cx, call, bridges)
    elif call.supervision is not None:
        supervision.again(call, bridges)
    elif call.music:
        call.music = False
        cx.queue_music_on(call)


def _bridge_again(cx: Context, call: Call, bridges: Bridges) -> None:
    inside = bridges.get(call.bridge)
    if inside is None:
        clocked = cx.is_recorded(call)
        cx.do(CreateBridge(call=call.id, bridge=call.bridge, clocked=clocked))
    outside = tuple(
        leg.channel
        for leg in call.legs.values()
        if leg.state is LegState.UP and leg.channel not in (inside or ())
    )
    if outside:
        cx.do(Join(call=call.id, bridge=call.bridge, channels=outside))
    if call.recording:
        talking.ask_for_recording(cx, call)


def _meet_strangers(cx: Context, event: BackendUp) -> None:
    """Channels in our hands that no call claims: a caller whose arrival we never heard of is
    welcomed now; anything else nobody would ever end."""
    for fact in event.channels:
        if not fact.ours or fact.channel in cx.by_channel:
            continue
        if fact.entry is None:
            cx.do(Hangup(call="", channel=fact.channel))
            continue
        arrival.arrived(
            cx,
            CallArrived(
                channel=fact.channel,
                node=event.node,
                entry=fact.entry,
                endpoint=fact.endpoint,
                caller_number=fact.caller_number,
                caller_name=fact.caller_name,
                dialled=fact.dialled,
                arrived_at=fact.arrived_at or None,
                answered=fact.up,
            ),
        )


def _empty_bridges(cx: Context, event: BackendUp) -> None:
    """Bridges of calls that are over."""
    ours = {call.bridge for call in cx.state.calls.values() if call.bridge}
    for fact in event.bridges:
        if fact.bridge not in ours:
            cx.do(DestroyBridge(call="", bridge=fact.bridge))
