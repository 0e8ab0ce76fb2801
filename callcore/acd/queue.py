"""A queue at work: its members, those of them who are idle, and the lines of contacts that wait.

Contacts with equal needs stand in one line, so that the head of a line answers for all of it:
whoever fits the head fits the line. These are indexes, rebuilt from the snapshot and never stored.
"""

from __future__ import annotations

from callcore.acd.agent import LiveAgent
from callcore.acd.contact import Contact, PlaceInLine
from callcore.acd.order import Order
from callcore.acd.skills import Needs, fits
from callcore.acd.strategy import Strategy, strategy_named
from callcore.directory import Member, Queue
from callcore.types import AgentId

#: Penalty, rank by strategy, agent id.
IdlePlace = tuple[int, float, AgentId]


class Seat:
    """The indexes around one agent: the queues served, and which needs the agent fits."""

    __slots__ = ("_fits", "agent", "listed", "places")

    def __init__(self, agent: LiveAgent) -> None:
        self.agent = agent
        self.places: list[tuple[LiveQueue, Member]] = []
        #: Stands in the idle order of each queue served.
        self.listed = False
        self._fits: dict[Needs, bool] = {}

    def fits(self, needs: Needs) -> bool:
        answer = self._fits.get(needs)
        if answer is None:
            answer = self._fits[needs] = fits(self.agent.skills, needs)
        return answer

    def relearn(self, skills: dict[str, int]) -> None:
        """The agent's skills changed: forget what was worked out from the old ones."""
        self.agent.skills = skills
        self._fits.clear()


class LiveQueue:
    """One configured queue with its members and lines."""

    def __init__(self, config: Queue) -> None:
        self.reconfigure(config)
        self.members: dict[AgentId, Member] = {}
        self.idle: Order[IdlePlace] = Order()
        #: Lines by needs; a line without contacts is dropped.
        self.lines: dict[Needs, Order[PlaceInLine]] = {}
        #: Contacts in the queue, those being offered included.
        self.size = 0

    def reconfigure(self, config: Queue) -> None:
        self.config = config
        self.strategy: Strategy = strategy_named(config.strategy)
        #: Why an idle agent is offered a contact of this queue.
        self.reasons: tuple[str, ...] = (
            ("idle_agent", "ring_all")
            if self.strategy.rings_all
            else ("idle_agent", "lowest_penalty", self.strategy.name)
        )

    def line_up(self, contact: Contact) -> None:
        line = self.lines.get(contact.needs)
        if line is None:
            line = self.lines[contact.needs] = Order()
        line.add(contact.place)

    def step_out(self, contact: Contact) -> None:
        """Take a contact out of its line (it is offered, or left)."""
        line = self.lines.get(contact.needs)
        if line is not None:
            line.discard(contact.id)
            if not line:
                del self.lines[contact.needs]

    def is_open(self, contact: Contact) -> bool:
        """Wants (further) agents: it stands in line."""
        return self.strategy.rings_all or not contact.offers
