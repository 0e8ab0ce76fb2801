"""The write-behind store: takes rows at once, writes them in batches, survives an outage.

The call path never waits for the database: a `put_*` appends to memory; one task writes a batch
every second or 500 rows. While the database is away the batches go to the outbox (fsynced files)
and are drained in order when it is back; every row is an idempotent upsert, so writing one twice
(a crash between a commit and the removal of its file) changes nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from pathlib import Path

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from callcore.acd.counts import Counts
from callcore.acd.events import AgentChanged
from callcore.call.record import CallEvent, CallRecord
from callcore.errors import ConfigError
from callcore.store.database import Database, DatabaseAway, DatabaseNewer, RowRefused
from callcore.store.encode import Row
from callcore.store.outbox import Outbox
from callcore.store.rows import (
    AgentIntervalRow,
    AgentSecondsRow,
    AgentStateRow,
    QueueIntervalRow,
    RecordingRow,
    SkillIntervalRow,
)
from callcore.types import DEFAULT_TENANT

log = structlog.get_logger(__name__)

BATCH_ROWS = 500
#: A commit costs a millisecond, whether it holds one call or twenty.
BATCH_SECONDS = 1.0
#: One transaction at most, when rows piled up behind a slow write.
MAX_BATCH = 1000
#: Rows kept in memory when neither the database nor the outbox takes them; then the oldest go.
MAX_PENDING = 100_000
RETRY_SECONDS = (0.5, 1.0, 2.0, 5.0)
CLOSE_SECONDS = 5.0


class Store:
    """Where calls, their events, recordings and agents' states are kept."""

    def __init__(self, url: str, outbox: Path) -> None:
        self.database = Database(url)
        self.outbox = Outbox(outbox)
        self._rows: deque[Row] = deque()
        self._added = 0
        self._durable = 0
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._some = asyncio.Event()
        self._many = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self._attempts = 0
        self._retry_at = 0.0
        self._outage_since: float | None = None
        #: Set while the database is there and the outbox empty.
        self._settled = asyncio.Event()
        #: The outbox holds rows: later ones queue up behind them.
        self._spooled = False

    @property
    def engine(self) -> AsyncEngine:
        """For `queries`."""
        return self.database.engine

    @property
    def pending(self) -> int:
        """Rows that are not durable yet."""
        return self._added - self._durable

    @property
    def away(self) -> bool:
        """The database is away and rows go to the outbox."""
        return self._outage_since is not None

    async def open(self) -> None:
        """Migrate, and start writing; a database that is away is an outage, not an error.

        Raises `ConfigError` when the schema is newer than this callcore."""
        try:
            await self.database.migrate()
        except DatabaseNewer as exc:
            raise ConfigError(str(exc)) from exc
        except DatabaseAway as exc:
            self._outage_begins(str(exc))
        self._spooled = bool(self.outbox.files())
        if not self.away and not self._spooled:
            self._settled.set()
        self._task = asyncio.create_task(self._run(), name="store-writer")
        self._task.add_done_callback(_report_end)

    def put_event(self, event: CallEvent) -> None:
        self._put(event)

    def put_record(self, record: CallRecord) -> None:
        self._put(record)

    def put_recording(self, row: RecordingRow) -> None:
        self._put(row)

    def put_agent_state(
        self, change: AgentChanged, at: float, tenant: str = DEFAULT_TENANT
    ) -> None:
        self._put(
            AgentStateRow(
                agent=change.agent,
                at=at,
                state=change.state,
                before=change.before,
                reason=change.reason,
                contact=change.contact,
                queue=change.queue,
                tenant=tenant,
            )
        )

    def put_interval(self, begin: float, counts: Counts, tenant: str = DEFAULT_TENANT) -> None:
        """What was counted in the interval that began at `begin`; a row per entry."""
        at = int(begin)
        for queue, counted in counts.queues.items():
            self._put(QueueIntervalRow(begin=at, queue=queue, counts=counted, tenant=tenant))
        for skill, counted in counts.skills.items():
            self._put(SkillIntervalRow(begin=at, skill=skill, counts=counted, tenant=tenant))
        for agent, did in counts.agents.items():
            self._put(AgentIntervalRow(begin=at, agent=agent, counts=did, tenant=tenant))
            for state, spent in did.seconds.items():
                self._put(
                    AgentSecondsRow(
                        begin=at, agent=agent, state=state, seconds=spent, tenant=tenant
                    )
                )

    async def flush(self, seconds: float | None = None, *, hurry: bool = True) -> bool:
        """Wait until all rows put so far are durable, in the database or in the outbox; false when
        that took longer than `seconds`. Without `hurry` they wait for the batch that is due."""
        if self._durable >= self._added:
            return True
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((self._added, future))
        if hurry:
            self._many.set()
        try:
            async with asyncio.timeout(seconds):
                await future
        except TimeoutError:
            return False
        return True

    async def drained(self) -> None:
        """Wait until the database is there and the outbox is empty."""
        await self._settled.wait()

    async def close(self) -> None:
        """Make everything durable and let go of the database."""
        if self._task is not None:
            self._closing = True
            self._some.set()
            self._many.set()
            if not await self.flush(CLOSE_SECONDS):
                log.error("store_closed_with_rows_unwritten", rows=self.pending)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.database.close()

    def _put(self, row: Row) -> None:
        self._rows.append(row)
        self._added += 1
        self._some.set()
        if len(self._rows) >= BATCH_ROWS:
            self._many.set()

    async def _run(self) -> None:
        while True:
            await self._gather()
            batch = self._take()
            try:
                if self.away or self._spooled:
                    await self._spool(batch)
                    await self._drain()
                elif batch:
                    await self._write(batch)
            except DatabaseAway as exc:
                self._outage_begins(str(exc))

    async def _gather(self) -> None:
        """Wait for a batch: 500 rows, or a second after the first; or for the next attempt."""
        loop = asyncio.get_running_loop()
        if not self._rows and (self.away or self._spooled):
            await _wait(self._some, max(0.0, self._retry_at - loop.time()))
        elif not self._rows:
            await self._some.wait()
        if self._rows and not self._closing:
            await _wait(self._many, BATCH_SECONDS)

    def _take(self) -> list[Row]:
        size = min(len(self._rows), MAX_BATCH)
        batch = [self._rows.popleft() for _ in range(size)]
        if not self._rows:
            self._some.clear()
        if len(self._rows) < BATCH_ROWS:
            self._many.clear()
        return batch

    async def _write(self, batch: list[Row]) -> None:
        try:
            await self._write_or_refuse(batch)
        except DatabaseAway:
            await self._spool(batch)
            raise
        self._made_durable(len(batch))

    async def _write_or_refuse(self, batch: list[Row]) -> None:
        try:
            await self.database.write(batch)
        except RowRefused:
            for row in batch:
                await self._write_one(row)

    async def _write_one(self, row: Row) -> None:
        try:
            await self.database.write([row])
        except RowRefused as exc:
            self.outbox.refuse(row, str(exc))

    async def _spool(self, batch: list[Row]) -> None:
        if not batch:
            return
        try:
            await asyncio.to_thread(self.outbox.append, batch)
        except OSError as exc:
            await self._keep(batch, str(exc))
        else:
            self._spooled = True
            self._settled.clear()
            self._made_durable(len(batch))

    async def _keep(self, batch: list[Row], reason: str) -> None:
        """Neither database nor disk: back to memory, within bounds."""
        self._rows.extendleft(reversed(batch))
        self._some.set()
        lost = max(0, len(self._rows) - MAX_PENDING)
        for _ in range(lost):
            self._rows.popleft()
        self._made_durable(lost)
        log.error("outbox_unwritable", reason=reason, kept_in_memory=len(self._rows), lost=lost)
        await asyncio.sleep(RETRY_SECONDS[0])

    async def _drain(self) -> None:
        """Write the oldest outbox file to the database, when it is time to try again."""
        if asyncio.get_running_loop().time() < self._retry_at:
            return
        files = self.outbox.files()
        await self.database.migrate()
        if files:
            rows = await asyncio.to_thread(self.outbox.read, files[0])
            for start in range(0, len(rows), MAX_BATCH):
                await self._write_or_refuse(rows[start : start + MAX_BATCH])
            self.outbox.remove(files[0])
        if len(files) <= 1:
            self._spooled = False
            self._settled.set()
            self._outage_ends()

    def _outage_begins(self, reason: str) -> None:
        now = asyncio.get_running_loop().time()
        self._retry_at = now + RETRY_SECONDS[min(self._attempts, len(RETRY_SECONDS) - 1)]
        self._attempts += 1
        if self._outage_since is None:
            self._outage_since = now
            self._settled.clear()
            log.error(
                "database_away",
                database=self.database.shown,
                reason=reason,
                rows_go_to=str(self.outbox.directory),
            )

    def _outage_ends(self) -> None:
        self._attempts, self._retry_at = 0, 0.0
        if self._outage_since is not None:
            seconds = asyncio.get_running_loop().time() - self._outage_since
            self._outage_since = None
            log.info("database_back", database=self.database.shown, away_seconds=round(seconds, 1))

    def _made_durable(self, rows: int) -> None:
        self._durable += rows
        done = [future for target, future in self._waiting if target <= self._durable]
        self._waiting = [entry for entry in self._waiting if entry[0] > self._durable]
        for future in done:
            if not future.done():
                future.set_result(None)


def _report_end(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.critical("store_writer_died", exc_info=task.exception())


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
