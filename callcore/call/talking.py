"""Two parties in a bridge: connecting, recording, hold, and the end of one side."""

from __future__ import annotations

from callcore.acd.events import HoldChanged
from callcore.call.actions import (
    Join,
    PauseRecording,
    ResumeRecording,
    StartMusic,
    StartRecording,
    StopMusic,
)
from callcore.call.context import Context
from callcore.call.ending import end_call, release_agent
from callcore.call.last_agent import remember
from callcore.call.model import Call, Leg, LegState, Role
from callcore.call.record import SegmentKind
from callcore.call.state import Move
from callcore.directory import RecordFrom
from callcore.types import HangupReason, LegFailure

REFUSAL = {
    LegFailure.BUSY: HangupReason.BUSY,
    LegFailure.NO_ANSWER: HangupReason.NO_ANSWER,
    LegFailure.REJECTED: HangupReason.REJECTED,
    LegFailure.UNREACHABLE: HangupReason.CONGESTION,
    LegFailure.CANCELLED: HangupReason.NORMAL,
    LegFailure.FAILED: HangupReason.CONGESTION,
}
"""What a phone that dialled is told when the far side did not answer."""


def connect(cx: Context, call: Call, leg: Leg) -> None:
    """Put the caller and `leg` into the call's bridge."""
    leg.state = LegState.UP
    cx.answer(call)
    cx.open_bridge(call)
    call.music = False  # a join ends the music
    cx.do(Join(call=call.id, bridge=call.bridge, channels=(call.channel, leg.channel)))
    cx.move(call, Move.CONNECT)
    call.connected_at = call.connected_at or cx.now
    cx.begin(call, SegmentKind.TALK, agent=leg.agent, queue=call.queue, target=leg.target)
    cx.note(call, "connected", agent=leg.agent, target=leg.target)
    if leg.role is Role.AGENT:
        _record_if_wanted(cx, call)
        if call.direction == "inbound":
            remember(cx.state, call.caller_number, leg.agent)


def _record_if_wanted(cx: Context, call: Call) -> None:
    queue = cx.state.directory.queues.get(call.queue)
    if queue is None or queue.record is RecordFrom.OFF:
        call.no_recording_reason = "queue_does_not_record"
        return
    start_recording(cx, call)


def start_recording(cx: Context, call: Call) -> None:
    """Begin the call's one recording; it goes on through transfers until the call ends."""
    if call.recording:
        return
    call.recording = cx.new_id("r")
    cx.note(call, "recording_started", recording=call.recording)
    ask_for_recording(cx, call)


def ask_for_recording(cx: Context, call: Call) -> None:
    """Asked again for one in progress, it is taken over."""
    cx.do(
        StartRecording(
            call=call.id,
            recording=call.recording,
            channel=call.channel,
            queue=call.queue,
            agent=call.agent,
        )
    )


def recording_failed(cx: Context, call: Call, reason: str) -> None:
    call.no_recording_reason = f"failed: {reason}"
    call.recording = ""
    cx.note(call, "recording_failed", reason=reason)


def pause_recording(cx: Context, call: Call) -> None:
    if call.recording and not call.recording_paused and call.live:
        call.recording_paused = True
        cx.note(call, "recording_paused")
        cx.do(PauseRecording(call=call.id, recording=call.recording))


def resume_recording(cx: Context, call: Call) -> None:
    if call.recording and call.recording_paused and call.live:
        call.recording_paused = False
        cx.note(call, "recording_resumed")
        cx.do(ResumeRecording(call=call.id, recording=call.recording))


def hold(cx: Context, call: Call, leg: Leg, on: bool) -> None:
    """A phone pressed hold, or let go of it; the others hear music meanwhile.

    The mixer of a recorded call passes no hold on, so the music is ours.
    """
    if leg.on_hold == on or not call.live:
        return
    leg.on_hold = on
    for other in call.legs.values():
        if other.channel != leg.channel and other.state is LegState.UP:
            _music(cx, call, other, on)
    cx.note(call, "held" if on else "unheld", by=leg.role.value, agent=leg.agent)
    if on:
        cx.begin(call, SegmentKind.HOLD, agent=leg.agent, queue=call.queue)
    else:
        cx.close(call, SegmentKind.HOLD, "resumed", leg.agent)
    if leg.role is Role.AGENT and leg.agent == call.agent:
        cx.tell(HoldChanged(contact=call.id, agent=leg.agent, on_hold=on))


def _music(cx: Context, call: Call, leg: Leg, on: bool) -> None:
    if leg.role is not Role.CALLER:
        action = StartMusic if on else StopMusic
        cx.do(action(call=call.id, channel=leg.channel))
    elif on:
        cx.queue_music_on(call)
    else:
        cx.music_off(call)


def far_side_gone(cx: Context, call: Call, leg: Leg) -> None:
    """The agent or the number dialled hung up on the caller."""
    release_agent(cx, call, leg)
    cx.close(call, SegmentKind.TALK, "ended", leg.agent)
    cx.drop_leg(call, leg.channel)
    if call.far_side() is not None:
        return
    by = "agent" if leg.agent else "party"
    end_call(cx, call, hung_up_by=by)
