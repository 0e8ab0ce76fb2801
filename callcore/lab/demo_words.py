"""Log lines of callcore in plain words: who, and what happens to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from callcore.lab.demo_cast import AGENTS, EVERYBODY, Person

Line = dict[str, Any]

DIALLED = {"100": "the hotline", "*11": "to log in"}
BY = {
    "caller": "the caller",
    "agent": "the agent",
    "callcore": "callcore",
    "network": "the network",
}
WHY = {"no_answer": "does not answer", "busy": "is busy", "rejected": "declines"}


def name_of(agent: str) -> str:
    person = EVERYBODY.get(agent)
    return person.name if person is not None else agent or "nobody"


def at_desk(phone: str) -> Person | None:
    return next((agent for agent in AGENTS if agent.phone == phone), None)


def caller_of(line: Line) -> str:
    """Who placed the call of an ``arrived`` line."""
    person = EVERYBODY.get(str(line["caller"])) or at_desk(str(line["endpoint"]))
    return person.name if person is not None else str(line["caller"])


def in_words(line: Line, caller: str) -> tuple[str, str]:
    """Who and what; empty when there is nothing to say. `caller` is who the line's call is of."""
    if line["event"] == "agent_state":
        return name_of(line["agent"]), _state(line)
    words = WORDS.get(line["event"])
    return caller, words(line) if words is not None else ""


def _state(line: Line) -> str:
    """What is not told by the call's own lines."""
    if line["state"] == "paused":
        return f"is paused: {line['reason']}"
    if line["state"] == "wrapping_up":
        return "wraps up"
    if line["state"] == "idle" and line["before"] == "logged_out":
        return "is logged in and ready"
    if line["state"] == "idle" and line["before"] == "wrapping_up":
        return "has finished wrap-up and is ready"
    return ""


def _offered(line: Line) -> str:
    why = ", ".join(code.replace("_", " ") for code in line["reasons"].split())
    return f"is offered to {name_of(line['agent'])}, {line['phone']} rings ({why})"


def _arrived(line: Line) -> str:
    number = line["dialled"]
    return f"dials {number} ({DIALLED[number]})" if number in DIALLED else f"dials {number}"


def _hold(line: Line) -> str:
    verb = "is put on hold by" if line["event"] == "held" else "is taken back by"
    return f"{verb} {name_of(line['agent'])}"


WORDS: dict[str, Callable[[Line], str]] = {
    "arrived": _arrived,
    "ivr_entered": lambda line: f"is in tree {line['tree']}",
    "digit": lambda line: f"presses {line['digit']}",
    "look_up": lambda line: (
        "the customer system does not answer: the tree goes on with its fallback"
        if line["error"]
        else "is known to the customer system"
    ),
    "queued": lambda line: f"waits in queue {line['queue']}",
    "offered": _offered,
    "offer_failed": lambda line: (
        f"{name_of(line['agent'])} {WHY.get(line['result'], line['result'])}"
    ),
    "offer_withdrawn": lambda line: (
        f"{name_of(line['agent'])} {WHY.get(line['reason'], line['reason'])}, the phone stops"
    ),
    "connected": lambda line: f"talks with {name_of(line['agent'])}",
    "recording_started": lambda line: "recording starts",
    "recording_paused": lambda line: "recording pauses",
    "recording_resumed": lambda line: "recording resumes",
    "held": _hold,
    "unheld": _hold,
    "transfer_asked": lambda line: (
        f"is transferred to {line['target']} by {name_of(line['by'])} ({line['kind']})"
    ),
    "overflowed": lambda line: f"nobody was free in {line['queue']}: {line['reason']}",
    "abandoned": lambda line: f"gives up waiting in {line['queue']}",
    "voicemail_started": lambda line: "hears the tone and leaves a message",
    "voicemail_ended": lambda line: f"has left a message of {line['seconds']:.1f} s",
    "ended": lambda line: f"call ended by {BY.get(line['by'], line['by'])}: {line['outcome']}",
    "logged_in": lambda line: f"PIN right, logged in at {line['phone']}",
    "recording_finalised": lambda line: (
        f"recording of {line['seconds']:.1f} s is in {line['path']}"
    ),
}
