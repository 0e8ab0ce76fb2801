"""Moving a caller: to a number, an agent, a queue or a tree, blind or attended.

Blind (REFER, RFC 3515; Asterisk's ChannelTransfer with ``ari-only``): the transferring phone waits
for our verdict, so it is kept in the call, off the bridge, until the target answered. If the target
fails, the caller comes back to that agent, or to the queue if the agent is gone by then.

Attended (REFER with Replaces, RFC 3891): the phone has two calls with us; the party of the second
one joins the caller of the first.
"""

from __future__ import annotations

from callcore.acd.events import ContactAssigned
from callcore.call import queueing, talking, tree_walk
from callcore.call.actions import AnswerTransfer, Dial, Join, Leave
from callcore.call.context import Context
from callcore.call.ending import end_call, release_agent
from callcore.call.model import Call, Direct, Leg, LegState, Role, SwitchState, Transfer
from callcore.call.numbering import Target, TargetKind, resolve
from callcore.call.record import SegmentKind
from callcore.call.state import CallState, Move
from callcore.types import AgentId, LegFailure, Outcome

LEAVING_SECONDS = 2.0
"""A phone that hangs up so soon after its transfer failed did not wait to hear of it."""

# --- dialling one target for a caller -----------------------------------------------------------


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
        _go_to(cx, call, target, dialled, overflow)
        return
    way = _way_to(cx, target)
    if isinstance(way, LegFailure):
        cx.note(call, "dial_failed", target=dialled, result=way.value)
        _direct_failed(cx, call, way, overflow)
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


def _go_to(
    cx: Context, call: Call, target: Target | None, dialled: str, overflow: str = ""
) -> None:
    """Targets that need no dialling."""
    if target is None or target.kind is TargetKind.FEATURE:
        cx.note(call, "dial_failed", target=dialled, result="no_such_number")
        _direct_failed(cx, call, LegFailure.FAILED, overflow)
    elif target.kind is TargetKind.QUEUE:
        sent = call.transfers > 0
        queueing.enter_queue(cx, call, target.id, priority=call.priority, transferred=sent)
    else:
        call.run = None
        tree_walk.enter_tree(cx, call, target.id)


def _way_to(cx: Context, target: Target) -> tuple[str, AgentId] | LegFailure:
    """Endpoint to dial and the agent behind it, or why it cannot be reached now."""
    if target.kind is TargetKind.OUTSIDE:
        if not trunk_has_room(cx, target.id):
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


def trunk_has_room(cx: Context, trunk_id: str) -> bool:
    trunk = cx.state.directory.trunks.get(trunk_id)
    if trunk is None:
        return False
    return not trunk.max_channels or channels_on(cx, trunk_id) < trunk.max_channels


def channels_on(cx: Context, trunk_id: str) -> int:
    return count_channels(cx.state, trunk_id)


def count_channels(state: SwitchState, trunk_id: str) -> int:
    """Channels in use on a trunk, both directions."""
    count = 0
    for call in state.calls.values():
        if call.live and call.direction == "inbound" and call.endpoint == trunk_id:
            count += 1
        count += sum(1 for leg in call.legs.values() if leg.trunk == trunk_id)
    return count


def _presented_number(cx: Context, call: Call, target: Target) -> str:
    if target.kind is TargetKind.OUTSIDE:
        trunk = cx.state.directory.trunks.get(target.id)
        if trunk is not None and trunk.caller_number:
            return trunk.caller_number
    return call.caller_number


def direct_answered(cx: Context, call: Call, leg: Leg) -> None:
    """The number or agent dialled picked up: bridge, and tell the transferring phone."""
    cx.close(call, SegmentKind.DIAL, "answered")
    call.direct = None
    moved = call.transfer
    call.transfer = None
    if moved is not None:
        _finish_transfer(cx, call, moved)
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


