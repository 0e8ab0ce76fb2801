"""A caller in a queue: entering it, being offered to agents, leaving it.

The distributor decides; this file turns its decisions into ringing phones and back.
"""

from __future__ import annotations

import re

import msgspec

from callcore.acd.events import (
    ContactLeft,
    ContactQueued,
    Direction,
    Offer,
    OfferAnswered,
    OfferFailed,
    OfferResult,
    Overflow,
    Withdraw,
    WithdrawReason,
)
from callcore.call import (
    announcements,
    callback,
    callback_promise,
    callback_request,
    direct,
    talking,
    tree_walk,
)
from callcore.call.actions import Dial
from callcore.call.context import Context
from callcore.call.ending import end_call, release_agent
from callcore.call.last_agent import last_agent
from callcore.call.model import ANYBODY, Call, Leg, LegState, Needs, PlayFor, Role, Session
from callcore.call.record import SegmentKind
from callcore.call.state import CallState, Move
from callcore.directory import RecordFrom
from callcore.ivr.tree import VOICEMAIL
from callcore.types import AgentId, HangupReason, LegFailure, QueueId, Reach

_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{1,12})*")

_RESULT = {
    LegFailure.BUSY: OfferResult.BUSY,
    LegFailure.NO_ANSWER: OfferResult.NO_ANSWER,
    LegFailure.REJECTED: OfferResult.REJECTED,
    LegFailure.UNREACHABLE: OfferResult.UNREACHABLE,
    LegFailure.CANCELLED: OfferResult.NO_ANSWER,
    LegFailure.FAILED: OfferResult.FAILED,
}


def enter_queue(
    cx: Context,
    call: Call,
    queue: QueueId,
    *,
    priority: int = 0,
    needs: Needs = ANYBODY,
    since: float | None = None,
    transferred: bool = False,
) -> None:
    """Put the caller into a queue; `since` keeps a place earned earlier, `transferred`: an agent
    or an operator sent the caller here.

    Who spoke with this caller last is wanted in the first queue of a call only: a caller who comes
    to a second one has waited for that agent already, or has just spoken to one.
    """
    leave_queue(cx, call)
    wanted = needs.wanted
    if not wanted and call.queued_at is None:
        wanted = last_agent(cx.state, call.caller_number)
    cx.move(call, Move.ENTER_QUEUE)
    cx.answer(call)
    call.queue = queue
    call.priority = priority
    call.needs = needs
    call.queued_since = cx.now if since is None else since
    call.queued_at = call.queued_at or cx.now
    cx.begin(call, SegmentKind.QUEUE, queue=queue)
    if call.queued_since < cx.now:
        call.segments[-1].since = call.queued_since
    cx.note(
        call,
        "queued",
        queue=queue,
        priority=priority,
        since=call.queued_since,
        caller=call.caller_number,
    )
    settings = cx.state.directory.queues.get(queue)
    if settings is not None:
        if settings.record is RecordFrom.ANSWERED and call.channel:
            talking.start_recording(cx, call)
        cx.music_on(call, settings.music)
    announcements.begin(cx, call)
    callback_request.offer(cx, call)
    cx.tell(
        ContactQueued(
            contact=call.id,
            queue=queue,
            since=call.queued_since,
            priority=priority,
            skills=needs.skills,
            rule=needs.rule,
            language=needs.language,
            direction=Direction.INBOUND if call.callback is None else Direction.CALLBACK,
            transferred=transferred,
            wanted=wanted,
            wanted_seconds=needs.wanted_seconds,
            value=needs.value,
            site=needs.site,
        )
    )


def anyone(needs: Needs) -> Needs:
    """The same, but for no agent in particular any more."""
    return msgspec.structs.replace(needs, wanted="", wanted_seconds=None)


def leave_queue(cx: Context, call: Call, result: str = "left") -> None:
    """Take the caller out of the queue it waits in, if any; ringing phones stop."""
    if call.queued_since is None:
        return
    call.queued_since = None
    announcements.stop(cx, call)
    cx.close(call, SegmentKind.QUEUE, result)
    cx.note(call, "left_queue", queue=call.queue, reason=result)
    for leg in offered_legs(call):
        if leg.state is LegState.ANNOUNCING:
            release_agent(cx, call, leg)  # had accepted: theirs was the contact
        _stop_offer(cx, call, leg, HangupReason.NORMAL, result)
    callback.stop(cx, call, result)
    cx.tell(ContactLeft(contact=call.id, abandoned=False))


def offered_legs(call: Call) -> list[Leg]:
    """Agents being rung, or hearing the announcement, for this caller."""
    return [
        leg
        for leg in call.legs.values()
        if leg.role is Role.AGENT and leg.state in (LegState.DIALLING, LegState.ANNOUNCING)
    ]


# --- what the distributor decided --------------------------------------------------------------


