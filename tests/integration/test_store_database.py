"""The store on real SQLite and on a real PostgreSQL server, with outages."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from callcore.acd.events import AgentChanged
from callcore.call.record import CallEvent, CallRecord, Segment, SegmentKind
from callcore.errors import BackendUnavailable, ConfigError
from callcore.store import RecordingKind, RecordingRow, Store, queries, tables
from callcore.store.rows import Gap
from callcore.types import Outcome

from .conftest import Postgres


async def rows(store: Store, table: sa.Table) -> list[sa.RowMapping]:
    async with store.engine.connect() as connection:
        order = list(table.primary_key.columns)
        return list((await connection.execute(table.select().order_by(*order))).mappings())


def event(sequence: int, call: str = "c1") -> CallEvent:
    return CallEvent(call=call, sequence=sequence, at=100.0 + sequence, name="arrived")


def record(call: str = "c1", **fields: object) -> CallRecord:
    segment = Segment(kind=SegmentKind.QUEUE, start=1.0, end=3.5, queue="sales")
    return CallRecord(
        call=call,
        arrived_at=1.0,
        outcome=Outcome.ANSWERED,
        segments=(segment,),
        **fields,  # type: ignore[arg-type]
    )


async def test_everything_put_is_in_the_database_after_flush(store: Store) -> None:
    """Each kind of row is written with its values, JSON columns come back as they were."""
    store.put_event(event(1))
    store.put_record(record(variables={"choice": "2"}, talk_seconds=2.5))
    store.put_recording(RecordingRow(recording="r1", call="c1", bytes=1 << 33, path="a.flac"))
    change = AgentChanged(agent="ann", state="talking", before="offered", contact="c1")
    store.put_agent_state(change, 5.0)
    assert store.pending == 4
    assert await store.flush(10)
    assert store.pending == 0
    assert (await rows(store, tables.call_events))[0]["at"] == 101.0
    call = (await rows(store, tables.calls))[0]
    assert call["outcome"] == "answered"
    assert call["segments"] == [{"kind": "queue", "start": 1.0, "end": 3.5, "queue": "sales"}]
    assert call["variables"] == {"choice": "2"}
    assert (await rows(store, tables.recordings))[0]["bytes"] == 1 << 33
    assert (await rows(store, tables.agent_states))[0]["state"] == "talking"


async def test_writing_twice_is_writing_once(store: Store) -> None:
    """Events and states are kept as first written; of records the last one counts."""
    for talk in (1.0, 2.0):
        store.put_event(event(1))
        store.put_record(record(talk_seconds=talk))
        change = AgentChanged(agent="ann", state="idle", before="wrapping_up")
        store.put_agent_state(change, 5.0)
        assert await store.flush(10)
    assert len(await rows(store, tables.call_events)) == 1
    assert [row["talk_seconds"] for row in await rows(store, tables.calls)] == [2.0]
    assert len(await rows(store, tables.agent_states)) == 1


async def test_text_no_database_can_hold_is_stored_readable(store: Store) -> None:
    """NUL, lone surrogates and SQL in a caller's name are data; the row is not lost."""
    name = "a\0b\ud800 '); DROP TABLE calls;-- ${SHELL(id)} 电话"
    store.put_record(record(caller_name=name, variables={"x": "\0\udfff"}))
    store.put_event(CallEvent(call="c1", sequence=1, at=1.0, name="x", details={"n": name}))
    assert await store.flush(10)
    kept = (await rows(store, tables.calls))[0]
    assert kept["caller_name"].startswith("a\ufffdb\ufffd")
    assert kept["caller_name"].endswith("'); DROP TABLE calls;-- ${SHELL(id)} 电话")
    details = (await rows(store, tables.call_events))[0]["details"]
    assert details["n"].endswith("${SHELL(id)} 电话")


async def test_a_refused_row_does_not_take_its_batch_along(
    store: Store, url: str, tmp_path: Path
) -> None:
    """What a database refuses is kept in a file with the reason; its neighbours are written."""
    store.put_event(event(1))
    store.put_event(CallEvent(call="c1", sequence=1 << 70, at=1.0, name="too big"))
    store.put_event(event(2))
    assert await store.flush(10)
    assert [row["sequence"] for row in await rows(store, tables.call_events)] == [1, 2]
    assert "too big" in (tmp_path / "outbox" / "refused.txt").read_text()


async def test_postgres_outage(postgres: Postgres, tmp_path: Path) -> None:
    """While the server is down rows are durable in the outbox; when it is back all are written in
    order, the outbox is empty, and one line in the log says each."""
    store = Store(postgres.url, tmp_path / "outbox")
    await store.open()
    async with store.engine.begin() as connection:
        await connection.execute(tables.call_events.delete())
        await connection.execute(tables.calls.delete())
    with capture_logs() as logs:
        store.put_event(event(1))
        assert await store.flush(10)
        await asyncio.to_thread(postgres.stop)
        for sequence in range(2, 500):
            store.put_event(event(sequence))
        store.put_record(record(talk_seconds=1.0))
        assert await store.flush(20)
        assert store.away
        assert store.pending == 0
        assert list((tmp_path / "outbox").glob("*.jsonl"))
        await asyncio.to_thread(postgres.start)
        store.put_record(record(talk_seconds=2.0))
        await asyncio.wait_for(store.drained(), 20)
    assert [row["sequence"] for row in await rows(store, tables.call_events)] == [*range(1, 500)]
    assert [row["talk_seconds"] for row in await rows(store, tables.calls)] == [2.0]
    names = [entry["event"] for entry in logs]
    assert names.count("database_away") == 1
    assert names.count("database_back") == 1
    await store.close()


