"""Why a contact waits, why an agent gets none: the rules as codes, worked out when asked.

Nothing is recorded on the way. An offer carries the codes of the rules that chose it; what is
asked later is read from the floor as it is now, by the same tests the matching uses.
"""

from __future__ import annotations

import msgspec

from callcore.acd.agent import LiveAgent, Status
from callcore.acd.contact import Contact, Stand
from callcore.acd.events import ContactId
from callcore.acd.floor import Floor
from callcore.acd.queue import LiveQueue, Seat
from callcore.acd.rule import Traits
from callcore.acd.skills import lacking
from callcore.directory_queue import VOICE
from callcore.types import AgentId, QueueId

#: Code → what a person reads; `{}` takes the detail.
TEXTS = {
    # why an agent was chosen (the codes of an offer)
    "idle_agent": "was idle when the contact opened",
    "freed_agent": "became free while the contact waited",
    "lowest_penalty": "has the lowest penalty of those idle",
    "longest_idle": "has been idle longest of them",
    "ring_all": "the queue rings everyone who is free",
    "round_robin": "is next in the list after the one offered last",
    "fewest_contacts": "has answered the fewest contacts today",
    "least_occupied": "had contacts for the smallest share of today",
    "random": "was drawn among those idle",
    "weighted_random": "was drawn among those idle, lower penalties more often",
    "linear": "is the first in the list of those idle",
    "skill_best_fit": "is least above what is needed",
    "weighted": "has the highest sum of the queue's criteria",
    "wanted_agent": "is the agent the contact wants",
    "most_urgent": "the contact is the most urgent of those the agent may take",
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
    "at_capacity": "holds as many contacts as may be: {}",
    "not_this_kind": "is not offered contacts of kind {} in the present status",
    "lacks": "lacks {}",
    "higher_tier": "has penalty {}, which is not asked yet",
    "waits_for_other": "the contact waits for agent {} alone",
    "not_member": "is not a member of the queue",
    "single_offer": "could take it, but another agent's phone rings for it already",
    "eligible": "could take it",
    # what a contact waits for, or an agent
    "being_answered": "rings at {}",
    "no_members": "the queue has no members",
    "nobody_logged_in": "no member is logged in",
    "nobody_fits": "no member who is logged in has {}",
    "wanted": "waits for agent {} alone, until then for anyone",
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
    #: As it compares with contacts of other queues now (see `urgency`).
    urgency: float = 0.0
    verdicts: tuple[Verdict, ...] = ()


class QueueVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """One queue an agent serves: the most urgent contact there, and what the rules say of both."""

    queue: QueueId
    #: Contacts in the queue, those being offered included.
    waiting: int
    #: Empty: none waits for a further agent.
    contact: ContactId = ""
    eligible: bool = False
    reasons: tuple[Reason, ...] = ()


def render(code: str, detail: str = "") -> str:
    return TEXTS.get(code, code).replace("{}", detail)


def why_contact(floor: Floor, contact_id: ContactId, now: float) -> Explanation:
    """Which rule chose or excludes each member for a contact in a queue."""
    contact = floor.contacts.get(contact_id)
    if contact is None:
        return Explanation(contact=contact_id, waits_for=Reason("unknown"))
    queue = floor.queues[contact.queue]
    seats = [floor.seats[ident] for ident in queue.members]
    if contact.wanted and contact.wanted not in queue.members and contact.wanted in floor.seats:
        seats.append(floor.seats[contact.wanted])
    return Explanation(
        contact=contact_id,
        waits_for=_waits_for(queue, contact, seats),
        urgency=queue.urgency_of(contact, now),
        verdicts=tuple(_verdict(floor, queue, contact, seat) for seat in seats),
    )


def why_agent(floor: Floor, agent_id: AgentId) -> tuple[Reason, ...]:
    """Why an agent is offered nothing now; empty for an agent nobody knows."""
    seat = floor.seats.get(agent_id)
    if seat is None:
        return ()
    reasons = _excluded(seat.agent, "")
    if not reasons and not seat.queues:
        reasons = (Reason("not_member"),)
    return reasons or (Reason("nothing_waits"),)


def queue_verdicts(floor: Floor, agent_id: AgentId) -> tuple[QueueVerdict, ...]:
    """What an agent could be offered in each queue served, in order of the queues."""
    seat = floor.seats.get(agent_id)
    if seat is None:
        return ()
    return tuple(_queue_verdict(floor, queue, seat) for queue in seat.queues)


def _queue_verdict(floor: Floor, queue: LiveQueue, seat: Seat) -> QueueVerdict:
    heads = [line.head for line in queue.lines.values() if line.head is not None]
    name = queue.config.id
    if not heads:
        return QueueVerdict(queue=name, waiting=queue.size)
    contact = floor.contacts[min(heads)[-1]]
    verdict = _verdict(floor, queue, contact, seat)
    return QueueVerdict(
        queue=name,
        waiting=queue.size,
        contact=contact.id,
        eligible=verdict.eligible,
        reasons=verdict.reasons,
    )


def _verdict(floor: Floor, queue: LiveQueue, contact: Contact, seat: Seat) -> Verdict:
    agent = seat.agent
    if agent.id in contact.offers:
        return Verdict(agent=agent.id, eligible=True, reasons=(Reason("offered"),))
    reasons = _excluded(agent, contact.id)
    if not reasons:
        reasons = _no_room(floor, queue, agent)
    if contact.stand is Stand.WANTED:
        if agent.id != contact.wanted:
            reasons += (Reason("waits_for_other", contact.wanted),)
    else:
        reasons += _unfit(queue, contact, seat)
    if reasons:
        return Verdict(agent=agent.id, eligible=False, reasons=reasons)
    code = "eligible" if queue.is_open(contact) else "single_offer"
    return Verdict(agent=agent.id, eligible=True, reasons=(Reason(code),))


def _no_room(floor: Floor, queue: LiveQueue, agent: LiveAgent) -> tuple[Reason, ...]:
    """What else keeps an agent from contacts of the queue's kind."""
    kind = queue.config.kind
    if agent.offered_kinds is not None and kind not in agent.offered_kinds:
        return (Reason("not_this_kind", kind),)
    if agent.may_take(kind, floor.kinds[kind], floor.kinds):
        return ()
    return (Reason("at_capacity", ", ".join(agent.works) or f"none of kind {kind}"),)


def _unfit(queue: LiveQueue, contact: Contact, seat: Seat) -> tuple[Reason, ...]:
    member = queue.members.get(seat.agent.id)
    if member is None:
        return (Reason("not_member"),)
    found = [Reason("lacks", what) for what in lacking(seat.profile.traits, contact.requirement)]
    if 0 <= contact.requirement.max_penalty < member.penalty:
        found.append(Reason("higher_tier", str(member.penalty)))
    return tuple(found)


def _excluded(agent: LiveAgent, contact: ContactId) -> tuple[Reason, ...]:
    """Everything about the agent alone that stands against an offer."""
    found: list[Reason] = []
    offered = agent.offered
    if offered is not None:
        found.append(Reason("offered_other", offered.contact))
    elif agent.works and all(work.kind == VOICE for work in agent.works.values()):
        found += [Reason(work.state, work.contact) for work in agent.works.values()]
    if agent.resting_until is not None:
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


def _waits_for(queue: LiveQueue, contact: Contact, seats: list[Seat]) -> Reason:
    """The narrowest circle of agents that is empty."""
    if contact.offers:
        return Reason("being_answered", ", ".join(contact.offers))
    if contact.stand is Stand.WANTED:
        return Reason("wanted", contact.wanted)
    if not seats:
        return Reason("no_members")
    here = [seat for seat in seats if seat.agent.status is not Status.LOGGED_OUT]
    if not here:
        return Reason("nobody_logged_in")
    fitting = [seat for seat in here if not _unfit(queue, contact, seat)]
    if not fitting:
        return Reason("nobody_fits", _asked(contact))
    ready = any(seat.agent.status is Status.READY for seat in fitting)
    return Reason("all_busy" if ready else "not_ready")


def _asked(contact: Contact) -> str:
    """All that is required, in words."""
    nobody = Traits({})
    found = list(lacking(nobody, contact.requirement))
    if contact.requirement.max_penalty >= 0:
        found.append(f"a penalty of {contact.requirement.max_penalty} at most")
    return ", ".join(found)
