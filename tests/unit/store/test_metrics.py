"""Queue figures from call records: every formula on a day small enough to count by hand."""

from __future__ import annotations

import pytest

from callcore.acd.counts import ServiceLevel
from callcore.call.record import CallRecord, Segment, SegmentKind
from callcore.directory import Queue
from callcore.store.metrics import by_interval, visits

SALES = Queue(id="sales", service_level_seconds=20, short_abandon_seconds=5)


def segment(kind: SegmentKind, start: float, end: float | None, **fields: str) -> Segment:
    return Segment(kind=kind, start=start, end=end, **fields)


def queued(start: float, wait: float, result: str, queue: str = "sales") -> Segment:
    return segment(SegmentKind.QUEUE, start, start + wait, queue=queue, result=result)


def record(*segments: Segment) -> CallRecord:
    return CallRecord(call="c", arrived_at=segments[0].start, segments=segments)


def answered(start: float, wait: float, talk: float, hold: float, wrap_up: float) -> CallRecord:
    connected = start + wait
    ended = connected + talk + hold
    return record(
        queued(start, wait, "answered"),
        segment(SegmentKind.OFFER, start, connected, agent="ann", result="answered"),
        segment(SegmentKind.TALK, connected, ended, agent="ann", queue="sales"),
        segment(SegmentKind.HOLD, connected + 1, connected + 1 + hold, agent="ann"),
        segment(SegmentKind.WRAP_UP, ended, ended + wrap_up, agent="ann", queue="sales"),
    )


DAY = [
    answered(0, 10, 100, 20, 30),
    answered(10, 30, 200, 0, 10),
    record(queued(20, 3, "abandoned")),
    record(queued(30, 15, "abandoned")),
    record(queued(40, 60, "abandoned")),
    record(queued(50, 120, "overflow")),
    record(queued(60, 5, "left")),
]


def test_the_formulas_on_a_counted_interval() -> None:
    """Entered splits without a rest; service levels, ASA, AHT and abandon rate are exact."""
    (interval,) = by_interval(DAY, {"sales": SALES}, 0, 900)
    stats = interval.stats
    assert (interval.queue, interval.begin, interval.end) == ("sales", 0, 900)
    assert stats.entered == 7
    assert (stats.answered, stats.answered_within) == (2, 1)
    assert (stats.abandoned, stats.abandoned_within, stats.short_abandoned) == (2, 1, 1)
    assert (stats.overflowed, stats.taken_out) == (1, 1)
    assert stats.service_level(ServiceLevel.ABANDONS_NEGATIVE) == pytest.approx(1 / 5)
    assert stats.service_level(ServiceLevel.ABANDONS_IGNORED) == pytest.approx(1 / 4)
    assert stats.service_level(ServiceLevel.ABANDONS_POSITIVE) == pytest.approx(2 / 5)
    assert stats.average_speed_of_answer == pytest.approx(20)
    assert stats.handling.average == pytest.approx((100 + 20 + 30 + 200 + 10) / 2)
    assert stats.abandon_rate == pytest.approx(2 / 5)
    assert stats.longest_wait == 120


def test_intervals_begin_where_asked_and_hold_what_entered_in_them() -> None:
    """A call belongs to the interval in which it entered; the last interval may be short."""
    records = [record(queued(at, 1, "abandoned")) for at in (-1, 0, 899.9, 900, 1999)]
    intervals = by_interval(records, {"sales": SALES}, 0, 1500)
    assert [(i.begin, i.end, i.stats.entered) for i in intervals] == [(0, 900, 2), (900, 1500, 1)]


def test_each_fact_counts_when_it_happened() -> None:
    """Entered in one interval, answered in the next, handled in the third."""
    intervals = by_interval([answered(890, 20, 880, 0, 30)], {"sales": SALES}, 0, 3600)
    counted = [
        (i.begin, i.stats.entered, i.stats.answered, i.stats.handling.handled) for i in intervals
    ]
    assert counted == [(0, 1, 0, 0), (900, 0, 1, 0), (1800, 0, 0, 1)]


def test_a_wait_brought_along_and_an_announcement() -> None:
    """The wait counts from where it began; the answer ends it, not the bridge."""
    moved = Segment(
        kind=SegmentKind.QUEUE, start=100, end=115, queue="sales", result="answered", since=40
    )
    call = record(moved, segment(SegmentKind.OFFER, 104, 110, agent="ann", result="answered"))
    (interval,) = by_interval([call], {"sales": SALES}, 0, 900)
    assert interval.stats.answered_wait_seconds == 70


def test_two_queues_of_one_call_are_two_visits() -> None:
    """After a transfer to a second queue each queue has its own wait and handling."""
    call = record(
        queued(0, 10, "answered"),
        segment(SegmentKind.TALK, 10, 40, agent="ann", queue="sales"),
        queued(40, 5, "answered", queue="support"),
        segment(SegmentKind.TALK, 45, 145, agent="bob", queue="support"),
    )
    sales, support = by_interval([call], {}, 0, 900)
    assert (sales.queue, sales.stats.handling.talk_seconds) == ("sales", 30)
    assert (support.queue, support.stats.handling.talk_seconds) == ("support", 100)
    assert support.stats.average_speed_of_answer == 5


def test_a_refused_call_did_not_enter() -> None:
    """Queue full is counted apart; a caller still waiting has entered and nothing else."""
    full = record(queued(0, 0, "queue_full"))
    waiting = record(segment(SegmentKind.QUEUE, 5, None, queue="sales"))
    (interval,) = by_interval([full, waiting], {"sales": SALES}, 0, 900)
    assert (interval.stats.refused, interval.stats.entered) == (1, 1)
    assert interval.stats.concluded == 0
    assert interval.stats.abandon_rate is None


def test_a_call_without_a_queue_has_no_visit() -> None:
    """Talk outside the queues belongs to no queue's handling."""
    call = record(segment(SegmentKind.IVR, 0, 5), segment(SegmentKind.TALK, 5, 9, agent="ann"))
    assert list(visits(call)) == []
