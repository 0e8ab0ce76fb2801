"""Queue figures per interval, counted from call records with the formulas of `acd/counts.py`.

The distributor's own counters are in the database as well (`store/intervals.py`). These are found
on another way, from what each call's segments say, and must agree to the call: `callcore report
check` compares them. Each fact counts in the interval in which it happened: a call enters at the
begin of a QUEUE segment, is answered when an agent accepts it, and is handled when the wrap-up is
over. Only offers may be fewer here: when a node that was lost ends many calls in one moment, the
distributor offers some of them before it hears that they are gone, and no phone rings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from callcore.acd.counts import QueueStats
from callcore.call.record import CallRecord, Segment, SegmentKind
from callcore.directory import Queue
from callcore.types import QueueId


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """What one queue did between `begin` and `end` (seconds since the epoch)."""

    queue: QueueId
    begin: float
    end: float
    stats: QueueStats


class _Visit(msgspec.Struct, kw_only=True):
    """One stay in a queue, and the offers made meanwhile."""

    queued: Segment
    offers: list[Segment] = []

    @property
    def since(self) -> float:
        return self.queued.start if self.queued.since is None else self.queued.since

    @property
    def answered_at(self) -> float | None:
        """When an agent took an offer; the stay itself ends after the announcement."""
        taken = (offer.end for offer in self.offers if offer.result == "answered")
        return next(taken, self.queued.end if self.queued.result == "answered" else None)


#: Why a queue turns a contact away at the door (then it stayed no time at all).
AT_THE_DOOR = ("queue_full", "closed", "unstaffed", "estimated_wait", "no_such_queue")
#: How it gives up on one that waits.
GIVEN_UP = ("overflow", "max_wait", "left_unstaffed", *AT_THE_DOOR)
ABANDONED = ("abandoned",)
#: How an offer ended that the agent should have taken.
RONA = ("no_answer", "busy", "rejected", "cancelled")


class _Counter:
    """Counters by queue and interval."""

    def __init__(
        self, queues: Mapping[QueueId, Queue], begin: float, end: float, seconds: float
    ) -> None:
        self._queues = queues
        self._begin, self._end, self._seconds = begin, end, seconds
        self.counted: dict[tuple[QueueId, int], QueueStats] = {}

    def at(self, queue: QueueId, moment: float) -> QueueStats:
        """Where something that happened then is counted; outside the range: nowhere."""
        if not self._begin <= moment < self._end:
            return QueueStats()
        key = (queue, int((moment - self._begin) // self._seconds))
        return self.counted.setdefault(key, QueueStats())

    def visit(self, visit: _Visit) -> None:
        queued = visit.queued
        name, result, end = queued.queue, queued.result, queued.end
        if result in AT_THE_DOOR and end == queued.start:
            self.at(name, queued.start).refused += result != "no_such_queue"
            return
        self.at(name, queued.start).entered += 1
        for offer in visit.offers:
            self._offer(name, offer)
        answered_at = visit.answered_at
        if answered_at is not None:
            stats = self.at(name, answered_at)
            stats.count_answered(answered_at - visit.since, self._config(name))
        elif end is not None:
            self._unanswered(self.at(name, end), result, end - visit.since, self._config(name))

    def _config(self, name: QueueId) -> Queue:
        return self._queues.get(name) or Queue(id=name)

    def _offer(self, name: QueueId, offer: Segment) -> None:
        self.at(name, offer.start).offers += 1
        if offer.end is not None and offer.result in RONA:
            self.at(name, offer.end).rona += 1

    def _unanswered(self, stats: QueueStats, result: str, wait: float, config: Queue) -> None:
        if result in ABANDONED:
            stats.count_abandoned(wait, config)
        elif result == "dropped":
            stats.count_dropped(wait)
        elif result in GIVEN_UP:
            stats.overflowed += 1
            stats.left(wait)
        else:
            stats.taken_out += 1

    def handling(self, segments: Sequence[Segment]) -> None:
        """An agent's part counts when its wrap-up is over, and as a talk from the answer on."""
        for number, segment in enumerate(segments):
            if not segment.queue:
                continue  # reached outside the queues
            before, after = segments[:number], segments[number:]
            if segment.kind is SegmentKind.WRAP_UP and segment.end is not None:
                self._handled(segment, segment.start, before, segment.end)
            elif _consulted(segment, after) and segment.end is not None:
                self._handled(segment, segment.end, segments, segment.end)

    def _handled(
        self, part: Segment, talked_until: float, before: Sequence[Segment], at: float
    ) -> None:
        own: list[Segment] = []
        for each in before:
            if each.agent == part.agent and each.queue == part.queue:
                own = [] if each.kind is SegmentKind.WRAP_UP else [*own, each]
        begins = [moment for each in own if (moment := _answered_at(each)) >= 0]
        begin = min(begins, default=part.start)
        hold = sum(_length(e) for e in own if e.kind is SegmentKind.HOLD and e.start >= begin)
        talk = max(0.0, talked_until - begin - hold)
        self.at(part.queue, at).handling.add(talk, hold, at - talked_until)


def _answered_at(segment: Segment) -> float:
    """When this segment of an agent says that the agent took the call; -1: it does not."""
    if segment.kind is SegmentKind.OFFER and segment.result == "answered":
        return segment.end or -1.0
    return segment.start if segment.kind is SegmentKind.TALK else -1.0


def _consulted(talk: Segment, after: Sequence[Segment]) -> bool:
    """The last talk with an agent whom an attended transfer gave to another call: no wrap-up."""
    if talk.kind is not SegmentKind.TALK or not talk.agent:
        return False
    more = (SegmentKind.WRAP_UP, SegmentKind.TALK)
    return not any(each.kind in more and each.agent == talk.agent for each in after[1:])


def by_interval(
    records: Iterable[CallRecord],
    queues: Mapping[QueueId, Queue],
    begin: float,
    end: float,
    seconds: float = 900.0,
) -> list[Interval]:
    """Figures per queue and interval, ordered by both; intervals without calls are left out.

    A queue that is configured no more is counted with the defaults."""
    counter = _Counter(queues, begin, end, seconds)
    for record in records:
        for visit in visits(record):
            counter.visit(visit)
        counter.handling(record.segments)
    return [
        Interval(
            queue=queue,
            begin=begin + number * seconds,
            end=min(end, begin + (number + 1) * seconds),
            stats=counter.counted[queue, number],
        )
        for queue, number in sorted(counter.counted)
    ]


def visits(record: CallRecord) -> Iterator[_Visit]:
    """The stays in queues of one call, each with its offers."""
    visit: _Visit | None = None
    for segment in record.segments:
        if segment.kind is SegmentKind.QUEUE:
            if visit is not None:
                yield visit
            visit = _Visit(queued=segment)
        elif visit is not None and segment.kind is SegmentKind.OFFER:
            visit.offers.append(segment)
    if visit is not None:
        yield visit


def _length(segment: Segment) -> float:
    return 0.0 if segment.end is None else segment.end - segment.start
