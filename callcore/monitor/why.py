"""Why a contact waits or got its agent, and why an agent gets none: reasons as sentences; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from callcore.acd.distributor import Distributor
from callcore.acd.why import Reason, queue_verdicts, render
from callcore.call.record import CallEvent
from callcore.directory import Agent
from callcore.errors import UnknownEntity
from callcore.types import AgentId, CallId, QueueId


class ReasonView(msgspec.Struct, frozen=True, kw_only=True):
    """One rule: its code for programs, what it is about, and the sentence for people."""

    code: str
    detail: str = ""
    text: str = ""


class MemberWhy(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules say about one agent and one contact; all that exclude, not the first only."""

    agent: AgentId
    name: str = ""
    eligible: bool = False
    reasons: tuple[ReasonView, ...] = ()


class OfferMade(msgspec.Struct, frozen=True, kw_only=True):
    """One agent who was offered the contact, by which rules, and what came of it."""

    at: float
    agent: AgentId
    queue: QueueId = ""
    reasons: tuple[ReasonView, ...] = ()
    #: answered, no_answer, busy, rejected, …; empty: the phone rings.
    result: str = ""


class ContactWhy(msgspec.Struct, frozen=True, kw_only=True):
    """A contact in a queue, or one that was: what it waits for, and who was or is chosen."""

    contact: CallId
    #: ``waiting``, the state of a live call, or ``ended``.
    state: str
    queue: QueueId = ""
    waits_for: ReasonView | None = None
    #: As it compares with contacts of other queues now; the highest is taken first.
    urgency: float | None = None
    priority: int = 0
    #: Place in the queue, from 1; 0: waits in none.
    position: int = 0
    #: Seconds so far, and how many more are estimated; None: nobody can tell.
    waited: float = 0.0
    estimated_wait: float | None = None
    members: tuple[MemberWhy, ...] = ()
    #: Offers so far, the first one first.
    offers: tuple[OfferMade, ...] = ()


class QueueWhy(msgspec.Struct, frozen=True, kw_only=True):
    """One queue an agent serves, and the rules about the first contact that waits there."""

    queue: QueueId
    waiting: int = 0
    contact: CallId = ""
    eligible: bool = False
    reasons: tuple[ReasonView, ...] = ()


class AgentWhy(msgspec.Struct, frozen=True, kw_only=True):
    """Why an agent is offered nothing now."""

    agent: AgentId
    name: str = ""
    reasons: tuple[ReasonView, ...] = ()
    queues: tuple[QueueWhy, ...] = ()


def contact_why(
    distributor: Distributor, contact: CallId, agents: Mapping[AgentId, Agent], now: float
) -> ContactWhy | None:
    """A contact that waits; None: it is in no queue."""
    entry = distributor.floor.contacts.get(contact)
    if entry is None:
        return None
    found = distributor.why_contact(contact, now)
    return ContactWhy(
        contact=contact,
        state="waiting",
        queue=entry.queue,
        waits_for=view(found.waits_for),
        urgency=found.urgency,
        priority=entry.priority,
        position=distributor.position(contact) or 0,
        waited=max(0.0, now - entry.since),
        estimated_wait=distributor.estimate(contact, now),
        members=tuple(
            MemberWhy(
                agent=each.agent,
                name=agents[each.agent].name if each.agent in agents else "",
                eligible=each.eligible,
                reasons=tuple(map(view, each.reasons)),
            )
            for each in found.verdicts
        ),
    )


def agent_why(
    distributor: Distributor, agent: AgentId, agents: Mapping[AgentId, Agent]
) -> AgentWhy:
    """Raises `UnknownEntity`."""
    reasons = distributor.why_agent(agent)
    if not reasons:
        raise UnknownEntity("agent", agent[:80])
    return AgentWhy(
        agent=agent,
        name=agents[agent].name if agent in agents else "",
        reasons=tuple(map(view, reasons)),
        queues=tuple(
            QueueWhy(
                queue=each.queue,
                waiting=each.waiting,
                contact=each.contact,
                eligible=each.eligible,
                reasons=tuple(map(view, each.reasons)),
            )
            for each in queue_verdicts(distributor.floor, agent)
        ),
    )


#: Lines of a call's event list that end an offer, and where each says how.
_ENDS = {"agent_answered": "", "offer_failed": "result", "offer_withdrawn": "reason"}


def offers_made(events: Sequence[CallEvent]) -> tuple[OfferMade, ...]:
    """Every offer in a call's event list, with the rules that chose the agent."""
    found: list[OfferMade] = []
    for event in events:
        agent = str(event.details.get("agent", ""))
        if event.name == "offered":
            codes = str(event.details.get("reasons") or "").split()
            reasons = tuple(view(Reason(code)) for code in codes)
            queue = str(event.details.get("queue") or "")
            found.append(OfferMade(at=event.at, agent=agent, queue=queue, reasons=reasons))
        elif event.name in _ENDS:
            key = _ENDS[event.name]
            result = str(event.details.get(key) or "") if key else "answered"
            _end_offer(found, agent, result)
    return tuple(found)


def _end_offer(offers: list[OfferMade], agent: AgentId, result: str) -> None:
    for index in range(len(offers) - 1, -1, -1):
        if offers[index].agent == agent:
            offers[index] = msgspec.structs.replace(offers[index], result=result)
            return


def view(reason: Reason) -> ReasonView:
    """A rule with its sentence; a moment in it as the clock on the wall shows it."""
    detail = reason.detail
    if reason.code == "resting":
        detail = datetime.fromtimestamp(float(detail)).strftime("%H:%M:%S")
    return ReasonView(code=reason.code, detail=detail, text=render(reason.code, detail))
