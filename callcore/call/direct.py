"""A number, phone or agent dialled for a caller outside the queues, by a tree, rule or transfer."""

from __future__ import annotations

from callcore.acd.events import ContactAssigned
from callcore.call import queueing, talking, transfer, tree_walk, trunks
from callcore.call.actions import Dial
from callcore.call.context import Context
from callcore.call.ending import end_call
from callcore.call.model import Call, Direct, Leg, LegState, Role
from callcore.call.numbering import Target, TargetKind, resolve
from callcore.call.record import SegmentKind
from callcore.call.state import Move
from callcore.types import AgentId, LegFailure, Outcome


def dial_for_caller(
    cx: Context,
    call: Call,
    dialled: str,
    ring_seconds: float | None = None,
    *,
    overflow: str = "",
) -> None:
    """Ring a number, phone or agent outside the queues; the caller hears music meanwhile.

    `ring_seconds` None: as long as the site lets a transfer ring. `overflow`: why a queue gave the
    caller up; if nobody answers, the caller goes on as if the queue had no rule.
    """
    target = resolve(cx.state.directory, dialled)
    if target is None or target.kind in (TargetKind.FEATURE, TargetKind.QUEUE, TargetKind.TREE):
        go_to(cx, call, target, dialled, overflow)
        return
    way = _way_to(cx, target)
    if isinstance(way, LegFailure):
        cx.note(call, "dial_failed", target=dialled, result=way.value)
        _go_on(cx, call, way, overflow)
        return
    endpoint, agent = way
    leg = Leg(
        channel=cx.new_id("a"),
        role=Role.PARTY,
        state=LegState.DIALLING,
        agent=agent,
        target=target.number or target.id,
        trunk=target.id if target.kind is TargetKind.OUTSIDE else "",
    )
    cx.add_leg(call, leg)
    cx.move(call, Move.RING)
    if call.answered:
        cx.music_on(call)
    if ring_seconds is None:
        ring_seconds = cx.state.directory.transfers.ring_seconds
    call.direct = Direct(
        channel=leg.channel,
        deadline=cx.now + ring_seconds,
        target=dialled,
        agent=agent,
        overflow=overflow,
    )
    if agent:
        cx.check_phone(agent)
    cx.begin(call, SegmentKind.DIAL, target=leg.target, agent=agent)
    cx.note(call, "dialled", target=leg.target, agent=agent)
    cx.do(
        Dial(
            call=call.id,
            channel=leg.channel,
            endpoint=endpoint,
            caller_number=_presented_number(cx, call, target),
            caller_name=call.caller_name,
        )
    )


def go_to(cx: Context, call: Call, target: Target | None, dialled: str, overflow: str = "") -> None:
    """Targets that need no dialling."""
    if target is None or target.kind is TargetKind.FEATURE:
        cx.note(call, "dial_failed", target=dialled, result="no_such_number")
        _go_on(cx, call, LegFailure.FAILED, overflow)
    elif target.kind is TargetKind.QUEUE:
        sent = call.transfers > 0
        queueing.enter_queue(cx, call, target.id, priority=call.priority, transferred=sent)
    else:
        call.run = None
        tree_walk.enter_tree(cx, call, target.id)


def refusal(cx: Context, dialled: str) -> str:
    """Why an operator cannot send a caller there now; empty: it can be tried."""
    target = resolve(cx.state.directory, dialled)
    if target is None:
        return f"nobody has the number {dialled!r}"
    if target.kind is TargetKind.FEATURE:
        return f"{dialled!r} is a feature code"
    if target.kind in (TargetKind.QUEUE, TargetKind.TREE):
        return ""
    way = _way_to(cx, target)
    return f"{dialled!r} is {way.value} now" if isinstance(way, LegFailure) else ""


