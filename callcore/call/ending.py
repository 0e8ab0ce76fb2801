"""How a call ends: every leg told, every segment closed, the record written."""

from __future__ import annotations

from callcore.acd.events import ContactLeft, ContactReleased
from callcore.call import listening, sessions
from callcore.call.actions import StopRecording, WriteRecord
from callcore.call.context import Context
from callcore.call.model import Call, Leg, LegState, Role
from callcore.call.record import CallRecord, SegmentKind
from callcore.call.state import CallState, Move
from callcore.types import HangupReason, Outcome

SETTLING_SECONDS = 2.0
"""A phone that has just hung up is not called in the same moment."""
#: Ends of a contact that nobody wanted; a call whose outcome is one and that still waits is lost.
_LOST = (Outcome.ABANDONED, Outcome.UNANSWERED)


def end_call(
    cx: Context,
    call: Call,
    *,
    hung_up_by: str,
    outcome: Outcome | None = None,
    reason: HangupReason = HangupReason.NORMAL,
) -> None:
    """End everything the call still has; harmless on a call that has ended."""
    if not call.live:
        return
    call.outcome = outcome or _outcome(cx, call)
    call.hung_up_by = hung_up_by
    call.ended_at = cx.now
    release_agents(cx, call)
    if call.queued_since is not None:
        # Also after a talk: who hangs up in the second queue abandons that one.
        lost = call.outcome in _LOST or hung_up_by == "caller"
        word = "abandoned" if call.callback is None else "dropped"
        cx.close(call, SegmentKind.QUEUE, word if lost else "ended")
        cx.tell(ContactLeft(contact=call.id, abandoned=lost))
        call.queued_since = None
    _free_phones(cx, call)
    _close_line(cx, call)
    _close_supervision(cx, call)
    cx.move(call, Move.END)
    call.direct = None
    call.transfer = None
    call.run = None
    call.request = None
    _callbacks(cx, call)
    for leg in list(call.legs.values()):
        cx.hang_up(call, leg, reason if leg.role is Role.CALLER else HangupReason.NORMAL)
    cx.close_bridge(call)
    if call.recording:
        cx.do(StopRecording(call=call.id, recording=call.recording))
    call.playing.clear()
    cx.close_all(call, result=_last_result(call))
    cx.note(
        call,
        "ended",
        by=hung_up_by,
        outcome=call.outcome.value,
        cause=call.hangup_cause,
        estimated=call.estimated,
    )
    write_record(cx, call)
    forget_when_done(cx, call)


def _callbacks(cx: Context, call: Call) -> None:
    """A callback is pending no more; one that waited for this caller to hang up gets in line."""
    if call.id in cx.state.callbacks:
        cx.state.callbacks.remove(call.id)
    back = cx.state.calls.get(call.promised)
    if back is None or back.callback is None or back.callback.asked_by != call.id:
        return
    if back.live and back.queued_since is None and back.connected_at is None:
        back.callback.deadline = cx.now + SETTLING_SECONDS
        cx.touched.add(back.id)


def _free_phones(cx: Context, call: Call) -> None:
    """Agents on this call outside the distributor may be offered contacts again."""
    busy = [leg.agent for leg in call.legs.values() if leg.role is Role.PARTY and leg.agent]
    if call.placed_by:
        busy.append(call.placed_by)
    for agent in busy:
        cx.check_phone(agent)


def _close_line(cx: Context, call: Call) -> None:
    """A nailed-up line ended: its agent cannot be reached until it is back."""
    if call.service is None or not call.service.line:
        return
    session = cx.state.sessions.get(call.service.agent)
    if session is not None and session.line == call.channel:
        session.line = session.line_call = ""
        sessions.tell_reachable(cx, session.agent)


def _close_supervision(cx: Context, call: Call) -> None:
    """A supervisor's phone hears nothing any more."""
    supervision = call.supervision
    if supervision is None:
        return
    cx.state.supervisions.remove(call.id)
    listening.disconnect(cx, supervision)
    supervised = cx.state.calls.get(supervision.call)
    if supervised is not None and supervised.live:
        cx.note(supervised, "supervision_ended", by=call.id, phone=supervision.phone)


