"""Live figures, the rows of the intervals and the call records tell the same, to the call."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import pytest

from callcore.acd.counts import AgentStats, Counts, QueueStats
from callcore.call.actions import WriteInterval
from callcore.store import Store, intervals
from callcore.store.intervals import Every, Present, Range
from callcore.store.metrics import by_interval
from tests.unit.call.counted_day import CountedDay
from tests.unit.call.random_day import directory

SECONDS = ("answered_wait_seconds", "abandoned_wait_seconds", "longest_wait")
#: Records know neither what happened before the range nor who sent a call on.
NOT_IN_RECORDS = ("carried", "transferred_in", "transferred_out")


@pytest.fixture(scope="module", params=[1, 6, 9])
def day(request: pytest.FixtureRequest) -> CountedDay:
    """Three quarters of an hour of everything but a node that dies, and a quiet evening."""
    day = CountedDay(request.param, faults=False, restarts=True)
    day.play(2700)
    assert len(day.intervals) >= 3
    return day


async def keep(store: Store, day: CountedDay) -> Present:
    """Everything in the database, the intervals even twice; what is not over is returned."""
    for rows in day.rows * 2:
        for row in rows:
            if isinstance(row, WriteInterval):
                store.put_interval(row.begin, row.counts)
    for records in day.records.values():
        store.put_record(records[-1])
    await store.flush(10)
    since, counts = day.switch.distributor.interval(day.backend.now)
    return Present(begin=since, counts=counts)


def whole(day: CountedDay, every: Every = Every.ALL) -> Range:
    first = day.intervals[0].begin
    return Range(begin=first, end=day.backend.now + 1, every=every)


def same(one: QueueStats, other: QueueStats, leave_out: tuple[str, ...] = ()) -> None:
    """Counts to the call, seconds to the microsecond."""
    for name in one.__struct_fields__:
        if name == "handling" or name in leave_out:
            continue
        expected = getattr(other, name)
        assert getattr(one, name) == pytest.approx(expected, abs=1e-6), name
    handled, expected_handling = one.handling, other.handling
    assert handled.handled == expected_handling.handled
    for name in ("talk_seconds", "hold_seconds", "wrap_up_seconds"):
        expected = getattr(expected_handling, name)
        assert getattr(handled, name) == pytest.approx(expected, abs=1e-6), name


def sums(found: list[intervals.ContactSums]) -> dict[str, QueueStats]:
    total = Counts()
    for each in found:
        total.merge(Counts(queues={each.name: each.counts}))
    return total.queues


async def test_the_sums_of_the_intervals_are_the_live_figures(
    store: Store, day: CountedDay
) -> None:
    """However long the stretches are; written twice, counted once."""
    present = await keep(store, day)
    live = day.live()
    for every in Every:
        found = sums(await intervals.queues(store.engine, whole(day, every), present))
        assert set(found) == set(live.queues)
        for name, counted in found.items():
            same(counted, live.queues[name])


async def test_each_interval_agrees_with_the_call_records(store: Store, day: CountedDay) -> None:
    """What the distributor counted as it happened, and what the calls' segments say afterwards."""
    present = await keep(store, day)
    asked = whole(day, Every.QUARTER)
    found = {
        (each.name, each.begin): each.counts
        for each in await intervals.queues(store.engine, asked, present)
    }
    records = [records[-1] for records in day.records.values()]
    counted = by_interval(records, directory().queues, asked.begin, asked.end)
    assert len(counted) >= 9
    for each in counted:
        same(found.pop((each.queue, each.begin)), each.stats, NOT_IN_RECORDS)
    nothing = QueueStats()
    for left in found.values():  # only carried over
        same(left, nothing, NOT_IN_RECORDS)


async def test_no_contact_is_lost_between_two_intervals(store: Store, day: CountedDay) -> None:
    """Who waits at an interval's end is carried over into the next one."""
    await keep(store, day)
    found = await intervals.queues(store.engine, whole(day, Every.QUARTER))
    by_name = {(each.name, each.begin): each.counts for each in found}
    carried = 0
    for (name, begin), counted in by_name.items():
        following = by_name.get((name, begin + 900))
        if following is not None:
            assert following.carried == counted.waiting
            carried += following.carried
    assert carried > 0


