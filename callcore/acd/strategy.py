"""Strategies: which of its idle agents a queue offers a contact, each by name.

Where agents have penalties, those with the lowest are asked; the strategy decides among them. A
*ranked* strategy gives an agent a rank that stays right as long as the agent is idle: the queue
keeps its idle agents in that order and a choice costs log n. The others look at everybody who could
take the contact at the moment of the choice. Ties go to whoever is idle longest, then to the id.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple

from callcore.acd.agent import LiveAgent
from callcore.acd.contact import Contact
from callcore.acd.criteria import score_all
from callcore.acd.rule import Traits
from callcore.acd.skills import surplus
from callcore.directory import Member, Queue
from callcore.errors import UnknownEntity
from callcore.types import AgentId

Key = tuple[float | str, ...]


class Candidate(NamedTuple):
    """An idle agent who could take the contact."""

    agent: LiveAgent
    member: Member
    traits: Traits
    #: How many queues the agent serves.
    queues: int


class Choice(NamedTuple):
    """What is to be decided, and on what."""

    contact: Contact
    queue: Queue
    now: float
    #: The agent this queue offered a contact last, and that agent's place.
    last: AgentId
    last_position: int
    #: The share of today's available time in which an agent had contacts.
    occupancy: Callable[[LiveAgent], float]
    #: The next number of chance.
    draw: Callable[[], float]


class Strategy(ABC):
    """How one queue chooses among idle agents."""

    name: ClassVar[str]
    #: All idle members ring at once and the first answer wins; penalties play no part.
    rings_all: ClassVar[bool] = False
    #: See the module's docstring.
    ranked: ClassVar[bool] = False
    #: Lower penalties are asked before higher ones.
    tiers: ClassVar[bool] = True
    #: Needs to know whom the queue offered last.
    remembers: ClassVar[bool] = False

    def rank(self, agent: LiveAgent, member: Member) -> float:
        """Of a ranked strategy: lower is offered earlier."""
        return agent.idle_since

    def choose(self, candidates: Sequence[Candidate], choice: Choice) -> Candidate:
        """Of the others: one of the candidates."""
        return min(candidates, key=lambda each: self.key(each, choice) + longest_idle(each))

    def key(self, candidate: Candidate, choice: Choice) -> Key:
        """Lower is offered earlier, for strategies that compare."""
        return ()


def longest_idle(candidate: Candidate) -> tuple[float, AgentId]:
    return candidate.agent.idle_since, candidate.agent.id


STRATEGIES: dict[str, Strategy] = {}


def register(cls: type[Strategy]) -> type[Strategy]:
    """Make a strategy known by its name."""
    STRATEGIES[cls.name] = cls()
    return cls


def strategy_named(name: str) -> Strategy:
    try:
        return STRATEGIES[name]
    except KeyError:
        raise UnknownEntity("strategy", name) from None


@register
class LongestIdle(Strategy):
    """Whoever has been without work for the longest time."""

    name = "longest_idle"
    ranked = True


@register
class RingAll(Strategy):
    """Everyone free, and everyone who becomes free while it rings; the first to answer wins."""

    name = "ring_all"
    rings_all = True
    ranked = True


@register
class Linear(Strategy):
    """Always from the top of the list: the first who is idle."""

    name = "linear"
    ranked = True

    def rank(self, agent: LiveAgent, member: Member) -> float:
        return member.position


@register
class RoundRobin(Strategy):
    """The next in the list after the one who was offered last (with memory)."""

    name = "round_robin"
    remembers = True

    def key(self, candidate: Candidate, choice: Choice) -> Key:
        place = (candidate.member.position, candidate.agent.id)
        return place <= (choice.last_position, choice.last), *place


@register
class FewestContacts(Strategy):
    """Whoever has answered the fewest contacts today."""

    name = "fewest_contacts"

    def key(self, candidate: Candidate, choice: Choice) -> Key:
        return (candidate.agent.answered_today,)


@register
class LeastOccupied(Strategy):
    """Whoever had contacts for the smallest share of the time they could have had."""

    name = "least_occupied"

    def key(self, candidate: Candidate, choice: Choice) -> Key:
        return (choice.occupancy(candidate.agent),)


@register
class Random(Strategy):
    """Anyone, with equal chances."""

    name = "random"

    def choose(self, candidates: Sequence[Candidate], choice: Choice) -> Candidate:
        return candidates[int(choice.draw() * len(candidates))]


@register
class WeightedRandom(Strategy):
    """Anyone, with chances that fall with the penalty: 1, 1/2, 1/3 …"""

    name = "weighted_random"
    tiers = False

    def choose(self, candidates: Sequence[Candidate], choice: Choice) -> Candidate:
        chances = [1.0 / (1 + each.member.penalty) for each in candidates]
        left = choice.draw() * sum(chances)
        for candidate, chance in zip(candidates, chances, strict=True):
            left -= chance
            if left < 0:
                return candidate
        return candidates[-1]


@register
class SkillBestFit(Strategy):
    """Whoever is least above what is needed: generalists (by skills asked nobody for, then by
    queues served) and experts stay free for others."""

    name = "skill_best_fit"

    def key(self, candidate: Candidate, choice: Choice) -> Key:
        over, others = surplus(candidate.traits, choice.contact.requirement.needs)
        return others, candidate.queues, over


@register
class Weighted(Strategy):
    """The highest sum of the queue's `criteria` (see `criteria`)."""

    name = "weighted"
    tiers = False

    def choose(self, candidates: Sequence[Candidate], choice: Choice) -> Candidate:
        scores = score_all(candidates, choice)
        best = max(scores)
        return min(
            (each for each, score in zip(candidates, scores, strict=True) if score == best),
            key=longest_idle,
        )