def _outcome(cx: Context, call: Call) -> Outcome:
    if call.outcome is not None:
        return call.outcome
    if call.state is CallState.SERVICE:
        return Outcome.SERVICE
    if call.callback is not None and call.connected_at is None:
        return Outcome.ABANDONED if call.id not in cx.state.callbacks else Outcome.CANCELLED
    if call.connected_at is not None:
        outside_queues = call.direction == "inbound" and not call.first_agent
        return Outcome.TRANSFERRED if outside_queues else Outcome.ANSWERED
    if call.queued_since is not None:
        return Outcome.ABANDONED
    if call.state is CallState.RINGING:
        return Outcome.UNANSWERED
    if call.queued_at is not None:
        return Outcome.OVERFLOWED
    return Outcome.IVR_ONLY


def _last_result(call: Call) -> str:
    return "abandoned" if call.outcome is Outcome.ABANDONED else "ended"


def release_agents(cx: Context, call: Call) -> None:
    """The agents at work on this call are done with it: their wrap-up begins."""
    for leg in list(call.legs.values()):
        if leg.role is Role.AGENT and leg.agent == call.agent:
            release_agent(cx, call, leg)


def release_agent(cx: Context, call: Call, leg: Leg, *, transferred: bool = False) -> None:
    """The agent's part is over; `transferred`: the agent sent the caller on."""
    if leg.agent and leg.agent == call.agent:
        cx.close(call, SegmentKind.HOLD, "ended", leg.agent)
        cx.close(call, SegmentKind.TALK, "ended", leg.agent)
        cx.begin(call, SegmentKind.WRAP_UP, agent=leg.agent, queue=call.queue)
        call.wrapping.append(leg.agent)
        call.agent = ""
        cx.tell(ContactReleased(contact=call.id, agent=leg.agent, transferred=transferred))


def wrap_up_ended(cx: Context, call: Call, agent: str, seconds: float) -> None:
    """Close the wrap-up segment; the record is written again when the call is over."""
    if agent not in call.wrapping:
        return
    call.wrapping.remove(agent)
    call.wrap_up_seconds += seconds
    call.wrap_up_ended_at = cx.now
    cx.close(call, SegmentKind.WRAP_UP, "ended", agent)
    if seconds > 0:
        cx.note(call, "wrap_up_ended", agent=agent, seconds=round(seconds, 3))
    if not call.live:
        if seconds > 0 or not call.wrapping:
            write_record(cx, call)
        forget_when_done(cx, call)


def forget_when_done(cx: Context, call: Call) -> None:
    """A call stays in memory until its last channel is gone and its last wrap-up over."""
    waiting_for_channel = any(leg.state is LegState.ENDING for leg in call.legs.values())
    waiting_for_channel = waiting_for_channel or bool(call.voicemail)
    if not call.live and not waiting_for_channel and not call.wrapping:
        for channel in list(call.legs):
            cx.drop_leg(call, channel)
        cx.state.calls.pop(call.id, None)


def write_record(cx: Context, call: Call) -> None:
    cx.do(WriteRecord(call=call.id, record=build_record(call)))


def build_record(call: Call) -> CallRecord:
    """The row of a call as it stands; sums come from the segments."""
    talk = _sum(call, SegmentKind.TALK)
    hold = _sum(call, SegmentKind.HOLD)
    return CallRecord(
        call=call.id,
        node=call.node,
        direction=call.direction,
        endpoint=call.endpoint,
        caller_number=call.caller_number,
        caller_name=call.caller_name,
        dialled=call.dialled,
        tree=call.tree,
        queue=call.queue,
        agent=call.first_agent,
        arrived_at=call.arrived_at,
        ivr_at=call.ivr_at,
        queued_at=call.queued_at,
        first_offered_at=call.first_offered_at,
        answered_at=call.connected_at,
        ended_at=call.ended_at,
        wrap_up_ended_at=call.wrap_up_ended_at,
        wait_seconds=_sum(call, SegmentKind.QUEUE),
        talk_seconds=max(0.0, talk - hold),
        hold_seconds=hold,
        wrap_up_seconds=call.wrap_up_seconds,
        offers=call.offers,
        transfers=call.transfers,
        outcome=call.outcome or Outcome.FAILED,
        hung_up_by=call.hung_up_by,
        hangup_cause=call.hangup_cause,
        estimated=call.estimated,
        recording=call.recording,
        no_recording_reason="" if call.recording else call.no_recording_reason,
        segments=tuple(call.segments),
        variables=call.variables,
    )


def _sum(call: Call, kind: SegmentKind) -> float:
    return sum(s.end - s.start for s in call.segments if s.kind is kind and s.end is not None)
