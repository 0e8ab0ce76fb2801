"""The write-behind store on SQLite: cheap puts, batches, outages of database and disk."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from callcore.call.record import CallEvent
from callcore.errors import ConfigError
from callcore.store import Store, tables
from callcore.store import store as module
from callcore.store.database import DatabaseAway, database_url


def event(sequence: int) -> CallEvent:
    return CallEvent(call="c1", sequence=sequence, at=1.0, name="x")


async def sequences(store: Store) -> list[int]:
    query = sa.select(tables.call_events.c.sequence).order_by(tables.call_events.c.sequence)
    async with store.engine.connect() as connection:
        return list((await connection.execute(query)).scalars())


def modes_of(directory: Path) -> list[int]:
    return [file.stat().st_mode & 0o777 for file in directory.glob("callcore.db*")]


def new_store(directory: Path) -> Store:
    return Store(f"sqlite:///{directory}/callcore.db", directory / "outbox")


async def test_rows_are_written_without_being_asked(tmp_path: Path) -> None:
    """A batch leaves by itself, at the latest after its time is over."""
    store = new_store(tmp_path)
    await store.open()
    store.put_event(event(1))
    async with asyncio.timeout(5):
        while store.pending:  # noqa: ASYNC110 - that nobody tells it is what is tested
            await asyncio.sleep(0.01)
    assert await sequences(store) == [1]
    await store.close()


async def test_call_records_are_private(tmp_path: Path) -> None:
    """Nobody else on the machine reads the database or its write-ahead log."""
    store = new_store(tmp_path)
    await store.open()
    store.put_event(event(1))
    assert await store.flush(10)
    modes = modes_of(tmp_path)
    assert len(modes) > 1
    assert set(modes) == {0o600}
    await store.close()


async def test_putting_costs_no_more_than_an_append(tmp_path: Path) -> None:
    """A put is far below 5 µs: it must never matter to a call."""
    store = new_store(tmp_path)
    await store.open()
    events = [event(n) for n in range(2000)]
    started = time.thread_time()
    for each in events:
        store.put_event(each)
    per_put = (time.thread_time() - started) / len(events)
    assert per_put < 5e-6
    assert await store.flush(10)
    await store.close()


async def test_close_writes_what_is_left(tmp_path: Path) -> None:
    """Nothing put before close is missing afterwards."""
    store = new_store(tmp_path)
    await store.open()
    for n in range(300):
        store.put_event(event(n))
    await store.close()
    again = new_store(tmp_path)
    await again.open()
    assert await sequences(again) == list(range(300))
    await again.close()


async def test_flush_says_when_it_took_too_long(tmp_path: Path) -> None:
    """While another process locks the database flush is false, not endless; then all is written."""
    store = new_store(tmp_path)
    await store.open()
    lock = await _lock(tmp_path)
    store.put_event(event(1))
    assert not await store.flush(0.2)
    assert store.pending == 1
    lock.rollback()
    lock.close()
    assert await store.flush(10)
    assert await sequences(store) == [1]
    await store.close()


async def _lock(directory: Path) -> sa.Connection:
    # Without a pool its close closes the file too: Python 3.13 warns of one left open.
    engine = sa.create_engine(f"sqlite:///{directory}/callcore.db", poolclass=sa.NullPool)
    connection = engine.connect()
    connection.exec_driver_sql("BEGIN EXCLUSIVE")
    return connection


async def test_memory_stays_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When nothing takes them the oldest rows go, and the log says how many."""
    monkeypatch.setattr(module, "MAX_PENDING", 10)
    monkeypatch.setattr(module, "RETRY_SECONDS", (0.01,))
    store = new_store(tmp_path)
    await store.open()
    (tmp_path / "outbox").write_text("in the way")
    monkeypatch.setattr(store.database, "write", _away)
    with capture_logs() as logs:
        for n in range(25):
            store.put_event(event(n))
        async with asyncio.timeout(5):
            while store.pending > 10:  # noqa: ASYNC110 - nothing is told here
                await asyncio.sleep(0.01)
    lost = [entry["lost"] for entry in logs if entry["event"] == "outbox_unwritable"]
    assert sum(lost) == 15
    (tmp_path / "outbox").unlink()
    monkeypatch.undo()
    await store.close()
    again = new_store(tmp_path)
    await again.open()
    await asyncio.wait_for(again.drained(), 10)
    assert await sequences(again) == list(range(15, 25))
    await again.close()


async def _away(rows: object) -> None:
    raise DatabaseAway("switched off")


@pytest.mark.parametrize(
    ("text", "driver"),
    [
        ("var/callcore.db", "sqlite+aiosqlite"),
        ("sqlite:////x/callcore.db", "sqlite+aiosqlite"),
        ("postgres://a:b@h/d", "postgresql+asyncpg"),
        ("postgresql://a:b@h/d", "postgresql+asyncpg"),
    ],
)
def test_urls_as_people_write_them(text: str, driver: str) -> None:
    """A path is SQLite; the driver is callcore's business."""
    assert database_url(text).drivername == driver


def test_another_database_is_refused() -> None:
    """MySQL is not known: one line says what is."""
    with pytest.raises(ConfigError, match="mysql is not known"):
        database_url("mysql://x/y")


def test_the_password_is_never_shown() -> None:
    """What goes to the log hides it."""
    assert "secret" not in Store("postgresql://a:secret@h/d", Path("x")).database.shown