def direct_failed(cx: Context, call: Call, leg: Leg, failure: LegFailure) -> None:
    """The number or agent dialled did not answer."""
    cx.close(call, SegmentKind.DIAL, failure.value)
    cx.note(call, "dial_failed", target=leg.target, agent=leg.agent, result=failure.value)
    if leg.agent:
        cx.check_phone(leg.agent)
    if leg.state is not LegState.ENDING:
        cx.drop_leg(call, leg.channel)
    overflow = call.direct.overflow if call.direct is not None else ""
    call.direct = None
    _direct_failed(cx, call, failure, overflow)


def _direct_failed(cx: Context, call: Call, failure: LegFailure, overflow: str = "") -> None:
    moved = call.transfer
    call.transfer = None
    if moved is not None:
        _come_back(cx, call, moved)
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
    direct = call.direct
    leg = call.legs.get(direct.channel) if direct is not None else None
    if leg is not None:
        cx.hang_up(call, leg)
        direct_failed(cx, call, leg, LegFailure.NO_ANSWER)


def _stop_dialling(cx: Context, call: Call) -> None:
    leg = call.legs.get(call.direct.channel) if call.direct is not None else None
    if leg is not None:
        cx.close(call, SegmentKind.DIAL, "transferred")
        cx.hang_up(call, leg)
        if leg.agent:
            cx.check_phone(leg.agent)
    call.direct = None


# --- blind ---------------------------------------------------------------------------------------


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
    leg = leg or _agent_leg(call)
    if target.kind in (TargetKind.QUEUE, TargetKind.TREE):
        _let_go(cx, call, leg, refer=refer)
        _go_to(cx, call, target, dialled)
        return
    if leg is not None:
        cx.close(call, SegmentKind.TALK, "transferring", leg.agent)
        talking.hold(cx, call, leg, on=False)
        cx.do(Leave(call=call.id, bridge=call.bridge, channel=leg.channel))
        call.transfer = Transfer(by_channel=leg.channel, by_agent=leg.agent, refer=refer)
    cx.do(Leave(call=call.id, bridge=call.bridge, channel=call.channel))
    dial_for_caller(cx, call, dialled)


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
    party = _agent_leg(call)
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
    _stop_dialling(cx, call)
    if call.transfer is not None:  # overtaken: the agent who asked for it is done as well
        moved, call.transfer = call.transfer, None
        _finish_transfer(cx, call, moved)
    queueing.leave_queue(cx, call, "transferred")
    tree_walk.leave_tree(cx, call, "transferred")
    dial_for_caller(cx, call, dialled)


def _agent_leg(call: Call) -> Leg | None:
    return next(
        (
            leg
            for leg in call.legs.values()
            if leg.role is not Role.CALLER and leg.state is LegState.UP
        ),
        None,
    )


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


def _finish_transfer(cx: Context, call: Call, moved: Transfer) -> None:
    cx.note(call, "transferred", by=moved.by_agent)
    leg = call.legs.get(moved.by_channel)
    if leg is None:
        return
    if moved.refer:
        cx.do(AnswerTransfer(call=call.id, channel=leg.channel, ok=True))
    release_agent(cx, call, leg, transferred=True)
    cx.hang_up(call, leg)


def _come_back(cx: Context, call: Call, moved: Transfer) -> None:
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


# --- attended -------------------------------------------------------------------------------------


def attended(cx: Context, first: Call, second: Call, channel: str) -> None:
    """Join the parties of a phone's two calls; `channel` is the leg whose REFER waits."""
    kept, consult = _which_is_kept(first, second)
    cx.note(kept, "transfer_asked", by=kept.agent, kind="attended", consult=consult.id)
    transferor = _agent_leg(kept)
    asking = cx.call_of(channel) or kept
    if transferor is None or not _has_party(kept, consult):
        cx.note(kept, "transfer_refused", consult=consult.id)
        cx.do(AnswerTransfer(call=asking.id, channel=channel, ok=False))
        return
    # Before the hang-up: a phone whose call ended first hears that the transfer failed.
    cx.do(AnswerTransfer(call=asking.id, channel=channel, ok=True))
    _take_over(cx, kept, consult, transferor)
    kept.transfers += 1
    cx.note(kept, "transferred", consult=consult.id)
    end_call(cx, consult, hung_up_by="callcore", outcome=Outcome.TRANSFERRED)


