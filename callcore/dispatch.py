"""The loop: an event comes in, is written to the journal, goes through the rules, actions go out.

Everything runs on one event loop. `post` handles an event at once, in the order of arrival; the
actions of one call leave in order through a lane of their own, different calls concurrently. One
timer serves all deadlines. Here is also the one broad handler: a rule that fails ends its call,
never the switch.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Protocol

import structlog

from callcore.call.actions import (
    Action,
    AnyAction,
    CheckPin,
    Dial,
    Hangup,
    LookUp,
    PauseRecording,
    RecordVoicemail,
    ResumeRecording,
    RowAction,
    StartRecording,
    StopRecording,
    WriteAgentState,
    WriteEvent,
    WriteInterval,
    WriteRecord,
)
from callcore.call.events import ActionFailed, Event, LegFailed, VoicemailEnded
from callcore.call.switch import Switch
from callcore.clearing import Clearing
from callcore.errors import ActionRefused, BackendError, BackendUnavailable
from callcore.journal import Journal
from callcore.lanes import Lanes
from callcore.telephony.backend import Backend, Done
from callcore.types import ChannelId, LegFailure

log = structlog.get_logger(__name__)

_GONE = 404
_RECORDING = StartRecording | PauseRecording | ResumeRecording | StopRecording


class Clock:
    """Wall-clock seconds that never run backwards: the wall at start plus monotonic time."""

    def __init__(self, not_before: float = 0.0) -> None:
        self._offset = max(time.time(), not_before) - time.monotonic()

    def __call__(self) -> float:
        return time.monotonic() + self._offset

    def monotonic(self, now: float) -> float:
        """The loop's time for a deadline."""
        return now - self._offset


def handle(switch: Switch, event: Event | None, now: float) -> list[AnyAction]:
    """One input through the rules (None: the timer); a replay does it the same way."""
    try:
        return switch.handle_timer(now) if event is None else switch.handle(event, now)
    except Exception:  # noqa: BLE001 - the one broad handler, see the module's docstring
        return _after_a_fault(switch, event, now)


def _after_a_fault(switch: Switch, event: Event | None, now: float) -> list[AnyAction]:
    """Our rule broke; say so, end that call, go on."""
    call = switch.call_id_of(event) if event is not None else ""
    log.exception("rule_failed", call_id=call, event_name=type(event).__name__)
    begun = switch.cx.actions
    try:
        return begun + switch.give_up(call, now)
    except Exception:  # the others must go on, now and in every replay
        log.exception("call_not_ended", call_id=call)
        return begun


#: Refusals of the distributor that are a race between two who did nothing wrong.
_RACES = (
    "late_answer", "duplicate_answer", "no_such_offer", "already_reserved", "not_connected",
    "unknown_contact", "no_change", "duplicate_assignment", "already_ready", "already_paused",
    "already_logged_in", "not_logged_in",
)  # fmt: skip


def log_refused(switch: Switch) -> None:
    """What the distributor could not use: once, with its ids; the state has not changed."""
    for code, event in switch.distributor.take_refused():
        told = {
            name: value
            for name in ("contact", "agent", "queue", "status", "rule")
            if (value := getattr(event, name, ""))
        }
        tell = log.debug if code in _RACES else log.warning
        tell("event_refused", code=code, event_name=type(event).__name__, **told)


class Services(Protocol):
    """What the shell does besides telephony."""

    def write(self, action: RowAction) -> None:
        """Take a row; must not block."""

    async def rows_are_safe(self) -> bool:
        """Wait until all rows taken so far are durable; false when that takes too long."""

    async def record(
        self, action: StartRecording | PauseRecording | ResumeRecording | StopRecording
    ) -> None:
        """Start, pause, resume or stop a recording."""

    def message_begins(self, action: RecordVoicemail) -> None:
        """A voicemail message is about to be recorded by the back end."""

    def message_ended(self, event: VoicemailEnded) -> None:
        """It is complete."""

    async def answer(self, action: LookUp | CheckPin) -> Event:
        """Find the answer to a question of the rules; never raises for a bad answer."""


def channel_of(action: Action) -> ChannelId:
    """The one channel an action is about; empty: none, or several."""
    channels: tuple[ChannelId, ...] = getattr(action, "channels", ())
    one = channels[0] if len(channels) == 1 else ""
    return getattr(action, "channel", one)


