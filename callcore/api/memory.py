"""A switch and an archive in memory, for trying and testing the API and the command line."""

from __future__ import annotations

from pathlib import Path

from callcore.acd.counts import Counts, QueueStats
from callcore.acd.why import Reason
from callcore.call.events import (
    AgentLogin,
    AgentLogout,
    AgentPaused,
    AgentReady,
    AgentStatusChosen,
    AgentWrapUpAsked,
    AgentWrapUpExtended,
    CallbackCancelAsked,
    CallHangupAsked,
    CallPriorityAsked,
    CallSuperviseAsked,
    CallTransferAsked,
    Event,
)
from callcore.call.record import CallEvent, CallRecord
from callcore.config import Settings, load_settings
from callcore.errors import BackendUnavailable, Refused, UnknownEntity
from callcore.monitor.callbacks import CallbackView
from callcore.monitor.view import (
    AgentView,
    CallView,
    NodeView,
    PhoneView,
    QueueView,
    Snapshot,
    TrunkView,
)
from callcore.monitor.why import AgentWhy, ContactWhy, view
from callcore.store.intervals import AgentSums, ContactSums, Present, Range
from callcore.store.rows import RecordingRow
from callcore.types import AgentId, CallId, RecordingId

AgentEvent = (
    AgentLogin
    | AgentLogout
    | AgentPaused
    | AgentReady
    | AgentStatusChosen
    | AgentWrapUpAsked
    | AgentWrapUpExtended
)
STATES = {AgentLogin: "idle", AgentReady: "idle", AgentPaused: "paused", AgentLogout: "logged_out"}