def _way_to(cx: Context, target: Target) -> tuple[str, AgentId] | LegFailure:
    """Endpoint to dial and the agent behind it, or why it cannot be reached now."""
    if target.kind is TargetKind.OUTSIDE:
        if not trunks.has_room(cx.state, target.id):
            return LegFailure.BUSY
        return f"trunk:{target.id}/{target.number}", ""
    agent = agent_at(cx, target.id) if target.kind is TargetKind.PHONE else target.id
    session = cx.state.sessions.get(agent)
    if session is None:
        at_phone = target.kind is TargetKind.PHONE
        return (f"phone:{target.id}", "") if at_phone else LegFailure.UNREACHABLE
    if holds_a_contact(cx, agent) or session.line:
        return LegFailure.BUSY
    return f"phone:{session.phone}", agent


def holds_a_contact(cx: Context, agent: AgentId) -> bool:
    return any(call.agent == agent for call in cx.state.calls.values())


def agent_at(cx: Context, phone: str) -> AgentId:
    """The agent logged in at a phone; empty: nobody."""
    for session in cx.state.sessions.values():
        if session.phone == phone:
            return session.agent
    return ""


def _presented_number(cx: Context, call: Call, target: Target) -> str:
    if target.kind is TargetKind.OUTSIDE:
        trunk = cx.state.directory.trunks.get(target.id)
        if trunk is not None and trunk.caller_number:
            return trunk.caller_number
    return call.caller_number


def answered(cx: Context, call: Call, leg: Leg) -> None:
    """The number or agent dialled picked up: bridge, and tell the transferring phone."""
    cx.close(call, SegmentKind.DIAL, "answered")
    call.direct = None
    moved = call.transfer
    call.transfer = None
    if moved is not None:
        transfer.finish(cx, call, moved)
    if leg.agent:
        _becomes_agent(cx, call, leg)
    talking.connect(cx, call, leg)


def _becomes_agent(cx: Context, call: Call, leg: Leg) -> None:
    """An agent reached directly holds the contact like one reached by an offer."""
    if call.direction == "internal" or holds_a_contact(cx, leg.agent):
        return  # stays busy with it
    leg.role = Role.AGENT
    call.agent = leg.agent
    call.first_agent = call.first_agent or leg.agent
    # First assigned, then not busy: in between the agent would be offered another contact.
    cx.tell(ContactAssigned(contact=call.id, agent=leg.agent, queue=call.queue))
    cx.check_phone(leg.agent)


def failed(cx: Context, call: Call, leg: Leg, failure: LegFailure) -> None:
    """The number or agent dialled did not answer."""
    cx.close(call, SegmentKind.DIAL, failure.value)
    cx.note(call, "dial_failed", target=leg.target, agent=leg.agent, result=failure.value)
    if leg.agent:
        cx.check_phone(leg.agent)
    if leg.state is not LegState.ENDING:
        cx.drop_leg(call, leg.channel)
    overflow = call.direct.overflow if call.direct is not None else ""
    call.direct = None
    _go_on(cx, call, failure, overflow)


def _go_on(cx: Context, call: Call, failure: LegFailure, overflow: str = "") -> None:
    moved = call.transfer
    call.transfer = None
    if moved is not None:
        transfer.come_back(cx, call, moved)
    elif call.direction == "internal":
        end_call(
            cx,
            call,
            hung_up_by="callcore",
            outcome=Outcome.UNANSWERED,
            reason=talking.REFUSAL[failure],
        )
    elif overflow:
        tree_walk.resume_after_queue(cx, call, overflow)
    else:
        tree_walk.resume_after_transfer(cx, call, failure.value)


def ring_timeout(cx: Context, call: Call) -> None:
    """The number or agent dialled rang too long."""
    leg = call.ringing_side()
    if leg is not None:
        cx.hang_up(call, leg)
        failed(cx, call, leg, LegFailure.NO_ANSWER)


def stop(cx: Context, call: Call) -> None:
    """The caller is sent elsewhere: what rings for it stops."""
    leg = call.ringing_side()
    if leg is not None:
        cx.close(call, SegmentKind.DIAL, "transferred")
        cx.hang_up(call, leg)
        if leg.agent:
            cx.check_phone(leg.agent)
    call.direct = None
