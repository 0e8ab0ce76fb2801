"""Queue figures per interval, counted from call records with the formulas of `acd/stats.py`.

A call counts once for every time it entered a queue (a QUEUE segment), in the interval in which it
entered; what came of it counts in that same interval, so that the sums of an interval add up. Its
handling (talk, hold, wrap-up of agents until the next queue) counts for the queue it was answered
in. `QueueStats` carries the formulas: service level, ASA, AHT, abandon rate.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

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
    """One stay in a queue and what followed it."""

    queued: Segment
    offers: int = 0
    handling: list[Segment] = []


#: How a stay in a queue ended (`Segment.result`); anything else but ``answered`` is taken out.
OVERFLOWED = ("overflow", "max_wait")
REFUSED = ("queue_full", "no_such_queue")
ABANDONED = ("abandoned",)


def by_interval(
    records: Iterable[CallRecord],
    queues: Mapping[QueueId, Queue],
    begin: float,
    end: float,
    seconds: float = 900.0,
) -> list[Interval]:
    """Figures per queue and interval, ordered by both; intervals without calls are left out.

    A queue that is configured no more is counted with the defaults."""
    counted: dict[tuple[QueueId, int], QueueStats] = {}
    for record in records:
        for visit in visits(record):
            start = visit.queued.start
            if begin <= start < end:
                key = (visit.queued.queue, int((start - begin) // seconds))
                stats = counted.setdefault(key, QueueStats())
                config = queues.get(visit.queued.queue) or Queue(id=visit.queued.queue)
                _count(stats, visit, config)
    return [
        Interval(
            queue=queue,
            begin=begin + number * seconds,
            end=min(end, begin + (number + 1) * seconds),
            stats=counted[queue, number],
        )
        for queue, number in sorted(counted)
    ]


def visits(record: CallRecord) -> Iterator[_Visit]:
    """The stays in queues of one call, each with the offers and the handling it led to."""
    visit: _Visit | None = None
    for segment in record.segments:
        if segment.kind is SegmentKind.QUEUE:
            if visit is not None:
                yield visit
            visit = _Visit(queued=segment)
        elif visit is None:
            continue
        elif segment.kind is SegmentKind.OFFER:
            visit.offers += 1
        elif segment.agent and segment.kind in _HANDLING:
            visit.handling.append(segment)
    if visit is not None:
        yield visit


_HANDLING = (SegmentKind.TALK, SegmentKind.HOLD, SegmentKind.WRAP_UP)


def _count(stats: QueueStats, visit: _Visit, config: Queue) -> None:
    result = visit.queued.result
    wait = _length(visit.queued)
    if result in REFUSED:
        stats.refused += 1
        return
    stats.entered += 1
    stats.offers += visit.offers
    if result == "answered":
        stats.count_answered(wait, config)
        _count_handling(stats, visit)
    elif result in ABANDONED:
        stats.count_abandoned(wait, config)
    elif result in OVERFLOWED:
        stats.overflowed += 1
        stats.left(wait)
    elif visit.queued.end is not None:
        stats.taken_out += 1
        stats.left(wait)


def _count_handling(stats: QueueStats, visit: _Visit) -> None:
    """Hold lies inside talk: talk is counted without it."""
    spent = dict.fromkeys(_HANDLING, 0.0)
    for segment in visit.handling:
        spent[segment.kind] += _length(segment)
    talk, hold, wrap_up = spent.values()
    stats.handling.add(max(0.0, talk - hold), hold, wrap_up)


def _length(segment: Segment) -> float:
    return 0.0 if segment.end is None else segment.end - segment.start
