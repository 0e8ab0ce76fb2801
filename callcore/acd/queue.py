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
from callcore.acd.rule import Traits
from callcore.acd.skills import ANYBODY, Requirement, fits
from callcore.acd.strategy import Strategy, strategy_named
from callcore.acd.urgency import RULES, fair_slope
from callcore.directory import Member, Queue
from callcore.directory_queue import Urgency
from callcore.types import AgentId

#: Penalty, load, rank by strategy, agent id.
IdlePlace = tuple[int, float, float, AgentId]

#: Requirements an agent remembers the answer for; more than that many are not in use at once.
_REMEMBERED = 1000


class Seat:
    """The indexes around one agent: the queues served, and which requirements the agent meets."""

    __slots__ = ("_fits", "agent", "kinds", "listed", "places", "several", "traits", "wanted")

    def __init__(self, agent: LiveAgent) -> None:
        self.agent = agent
        self.places: list[tuple[LiveQueue, Member]] = []
        #: The kinds for which the agent stands in the idle orders of the queues served.
        self.listed: tuple[str, ...] = ()
        #: Contacts that want this agent and nobody else for now.
        self.wanted: Order[PlaceInLine] = Order()
        self.relearn()

    def relearn(self) -> None:
        """The agent's traits changed: forget what was worked out from the old ones."""
        agent = self.agent
        #: What the agent takes when nothing stands against it.
        self.kinds = tuple(name for name, capacity in agent.capacity.items() if capacity > 0)
        self.traits = Traits(agent.skills, agent.languages, agent.groups, agent.site)
        #: May hold more than one contact at once.
        self.several = sum(agent.capacity.values()) > 1
        self._fits: dict[Requirement, bool] = {}

    def meets(self, requirement: Requirement, member: Member) -> bool:
        """Has what is required, and is a member who is asked already."""
        if requirement is ANYBODY:
            return True
        if 0 <= requirement.max_penalty < member.penalty:
            return False
        answer = self._fits.get(requirement)
        if answer is None:
            if len(self._fits) >= _REMEMBERED:
                self._fits.clear()
            answer = self._fits[requirement] = fits(self.traits, requirement)
        return answer


class LiveQueue:
    """One configured queue with its members and lines."""

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
        #: Lines by requirement; a line without contacts is dropped.
        self.lines: dict[Requirement, Order[PlaceInLine]] = {}
        #: Contacts in the queue, those being offered included.
        self.size = 0
        #: The earliest place in all lines; infinite: nobody is in line.
        self.earliest = inf
        self.reconfigure(config)

    def reconfigure(self, config: Queue) -> None:
        self.config = config
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

    def idle_place(self, agent: LiveAgent, member: Member) -> IdlePlace:
        rank = self.strategy.rank(agent, member) if self.strategy.ranked else agent.idle_since
        return (member.penalty, agent.load(self.config.kind), rank, agent.id)

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
        if line is None or contact.id not in line:
            return
        line.discard(contact.id)
        if not line:
            del self.lines[contact.requirement]
        if contact.credited_since <= self.earliest:
            heads = [each.head[0] for each in self.lines.values() if each.head is not None]
            self.earliest = min(heads, default=inf)

    def is_open(self, contact: Contact) -> bool:
        """Wants (further) agents."""
        if not contact.offers:
            return True
        return self.strategy.rings_all and contact.stand is Stand.LINE and not contact.reserved
