"""Agents at phones: logging in and out, pausing, and whether the phone can be rung."""

from __future__ import annotations

from callcore.acd.events import (
    AgentChanged,
    BusyChanged,
    LoggedIn,
    LoggedOut,
    Paused,
    ReachableChanged,
    Ready,
    StatusChosen,
    WrapUpAsked,
    WrapUpExtended,
)
from callcore.call.actions import WriteAgentState
from callcore.call.context import Context
from callcore.call.model import Call, LegState, Role, Session
from callcore.types import AgentId, PhoneId, Reach


def refusal(cx: Context, agent: AgentId, phone: PhoneId = "") -> str:
    """Why this login cannot be; empty: it can."""
    settings = cx.state.directory.agents.get(agent)
    if settings is None:
        return f"no agent named {agent!r}"
    phone = phone or settings.phone
    if not phone:
        return f"agent {agent!r} has no phone of their own: name one"
    if phone not in cx.state.directory.phones:
        return f"no phone named {phone!r}"
    return ""


def login(cx: Context, agent: AgentId, phone: PhoneId, ready: bool) -> None:
    """Start a session; whoever else sat at that phone is logged out (hot-desking)."""
    if refusal(cx, agent, phone):
        return
    settings = cx.state.directory.agents[agent]
    phone = phone or settings.phone
    for other in list(cx.state.sessions.values()):
        if other.agent != agent and other.phone == phone:
            logout(cx, other.agent)
    before = cx.state.sessions.get(agent)
    if before is not None and before.phone == phone:
        if ready:
            cx.tell(Ready(agent=agent))
        return
    if before is not None:
        logout(cx, agent)
    cx.state.sessions[agent] = Session(agent=agent, phone=phone, since=cx.now)
    cx.tell(LoggedIn(agent=agent, reachable=can_be_rung(cx, agent), ready=ready))
    cx.check_phone(agent)


def logout(cx: Context, agent: AgentId) -> None:
    """End the session; a call in progress goes on."""
    session = cx.state.sessions.get(agent)
    if session is None:
        return
    cx.tell(LoggedOut(agent=agent))
    if session.line:
        line = cx.state.calls.get(session.line_call)
        leg = line.legs.get(session.line) if line is not None else None
        if line is not None and leg is not None and cx.by_channel.get(session.line) == line.id:
            cx.hang_up(line, leg)
    del cx.state.sessions[agent]


def pause(cx: Context, agent: AgentId, reason: str) -> None:
    cx.tell(Paused(agent=agent, reason=reason))


def ready(cx: Context, agent: AgentId) -> None:
    cx.tell(Ready(agent=agent))


def choose_status(cx: Context, agent: AgentId, status: str) -> None:
    cx.tell(StatusChosen(agent=agent, status=status))


def ask_wrap_up(cx: Context, agent: AgentId) -> None:
    cx.tell(WrapUpAsked(agent=agent))


def extend_wrap_up(cx: Context, agent: AgentId, seconds: float) -> None:
    cx.tell(WrapUpExtended(agent=agent, seconds=seconds))


def can_be_rung(cx: Context, agent: AgentId) -> bool:
    """The phone has a binding (or a static address); a nailed-up agent needs the line up."""
    session = cx.state.sessions.get(agent)
    settings = cx.state.directory.agents.get(agent)
    if session is None or settings is None:
        return False
    if settings.reach is Reach.NAILED_UP:
        return bool(session.line)
    phone = cx.state.directory.phones.get(session.phone)
    if phone is None:
        return False
    return cx.state.reachable.get(session.phone, bool(phone.host))


def phone_reachable(cx: Context, phone: PhoneId, reachable: bool) -> None:
    if cx.state.reachable.get(phone) is reachable:
        return
    cx.state.reachable[phone] = reachable
    for session in cx.state.sessions.values():
        if session.phone == phone:
            tell_reachable(cx, session.agent)


def phone_busy(cx: Context, phone: PhoneId, busy: bool) -> None:
    """The phone is on a call outside callcore, or no more."""
    if busy:
        cx.state.busy_phones[phone] = True
    else:
        cx.state.busy_phones.pop(phone, None)
    for session in cx.state.sessions.values():
        if session.phone == phone:
            cx.check_phone(session.agent)


def tell_busy(cx: Context, agent: AgentId) -> None:
    """Whether the agent's phone is on a call that the distributor knows nothing of."""
    session = cx.state.sessions.get(agent)
    if session is None:
        return
    outside = session.phone in cx.state.busy_phones
    busy = outside or any(_occupies(call, agent) for call in cx.state.calls.values())
    if session.busy != busy:
        session.busy = busy
        cx.tell(BusyChanged(agent=agent, busy=busy))


def _occupies(call: Call, agent: AgentId) -> bool:
    if not call.live:
        return False
    return call.placed_by == agent or any(
        leg.agent == agent and leg.role is Role.PARTY and leg.state is not LegState.ENDING
        for leg in call.legs.values()
    )


def tell_reachable(cx: Context, agent: AgentId) -> None:
    cx.tell(ReachableChanged(agent=agent, reachable=can_be_rung(cx, agent)))


def changed(cx: Context, decision: AgentChanged) -> None:
    """Write the agent's log."""
    session = cx.state.sessions.get(decision.agent)
    cx.do(
        WriteAgentState(
            call=decision.contact,
            at=cx.now,
            agent=decision.agent,
            state=decision.state,
            before=decision.before,
            status=decision.status,
            reason=decision.reason,
            phone=session.phone if session is not None else "",
            queue=decision.queue,
        )
    )
