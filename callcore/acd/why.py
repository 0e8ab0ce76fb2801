"""Why a contact waits, why an agent gets none: the rules as codes, worked out when asked.

Nothing is recorded on the way. An offer carries the codes of the rules that chose it; what is
asked later is read from the floor as it is now, by the same tests the matching uses.
"""

from __future__ import annotations

import msgspec

from callcore.acd.agent import LiveAgent, State, Status
from callcore.acd.contact import Contact
from callcore.acd.events import ContactId
from callcore.acd.floor import Floor
from callcore.acd.queue import LiveQueue
from callcore.acd.skills import fits, lacking
from callcore.types import AgentId

#: Code → what a person reads; `{}` takes the detail.
TEXTS = {
    # why an agent was chosen (the codes of an offer)
    "idle_agent": "was idle when the contact opened",
    "freed_agent": "became free while the contact waited",
    "lowest_penalty": "has the lowest penalty of those idle",
    "longest_idle": "has been idle longest at that penalty",
    "ring_all": "the queue rings everyone who is free",
    "highest_priority": "the contact has the highest priority of those the agent may take",
    "longest_waiting": "the contact has waited longest of those the agent may take",
    # why an agent is or is not offered a contact now
    "offered": "is being offered this contact",
    "offered_other": "is being offered contact {}",
    "talking": "talks to contact {}",
    "on_hold": "has contact {} on hold",
    "wrapping_up": "wraps up contact {}",
    "resting": "did not take an offer and rests until {}",
    "logged_out": "is logged out",
    "paused": "is paused: {}",
    "rona": "was paused after {} offers in a row without an answer",
    "unreachable": "has no reachable phone",
    "busy": "is on a call outside the queues",
    "removed": "is no longer configured",
    "lacks_skill": "lacks {}",
    "not_member": "is not a member of the queue",
    "single_offer": "could take it, but another agent's phone rings for it already",
    "eligible": "could take it",
    # what a contact waits for, or an agent
    "being_answered": "rings at {}",
    "no_members": "the queue has no members",
    "nobody_logged_in": "no member is logged in",
    "nobody_has_skills": "no member who is logged in has {}",
    "all_busy": "everybody who could take it is occupied",
    "not_ready": "nobody who could take it is ready",
    "unknown": "not in any queue",
    "nothing_waits": "nothing waits that the agent could take",
}


class Reason(msgspec.Struct, frozen=True):
    """One rule: its code, and what it is about."""

    code: str
    detail: str = ""

    def __str__(self) -> str:
        return render(self.code, self.detail)


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules say about one agent and one contact; all that exclude, not the first only."""

    agent: AgentId
    eligible: bool
    reasons: tuple[Reason, ...]


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why a contact waits: the summary, and a verdict for each member in order of the queue."""

    contact: ContactId
    waits_for: Reason
    verdicts: tuple[Verdict, ...] = ()


def render(code: str, detail: str = "") -> str:
    return TEXTS.get(code, code).replace("{}", detail)


def why_contact(floor: Floor, contact_id: ContactId) -> Explanation:
    """Which rule chose or excludes each member for a contact in a queue."""
    contact = floor.contacts.get(contact_id)
    if contact is None:
        return Explanation(contact=contact_id, waits_for=Reason("unknown"))
    queue = floor.queues[contact.queue]
    agents = [floor.seats[ident].agent for ident in queue.members]
    return Explanation(
        contact=contact_id,
        waits_for=_waits_for(contact, agents),
        verdicts=tuple(_verdict(queue, contact, agent) for agent in agents),
    )


def why_agent(floor: Floor, agent_id: AgentId) -> tuple[Reason, ...]:
    """Why an agent is offered nothing now; empty for an agent nobody knows."""
    seat = floor.seats.get(agent_id)
    if seat is None:
        return ()
    reasons = _excluded(seat.agent, "")
    if not reasons and not seat.places:
        reasons = (Reason("not_member"),)
    return reasons or (Reason("nothing_waits"),)


def _verdict(queue: LiveQueue, contact: Contact, agent: LiveAgent) -> Verdict:
    reasons = _excluded(agent, contact.id)
    missing = lacking(agent.skills, contact.needs)
    reasons += tuple(Reason("lacks_skill", _skill(name, level)) for name, level in missing)
    if agent.contact == contact.id and agent.work is State.OFFERED:
        return Verdict(agent=agent.id, eligible=True, reasons=(Reason("offered"),))
    if reasons:
        return Verdict(agent=agent.id, eligible=False, reasons=reasons)
    code = "eligible" if queue.is_open(contact) else "single_offer"
    return Verdict(agent=agent.id, eligible=True, reasons=(Reason(code),))


def _excluded(agent: LiveAgent, contact: ContactId) -> tuple[Reason, ...]:
    """Everything about the agent alone that stands against an offer."""
    found: list[Reason] = []
    if agent.work is State.OFFERED:
        same = agent.contact == contact
        found.append(Reason("offered") if same else Reason("offered_other", agent.contact))
    elif agent.work is not State.IDLE:
        found.append(Reason(agent.work, agent.contact))
    elif agent.resting_until is not None:
        found.append(Reason("resting", f"{agent.resting_until:.1f}"))
    if agent.status is Status.LOGGED_OUT:
        found.append(Reason("logged_out"))
    elif agent.status is Status.PAUSED:
        rona = agent.pause_reason == "rona"
        found.append(
            Reason("rona", str(agent.missed)) if rona else Reason("paused", agent.pause_reason)
        )
    if not agent.reachable:
        found.append(Reason("unreachable"))
    if agent.busy:
        found.append(Reason("busy"))
    if agent.removed:
        found.append(Reason("removed"))
    return tuple(found)


def _waits_for(contact: Contact, agents: list[LiveAgent]) -> Reason:
    """The narrowest circle of agents that is empty."""
    if contact.offers:
        return Reason("being_answered", ", ".join(contact.offers))
    if not agents:
        return Reason("no_members")
    here = [agent for agent in agents if agent.status is not Status.LOGGED_OUT]
    if not here:
        return Reason("nobody_logged_in")
    skilled = [agent for agent in here if fits(agent.skills, contact.needs)]
    if not skilled:
        needs = ", ".join(_skill(name, level) for name, level in contact.needs)
        return Reason("nobody_has_skills", needs)
    ready = any(agent.status is Status.READY for agent in skilled)
    return Reason("all_busy" if ready else "not_ready")


def _skill(name: str, level: int) -> str:
    return f"{name} at level {level}"
