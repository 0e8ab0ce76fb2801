"""What the store writes beside `CallEvent` and `CallRecord`: recordings and agents' states."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from callcore.acd.counts import AgentStats, QueueStats
from callcore.types import DEFAULT_TENANT, AgentId, CallId, QueueId, RecordingId


class RecordingKind(StrEnum):
    CALL = "call"
    VOICEMAIL = "voicemail"


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of silence in the file that is not the parties': seconds from its start."""

    start: float
    end: float
    #: ``paused``, or ``lost`` where samples are missing (Asterisk or the disk failed).
    reason: str = "paused"


class RecordingRow(msgspec.Struct, frozen=True, kw_only=True):
    """One finalised recording. `path` is relative to the recordings' directory, `started_at` is
    the clock time of the first sample."""

    recording: RecordingId
    call: CallId
    tenant: str = DEFAULT_TENANT
    kind: RecordingKind = RecordingKind.CALL
    queue: QueueId = ""
    agent: AgentId = ""
    started_at: float = 0.0
    seconds: float = 0.0
    gaps: tuple[Gap, ...] = ()
    path: str = ""
    format: str = "flac"
    channels: int = 2
    sample_rate: int = 8000
    bytes: int = 0
    sha256: str = ""
    #: The end is an estimate: callcore or Asterisk was killed while recording.
    estimated: bool = False
    #: Why there is no file, when `path` is empty.
    failure: str = ""


class AgentStateRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One change of an agent's state (`AgentChanged` with its time)."""

    agent: AgentId
    at: float
    state: str
    before: str = ""
    reason: str = ""
    contact: CallId = ""
    queue: QueueId = ""
    tenant: str = DEFAULT_TENANT


class QueueIntervalRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a queue counted in the interval that began at `begin` (seconds since the epoch)."""

    begin: int
    queue: QueueId
    counts: QueueStats
    tenant: str = DEFAULT_TENANT


class SkillIntervalRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The same of the contacts that needed a skill."""

    begin: int
    skill: str
    counts: QueueStats
    tenant: str = DEFAULT_TENANT


class AgentIntervalRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an agent did in an interval; the seconds in each state have rows of their own."""

    begin: int
    agent: AgentId
    counts: AgentStats
    tenant: str = DEFAULT_TENANT


class AgentSecondsRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How long an agent was in one state in an interval."""

    begin: int
    agent: AgentId
    state: str
    seconds: float
    tenant: str = DEFAULT_TENANT
