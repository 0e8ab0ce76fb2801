"""A contact in a queue, waiting or being offered, until it is answered or ends otherwise."""

from __future__ import annotations

import msgspec

from callcore.acd.events import ContactId, Direction
from callcore.acd.skills import Needs
from callcore.types import AgentId, QueueId

#: Order of service: higher priority, then longer wait, then the id so that ties are stable.
PlaceInLine = tuple[int, float, ContactId]


class Contact(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One contact between entering a queue and its end there."""

    id: ContactId
    queue: QueueId
    #: Since when it waits; older than `entered` after a restart or a transfer that kept its place.
    since: float
    entered: float
    priority: int = 0
    needs: Needs = ()
    #: Asked for by the contact.
    skills: dict[str, int] = {}
    direction: Direction = Direction.INBOUND
    #: Agents whose phone rings for it now, in the order they were offered.
    offers: list[AgentId] = []
    #: Offered to everyone at once (ring_all): more than one offer is right.
    shared: bool = False
    #: When the queue gives up (max_wait).
    deadline: float | None = None

    @property
    def place(self) -> PlaceInLine:
        return (-self.priority, self.since, self.id)
