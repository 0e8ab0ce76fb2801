"""The connection to SQLite or PostgreSQL: opening, migrating and writing one batch of rows."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    SQLAlchemyError,
    StatementError,
)
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from callcore.call.record import CallRecord
from callcore.errors import CallcoreError, ConfigError
from callcore.store.encode import KINDS, Parameters, Row, from_json, to_json
from callcore.store.schema import SchemaNewer, bring_up

WRITE_TIMEOUT = 10.0


Batches = dict[type[Row], list[Parameters]]


class DatabaseAway(CallcoreError):
    """The database cannot be used now; the text is its own reason."""


class DatabaseNewer(DatabaseAway):
    """The schema was written by a newer callcore."""


class RowRefused(CallcoreError):
    """The database is there but does not take something in this batch."""


def database_url(text: str) -> URL:
    """The URL as SQLAlchemy wants it; a bare path is an SQLite file."""
    try:
        url = make_url(text if "://" in text else f"sqlite:///{text}")
    except ArgumentError as exc:
        raise ConfigError(f"database: not a URL or a path: {exc}") from exc
    drivers = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
    drivers["postgres"] = drivers["postgresql"]
    base = url.drivername.partition("+")[0]
    if base not in drivers:
        raise ConfigError(f"database: {base} is not known; use sqlite:///PATH or postgresql://…")
    return url.set(drivername=drivers[base])


class Database:
    """One engine; `write` migrates the schema at the first contact."""

    def __init__(self, url: str) -> None:
        self.url = database_url(url)
        self.engine = _engine(self.url)
        # aiosqlite hops to its thread and back for every statement: a batch in one hop costs a
        # third (0.35 ms against 1.1 ms).
        self._writer = _sqlite_writer(self.url)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._migrated = False
        self._statements = {
            kind: _upsert(table, self.url.get_backend_name())
            for kind, (_, table, _) in KINDS.items()
        }

    @property
    def shown(self) -> str:
        """The URL without its password."""
        return self.url.render_as_string(hide_password=True)

    async def migrate(self) -> None:
        """Bring the schema to this version; raises `DatabaseNewer` or `DatabaseAway`."""
        if self._migrated:
            return
        _make_private(self.url)
        try:
            async with asyncio.timeout(WRITE_TIMEOUT), self.engine.begin() as connection:
                await connection.run_sync(bring_up)
        except SchemaNewer as exc:
            raise DatabaseNewer(
                f"database {self.shown} was written by a newer callcore: {exc}"
            ) from exc
        except _away() as exc:
            raise DatabaseAway(_reason(exc)) from exc
        self._migrated = True

    async def write(self, rows: Sequence[Row]) -> None:
        """Upsert all rows in one transaction, those of one kind in their order."""
        await self.migrate()
        batches: Batches = {}
        for row in _newest(rows):
            kind = type(row)
            batches.setdefault(kind, []).append(KINDS[kind][2](row))
        try:
            async with asyncio.timeout(WRITE_TIMEOUT):
                await self._transact(batches)
        except (ValueError, TypeError, OverflowError) as exc:
            raise RowRefused(_reason(exc)) from exc
        except _away() as exc:
            kind_of_error = RowRefused if _is_about_values(exc) else DatabaseAway
            raise kind_of_error(_reason(exc)) from exc

    async def _transact(self, batches: Batches) -> None:
        if self._writer is not None:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._thread, self._transact_in_thread, batches)
            return
        async with self.engine.begin() as connection:
            await connection.run_sync(self._insert, batches)

    def _transact_in_thread(self, batches: Batches) -> None:
        assert self._writer is not None
        with self._writer.begin() as connection:
            self._insert(connection, batches)

    def _insert(self, connection: sa.Connection, batches: Batches) -> None:
        for kind, parameters in batches.items():
            connection.execute(self._statements[kind], parameters)

    async def close(self) -> None:
        self._thread.shutdown()
        if self._writer is not None:
            self._writer.dispose()
        await self.engine.dispose()


def _newest(rows: Sequence[Row]) -> list[Row]:
    """Without the call records that a later one of the same call replaces."""
    last = {row.call: row for row in rows if isinstance(row, CallRecord)}
    return [row for row in rows if not isinstance(row, CallRecord) or last[row.call] is row]


_JSON: dict[str, Any] = {"json_serializer": to_json, "json_deserializer": from_json}


def _engine(url: URL) -> AsyncEngine:
    options = dict(_JSON)
    if url.get_backend_name() == "postgresql":
        # A stale connection is found here, not by a lost batch; hanging connects end.
        options |= {"pool_pre_ping": True, "pool_size": 4, "connect_args": {"timeout": 5}}
        return create_async_engine(url, **options)
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(url, **options)
    sa.event.listen(engine.sync_engine, "connect", _sqlite_pragmas)
    return engine


def _sqlite_writer(url: URL) -> sa.Engine | None:
    if url.get_backend_name() != "sqlite":
        return None
    engine = sa.create_engine(url.set(drivername="sqlite"), **_JSON)
    sa.event.listen(engine, "connect", _sqlite_pragmas)
    return engine


def _make_private(url: URL) -> None:
    """SQLite would let everybody on the machine read who called; its WAL takes the file's mode."""
    if url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:"):
        with suppress(OSError):  # opening the database says why it cannot be used
            os.close(os.open(str(url.database), os.O_RDWR | os.O_CREAT, 0o600))


def _sqlite_pragmas(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    # FULL: a committed batch survives a power cut (a raw recording is deleted after its row).
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _insert_of(backend: str) -> Any:
    if backend == "postgresql":
        from sqlalchemy.dialects import postgresql  # 80 ms with its drivers

        return postgresql.insert
    from sqlalchemy.dialects import sqlite

    return sqlite.insert


def _upsert(table: sa.Table, backend: str) -> Any:
    insert = _insert_of(backend)
    columns = {c.name: sa.bindparam(c.name, type_=c.type) for c in table.columns if c.name != "id"}
    statement = insert(table).values(columns)
    keys = [c.name for c in table.primary_key.columns if c.name != "id"]
    if table.name in ("call_events", "agent_states"):
        # What happened does not change: a second writing is the same line again.
        return statement.on_conflict_do_nothing()
    changed = {name: statement.excluded[name] for name in columns if name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=changed)


def _away() -> tuple[type[BaseException], ...]:
    """What drivers raise when the database is away; asyncpg's own come unwrapped at connect."""
    import asyncpg  # 50 ms, needed only once something failed

    return (SQLAlchemyError, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


def _is_about_values(exc: BaseException) -> bool:
    """The database (or its driver) is there and does not take these values."""
    if not isinstance(exc, StatementError):
        return False
    # SQLAlchemy's asyncpg dialect knows only one of the two classes: look at asyncpg's own.
    import asyncpg

    refusals = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)
    cause = exc.orig.__cause__ if exc.orig is not None else None
    return (
        isinstance(exc, DataError | IntegrityError)
        or not isinstance(exc, DBAPIError)
        or isinstance(cause, refusals)
    )


def _reason(exc: BaseException) -> str:
    inner = exc.orig if isinstance(exc, StatementError) and exc.orig is not None else exc
    return (str(inner).splitlines() or [""])[0][:200] or type(inner).__name__
