"""Attended transfers (REFER with Replaces, RFC 3891): a phone has two calls with us, and the party
of the second one joins the caller of the first."""

from __future__ import annotations

from callcore.acd.events import ContactAssigned
from callcore.call import direct, queueing, talking
from callcore.call.actions import AnswerTransfer, Join, Leave
from callcore.call.context import Context
from callcore.call.ending import end_call, release_agent
from callcore.call.model import Call, Leg, LegState, Role, Transfer
from callcore.call.record import SegmentKind
from callcore.call.state import CallState, Move
from callcore.types import Outcome


def join_parties(cx: Context, first: Call, second: Call, channel: str) -> None:
    """Join the parties of a phone's two calls; `channel` is the leg whose REFER waits."""
    kept, consult = _which_is_kept(first, second)
    cx.note(kept, "transfer_asked", by=kept.agent, kind="attended", consult=consult.id)
    transferor = kept.far_side()
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
        return consult.far_side() is not None
    return consult.queued_since is not None or consult.ringing_side() is not None


def _take_over(cx: Context, kept: Call, consult: Call, transferor: Leg) -> None:
    """Give `kept` what `consult` reached."""
    party = consult.far_side() if consult.state is CallState.TALKING else None
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
    if party.agent and not direct.holds_a_contact(cx, party.agent):
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
    dialled = consult.direct
    leg = consult.ringing_side()
    if dialled is None or leg is None:
        return
    cx.drop_leg(consult, leg.channel)
    consult.direct = None
    cx.close(consult, SegmentKind.DIAL, "transferred")
    cx.add_leg(kept, leg)
    dialled.deadline = min(dialled.deadline, cx.now + cx.state.directory.transfers.ring_seconds)
    kept.direct = dialled
    kept.transfer = Transfer(by_channel="", refer=False)
    cx.move(kept, Move.RING)
    cx.begin(kept, SegmentKind.DIAL, target=leg.target, agent=leg.agent)
    cx.music_on(kept)