async def test_agents_time_adds_up(store: Store, day: CountedDay) -> None:
    """Sums as live; in an interval nobody is longer than it lasts, and no second is lost."""
    present = await keep(store, day)
    live = day.live().agents
    found = await intervals.agents(store.engine, whole(day, Every.QUARTER), present)
    totals: dict[str, AgentStats] = {}
    for each in found:
        assert sum(each.counts.seconds.values()) <= 900 + 1e-6
        totals.setdefault(each.name, AgentStats()).merge(each.counts)
    for name, total in totals.items():
        assert total.answered == live[name].answered
        assert total.seconds == pytest.approx({s: v for s, v in live[name].seconds.items() if v})


# --- stretches -----------------------------------------------------------------------------------


def queue(entered: int, **counts: int) -> Counts:
    return Counts(queues={"sales": QueueStats(entered=entered, **counts)})


async def test_stretches_follow_the_wall_clock(store: Store) -> None:
    """Hours and days begin as the clock here says; the first interval says who was carried over."""
    midnight = datetime(2026, 3, 2).timestamp()
    quarters = [midnight - 900, midnight, midnight + 900, midnight + 2700, midnight + 3600]
    for number, begin in enumerate(quarters):
        store.put_interval(begin, queue(1 << number, carried=number, answered=1))
    await store.flush(10)

    async def rows(every: Every, begin: float = midnight - 900) -> list[tuple[float, int, int]]:
        asked = Range(begin=begin, end=midnight + 86400, every=every)
        found = await intervals.queues(store.engine, asked)
        return [(e.begin - midnight, e.counts.entered, e.counts.carried) for e in found]

    assert await rows(Every.ALL) == [(-900, 31, 0)]
    assert await rows(Every.DAY) == [(-900, 1, 0), (0, 30, 1)]
    assert await rows(Every.HOUR) == [(-900, 1, 0), (0, 14, 1), (3600, 16, 4)]
    assert await rows(Every.HALF) == [(-900, 1, 0), (0, 6, 1), (1800, 8, 3), (3600, 16, 4)]
    assert await rows(Every.HOUR, midnight + 900) == [(900, 12, 2), (3600, 16, 4)]


async def test_only_what_is_asked_for(store: Store) -> None:
    """A queue, an agent, a tenant; the present interval only where it is in the range."""
    counts = queue(3)
    counts.queue("support").entered = 5
    counts.skill("french").answered = 2
    counts.agent("ann").spend("idle", 60.0)
    counts.agent("bob").rona += 1
    store.put_interval(1800, counts)
    store.put_interval(1800, queue(7), tenant="other")
    await store.flush(10)
    asked = Range(begin=0, end=3600, name="sales")
    present = Present(begin=2700, counts=counts)
    (found,) = await intervals.queues(store.engine, asked, present)
    assert (found.name, found.counts.entered) == ("sales", 6)
    before = msgspec.structs.replace(asked, end=2700)
    assert (await intervals.queues(store.engine, before, present))[0].counts.entered == 3
    other = msgspec.structs.replace(asked, tenant="other")
    assert (await intervals.queues(store.engine, other))[0].counts.entered == 7
    french = await intervals.skills(store.engine, Range(begin=0, end=3600))
    assert [(each.name, each.counts.answered) for each in french] == [("french", 2)]
    (ann,) = await intervals.agents(store.engine, msgspec.structs.replace(asked, name="ann"))
    assert ann.counts.seconds == {"idle": 60.0}
    both = await intervals.queues(store.engine, msgspec.structs.replace(asked, name=""))
    (total,) = intervals.over_all(both)
    assert total.counts.entered == 8


async def test_a_day_on_which_the_clocks_change(store: Store, summer_time: datetime) -> None:
    """23 hours of 29 March 2026 in Berlin are one day, and 24 of the next one."""
    for hour in range(48):
        store.put_interval(summer_time.timestamp() + hour * 3600, queue(1))
    await store.flush(10)
    asked = Range(
        begin=summer_time.timestamp(),
        end=(summer_time + timedelta(days=2)).timestamp(),
        every=Every.DAY,
    )
    found = await intervals.queues(store.engine, asked)
    assert [each.counts.entered for each in found] == [23, 24]
