"""Counters per queue, skill and agent and per interval, and the field's formulas over them.

The distributor counts each fact once, where and when it happens, so live figures, those of the
intervals and figures summed from the records agree. For a queue the sums add up at any moment:
``carried + entered = answered + abandoned + short_abandoned + dropped + overflowed + taken_out +
still in the queue``; `carried` are those who waited already when the interval (the day) began.

Formulas (a contact that abandons within `Queue.short_abandon_seconds` is a short abandon: counted
apart and part of no formula, as with Cisco's "abandon call wait time"; the same goes for outbound
contacts that end unanswered: they are *dropped*):

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

from collections.abc import Iterable
from enum import StrEnum

import msgspec

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

    def merge(self, other: Handling) -> None:
        if other.handled:
            self.handled += other.handled
            self.talk_seconds += other.talk_seconds
            self.hold_seconds += other.hold_seconds
            self.wrap_up_seconds += other.wrap_up_seconds

    @property
    def average(self) -> float | None:
        """AHT."""
        total = self.talk_seconds + self.hold_seconds + self.wrap_up_seconds
        return _ratio(total, self.handled)


class QueueStats(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What was counted of the contacts of one queue, or of those that need one skill."""

    #: Contacts that waited already at the beginning.
    carried: int = 0
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
    #: Outbound contacts that ended before an agent was connected.
    dropped: int = 0
    overflowed: int = 0
    #: Left without abandoning: moved by an operator or a key pressed.
    taken_out: int = 0
    #: Offers that nobody answered (redirection on no answer).
    rona: int = 0
    #: Of those entered: sent here by an agent or an operator.
    transferred_in: int = 0
    #: Contacts that the agent who had answered sent on to somebody else.
    transferred_out: int = 0
    answered_wait_seconds: float = 0.0
    abandoned_wait_seconds: float = 0.0
    #: Longest wait of a contact that has left; those waiting now are the monitor's to add.
    longest_wait: float = 0.0
    handling: Handling = msgspec.field(default_factory=Handling)

    def merge(self, later: QueueStats) -> None:
        """Add what the following interval counted."""
        for name in _QUEUE_SUMS:
            more = getattr(later, name)
            if more:
                setattr(self, name, getattr(self, name) + more)
        self.longest_wait = max(self.longest_wait, later.longest_wait)
        self.handling.merge(later.handling)

    def left(self, wait: float) -> None:
        if wait > self.longest_wait:
            self.longest_wait = wait

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

    def count_dropped(self, wait: float) -> None:
        self.left(wait)
        self.dropped += 1

    @property
    def ended(self) -> int:
        """Contacts that left the queue, whichever way."""
        apart = self.short_abandoned + self.dropped + self.taken_out
        return self.concluded + apart

    @property
    def waiting(self) -> int:
        """Contacts in the queue now, those offered included."""
        return self.carried + self.entered - self.ended

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


_QUEUE_SUMS = tuple(
    name
    for name in QueueStats.__struct_fields__
    if name not in ("carried", "longest_wait", "handling")
)
#: States in which an agent handles a contact, and in which one could be handled.
HANDLING = ("talking", "on_hold", "wrapping_up")
AVAILABLE = ("idle", "offered")


class AgentStats(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What was counted of one agent."""

    offers: int = 0
    answered: int = 0
    rona: int = 0
    #: Pauses that the engine set after too many unanswered offers.
    rona_pauses: int = 0
    #: Contacts that reached the agent without an offer (transferred, or taken over).
    transferred_in: int = 0
    #: Contacts that the agent sent on to somebody else.
    transferred_out: int = 0
    handling: Handling = msgspec.field(default_factory=Handling)
    #: Seconds in each state shown, up to the last change.
    seconds: dict[str, float] = {}

    def merge(self, later: AgentStats) -> None:
        """Add what the following interval counted; for ten thousand agents at once."""
        self.offers += later.offers
        self.answered += later.answered
        self.rona += later.rona
        self.rona_pauses += later.rona_pauses
        self.transferred_in += later.transferred_in
        self.transferred_out += later.transferred_out
        self.handling.merge(later.handling)
        for state, seconds in later.seconds.items():
            self.spend(state, seconds)

    def spend(self, state: str, seconds: float) -> None:
        self.seconds[state] = self.seconds.get(state, 0.0) + seconds

    @property
    def occupancy(self) -> float | None:
        handling = sum(self.seconds.get(state, 0.0) for state in HANDLING)
        return _ratio(handling, handling + sum(self.seconds.get(s, 0.0) for s in AVAILABLE))


class Counts(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Counters of one interval, or of several; an entry appears when there is something in it."""

    queues: dict[QueueId, QueueStats] = {}
    agents: dict[AgentId, AgentStats] = {}
    #: Contacts by skill needed; a contact that needs two is counted under both.
    skills: dict[str, QueueStats] = {}

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

    def skill(self, skill: str) -> QueueStats:
        found = self.skills.get(skill)
        if found is None:
            found = self.skills[skill] = QueueStats()
        return found

    def of(self, queue: QueueId, skills: Iterable[str]) -> tuple[QueueStats, ...]:
        """Everything that counts a contact of this queue with these needs."""
        return (self.queue(queue), *[self.skill(skill) for skill in skills])

    def merge(self, later: Counts) -> None:
        """Add the following interval; the first one says what was carried over."""
        _merge(self.queues, later.queues)
        _merge(self.skills, later.skills)
        for name, counted in later.agents.items():
            self.agent(name).merge(counted)


def _merge(sums: dict[str, QueueStats], later: dict[str, QueueStats]) -> None:
    for name, counted in later.items():
        if name not in sums:
            sums[name] = QueueStats(carried=counted.carried)
        sums[name].merge(counted)
