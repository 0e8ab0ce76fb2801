"""What the shell does for the rules besides telephony: rows, recordings, look-ups, PINs."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Protocol

import aiohttp
import argon2
import msgspec
import structlog

from callcore.acd.events import AgentChanged
from callcore.call.actions import (
    CheckPin,
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
from callcore.call.events import Event, LookUpAnswered, PinChecked, VoicemailEnded
from callcore.call.record import CallRecord
from callcore.directory import Directory
from callcore.store.queue_log_file import QueueLogFile
from callcore.store.store import Store

log = structlog.get_logger(__name__)

MAX_ANSWER_BYTES = 64 * 1024
MAX_VALUE = 200
#: Longer than this neither the database nor the outbox takes to write a batch.
SAFE_SECONDS = 10.0
#: States of agents whose beginning the lines "offered" and "connected" of a call tell.
_TOLD_BY_THE_CALL = ("offered", "talking")


class Recorder(Protocol):
    """`recording/` as the rules use it."""

    async def start(self, action: StartRecording) -> None: ...
    async def pause(self, action: PauseRecording) -> None: ...
    async def resume(self, action: ResumeRecording) -> None: ...
    async def stop(self, action: StopRecording) -> None: ...
    def voicemail_started(self, action: RecordVoicemail) -> None: ...
    def voicemail_ended(self, event: VoicemailEnded) -> None: ...


class ShellServices:
    """Carries out what is not telephony."""

    def __init__(
        self,
        store: Store,
        recorder: Recorder,
        directory: Callable[[], Directory],
        ended: Callable[[CallRecord], None],
        queue_log: QueueLogFile | None = None,
    ) -> None:
        self._store = store
        self._recorder = recorder
        self._directory = directory
        self._ended = ended
        self._queue_log = queue_log
        self._http: aiohttp.ClientSession | None = None
        self._hasher = argon2.PasswordHasher()
        #: Bound once: the module's own looks its configuration up for every line.
        self._log = log.bind()

    async def close(self) -> None:
        if self._queue_log is not None:
            self._queue_log.close()
        if self._http is not None:
            await self._http.close()

    # --- rows ------------------------------------------------------------------------------

    def write(self, action: RowAction) -> None:
        if self._queue_log is not None:
            self._queue_log.put(action)
        match action:
            case WriteEvent(event=event):
                self._store.put_event(event)
                self._log.info(event.name, call_id=event.call, **_printable(event.details))
            case WriteRecord(record=record):
                self._store.put_record(record)
                if record.wrap_up_ended_at is None:
                    self._ended(record)
            case WriteAgentState():
                self._write_agent_state(action)
            case WriteInterval():
                self._store.put_interval(action.begin, action.counts)

    async def rows_are_safe(self) -> bool:
        return await self._store.flush(SAFE_SECONDS)

    def write_again(self, action: RowAction) -> None:
        """A row of a replayed input: it may be missing, but it was logged and counted before."""
        match action:
            case WriteEvent(event=event):
                self._store.put_event(event)
            case WriteRecord(record=record):
                self._store.put_record(record)
            case WriteAgentState():
                self._store.put_agent_state(_agent_change(action), action.at)
            case WriteInterval():
                self._store.put_interval(action.begin, action.counts)

    def _write_agent_state(self, action: WriteAgentState) -> None:
        self._store.put_agent_state(_agent_change(action), action.at)
        tell = self._log.debug if action.state in _TOLD_BY_THE_CALL else self._log.info
        tell(
            "agent_state",
            call_id=action.call,
            agent=action.agent,
            state=action.state,
            before=action.before,
            reason=action.reason,
        )

    # --- recordings ------------------------------------------------------------------------

    async def record(
        self, action: StartRecording | PauseRecording | ResumeRecording | StopRecording
    ) -> None:
        match action:
            case StartRecording():
                await self._recorder.start(action)
            case PauseRecording():
                await self._recorder.pause(action)
            case ResumeRecording():
                await self._recorder.resume(action)
            case StopRecording():
                await self._recorder.stop(action)

    def message_begins(self, action: RecordVoicemail) -> None:
        self._recorder.voicemail_started(action)

    def message_ended(self, event: VoicemailEnded) -> None:
        self._recorder.voicemail_ended(event)

    # --- questions -------------------------------------------------------------------------

    async def answer(self, action: LookUp | CheckPin) -> Event:
        if isinstance(action, CheckPin):
            return await self._check_pin(action)
        return await self._look_up(action)

    async def _check_pin(self, action: CheckPin) -> PinChecked:
        """argon2 takes tens of milliseconds on purpose: away from the loop."""
        agent = self._directory().agents.get(action.agent)
        expected = agent.pin_hash if agent is not None else ""
        ok = await asyncio.to_thread(self._verify, expected, action.pin)
        return PinChecked(call=action.call, agent=action.agent, ok=ok and bool(expected))

    def _verify(self, expected: str, pin: str) -> bool:
        try:
            return self._hasher.verify(expected or _hash_of_nothing(), pin)
        except argon2.exceptions.VerificationError:
            return False
        except argon2.exceptions.InvalidHashError:
            log.error("pin_hash_unreadable")
            return False

    async def _look_up(self, action: LookUp) -> LookUpAnswered:
        try:
            async with asyncio.timeout(action.timeout):
                values = await self._get(action)
        except TimeoutError:
            error = f"no answer within {action.timeout:g} s"
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            error = f"{type(exc).__name__}: {exc}"[:MAX_VALUE]
        else:
            return LookUpAnswered(call=action.call, token=action.token, values=values)
        log.warning("look_up_failed", call_id=action.call, url=action.url, reason=error)
        return LookUpAnswered(call=action.call, token=action.token, error=error)

    async def _get(self, action: LookUp) -> dict[str, str]:
        if self._http is None:
            self._http = aiohttp.ClientSession()
        async with self._http.get(
            action.url, params=action.query, allow_redirects=False
        ) as response:
            if response.status != 200:
                raise ValueError(f"HTTP status {response.status}")
            body = await response.content.read(MAX_ANSWER_BYTES + 1)
        if len(body) > MAX_ANSWER_BYTES:
            raise ValueError(f"more than {MAX_ANSWER_BYTES} bytes")
        try:
            values = msgspec.json.decode(body, type=dict[str, str | int | float | bool | None])
        except msgspec.DecodeError as exc:
            raise ValueError(f"not a JSON object of plain values: {exc}") from exc
        return {name: _text(value) for name, value in values.items()}


@functools.cache
def _hash_of_nothing() -> str:
    """Verified for agents that do not exist, so that both take the same time."""
    return argon2.PasswordHasher().hash("")


def _agent_change(action: WriteAgentState) -> AgentChanged:
    return AgentChanged(
        agent=action.agent,
        state=action.state,
        before=action.before,
        reason=action.reason,
        contact=action.call,
        queue=action.queue,
    )


def _text(value: str | int | float | bool | None) -> str:
    """A value of a look-up as the tree compares it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)[:MAX_VALUE]


def _printable(details: dict[str, str | int | float | bool | None]) -> dict[str, object]:
    """Details without the empty ones; ``event`` and ``call_id`` belong to the log line."""
    return {name: value for name, value in details.items() if value not in ("", None)}
