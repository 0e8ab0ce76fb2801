"""The call made for a customer who has hung up, when its place in line comes up.

It gets in line when the caller who asked for it has hung up; when it is offered

- agent first: the agent's phone rings and says the number, then the customer is dialled;
- customer first: the customer is dialled while the agent is kept, then the agent's phone rings.

Either way the agent is *reserved* in the distributor until both are there, and only that counts as
answered: nobody is dialled for whom no agent is free. A customer who is not reached leaves the
queue for `retry_seconds` and comes back with the same `since`; after `attempts` calls the contact
is dropped. Calls an agent or a full trunk prevented count as no attempt.
"""

from __future__ import annotations

from callcore.acd.events import (
    OfferAnswered,
    OfferFailed,
    OfferReserved,
    OfferResult,
    WithdrawReason,
)
from callcore.call import queueing, trunks
from callcore.call.actions import Dial, StartRinging, StopRinging
from callcore.call.callback_promise import media, reached, settings_of
from callcore.call.context import Context
from callcore.call.ending import end_call
from callcore.call.model import Call, Callback, Leg, LegState, PlayFor, Role
from callcore.call.numbering import TargetKind, resolve
from callcore.call.record import SegmentKind
from callcore.call.state import CallState, Move
from callcore.directory_queue import CallbackFirst
from callcore.ivr import say
from callcore.types import AgentId, HangupReason, LegFailure, Outcome

# --- in line, and its turn -----------------------------------------------------------------------


def away(call: Call) -> bool:
    """A callback whose customer is not on the line."""
    return call.callback is not None and not _customer_is_up(call)


def _customer_is_up(call: Call) -> bool:
    leg = call.legs.get(call.channel)
    return leg is not None and leg.state is LegState.UP


def timer(cx: Context, call: Call) -> None:
    """It gets in line, or whoever is rung has been rung long enough."""
    callback = call.callback
    if callback is None:
        return
    callback.deadline = None
    if call.queued_since is None:
        _get_in_line(cx, call, callback)
    elif away(call):
        _customer_rang_out(cx, call)
    else:
        for leg in queueing.offered_legs(call):
            if leg.agent == callback.agent and leg.state is LegState.DIALLING:
                queueing.rang_out(cx, call, leg)
        callback.agent = ""


def _get_in_line(cx: Context, call: Call, callback: Callback) -> None:
    if call.queue not in cx.state.directory.queues:
        end_call(cx, call, hung_up_by="callcore", outcome=Outcome.FAILED)
        return
    queueing.enter_queue(
        cx, call, call.queue, priority=call.priority, needs=call.needs, since=callback.since
    )


def takes_offer(cx: Context, call: Call, agent: AgentId) -> bool:
    """Customer first: the agent who is offered is kept, not rung; false: ring as ever."""
    callback = call.callback
    if callback is None or callback.first is CallbackFirst.AGENT or not away(call):
        return False
    if callback.agent:  # everybody was offered: one is enough
        cx.close(call, SegmentKind.OFFER, "answered_elsewhere", agent)
        return True
    callback.agent = agent
    cx.tell(OfferReserved(contact=call.id, agent=agent))
    _dial_customer(cx, call, callback)
    return True


def accepted(cx: Context, call: Call, leg: Leg) -> bool:
    """Agent first: the agent hears whom to call, alone; false: the customer is there."""
    callback = call.callback
    if callback is None:
        return False
    if not away(call):
        callback.agent = ""
        callback.deadline = None
        return False
    callback.agent = leg.agent
    leg.state = LegState.ANNOUNCING
    cx.note(call, "callback_accepted", agent=leg.agent, channel=leg.channel)
    cx.tell(OfferReserved(contact=call.id, agent=leg.agent))
    said = media(cx, call, "callback-for", *say.digits(callback.number))
    beep = ("beep",) if leg.line_call else ()
    cx.play(call, leg.channel, PlayFor.AGENT_ANNOUNCEMENT, (*beep, *said))
    return True


def announced(cx: Context, call: Call, leg: Leg) -> bool:
    """The agent has heard it; false: that was another announcement."""
    callback = call.callback
    if callback is None or callback.agent != leg.agent or not away(call):
        return False
    _dial_customer(cx, call, callback)
    return True


