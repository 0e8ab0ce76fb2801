"""A contact in a queue, waiting or being offered, until it is answered or ends otherwise."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from callcore.acd.events import ContactId, Direction
from callcore.acd.skills import ANYBODY, Requirement
from callcore.types import AgentId, QueueId

#: Order of service in a line: when it would have come without its priority, when it came, its id.
PlaceInLine = tuple[float, float, ContactId]


class Stand(StrEnum):
    """Where a contact stands between offers."""

    #: With all others of its queue.
    LINE = "line"
    #: Before the agent it wants, alone, for a while.
    WANTED = "wanted"


class Contact(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """One contact between entering a queue and its end there."""

    id: ContactId
    queue: QueueId
    #: What the queue serves.
    kind: str = "voice"
    direction: Direction = Direction.INBOUND
    #: Since when it waits; older than `entered` after a restart or a transfer that kept its place.
    since: float
    entered: float
    priority: int = 0
    #: Since when it would have to wait to be as urgent without its priority.
    credited_since: float = 0.0
    #: Asked for by the contact; what holds now is `requirement`.
    skills: dict[str, int] = {}
    rule: str = ""
    language: str = ""
    requirement: Requirement = ANYBODY
    #: The ring of the bullseye it has come to; -1: none.
    ring: int = -1
    #: The agent it wants (the last one spoken to), and until when it waits for that one alone.
    wanted: AgentId = ""
    wanted_until: float | None = None
    #: What the customer is worth, from 0 to 1, and where; for criteria.
    value: float = 0.0
    site: str = ""
    #: Agents whose phone rings for it now, in the order they were offered.
    offers: list[AgentId] = []
    #: Offered to everyone at once (ring_all): more than one offer is right.
    shared: bool = False
    #: Its one offer was taken by an agent who is kept while the other side is dialled.
    reserved: bool = False
    #: The wait estimated when it entered, in seconds; None: nobody asked.
    told: float | None = None
    #: When the queue gives up, and where the contact goes then (empty: as the queue has it).
    deadline: float | None = None
    overflow_to: str = ""
    #: When something about it changes by itself: the earliest of the times above and the next ring.
    due: float | None = None

    @property
    def place(self) -> PlaceInLine:
        return (self.credited_since, self.since, self.id)

    @property
    def stand(self) -> Stand:
        return Stand.LINE if self.wanted_until is None else Stand.WANTED