def offer(cx: Context, decision: Offer) -> None:
    """Ring the agent's phone (or beep on the line that stays up)."""
    call = cx.state.calls.get(decision.contact)
    session = cx.state.sessions.get(decision.agent)
    if call is None or session is None or not call.live:
        cx.tell(
            OfferFailed(contact=decision.contact, agent=decision.agent, result=OfferResult.FAILED)
        )
        return
    call.offers += 1
    call.first_offered_at = call.first_offered_at or cx.now
    cx.begin(call, SegmentKind.OFFER, agent=decision.agent, queue=decision.queue)
    cx.note(
        call,
        "offered",
        agent=decision.agent,
        queue=decision.queue,
        phone=session.phone,
        reasons=" ".join(decision.reasons),
    )
    if call.queued_since is None:
        # An agent whose line stays up took the caller before the others of a ring-all were rung.
        taken = WithdrawReason.ANSWERED_ELSEWHERE.value
        cx.close(call, SegmentKind.OFFER, taken, decision.agent)
        cx.note(call, "offer_withdrawn", agent=decision.agent, reason=taken)
        cx.tell(OfferFailed(contact=call.id, agent=decision.agent, result=OfferResult.FAILED))
        return
    cx.move(call, Move.RING)
    if not callback.takes_offer(cx, call, decision.agent):
        ring(cx, call, decision.agent)


def ring(cx: Context, call: Call, agent_id: AgentId) -> None:
    """Ring the phone of an agent who has been offered this contact."""
    agent, session = cx.state.directory.agents.get(agent_id), cx.state.sessions.get(agent_id)
    if session is None:
        cx.tell(OfferFailed(contact=call.id, agent=agent_id, result=OfferResult.FAILED))
        return
    if session.line:
        _offer_on_line(cx, call, session)
        return
    leg = Leg(
        channel=cx.new_id("a"),
        role=Role.AGENT,
        state=LegState.DIALLING,
        agent=agent_id,
        target=session.phone,
    )
    cx.add_leg(call, leg)
    cx.do(
        Dial(
            call=call.id,
            channel=leg.channel,
            endpoint=f"phone:{session.phone}",
            caller_number=call.caller_number,
            caller_name=call.caller_name,
            auto_answer=agent is not None and agent.reach is Reach.AUTO_ANSWER,
        )
    )


def _offer_on_line(cx: Context, call: Call, session: Session) -> None:
    leg = Leg(
        channel=session.line,
        role=Role.AGENT,
        state=LegState.DIALLING,
        agent=session.agent,
        target=session.phone,
        line_call=session.line_call,
    )
    cx.add_leg(call, leg)
    accept(cx, call, leg)


def accept(cx: Context, call: Call, leg: Leg) -> None:
    """An offered agent answered: theirs is the call; the bridge follows the announcement."""
    if callback.accepted(cx, call, leg):
        return
    call.agent = leg.agent
    announcements.stop(cx, call)
    cx.close(call, SegmentKind.OFFER, "answered", leg.agent)
    cx.note(call, "agent_answered", agent=leg.agent, channel=leg.channel)
    cx.tell(OfferAnswered(contact=call.id, agent=leg.agent))
    media = announcement(cx, call)
    if leg.line_call:
        media = ("beep", *media)
    if media:
        cx.queue_music_on(call)  # the caller's announcement was cut
        leg.state = LegState.ANNOUNCING
        cx.play(call, leg.channel, PlayFor.AGENT_ANNOUNCEMENT, media)
    else:
        connect_agent(cx, call, leg)


def connect_agent(cx: Context, call: Call, leg: Leg) -> None:
    """Bridge caller and agent; the wait is over."""
    call.queued_since = None
    cx.close(call, SegmentKind.QUEUE, "answered")
    call.first_agent = call.first_agent or leg.agent
    callback_promise.connected(cx, call)
    talking.connect(cx, call, leg)


def announcement(cx: Context, call: Call) -> tuple[str, ...]:
    """What the agent hears alone before the bridge: queue name and wait filled in."""
    queue = cx.state.directory.queues.get(call.queue)
    if queue is None or not queue.agent_announcement:
        return ()
    wait = int(cx.now - (call.queued_since if call.queued_since is not None else cx.now))
    language = queue.language or cx.state.directory.language
    media = _with_language(queue.agent_announcement, language)
    return (media.replace("{queue}", queue.name or queue.id).replace("{wait}", str(wait)),)


def _with_language(media: str, language: str) -> str:
    """``text:WORDS`` and ``prompt:NAME`` without a language of their own get this one."""
    kind, colon, rest = media.partition(":")
    own, slash, _ = rest.partition("/")
    if kind in ("text", "prompt") and not (slash and _LANGUAGE.fullmatch(own)):
        return f"{kind}{colon}{language}/{rest}"
    return media


