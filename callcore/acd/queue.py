"""A queue at work: its members, those of them who are idle, and the lines of contacts that wait.

Contacts with equal requirements stand in one line, so that the head of a line answers for all of
it: whoever fits the head fits the line. These are indexes, rebuilt from the snapshot and never
stored.
"""

from __future__ import annotations

from math import inf

from callcore.acd.agent import LiveAgent
from callcore.acd.contact import Contact, PlaceInLine, Stand
from callcore.acd.estimate import Neighbour, WaitEstimator
from callcore.acd.limits import limits_of
from callcore.acd.order import Order
from callcore.acd.skills import ANYBODY, Requirement, profile_of
from callcore.acd.strategy import Strategy, strategy_named
from callcore.acd.urgency import RULES, fair_slope
from callcore.directory import Member, Queue
from callcore.directory_queue import Urgency
from callcore.types import AgentId

#: Penalty, load, rank by strategy, agent id.
IdlePlace = tuple[int, float, float, AgentId]
#: Unmet requirements a queue keeps in mind.
_NOTED = 100


class Seat:
    """The indexes around one agent: the queues served, and which requirements the agent meets."""

    __slots__ = ("agent", "kinds", "listed", "profile", "queues", "several", "wanted")

    def __init__(self, agent: LiveAgent) -> None:
        self.agent = agent
        self.queues: list[LiveQueue] = []
        #: The kinds for which the agent stands in the idle orders of the queues served.
        self.listed: tuple[str, ...] = ()
        #: Contacts that want this agent and nobody else for now.
        self.wanted: Order[PlaceInLine] = Order()
        self.relearn()

    def relearn(self) -> None:
        """The agent's traits changed: work out anew what follows from them."""
        agent = self.agent
        #: What the agent takes when nothing stands against it.
        self.kinds = tuple(name for name, capacity in agent.capacity.items() if capacity > 0)
        self.profile = profile_of(agent.skills, agent.languages, agent.groups, agent.site)
        #: May hold more than one contact at once.
        self.several = sum(agent.capacity.values()) > 1

    def meets(self, requirement: Requirement, queue: LiveQueue) -> bool:
        """Has what is required, and is a member who is asked already."""
        if requirement is ANYBODY:
            return True
        if 0 <= requirement.max_penalty < queue.members[self.agent.id].penalty:
            return False
        return self.profile.meets(requirement)


class LiveQueue:
    """One configured queue with its members and lines."""

    __slots__ = (
        "_urgency", "config", "earliest", "estimator", "idle", "kind", "limits", "lines", "members",
        "neighbours", "occupied", "reasons", "size", "slope", "staffed", "strategy", "unmet",
    )  # fmt: skip

    def __init__(self, config: Queue, estimator: WaitEstimator) -> None:
        #: What the queue has shown of its waits; part of the snapshot.
        self.estimator = estimator
        #: Agents with a contact of this queue, from the offer to the end of its wrap-up.
        self.occupied = 0
        #: Members who are ready, idle or occupied.
        self.staffed = 0
        #: Queues that share members; None: not worked out since the members changed.
        self.neighbours: tuple[Neighbour, ...] | None = None
        self.members: dict[AgentId, Member] = {}
        self.idle: Order[IdlePlace] = Order()
        #: Requirements that none of the idle members meets, as far as was asked.
        self.unmet: dict[Requirement, None] = {}
        #: Lines by requirement; a line without contacts is dropped.
        self.lines: dict[Requirement, Order[PlaceInLine]] = {}
        #: Contacts in the queue, those being offered included.
        self.size = 0
        #: The earliest place in all lines; infinite: nobody is in line.
        self.earliest = inf
        self.reconfigure(config)

    def reconfigure(self, config: Queue) -> None:
        self.config = config
        self.kind = config.kind
        self.limits = limits_of(config)
        self._urgency = RULES[config.urgency]
        plain = config.urgency is Urgency.FAIR and not config.criteria
        #: Where urgency is a straight line: how steep. Else it is worked out contact by contact.
        self.slope: float | None = fair_slope(config) if plain else None
        self.strategy: Strategy = strategy_named(config.strategy)
        #: Why an idle agent is offered a contact of this queue.
        self.reasons: tuple[str, ...] = (
            ("idle_agent", "lowest_penalty", self.strategy.name)
            if self.strategy.tiers and not self.strategy.rings_all
            else ("idle_agent", self.strategy.name)
        )

    @property
    def waiting(self) -> int:
        """Contacts in line: no agent's phone rings for them."""
        return sum(len(line) for line in self.lines.values())

    @property
    def waiting_since(self) -> float | None:
        """The earliest place in line; None: nobody is."""
        return self.earliest if self.lines else None

    def ahead_of(self, contact: Contact) -> int:
        """How many stand in the lines before a contact."""
        place = contact.place
        return sum(entry < place for line in self.lines.values() for entry in line.entries())

    def urgency_of(self, contact: Contact, now: float) -> float:
        if self.slope is not None:
            return self.slope * (now - contact.credited_since)
        return self._urgency(self.config, contact.priority, now - contact.since)

    def credited_since(self, since: float, priority: int) -> float:
        """The place in line: priority is a head start in seconds."""
        return since - priority * self.config.priority_seconds

    def list_idle(self, seat: Seat) -> None:
        """A member stands among the idle, and may meet what nobody met before."""
        agent = seat.agent
        member = self.members[agent.id]
        rank = self.strategy.rank(agent, member) if self.strategy.ranked else agent.idle_since
        self.idle.add((member.penalty, agent.load(self.kind), rank, agent.id))
        if self.unmet:
            meets = seat.profile.meets
            self.unmet = {each: None for each in self.unmet if not meets(each)}

    def note_unmet(self, requirement: Requirement) -> None:
        """None of the idle members meets it; needs not be asked again until one more is idle."""
        if len(self.unmet) >= _NOTED:
            self.unmet.clear()
        self.unmet[requirement] = None

    def line_up(self, contact: Contact) -> None:
        line = self.lines.get(contact.requirement)
        if line is None:
            line = self.lines[contact.requirement] = Order()
        line.add(contact.place)
        if contact.credited_since < self.earliest:
            self.earliest = contact.credited_since

    def step_out(self, contact: Contact) -> None:
        """Take a contact out of its line (it is offered, or left)."""
        line = self.lines.get(contact.requirement)
        if line is None or not line.discard(contact.id):
            return
        if line.head is None:
            del self.lines[contact.requirement]
        if contact.credited_since <= self.earliest:
            self._find_earliest()

    def _find_earliest(self) -> None:
        self.earliest = inf
        for line in self.lines.values():
            head = line.head
            if head is not None and head[0] < self.earliest:
                self.earliest = head[0]

    def is_open(self, contact: Contact) -> bool:
        """Wants (further) agents."""
        if not contact.offers:
            return True
        return self.strategy.rings_all and contact.stand is Stand.LINE and not contact.reserved