# --- the customer --------------------------------------------------------------------------------


def _dial_customer(cx: Context, call: Call, callback: Callback) -> None:
    target = resolve(cx.state.directory, callback.number)
    if target is None or target.kind is not TargetKind.OUTSIDE:
        callback.attempts += 1
        _not_reached(cx, call, callback, "no_route")
        return
    if not trunks.has_room(cx.state, target.id):
        _not_reached(cx, call, callback, "trunk_full")
        return
    callback.attempts += 1
    leg = Leg(
        channel=cx.new_id("a"),
        role=Role.CALLER,
        state=LegState.DIALLING,
        target=target.number,
        trunk=target.id,
    )
    call.channel, call.endpoint = leg.channel, target.id
    cx.add_leg(call, leg)
    cx.begin(call, SegmentKind.DIAL, target=target.number)
    cx.note(call, "customer_dialled", number=callback.number, attempt=callback.attempts)
    seconds = settings_of(cx, call).ring_seconds
    callback.deadline = cx.now + seconds
    cx.touched.add(call.id)
    agent = _kept_leg(call, callback)
    if agent is not None:
        cx.do(StartRinging(call=call.id, channel=agent.channel))
    trunk = cx.state.directory.trunks.get(target.id)
    cx.do(
        Dial(
            call=call.id,
            channel=leg.channel,
            endpoint=f"trunk:{target.id}/{target.number}",
            caller_number=(trunk.caller_number if trunk else "") or callback.hotline,
        )
    )


def _kept_leg(call: Call, callback: Callback) -> Leg | None:
    """The agent who is on the phone while the customer is dialled."""
    for leg in call.legs.values():
        if leg.agent and leg.agent == callback.agent and leg.state is LegState.ANNOUNCING:
            return leg
    return None


def customer_answered(cx: Context, call: Call, leg: Leg) -> None:
    """The customer is there: bridge, or ring the agent who is kept."""
    callback = call.callback
    if callback is None:
        return
    leg.state = LegState.UP
    callback.deadline = None
    reached(cx, call)
    cx.close(call, SegmentKind.DIAL, "answered")
    cx.note(call, "customer_answered", channel=leg.channel)
    agent = _kept_leg(call, callback)
    if agent is not None:
        call.agent = agent.agent
        cx.close(call, SegmentKind.OFFER, "answered", agent.agent)
        cx.note(call, "agent_answered", agent=agent.agent, channel=agent.channel)
        cx.tell(OfferAnswered(contact=call.id, agent=agent.agent))
        queueing.connect_agent(cx, call, agent)
        return
    greeting = media(cx, call, "callback-greeting")
    cx.play(call, call.channel, PlayFor.QUEUE_ANNOUNCEMENT, greeting)
    queue = cx.state.directory.queues.get(call.queue)
    if callback.agent and queue is not None:
        if queue.ring_seconds > 0:
            callback.deadline = cx.now + queue.ring_seconds
            cx.touched.add(call.id)
        queueing.ring(cx, call, callback.agent)


def customer_gone(cx: Context, call: Call, leg: Leg, failure: LegFailure) -> bool:
    """The customer's leg ended; false: as any caller's does."""
    callback = call.callback
    if callback is None or leg.role is not Role.CALLER:
        return False
    if leg.channel != call.channel:
        cx.drop_leg(call, leg.channel)  # given up before
        return True
    if leg.state is not LegState.DIALLING or not call.live:
        return False
    cx.drop_leg(call, leg.channel)
    _customer_failed(cx, call, callback, failure)
    return True


def _customer_rang_out(cx: Context, call: Call) -> None:
    leg = call.legs.get(call.channel)
    if call.callback is not None and leg is not None and leg.state is LegState.DIALLING:
        cx.hang_up(call, leg)
        _customer_failed(cx, call, call.callback, LegFailure.NO_ANSWER)


def _customer_failed(cx: Context, call: Call, callback: Callback, failure: LegFailure) -> None:
    cx.close(call, SegmentKind.DIAL, failure.value)
    call.channel = ""
    callback.deadline = None
    _not_reached(cx, call, callback, failure.value)