def withdraw(cx: Context, decision: Withdraw) -> None:
    call = cx.state.calls.get(decision.contact)
    if call is None:
        return
    reason = (
        HangupReason.ANSWERED_ELSEWHERE
        if decision.reason is WithdrawReason.ANSWERED_ELSEWHERE
        else HangupReason.NORMAL
    )
    for leg in offered_legs(call):
        if leg.agent == decision.agent:
            if leg.state is LegState.ANNOUNCING and call.agent == leg.agent:
                _answered_too_late(call, leg, decision.reason.value)
                announcements.wait_on(cx, call)
            _stop_offer(cx, call, leg, reason, decision.reason.value)
    callback.withdrawn(cx, call, decision.agent)
    _nobody_rings(cx, call)


def _answered_too_late(call: Call, leg: Leg, result: str) -> None:
    """Answered in the same moment in which the distributor withdrew the offer: that one counts."""
    call.agent = ""
    for segment in reversed(call.segments):
        if segment.kind is SegmentKind.OFFER and segment.agent == leg.agent:
            segment.result = result
            return


def overflow(cx: Context, decision: Overflow) -> None:
    """The queue gave up: carry out where its rule leads, else go on as without a rule.

    The queue's rule for this cause (`decision.to`) wins over the overflow node of the tree that
    sent the caller: whoever runs the queue knows best where its callers are helped. For causes
    without a rule the node written for this caller comes first, then the queue's own `overflow`,
    then a polite end; so it goes as well when nobody answers the number a rule names.
    """
    call = cx.state.calls.get(decision.contact)
    if call is None or not call.live:
        return
    reason = decision.reason.value
    since, call.queued_since = call.queued_since, None
    announcements.stop(cx, call)
    cx.close(call, SegmentKind.QUEUE, reason)
    cx.note(call, "overflowed", queue=decision.queue, reason=reason, to=decision.to)
    if callback.overflowed(cx, call):
        return
    cx.music_off(call)
    kind, _, name = decision.to.partition(":")
    match kind:
        case "queue":
            needs = anyone(call.needs)
            enter_queue(cx, call, name, priority=call.priority, needs=needs, since=since)
        case "callback":
            callback_request.begin(cx, call, cx.now if since is None else since)
        case "number":
            direct.dial_for_caller(cx, call, decision.to, overflow=reason)
        case "tree":
            tree_walk.resume_after_queue(cx, call, reason, to=name)
        case "voicemail":
            mailbox = VOICEMAIL + decision.queue
            tree_walk.resume_after_queue(cx, call, reason, to=mailbox)
        case _:
            tree_walk.resume_after_queue(cx, call, reason)


# --- what the phones answered --------------------------------------------------------------------


def offer_failed(cx: Context, call: Call, leg: Leg, failure: LegFailure) -> None:
    """The offered phone did not answer; the distributor offers the next one."""
    if leg.state is LegState.ANNOUNCING:
        if callback.agent_lost(cx, call, leg):
            return
        _lost_before_bridge(cx, call, leg)
        return
    cx.close(call, SegmentKind.OFFER, failure.value, leg.agent)
    cx.note(call, "offer_failed", agent=leg.agent, result=failure.value)
    cx.drop_leg(call, leg.channel)
    _nobody_rings(cx, call)
    cx.tell(OfferFailed(contact=call.id, agent=leg.agent, result=_RESULT[failure]))


def rang_out(cx: Context, call: Call, leg: Leg) -> None:
    """The agent of a callback let it ring; the distributor set no limit to that."""
    _stop_offer(cx, call, leg, HangupReason.NORMAL, LegFailure.NO_ANSWER.value)
    _nobody_rings(cx, call)
    cx.tell(OfferFailed(contact=call.id, agent=leg.agent, result=OfferResult.NO_ANSWER))


def _lost_before_bridge(cx: Context, call: Call, leg: Leg) -> None:
    """The agent hung up while hearing the announcement: back to the front of the queue."""
    since = call.queued_since
    call.queued_since = None
    cx.close(call, SegmentKind.QUEUE, "agent_gone")
    # The caller first: the agent who becomes free would take the next one in line.
    needs = anyone(call.needs)
    enter_queue(cx, call, call.queue, priority=call.priority, needs=needs, since=since)
    release_agent(cx, call, leg)
    cx.drop_leg(call, leg.channel)


def abandon(cx: Context, call: Call) -> None:
    """The caller hung up while waiting."""
    cx.note(call, "abandoned", queue=call.queue)
    end_call(cx, call, hung_up_by="caller")


def _stop_offer(cx: Context, call: Call, leg: Leg, reason: HangupReason, result: str) -> None:
    cx.close(call, SegmentKind.OFFER, result, leg.agent)
    cx.note(call, "offer_withdrawn", agent=leg.agent, reason=result)
    cx.stop_playing(call, PlayFor.AGENT_ANNOUNCEMENT, leg.channel)
    cx.hang_up(call, leg, reason)


def _nobody_rings(cx: Context, call: Call) -> None:
    if call.state is CallState.RINGING and call.queued_since is not None and not offered_legs(call):
        cx.move(call, Move.STOP_RINGING)
