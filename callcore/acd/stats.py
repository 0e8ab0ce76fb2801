"""Counters per queue and per agent, and the field's formulas over them.

The distributor counts each fact once, where it happens, so live figures and figures summed from
the records agree. For a queue the sums add up at any moment:
``entered = answered + abandoned + short_abandoned + overflowed + taken_out + still in the queue``.

Formulas (a contact that abandons within `Queue.short_abandon_seconds` is a short abandon: counted
apart and part of no formula, as with Cisco's "abandon call wait time"):

service level
    With *within* = answered within `Queue.service_level_seconds`, *lost* = abandoned within it and
    *all* = answered + abandoned + overflowed (contacts taken out are dequeued: not in it). The
    three service level types of the Cisco Unified CCE reporting guides:
    ``abandons_ignored``  within / (all - lost);
    ``abandons_negative`` within / all;
    ``abandons_positive`` (within + lost) / all.
ASA, average speed of answer
    waits of answered contacts, from entering the line, / answered (Cisco: AnswerWaitTime /
    CallsAnswered).
AHT, average handling time
    (talk + hold + wrap-up) / contacts handled (Cisco: HandledCallsTime / CallsHandled), each
    counted when its wrap-up is over, so that sums and divisor always mean the same contacts.
occupancy
    handling time / (handling time + time available for it); available is idle or being offered;
    pauses, outside calls and unreachable phones are in neither (Cisco's utilisation: handling
    time over time logged on less time not ready).
abandon rate
    abandoned / all.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from callcore.acd.agent import LiveAgent, State
from callcore.directory import Queue
from callcore.types import AgentId, QueueId


class ServiceLevel(StrEnum):
    """Which formula."""

    ABANDONS_IGNORED = "abandons_ignored"
    ABANDONS_NEGATIVE = "abandons_negative"
    ABANDONS_POSITIVE = "abandons_positive"


def _ratio(part: float, whole: float) -> float | None:
    """None where nothing happened yet: neither 0 nor 100 per cent would be true."""
    return part / whole if whole > 0 else None


class Handling(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Contacts handled to the end of their wrap-up, and what they took."""

    handled: int = 0
    talk_seconds: float = 0.0
    hold_seconds: float = 0.0
    wrap_up_seconds: float = 0.0

    def add(self, talk: float, hold: float, wrap_up: float) -> None:
        self.handled += 1
        self.talk_seconds += talk
        self.hold_seconds += hold
        self.wrap_up_seconds += wrap_up

    @property
    def average(self) -> float | None:
        """AHT."""
        total = self.talk_seconds + self.hold_seconds + self.wrap_up_seconds
        return _ratio(total, self.handled)


class QueueStats(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a queue counted since it was first seen."""

    #: Contacts that entered; one refused at the door (queue full) did not.
    entered: int = 0
    refused: int = 0
    #: Offers made to agents: at least one per answered contact, more after no answer.
    offers: int = 0
    answered: int = 0
    answered_within: int = 0
    abandoned: int = 0
    abandoned_within: int = 0
    short_abandoned: int = 0
    overflowed: int = 0
    #: Left without abandoning: moved by an operator or a key pressed.
    taken_out: int = 0
    #: Offers that nobody answered (redirection on no answer).
    rona: int = 0
    answered_wait_seconds: float = 0.0
    abandoned_wait_seconds: float = 0.0
    #: Longest wait of a contact that has left; those waiting now are the monitor's to add.
    longest_wait: float = 0.0
    handling: Handling = msgspec.field(default_factory=Handling)

    def left(self, wait: float) -> None:
        self.longest_wait = max(self.longest_wait, wait)

    def count_answered(self, wait: float, config: Queue) -> None:
        self.left(wait)
        self.answered += 1
        self.answered_wait_seconds += wait
        if wait <= config.service_level_seconds:
            self.answered_within += 1

    def count_abandoned(self, wait: float, config: Queue) -> None:
        self.left(wait)
        if wait < config.short_abandon_seconds:
            self.short_abandoned += 1
            return
        self.abandoned += 1
        self.abandoned_wait_seconds += wait
        if wait <= config.service_level_seconds:
            self.abandoned_within += 1

    @property
    def concluded(self) -> int:
        """Contacts the service level is about."""
        return self.answered + self.abandoned + self.overflowed

    def service_level(self, formula: ServiceLevel) -> float | None:
        if formula is ServiceLevel.ABANDONS_IGNORED:
            return _ratio(self.answered_within, self.concluded - self.abandoned_within)
        if formula is ServiceLevel.ABANDONS_POSITIVE:
            return _ratio(self.answered_within + self.abandoned_within, self.concluded)
        return _ratio(self.answered_within, self.concluded)

    @property
    def average_speed_of_answer(self) -> float | None:
        return _ratio(self.answered_wait_seconds, self.answered)

    @property
    def abandon_rate(self) -> float | None:
        return _ratio(self.abandoned, self.concluded)


#: States in which an agent handles a contact, and in which one could be handled.
HANDLING = (State.TALKING, State.ON_HOLD, State.WRAPPING_UP)
AVAILABLE = (State.IDLE, State.OFFERED)


class AgentStats(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What an agent's sessions summed up to."""

    offers: int = 0
    answered: int = 0
    rona: int = 0
    #: Pauses that the engine set after too many unanswered offers.
    rona_pauses: int = 0
    handling: Handling = msgspec.field(default_factory=Handling)
    #: Seconds in each state shown, up to the last change.
    seconds: dict[State, float] = {}

    def spend(self, state: State, seconds: float) -> None:
        self.seconds[state] = self.seconds.get(state, 0.0) + seconds

    def occupancy(self, agent: LiveAgent | None = None, now: float = 0.0) -> float | None:
        """With `agent`, the time in the present state counts too."""
        spent = dict(self.seconds)
        if agent is not None:
            spent[agent.state] = spent.get(agent.state, 0.0) + now - agent.since
        handling = sum(spent.get(state, 0.0) for state in HANDLING)
        return _ratio(handling, handling + sum(spent.get(state, 0.0) for state in AVAILABLE))


class Stats(msgspec.Struct, kw_only=True, omit_defaults=True):
    """All counters; part of the snapshot."""

    queues: dict[QueueId, QueueStats] = {}
    agents: dict[AgentId, AgentStats] = {}

    def queue(self, queue: QueueId) -> QueueStats:
        found = self.queues.get(queue)
        if found is None:
            found = self.queues[queue] = QueueStats()
        return found

    def agent(self, agent: AgentId) -> AgentStats:
        found = self.agents.get(agent)
        if found is None:
            found = self.agents[agent] = AgentStats()
        return found
