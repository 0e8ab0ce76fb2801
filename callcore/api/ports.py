"""What the API needs from the running application, and nothing more."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from callcore.acd.counts import Counts
from callcore.call.events import Event
from callcore.call.record import CallEvent, CallRecord
from callcore.config import Settings
from callcore.monitor.callbacks import CallbackView
from callcore.monitor.view import Snapshot
from callcore.monitor.why import AgentWhy, ContactWhy
from callcore.store.intervals import AgentSums, ContactSums, Present, Range
from callcore.store.rows import RecordingRow
from callcore.types import AgentId, CallId, RecordingId


class Switchboard(Protocol):
    """The switch as operators see it; `app.py` implements it on dispatcher and machines."""

    def snapshot(self) -> Snapshot:
        """What there is now. Called at most ten times a second, and only while somebody looks."""
        ...

    def why_contact(self, contact: CallId) -> ContactWhy | None:
        """Why a contact waits; None: it is in no queue."""
        ...

    def why_agent(self, agent: AgentId) -> AgentWhy:
        """Why an agent is offered nothing now. Raises `UnknownEntity`."""
        ...

    def callbacks(self) -> tuple[CallbackView, ...]:
        """Callbacks whose customer was not reached yet, in the order they were promised."""
        ...

    def interval(self) -> Present:
        """What was counted since the last quarter of an hour; the rest is in the archive."""
        ...

    def today(self) -> Counts:
        """What was counted since midnight."""
        ...

    def version(self) -> int:
        """Grows with every change of what `snapshot` shows; equal: nothing changed."""
        ...

    async def submit(self, event: Event) -> None:
        """Put an operator's event through the dispatcher; returns when it has been handled.

        Raises `UnknownEntity` for an id that nothing has, `Refused` when the state does not allow
        it (a logout of somebody not logged in), `BackendUnavailable` when telephony is away.
        """
        ...

    def settings(self) -> Settings:
        """The settings in force."""
        ...

    async def reload(self) -> None:
        """Read callcore.toml and var/directory.json again and put them in force.

        Raises `ConfigError`; the last good settings stay then."""
        ...

    def ready(self) -> str:
        """Empty when calls can be served, else why not ("asterisk: not connected")."""
        ...


class Archive(Protocol):
    """What is in the store, for reading. Raises `BackendUnavailable` while the store is away."""

    async def calls(self, limit: int, before: float | None) -> list[CallRecord]:
        """Ended calls, newest first; `before`: arrived earlier than that."""
        ...

    async def call(self, name: CallId) -> tuple[CallRecord, list[CallEvent]] | None:
        """One ended call and the event list behind it."""
        ...

    async def events(self, name: CallId) -> list[CallEvent]:
        """The event list of a call, of a live one up to now; empty: no such call."""
        ...

    async def recordings(self, limit: int, before: float | None) -> list[RecordingRow]:
        """Newest first; `before`: started earlier than that."""
        ...

    async def recording(self, name: RecordingId) -> RecordingRow | None: ...

    async def queue_sums(self, wanted: Range, present: Present) -> list[ContactSums]:
        """Counters of queues, those of the present interval added."""
        ...

    async def skill_sums(self, wanted: Range, present: Present) -> list[ContactSums]: ...

    async def agent_sums(self, wanted: Range, present: Present) -> list[AgentSums]: ...

    def recording_file(self, row: RecordingRow) -> Path | None:
        """The audio file, if it is there and inside the recordings directory."""
        ...
