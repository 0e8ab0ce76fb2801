"""A supervisor listens to a call, whispers to its agent, or barges into it.

A supervision is a call of its own (direction ``internal``, outcome ``service``) with one leg: the
supervisor's phone, which callcore dials. The two records name each other in the variable
``supervised`` of the one and the event list of the other. It follows the caller from agent to
agent; while nobody talks to the caller, the supervisor hears what the caller hears. Keys at the
phone change the mode, those of Asterisk's ChanSpy (option ``d``).
"""

from __future__ import annotations

from callcore.call import callback, listening
from callcore.call.actions import Dial
from callcore.call.context import Context
from callcore.call.direct import agent_at, holds_a_contact
from callcore.call.ending import end_call
from callcore.call.model import Call, Leg, LegState, Role, Supervision
from callcore.call.state import CallState, Move
from callcore.types import BridgeId, ChannelId, LegFailure, PhoneId, SupervisionMode

KEYS = {
    "4": SupervisionMode.LISTEN,
    "5": SupervisionMode.WHISPER,
    "6": SupervisionMode.BARGE,
}

# --- what an operator asks -----------------------------------------------------------------------


def refusal(cx: Context, call: Call, phone: PhoneId) -> str:
    """Why this phone cannot supervise this call; empty: it can, or does so already."""
    settings = cx.state.directory.phones.get(phone)
    if settings is None:
        return f"no phone named {phone!r}"
    if call.state is CallState.SERVICE or callback.away(call):
        return f"nobody talks in call {call.id!r}"
    if _takes_part(cx, call, phone):
        return f"phone {phone!r} is part of call {call.id!r}"
    other = _at_phone(cx, phone)
    if other is not None:
        supervised = other.supervision.call if other.supervision is not None else ""
        return "" if supervised == call.id else f"phone {phone!r} supervises call {supervised!r}"
    if not cx.state.reachable.get(phone, bool(settings.host)):
        return f"phone {phone!r} is not reachable"
    agent = agent_at(cx, phone)
    if agent and (holds_a_contact(cx, agent) or cx.state.sessions[agent].line):
        return f"agent {agent!r} at phone {phone!r} is on a call"
    return ""


def _takes_part(cx: Context, call: Call, phone: PhoneId) -> bool:
    if call.direction == "internal" and call.endpoint == phone:
        return True
    for leg in call.legs.values():
        session = cx.state.sessions.get(leg.agent)
        if phone in (leg.target, session.phone if session is not None else ""):
            return True
    return False


def _at_phone(cx: Context, phone: PhoneId) -> Call | None:
    for name in cx.state.supervisions:
        call = cx.state.calls[name]
        if call.supervision is not None and call.supervision.phone == phone:
            return call
    return None


def ask(cx: Context, supervised: Call, phone: PhoneId, mode: SupervisionMode) -> None:
    """Ring the phone; one that supervises this call already gets another mode at once."""
    if refusal(cx, supervised, phone):
        return
    present = _at_phone(cx, phone)
    if present is None:
        _open(cx, supervised, phone, mode)
    else:
        _change(cx, present, mode)


def _open(cx: Context, supervised: Call, phone: PhoneId, mode: SupervisionMode) -> None:
    leg = Leg(channel=cx.new_id("a"), role=Role.CALLER, state=LegState.DIALLING, target=phone)
    ring_seconds = cx.state.directory.transfers.ring_seconds
    call = Call(
        id=cx.new_id("c"),
        node=supervised.node,
        direction="internal",
        endpoint=phone,
        channel=leg.channel,
        caller_number=phone,
        caller_name="",
        dialled="",
        arrived_at=cx.now,
        placed_by=agent_at(cx, phone),
        variables={"supervised": supervised.id},
        no_recording_reason="supervision",
        supervision=Supervision(
            call=supervised.id, phone=phone, mode=mode, deadline=cx.now + ring_seconds
        ),
    )
    cx.state.calls[call.id] = call
    cx.state.supervisions.append(call.id)
    cx.add_leg(call, leg)
    cx.move(call, Move.SERVE)
    cx.check_phone(call.placed_by)
    _note(cx, call)
    cx.do(
        Dial(
            call=call.id,
            channel=leg.channel,
            endpoint=f"phone:{phone}",
            caller_number=supervised.caller_number,
            caller_name=mode.value,
        )
    )


def _change(cx: Context, call: Call, mode: SupervisionMode) -> None:
    """`follow` does the rest."""
    if call.supervision is not None and call.supervision.mode is not mode:
        call.supervision.mode = mode
        _note(cx, call)


def _note(cx: Context, call: Call, name: str = "supervised") -> None:
    """In the event lists of both calls."""
    supervision = call.supervision
    if supervision is None:
        return
    phone, mode = supervision.phone, supervision.mode.value
    cx.note(call, name, of=supervision.call, phone=phone, mode=mode)
    supervised = cx.state.calls.get(supervision.call)
    if supervised is not None and supervised.live:
        cx.note(supervised, name, by=call.id, phone=phone, mode=mode)


# --- what its phone does -------------------------------------------------------------------------


def answered(cx: Context, call: Call, leg: Leg) -> None:
    """The supervisor picked up; `follow` lets the phone hear."""
    if call.supervision is not None:
        leg.state = LegState.UP
        call.answered = True
        call.supervision.deadline = None
        cx.touched.add(call.id)
        _note(cx, call, "supervision_answered")


def not_answered(cx: Context, call: Call, leg: Leg, failure: LegFailure) -> None:
    """The phone was rung in vain."""
    if call.supervision is not None and leg.state is LegState.DIALLING and call.live:
        cx.note(call, "dial_failed", target=call.supervision.phone, result=failure.value)
        leg.state = LegState.ENDING  # nothing left to hang up
        end(cx, call)


def ring_timeout(cx: Context, call: Call) -> None:
    if call.supervision is not None:
        call.supervision.deadline = None
        cx.note(call, "dial_failed", target=call.supervision.phone, result="no_answer")
        end(cx, call)


def digit(cx: Context, call: Call, key: str) -> None:
    mode = KEYS.get(key)
    if mode is not None:
        _change(cx, call, mode)


# --- the call it follows -------------------------------------------------------------------------


def follow(cx: Context) -> None:
    """After everything that happened: each supervisor hears what is to be heard now."""
    for name in list(cx.state.supervisions):
        call = cx.state.calls[name]
        supervision = call.supervision
        supervised = cx.state.calls.get(supervision.call) if supervision is not None else None
        if supervision is None or supervised is None or not supervised.live:
            end(cx, call)
        elif call.legs[call.channel].state is LegState.UP:
            to = listening.wanted(supervised, supervision.mode)
            listening.connect(cx, call, supervision, to)


def failed(cx: Context, call: Call, reason: str) -> bool:
    """The node could not connect the supervisor; false: this call is no supervision."""
    if call.supervision is None:
        return False
    cx.note(call, "supervision_failed", reason=reason)
    end(cx, call)
    return True


def again(call: Call, bridges: dict[BridgeId, tuple[ChannelId, ...]]) -> None:
    """The link is back: `follow` connects anew, and what was before is a stranger's."""
    supervision = call.supervision
    if supervision is None:
        return
    supervision.listening = supervision.to = ""
    supervision.whisper = False
    if call.channel not in bridges.get(supervision.bridge, ()):
        supervision.bridge = ""


def end(cx: Context, call: Call) -> None:
    end_call(cx, call, hung_up_by="callcore")