class MemorySwitch:
    """Does what a switch does to agents and calls, without telephony."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._settings = load_settings(file, {})
        self._version = 0
        self.why_not_ready = ""
        self.states: dict[AgentId, str] = {}
        self.calls: dict[CallId, CallView] = {}
        self.pending: dict[CallId, CallbackView] = {}
        #: Why contacts wait.
        self.explanations: dict[CallId, ContactWhy] = {}
        #: What was submitted, in order.
        self.events: list[Event] = []
        self.present = Present(begin=900.0, counts=Counts())

    def snapshot(self) -> Snapshot:
        directory = self._settings.directory
        return Snapshot(
            at=1000.0,
            queues=tuple(self._queue(name) for name in directory.queues),
            agents=tuple(
                AgentView(id=a.id, name=a.name, state=self.states.get(a.id, "logged_out"))
                for a in directory.agents.values()
            ),
            calls=tuple(self.calls.values()),
            phones=tuple(PhoneView(id=name) for name in directory.phones),
            trunks=tuple(TrunkView(id=t.id, host=t.host) for t in directory.trunks.values()),
            nodes=(NodeView(id="memory", up=not self.why_not_ready),),
        )

    def _queue(self, name: str) -> QueueView:
        members = tuple(m.agent for m in self._settings.directory.queues[name].members)
        waiting = sum(c.queue == name and c.position > 0 for c in self.calls.values())
        return QueueView(id=name, members=members, waiting=waiting)

    def changed(self) -> None:
        """Tell the listeners; for changes made to `calls` from outside."""
        self._version += 1

    def why_contact(self, contact: CallId) -> ContactWhy | None:
        return self.explanations.get(contact)

    def why_agent(self, agent: AgentId) -> AgentWhy:
        if agent not in self._settings.directory.agents:
            raise UnknownEntity("agent", agent)
        state = self.states.get(agent, "logged_out")
        return AgentWhy(agent=agent, reasons=(view(Reason(state)),))

    def callbacks(self) -> tuple[CallbackView, ...]:
        return tuple(self.pending.values())

    def interval(self) -> Present:
        return self.present

    def today(self) -> Counts:
        return self.present.counts

    def version(self) -> int:
        return self._version

    def settings(self) -> Settings:
        return self._settings

    def ready(self) -> str:
        return self.why_not_ready

    async def reload(self) -> None:
        self._settings = load_settings(self._file, {})
        self.changed()

    async def submit(self, event: Event) -> None:
        if self.why_not_ready:
            raise BackendUnavailable(self.why_not_ready)
        if isinstance(event, AgentEvent):
            self._agent(event)
        elif isinstance(event, CallbackCancelAsked):
            if self.pending.pop(event.call, None) is None:
                raise UnknownEntity("callback", event.call)
        elif isinstance(event, CallHangupAsked | CallTransferAsked):
            if event.call not in self.calls:
                raise UnknownEntity("call", event.call)
            del self.calls[event.call]
        elif isinstance(event, CallSuperviseAsked):
            self._supervise(event)
        elif isinstance(event, CallPriorityAsked) and event.call not in self.calls:
            raise UnknownEntity("call", event.call)
        self.events.append(event)
        self.changed()

    def _supervise(self, event: CallSuperviseAsked) -> None:
        if event.call not in self.calls:
            raise UnknownEntity("call", event.call)
        if event.phone not in self._settings.directory.phones:
            raise Refused(f"no phone named {event.phone!r}")
        name = f"{event.call}-{event.phone}"
        self.calls[name] = CallView(
            id=name, state="service", caller=event.phone, supervised=event.call
        )

    def _agent(self, event: AgentEvent) -> None:
        if event.agent not in self._settings.directory.agents:
            raise UnknownEntity("agent", event.agent)
        logged_in = self.states.get(event.agent, "logged_out") != "logged_out"
        if not logged_in and not isinstance(event, AgentLogin):
            raise Refused(f"agent {event.agent} is not logged in")
        if type(event) in STATES:
            self.states[event.agent] = STATES[type(event)]


class MemoryArchive:
    """Records and recordings in lists; audio files in a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.records: list[CallRecord] = []
        self.rows: list[RecordingRow] = []
        self.event_lists: dict[CallId, list[CallEvent]] = {}
        #: What was asked for last.
        self.wanted: Range | None = None

    async def calls(self, limit: int, before: float | None) -> list[CallRecord]:
        newest = sorted(self.records, key=lambda record: -record.arrived_at)
        return [r for r in newest if before is None or r.arrived_at < before][:limit]

    async def call(self, name: CallId) -> tuple[CallRecord, list[CallEvent]] | None:
        found = next((r for r in self.records if r.call == name), None)
        return None if found is None else (found, await self.events(name))

    async def events(self, name: CallId) -> list[CallEvent]:
        return self.event_lists.get(name, [])

    async def recordings(self, limit: int, before: float | None) -> list[RecordingRow]:
        newest = sorted(self.rows, key=lambda row: -row.started_at)
        return [r for r in newest if before is None or r.started_at < before][:limit]

    async def recording(self, name: RecordingId) -> RecordingRow | None:
        return next((r for r in self.rows if r.recording == name), None)

    async def queue_sums(self, wanted: Range, present: Present) -> list[ContactSums]:
        """Nothing but what is counted now."""
        return self._sums(wanted, present, present.counts.queues)

    async def skill_sums(self, wanted: Range, present: Present) -> list[ContactSums]:
        return self._sums(wanted, present, present.counts.skills)

    def _sums(
        self, wanted: Range, present: Present, counted: dict[str, QueueStats]
    ) -> list[ContactSums]:
        self.wanted = wanted
        return [
            ContactSums(name=name, begin=present.begin, end=wanted.end, counts=each)
            for name, each in counted.items()
        ]

    async def agent_sums(self, wanted: Range, present: Present) -> list[AgentSums]:
        self.wanted = wanted
        return [
            AgentSums(name=name, begin=present.begin, end=wanted.end, counts=each)
            for name, each in present.counts.agents.items()
        ]

    def recording_file(self, row: RecordingRow) -> Path | None:
        file = self._directory / row.path
        return file if row.path and file.is_file() else None
