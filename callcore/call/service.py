"""Feature codes dialled at a phone: login with PIN, logout, pause, ready, the nailed-up line.

The dialogue is spoken from the prompt set. A code that needs the agent's number or PIN asks for it,
each ended by ``#``; three wrong tries end the call.
"""

from __future__ import annotations

from callcore.call import sessions
from callcore.call.actions import Answer, CheckPin
from callcore.call.context import Context
from callcore.call.direct import agent_at
from callcore.call.model import Asked, Call, PlayFor, Service
from callcore.call.state import Move
from callcore.types import AgentId

ANSWER_SECONDS = 10.0
MAX_TRIES = 3
MAX_DIGITS = 20
#: Stands for a digit of a PIN.
MASKED_KEY = "x"


def serve(cx: Context, call: Call, code: str) -> None:
    """A phone dialled a feature code."""
    cx.move(call, Move.SERVE)
    call.answered = True
    cx.do(Answer(call=call.id, channel=call.channel))
    call.service = Service(code=code, phone=call.endpoint)
    cx.note(call, "feature_code", code=code)
    codes = cx.state.directory.feature_codes
    agent = agent_at(cx, call.endpoint)
    if code == codes.login:
        _ask(cx, call, Asked.AGENT, "login-agent")
    elif not agent:
        _say_and_end(cx, call, "login-failed")
    elif code == codes.logout:
        sessions.logout(cx, agent)
        _say_and_end(cx, call, "logout-ok")
    elif code == codes.pause:
        sessions.pause(cx, agent, cx.state.directory.usual_pause_reason)
        _say_and_end(cx, call, "paused")
    elif code == codes.ready:
        sessions.ready(cx, agent)
        _say_and_end(cx, call, "ready")
    else:
        _open_line(cx, call, agent)


def digit(cx: Context, call: Call, key: str) -> None:
    service = call.service
    if service is None or service.asked not in (Asked.AGENT, Asked.PIN):
        return
    cx.stop_playing(call, PlayFor.SERVICE)
    service.deadline = cx.now + ANSWER_SECONDS
    cx.touched.add(call.id)
    if key != "#":
        if len(service.digits) < MAX_DIGITS:
            service.type(key, masked_key(call, key))
        return
    typed = service.take()
    if service.asked is Asked.AGENT:
        service.agent = typed
        _ask(cx, call, Asked.PIN, "login-pin")
    else:
        _check(cx, call, service, typed)


def _check(cx: Context, call: Call, service: Service, pin: str) -> None:
    """An unknown agent is asked for a PIN like a known one, and fails like a wrong PIN."""
    service.asked = Asked.VERDICT
    service.deadline = cx.now + ANSWER_SECONDS
    cx.do(CheckPin(call=call.id, agent=service.agent, pin=pin))


def pin_checked(cx: Context, call: Call, agent: AgentId, ok: bool) -> None:
    service = call.service
    if service is None or service.asked is not Asked.VERDICT or service.agent != agent:
        return
    if ok and not sessions.refusal(cx, agent, service.phone):
        cx.note(call, "logged_in", agent=agent, phone=service.phone)
        sessions.login(cx, agent, service.phone, ready=True)
        _say_and_end(cx, call, "login-ok")
        return
    cx.note(call, "login_refused", agent=agent, phone=service.phone)
    _try_again(cx, call, service)


def _try_again(cx: Context, call: Call, service: Service) -> None:
    service.tries += 1
    if service.tries >= MAX_TRIES:
        _say_and_end(cx, call, "login-failed")
    else:
        _ask(cx, call, Asked.AGENT, "login-failed", "login-agent")


def timer(cx: Context, call: Call) -> None:
    """Nothing was typed for a while, or no verdict came."""
    service = call.service
    if service is not None and service.deadline is not None and service.deadline <= cx.now:
        service.deadline = None
        _say_and_end(cx, call, "goodbye")


def masked_key(call: Call, key: str) -> str:
    """What state and journal may hold of a key pressed now."""
    secret = call.service is not None and call.service.asked is Asked.PIN
    return MASKED_KEY if secret and key != "#" else key


def _ask(cx: Context, call: Call, what: Asked, *prompts: str) -> None:
    service = call.service
    if service is None:
        return
    service.asked = what
    service.take()
    service.deadline = cx.now + ANSWER_SECONDS + 5.0 * len(prompts)
    cx.touched.add(call.id)
    cx.play(call, call.channel, PlayFor.SERVICE, _media(cx, *prompts))


def _say_and_end(cx: Context, call: Call, prompt: str) -> None:
    if call.service is not None:
        call.service.asked = Asked.NOTHING
        call.service.deadline = None
    cx.stop_playing(call, PlayFor.SERVICE)
    cx.play(call, call.channel, PlayFor.FAREWELL, _media(cx, prompt))


def _media(cx: Context, *prompts: str) -> tuple[str, ...]:
    return tuple(f"prompt:{cx.state.directory.language}/{name}" for name in prompts)


# --- the nailed-up line ---------------------------------------------------------------------------


def _open_line(cx: Context, call: Call, agent: AgentId) -> None:
    """The phone stays connected; calls are put on this line after a beep."""
    session = cx.state.sessions[agent]
    if call.service is None or session.line:
        _say_and_end(cx, call, "login-failed")
        return
    call.service.line = True
    call.service.agent = agent
    session.line = call.channel
    session.line_call = call.id
    cx.note(call, "line_opened", agent=agent, phone=session.phone)
    cx.play(call, call.channel, PlayFor.SERVICE, _media(cx, "ready"))
    sessions.tell_reachable(cx, agent)