def _not_reached(cx: Context, call: Call, callback: Callback, result: str) -> None:
    """Tell the agent who holds the line, then let go; try again later."""
    cx.note(call, "customer_not_reached", result=result, attempt=callback.attempts)
    agent = _kept_leg(call, callback)
    if agent is None:
        _rest(cx, call, callback, f"customer_{result}")
        return
    callback.failed = f"customer_{result}"
    cx.do(StopRinging(call=call.id, channel=agent.channel))
    told = media(cx, call, "callback-failed")
    cx.play(call, agent.channel, PlayFor.CALLBACK_FAILED, told)


def agent_told(cx: Context, call: Call) -> None:
    """The agent knows that the customer was not reached."""
    if call.callback is not None and call.callback.failed:
        _rest(cx, call, call.callback, call.callback.failed)


def _rest(cx: Context, call: Call, callback: Callback, result: str) -> None:
    """Out of the line until the next attempt, or for good."""
    callback.failed = ""
    settings = settings_of(cx, call)
    if callback.attempts >= settings.attempts:
        end_call(cx, call, hung_up_by="callcore", outcome=Outcome.UNANSWERED)
        return
    queueing.leave_queue(cx, call, result)
    if call.state is CallState.RINGING:
        cx.move(call, Move.STOP_RINGING)
    callback.deadline = cx.now + settings.retry_seconds
    cx.touched.add(call.id)


# --- the agent is lost ---------------------------------------------------------------------------


def stop(cx: Context, call: Call, result: str) -> None:
    """Nobody is kept for it any more: the customer's phone stops as well."""
    callback = call.callback
    if callback is None:
        return
    if callback.agent:
        cx.close(call, SegmentKind.OFFER, result, callback.agent)
    callback.agent = ""
    callback.deadline = None
    leg = call.legs.get(call.channel)
    if leg is not None and leg.state is LegState.DIALLING and call.live:
        callback.attempts -= 1
        cx.close(call, SegmentKind.DIAL, LegFailure.CANCELLED.value)
        cx.hang_up(call, leg)
        call.channel = ""


def withdrawn(cx: Context, call: Call, agent: AgentId) -> None:
    """The agent who was kept is gone: the next one is offered it."""
    callback = call.callback
    if callback is None or callback.agent != agent:
        return
    failed = callback.failed
    stop(cx, call, failed or WithdrawReason.AGENT_GONE.value)
    if failed:
        _rest(cx, call, callback, failed)


def agent_lost(cx: Context, call: Call, leg: Leg) -> bool:
    """The agent hung up before the customer was there; false: that one was talking already."""
    callback = call.callback
    if callback is None or callback.agent != leg.agent:
        return False
    failed = callback.failed
    result = failed or OfferResult.REJECTED.value
    cx.close(call, SegmentKind.OFFER, result, leg.agent)
    cx.stop_playing(call, PlayFor.AGENT_ANNOUNCEMENT, leg.channel)
    cx.drop_leg(call, leg.channel)
    stop(cx, call, result)
    if failed:
        _rest(cx, call, callback, failed)
        return True
    cx.note(call, "offer_failed", agent=leg.agent, result=result)
    if call.state is CallState.RINGING:
        cx.move(call, Move.STOP_RINGING)
    cx.tell(OfferFailed(contact=call.id, agent=leg.agent, result=OfferResult.REJECTED))
    return True


def overflowed(cx: Context, call: Call) -> bool:
    """The queue is no more: nobody would ever call; false: the customer is on the line."""
    if not away(call):
        return False
    end_call(cx, call, hung_up_by="callcore", outcome=Outcome.FAILED, reason=HangupReason.NORMAL)
    return True


def node_lost(cx: Context, call: Call) -> bool:
    """Its legs are gone with the node; the promise stays. False: the customer was on the line."""
    callback = call.callback
    if callback is None or not call.live or not away(call):
        return False
    if not call.legs:
        return True
    for channel in list(call.legs):
        cx.drop_leg(call, channel)
    call.playing.clear()
    call.channel = ""
    callback.attempts = min(callback.attempts, settings_of(cx, call).attempts - 1)
    _rest(cx, call, callback, "node_lost")
    return True