class Dispatcher:
    """Owns the switch: nobody else calls `handle`."""

    def __init__(
        self,
        switch: Switch,
        journal: Journal,
        backend: Backend,
        services: Services,
        clock: Clock,
    ) -> None:
        self.switch = switch
        self.clock = clock
        self._journal = journal
        self._backend = backend
        self._services = services
        self._inbox: deque[Event] = deque()
        self._handling = False
        self._lanes = Lanes(self._begin, self._execute, self._failed, self._spawn)
        self._clearing = Clearing(self._put, self.post, self._later)
        self._tasks: asyncio.TaskGroup | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: float | None = None
        self.watchers: list[Callable[[Event | None, list[AnyAction]], None]] = []
        self.events_handled = 0
        #: How late the journal reaches the disk, and how often the whole state does.
        self.sync_seconds = 0.2
        self.snapshot_seconds = 60.0

    # --- in --------------------------------------------------------------------------------

    def post(self, event: Event) -> None:
        """Handle an event now; one that arrives while another is handled waits its turn."""
        self._inbox.append(event)
        if self._handling:
            return
        self._handling = True
        try:
            while self._inbox:
                self._handle(self._inbox.popleft())
        finally:
            self._handling = False
        self._set_timer()

    def _handle(self, event: Event | None) -> None:
        now = self.clock()
        self._journal.append(event if event is None else self.switch.masked(event), now)
        self.events_handled += 1
        if event is not None:
            self._clearing.see(event)
        actions = handle(self.switch, event, now)
        for watch in self.watchers:
            watch(event, actions)
        self._send(actions)
        log_refused(self.switch)
        if isinstance(event, VoicemailEnded):
            self._services.message_ended(event)

    def _set_timer(self) -> None:
        due = self.switch.next_timer()
        if due == self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = due
        self._timer = None
        if due is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(self.clock.monotonic(due), self._timer_fired)

    def _timer_fired(self) -> None:
        self._timer = None
        self._timer_at = None
        self._handle(None)
        self._set_timer()

    # --- out -------------------------------------------------------------------------------

    def _send(self, actions: list[AnyAction]) -> None:
        for action in actions:
            match action:
                case WriteEvent() | WriteRecord() | WriteAgentState() | WriteInterval():
                    self._services.write(action)
                case LookUp() | CheckPin():
                    self._spawn(self._answer(action))
                case StartRecording() | PauseRecording() | ResumeRecording() | StopRecording():
                    self._lanes.put(action.recording, action)
                case Dial():
                    self._clearing.dial(action)
                case Hangup():
                    self._clearing.hang_up(action)
                case _:
                    self._put(action)

    def _put(self, action: AnyAction) -> None:
        self._lanes.put(action.call, action)

    def _later(
        self, delay: float, callback: Callable[[ChannelId], None], channel: ChannelId
    ) -> None:
        asyncio.get_running_loop().call_later(delay, callback, channel)

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        if self._tasks is None:
            raise RuntimeError("the dispatcher is not running")
        self._tasks.create_task(work)

    def _begin(self, action: AnyAction, done: Done) -> bool:
        if isinstance(action, RecordVoicemail | _RECORDING):
            return False
        return self._backend.begin(action, done)

    async def _execute(self, action: AnyAction) -> None:
        match action:
            case StartRecording() | PauseRecording() | ResumeRecording() | StopRecording():
                await self._services.record(action)
            case RecordVoicemail():
                self._services.message_begins(action)
                await self._backend.execute(action)
            case _:
                await self._backend.execute(action)

    def _failed(self, action: AnyAction, problem: BackendError) -> None:
        if isinstance(problem, BackendUnavailable):
            log.warning("action_lost", call_id=action.call, reason=str(problem))
            self._dial_failed(action)
        elif isinstance(problem, ActionRefused):
            self._refused(action, problem)
        else:
            self._refused(action, ActionRefused(str(problem)))

    def _dial_failed(self, action: Action) -> bool:
        if isinstance(action, Dial):
            self.post(LegFailed(channel=action.channel, failure=LegFailure.UNREACHABLE))
            return True
        return False

    def _refused(self, action: Action, refusal: ActionRefused) -> None:
        name = type(action).__name__
        gone = refusal.status == _GONE
        if not gone:
            log.warning("action_refused", call_id=action.call, action=name, reason=str(refusal))
        if not self._dial_failed(action):
            self.post(
                ActionFailed(
                    call=action.call,
                    action=name,
                    channel=channel_of(action),
                    reason=str(refusal),
                    gone=gone,
                )
            )

    async def _answer(self, action: LookUp | CheckPin) -> None:
        self.post(await self._services.answer(action))

    # --- life ------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled: take the back end's events, sync the journal, take snapshots."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            self._set_timer()
            tasks.create_task(self._sync_journal())
            tasks.create_task(self._take_snapshots())
            await self._backend.run(self.post)

    async def _sync_journal(self) -> None:
        while True:
            await asyncio.sleep(self.sync_seconds)
            await asyncio.to_thread(self._journal.sync)

    async def _take_snapshots(self) -> None:
        while True:
            await asyncio.sleep(self.snapshot_seconds)
            await self.take_snapshot()

    async def take_snapshot(self) -> None:
        """Write the state down, so that a start has little to replay.

        A start writes the rows of what it replays once more; those of what the snapshot covers it
        does not, so they have to be durable before.
        """
        encoded = self._journal.snapshot(self.switch, self.clock())
        sequence = self._journal.sequence
        if not await self._services.rows_are_safe():
            log.warning("snapshot_not_stored", reason="rows cannot be written")
            return
        await asyncio.to_thread(self._journal.store_snapshot, sequence, encoded)