def _which_is_kept(first: Call, second: Call) -> tuple[Call, Call]:
    """The caller from outside stays the call; of two internal ones, the older."""
    if first.direction == "internal" and second.direction != "internal":
        return second, first
    if first.direction == second.direction and second.arrived_at < first.arrived_at:
        return second, first
    return first, second


def _has_party(kept: Call, consult: Call) -> bool:
    """`consult` reached somebody, rings somebody or waits for somebody that `kept` can have."""
    if kept.state is not CallState.TALKING or not consult.live:
        return False
    if consult.state is CallState.TALKING:
        return _agent_leg(consult) is not None
    return consult.queued_since is not None or _ringing_leg(consult) is not None


def _ringing_leg(call: Call) -> Leg | None:
    return call.legs.get(call.direct.channel) if call.direct is not None else None


def _take_over(cx: Context, kept: Call, consult: Call, transferor: Leg) -> None:
    """Give `kept` what `consult` reached."""
    party = _agent_leg(consult) if consult.state is CallState.TALKING else None
    since, queue, priority = consult.queued_since, consult.queue, consult.priority
    _drop_transferor(cx, kept, transferor)
    if party is not None:
        _move_party(cx, kept, consult, party)
        return
    cx.do(Leave(call=kept.id, bridge=kept.bridge, channel=kept.channel))
    if since is not None:
        queueing.leave_queue(cx, consult, "transferred")
        queueing.enter_queue(cx, kept, queue, priority=priority, since=since, transferred=True)
    else:
        _take_over_ringing(cx, kept, consult)


def _drop_transferor(cx: Context, kept: Call, transferor: Leg) -> None:
    talking.hold(cx, kept, transferor, on=False)
    cx.close(kept, SegmentKind.TALK, "transferred", transferor.agent)
    release_agent(cx, kept, transferor, transferred=True)
    cx.hang_up(kept, transferor)


def _move_party(cx: Context, kept: Call, consult: Call, party: Leg) -> None:
    """The consulted party leaves its bridge and joins the caller's."""
    cx.do(Leave(call=kept.id, bridge=consult.bridge, channel=party.channel))
    if consult.agent and consult.agent == party.agent:
        consult.agent = ""  # no wrap-up for the consultation; the kept call has it
    cx.drop_leg(consult, party.channel)
    cx.add_leg(kept, party)
    party.state = LegState.UP
    if party.agent and not holds_a_contact(cx, party.agent):
        party.role = Role.AGENT
        kept.agent = party.agent
        cx.tell(ContactAssigned(contact=kept.id, agent=party.agent, queue=kept.queue))
        cx.check_phone(party.agent)
    cx.open_bridge(kept)
    cx.do(Join(call=kept.id, bridge=kept.bridge, channels=(party.channel,)))
    cx.move(kept, Move.CONNECT)
    cx.begin(kept, SegmentKind.TALK, agent=kept.agent, queue=kept.queue, target=party.target)
    cx.note(kept, "connected", agent=party.agent, target=party.target)


def _take_over_ringing(cx: Context, kept: Call, consult: Call) -> None:
    """Semi-attended: the target still rings; the caller waits for it with music."""
    direct = consult.direct
    leg = _ringing_leg(consult)
    if direct is None or leg is None:
        return
    cx.drop_leg(consult, leg.channel)
    consult.direct = None
    cx.close(consult, SegmentKind.DIAL, "transferred")
    cx.add_leg(kept, leg)
    direct.deadline = min(direct.deadline, cx.now + cx.state.directory.transfers.ring_seconds)
    kept.direct = direct
    kept.transfer = Transfer(by_channel="", refer=False)
    cx.move(kept, Move.RING)
    cx.begin(kept, SegmentKind.DIAL, target=leg.target, agent=leg.agent)
    cx.music_on(kept)
