"""What happens to single channels: they ring, answer, fail, hang up, and finish playing."""

from __future__ import annotations

from callcore.call import (
    announcements,
    callback,
    callback_request,
    direct,
    queueing,
    service,
    supervision,
    talking,
    transfer,
    tree_walk,
)
from callcore.call.actions import Hangup, StopRecording
from callcore.call.context import Context
from callcore.call.ending import end_call, forget_when_done, write_record
from callcore.call.model import Call, Leg, LegState, PlayFor, Role
from callcore.call.state import CallState
from callcore.types import ChannelId, LegFailure, Outcome, PlaybackId

MESSAGE_GRACE_SECONDS = 10.0


def ringing(cx: Context, channel: ChannelId) -> None:
    call = cx.call_of(channel)
    leg = call.leg(channel) if call is not None else None
    if call is not None and leg is not None and call.live:
        cx.note(call, "ringing", agent=leg.agent, target=leg.target)


def answered(cx: Context, channel: ChannelId) -> None:
    """A leg we dialled is up: an agent accepts an offer, or a number answers."""
    call = cx.call_of(channel)
    leg = call.leg(channel) if call is not None else None
    if call is None or leg is None:
        cx.do(Hangup(call="", channel=channel))  # answered after it was given up
        return
    if leg.state is not LegState.DIALLING or not call.live:
        return
    if leg.role is Role.AGENT:
        queueing.accept(cx, call, leg)
    elif call.supervision is not None:
        supervision.answered(cx, call, leg)
    elif leg.role is Role.CALLER:
        callback.customer_answered(cx, call, leg)
    else:
        direct.answered(cx, call, leg)


def failed(cx: Context, channel: ChannelId, failure: LegFailure) -> None:
    """A leg we dialled ended unanswered."""
    gone(cx, channel, by_peer=True, failure=failure)


def gone(
    cx: Context,
    channel: ChannelId,
    *,
    by_peer: bool,
    cause: int = 0,
    failure: LegFailure = LegFailure.FAILED,
) -> None:
    """A channel no longer exists; what that means depends on whose it was."""
    call = cx.call_of(channel)
    leg = call.leg(channel) if call is not None else None
    if call is None or leg is None:
        return
    if callback.customer_gone(cx, call, leg, failure):
        pass
    elif leg.role is Role.CALLER:
        supervision.not_answered(cx, call, leg, failure)
        _caller_gone(cx, call, leg, cause, by_peer=by_peer)
    elif leg.state is LegState.ENDING or not call.live:
        cx.drop_leg(call, channel)
    elif leg.role is Role.AGENT and leg.state in (LegState.DIALLING, LegState.ANNOUNCING):
        queueing.offer_failed(cx, call, leg, failure)
    elif leg.state is LegState.DIALLING:
        direct.failed(cx, call, leg, failure)
    elif call.transfer is not None and call.transfer.by_channel == channel:
        transfer.transferring_side_gone(cx, call, leg)
    elif by_peer and transfer.left_too_soon(cx, leg):
        transfer.recall(cx, call, leg)
    else:
        call.hangup_cause = call.hangup_cause or cause
        talking.far_side_gone(cx, call, leg)
    _line_gone(cx, leg)
    forget_when_done(cx, call)


def _line_gone(cx: Context, leg: Leg) -> None:
    """A nailed-up line that was lent to a call is gone for its own call as well."""
    line = cx.state.calls.get(leg.line_call)
    if line is not None:
        end_call(cx, line, hung_up_by="caller")
        cx.drop_leg(line, leg.channel)
        forget_when_done(cx, line)


def _caller_gone(cx: Context, call: Call, leg: Leg, cause: int, *, by_peer: bool) -> None:
    call.hangup_cause = call.hangup_cause or cause
    leg.state = LegState.ENDING  # nothing left to hang up
    by = "caller" if by_peer else "network"
    if not call.live:
        pass  # we ended it; this is the confirmation
    elif call.queued_since is not None:
        queueing.abandon(cx, call)
    elif call.voicemail:
        end_call(cx, call, hung_up_by=by, outcome=Outcome.VOICEMAIL)
    else:
        end_call(cx, call, hung_up_by=by)
    cx.drop_leg(call, call.channel)
    if call.voicemail:
        call.message_deadline = cx.now + MESSAGE_GRACE_SECONDS
        cx.touched.add(call.id)


def playback_ended(cx: Context, channel: ChannelId, playback: PlaybackId, *, ok: bool) -> None:
    """What was played is over; why it was played decides what follows."""
    call = cx.call_of(channel)
    playing = call.playing.pop(playback, None) if call is not None else None
    if call is None or playing is None or not call.live:
        return
    match playing.purpose:
        case PlayFor.IVR:
            tree_walk.playback_ended(cx, call, ok)
        case PlayFor.AGENT_ANNOUNCEMENT:
            leg = call.leg(channel)
            if leg is None or leg.state is not LegState.ANNOUNCING:
                return
            if not callback.announced(cx, call, leg):
                queueing.connect_agent(cx, call, leg)
        case PlayFor.QUEUE_ANNOUNCEMENT:
            announcements.wait_on(cx, call)
        case PlayFor.CALLBACK_REQUEST:
            callback_request.asked(cx, call)
        case PlayFor.CALLBACK_FAILED:
            callback.agent_told(cx, call)
        case PlayFor.FAREWELL:
            end_call(cx, call, hung_up_by="callcore")
        case PlayFor.SERVICE:
            pass


def message_ended(
    cx: Context, channel: ChannelId, recording: str, seconds: float, *, ok: bool
) -> None:
    """A voicemail message is complete, while the caller is there or after they hung up."""
    call = next((c for c in cx.state.calls.values() if c.voicemail == recording), None)
    if call is None:
        return
    call.voicemail = ""
    if call.live:
        tree_walk.message_ended(cx, call, recording, seconds, ok)
        return
    if not ok or seconds <= 0:
        call.outcome = Outcome.IVR_ONLY
        write_record(cx, call)
    forget_when_done(cx, call)


def message_is_over(cx: Context, call: Call) -> None:
    """The node will not tell the end of a message any more; what was recorded is kept."""
    if call.voicemail:
        cx.do(StopRecording(call=call.id, recording=call.voicemail))
        call.voicemail = ""
        forget_when_done(cx, call)


def digit(cx: Context, channel: ChannelId, key: str) -> None:
    call = cx.call_of(channel)
    if call is None or not call.live or channel != call.channel:
        return
    if call.supervision is not None:
        supervision.digit(cx, call, key)
    elif call.state is CallState.SERVICE:
        service.digit(cx, call, key)
    elif not callback_request.digit(cx, call, key):
        tree_walk.digit(cx, call, key)
