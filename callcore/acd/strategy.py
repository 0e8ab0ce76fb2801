"""Strategies: in which order a queue offers contacts to its idle agents, each by name.

A strategy gives an idle agent a rank within its penalty level; the lowest (penalty, rank, agent id)
is offered first. The rank is asked when the agent becomes idle and must stay right as long as the
agent is idle: then the idle agents of a queue are a heap and a choice costs log n.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from callcore.acd.agent import LiveAgent
from callcore.directory import Member
from callcore.errors import UnknownEntity


class Strategy(ABC):
    """How one queue chooses among idle agents."""

    name: ClassVar[str]
    #: All idle members ring at once and the first answer wins; penalties play no part.
    rings_all: ClassVar[bool] = False

    @abstractmethod
    def rank(self, agent: LiveAgent, member: Member) -> float:
        """Lower is offered earlier."""


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

    def rank(self, agent: LiveAgent, member: Member) -> float:
        return agent.idle_since


@register
class RingAll(Strategy):
    """Everyone free, and everyone who becomes free while it rings; the first to answer wins."""

    name = "ring_all"
    rings_all = True

    def rank(self, agent: LiveAgent, member: Member) -> float:
        return agent.idle_since