async def test_rows_of_a_killed_callcore_are_drained_at_the_next_start(
    postgres: Postgres, tmp_path: Path
) -> None:
    """Started while the server is down, stopped, started again with it up: nothing is lost."""
    await asyncio.to_thread(postgres.stop)
    first = Store(postgres.url, tmp_path / "outbox")
    await first.open()
    first.put_event(event(7, call="spooled"))
    await first.close()
    await asyncio.to_thread(postgres.start)
    second = Store(postgres.url, tmp_path / "outbox")
    await second.open()
    second.put_event(event(8, call="spooled"))
    await second.flush(20)
    await asyncio.wait_for(second.drained(), 20)
    kept = [row for row in await rows(second, tables.call_events) if row["call"] == "spooled"]
    assert [row["sequence"] for row in kept] == [7, 8]
    await second.close()


async def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    """A database that a later callcore migrated is not written to."""
    url = f"sqlite:///{tmp_path}/callcore.db"
    store = Store(url, tmp_path / "outbox")
    await store.open()
    async with store.engine.begin() as connection:
        await connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    await store.close()
    later = Store(url, tmp_path / "outbox")
    with pytest.raises(ConfigError, match="newer callcore"):
        await later.open()
    await later.close()


async def test_the_migrations_make_exactly_the_tables(store: Store) -> None:
    """What the migrations build and what tables.py says are the same."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    def difference(connection: sa.Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), tables.metadata))

    async with store.engine.connect() as connection:
        assert await connection.run_sync(difference) == []


def _arrived(number: int, seconds: float, fields: dict[str, object]) -> CallRecord:
    queued = Segment(
        kind=SegmentKind.QUEUE, start=seconds, end=seconds + 4, queue="sales", result="answered"
    )
    return CallRecord(
        call=f"c{number:03}",
        arrived_at=seconds,
        outcome=Outcome.ANSWERED,
        segments=(queued,),
        **fields,  # type: ignore[arg-type]
    )


async def test_pages_are_complete_and_never_overlap(store: Store) -> None:
    """Newest first; calls of the same instant and calls that come meanwhile do no harm."""
    for number in range(25):
        store.put_record(_arrived(number, 1000.0 + number // 5, {}))
    await store.flush(10)
    seen: list[str] = []
    page = await queries.calls(store.engine, queries.CallFilter(), 7)
    while True:
        seen += [found.call for found in page.calls]
        if page.next is None:
            break
        store.put_record(_arrived(900 + len(seen), 2000.0, {}))
        await store.flush(10)
        page = await queries.calls(store.engine, queries.CallFilter(), 7, page.next)
    assert seen == sorted((f"c{number:03}" for number in range(25)), reverse=True)


async def test_filters_take_what_they_say(store: Store) -> None:
    """Time, queue, agent, outcome, part of a number; wildcards in it are only characters."""
    store.put_record(_arrived(1, 100.0, {"queue": "sales", "caller_number": "+4930123"}))
    store.put_record(_arrived(2, 200.0, {"queue": "support", "dialled": "5%5"}))
    store.put_record(_arrived(3, 300.0, {"agent": "ann", "tenant": "other"}))
    await store.flush(10)

    async def found(**wanted: object) -> list[str]:
        wanted_calls = queries.CallFilter(**wanted)  # type: ignore[arg-type]
        return [c.call for c in (await queries.calls(store.engine, wanted_calls)).calls]

    assert await found() == ["c002", "c001"]
    assert await found(begin=150.0) == ["c002"]
    assert await found(end=200.0) == ["c001"]
    assert await found(queue="sales") == ["c001"]
    assert await found(number="30123") == ["c001"]
    assert await found(number="%") == ["c002"]
    assert await found(outcome=Outcome.ABANDONED) == []
    assert await found(tenant="other", agent="ann") == ["c003"]


async def test_one_call_with_all_that_belongs_to_it(store: Store) -> None:
    """The record comes back equal to what was put, its events in order, its recordings too."""
    put = record(variables={"a": "1"}, caller_number="123", recording="r1")
    store.put_record(put)
    for sequence in (2, 1):
        store.put_event(event(sequence))
    gaps = (Gap(start=1.0, end=2.5),)
    voicemail = RecordingRow(
        recording="v1", call="c1", kind=RecordingKind.VOICEMAIL, started_at=5.0
    )
    store.put_recording(RecordingRow(recording="r1", call="c1", gaps=gaps, path="a.flac"))
    store.put_recording(voicemail)
    await store.flush(10)
    detail = await queries.call(store.engine, "c1")
    assert detail is not None
    assert detail.record == put
    assert [line.sequence for line in detail.events] == [1, 2]
    assert [row.recording for row in detail.recordings] == ["r1", "v1"]
    assert detail.recordings[0].gaps == gaps
    kept = await queries.recordings(store.engine, kind=RecordingKind.VOICEMAIL)
    assert kept == [voicemail]
    assert await queries.call(store.engine, "nobody") is None


async def test_queue_metrics_come_from_the_database(store: Store) -> None:
    """More calls than one page of the report: all are counted, in their intervals."""
    for number in range(30):
        store.put_record(_arrived(number, 1000.0 + 60 * number, {}))
    await store.flush(10)
    intervals = await queries.queue_metrics(store.engine, {}, 1000.0, 2800.0)
    assert [(i.queue, i.stats.entered, i.stats.answered) for i in intervals] == [
        ("sales", 15, 15),
        ("sales", 15, 15),
    ]


async def test_reading_while_the_database_is_away(postgres: Postgres, tmp_path: Path) -> None:
    """A question gets one clear error, not a driver's."""
    store = Store("postgresql://callcore@/postgres?host=/nowhere", tmp_path / "outbox")
    with pytest.raises(BackendUnavailable, match="cannot be read"):
        await queries.calls(store.engine, queries.CallFilter())
    await store.close()
