"""Which waiting contact a freed agent takes: the urgency of the heads of the lines it serves.

Only heads are compared: inside a queue, contacts with equal needs are always taken in order of
arrival (a step of priority counting as `priority_seconds` of it). Two rules, both pure functions
of the wait, both growing without bound, so that nothing starves.

`fair_urgency`, the default
    weight * (waited + priority * priority_seconds) / target. Queues with equal settings are one
    line, first come first served; a queue with half the target is taken as if its contacts had
    waited twice as long.

`service_level_urgency`
    As many contacts as possible within their target. With x = waited / target:

    x <= 1       1 / (1 + left / 20)   in time: the least time (left = target - waited) first
    1 < x < 10   1 / x**3              missed: the least late first, behind those nearly due
    x >= 10      x / 10                aged: before everything in time, the longest wait first

    Serving the latest first, as the fair rule does, makes every contact of an overloaded hour
    late by a little. A line that has only just slipped is caught up by a few agents, one far
    behind is not: it steps back, for ten targets at most, until the rush is over. Contacts with
    a priority count as aged.

Measured by `callcore.bench.service_level`: 60 agents, three skills, loads that shift over the day,
12 days each; answered within target of all that came, in per cent. Beside the fair order with
longest-idle agents, or with penalties: service-level urgency with flexible agents kept free.

    floor       load          longest idle   penalties   service level
    mixed       1.0 / 1.05    79.0 / 72.1   78.8 / 71.8   82.0 / 76.7
    narrow      1.0 / 1.05    77.8 / 70.6   77.4 / 70.3   80.0 / 73.4
    wide        1.0 / 1.05    79.5 / 72.8   79.2 / 73.0   83.5 / 78.9
    far_targets 1.0 / 1.05    84.7 / 79.7   84.5 / 79.2   87.9 / 83.8

The gain grows with the load (2 points at 0.95, 3.5 to 8 at 1.1). The mean wait stays the same or
falls, abandons stay within 0.3 points; the longest wait of a day grows from about 200 seconds to
250-500. Urgency without the step back (waited / target, or time left) gained -1.7 to +0.8 points.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from callcore.directory_queue import Urgency

#: Targets after which a wait counts as aged. Between 7 and 15 the service level differs by less
#: than a point; smaller is the stronger promise to those who are late.
AGED = 10.0
#: How steeply missed contacts step back; from 2 to 5 it makes no difference.
STEEPNESS = 3
#: Seconds left that halve the urgency; from 10 to 60 it makes no difference.
PRESSING_SECONDS = 20.0
#: The shortest target that is divided by.
SHORTEST_TARGET = 1.0


class Order(Protocol):
    """The settings of a queue that decide (see `directory.Queue`)."""

    @property
    def weight(self) -> float: ...

    @property
    def priority_seconds(self) -> float: ...

    @property
    def service_level_seconds(self) -> float: ...


def fair_slope(queue: Order) -> float:
    """By how much the fair urgency grows in a second."""
    return queue.weight / max(queue.service_level_seconds, SHORTEST_TARGET)


def fair_urgency(queue: Order, priority: int, waited: float) -> float:
    """By wait in targets of the queue; the highest is taken first."""
    return fair_slope(queue) * (waited + priority * queue.priority_seconds)


def service_level_urgency(queue: Order, priority: int, waited: float) -> float:
    """By what still can be answered in time; the highest is taken first."""
    x = _targets_waited(queue, priority, waited)
    if x >= AGED or priority > 0:
        return queue.weight * max(x / AGED, 1.0)
    if x <= 1.0:
        left = (1.0 - x) * max(queue.service_level_seconds, SHORTEST_TARGET)
        return queue.weight / (1.0 + left / PRESSING_SECONDS)
    return queue.weight / x**STEEPNESS


def _targets_waited(queue: Order, priority: int, waited: float) -> float:
    seconds = waited + priority * queue.priority_seconds
    return seconds / max(queue.service_level_seconds, SHORTEST_TARGET)


#: By the name a queue's configuration gives.
RULES: dict[Urgency, Callable[[Order, int, float], float]] = {
    Urgency.FAIR: fair_urgency,
    Urgency.SERVICE_LEVEL: service_level_urgency,
}
