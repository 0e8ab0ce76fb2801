"""Turns records into rows and outbox lines; text from the network is made storable here.

Caller ids may hold anything a SIP header can: PostgreSQL refuses NUL, UTF-8 has no lone surrogates.
Both become U+FFFD, everything else is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import asdict, replace
from sqlalchemy import Table

from callcore.acd.counts import AgentStats, QueueStats
from callcore.call.record import CallEvent, CallRecord
from callcore.store import tables
from callcore.store.rows import (
    AgentIntervalRow,
    AgentSecondsRow,
    AgentStateRow,
    QueueIntervalRow,
    RecordingRow,
    SkillIntervalRow,
)

IntervalRow = QueueIntervalRow | SkillIntervalRow | AgentIntervalRow
Row = CallEvent | CallRecord | RecordingRow | AgentStateRow | IntervalRow | AgentSecondsRow
Parameters = dict[str, Any]

_json = msgspec.json.Encoder()
_REPLACEMENT = "\ufffd"


def clean(text: str) -> str:
    """The text without what a database cannot hold."""
    if "\0" in text:
        text = text.replace("\0", _REPLACEMENT)
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def to_json(value: object) -> str:
    """JSON of plain values and structs, free of NULs and surrogates."""
    try:
        text = _json.encode(value).decode()
    except UnicodeEncodeError:
        text = _json.encode(_clean_deep(msgspec.to_builtins(value))).decode()
    return text.replace("\\u0000", _REPLACEMENT) if "\\u0000" in text else text


def _clean_deep(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(k): _clean_deep(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_clean_deep(v) for v in value]
    return value


def from_json(text: str | bytes) -> Any:
    return msgspec.json.decode(text)


def event_parameters(event: CallEvent) -> Parameters:
    return {
        "call": event.call,
        "sequence": event.sequence,
        "at": event.at,
        "name": event.name,
        "tenant": event.tenant,
        "details": event.details,
    }


def record_parameters(record: CallRecord) -> Parameters:
    row = asdict(record)
    row["outcome"] = record.outcome.value
    for name in _FREE_TEXT:
        row[name] = clean(row[name])
    return row


def recording_parameters(row: RecordingRow) -> Parameters:
    return asdict(replace(row, failure=clean(row.failure))) | {"kind": row.kind.value}


def agent_state_parameters(row: AgentStateRow) -> Parameters:
    return asdict(replace(row, reason=clean(row.reason)))


def interval_parameters(row: IntervalRow) -> Parameters:
    """Key and counters side by side."""
    return asdict(row) | counters(row.counts)


def counters(counts: QueueStats | AgentStats) -> Parameters:
    """One value per column; those of the handling among the others."""
    flat = asdict(counts) | asdict(counts.handling)
    return {name: value for name, value in flat.items() if isinstance(value, int | float)}


_FREE_TEXT = ("endpoint", "caller_number", "caller_name", "dialled", "no_recording_reason")

#: Per kind of row: the name in outbox lines, the table, and how it becomes parameters.
KINDS: dict[type[Row], tuple[str, Table, Callable[[Any], Parameters]]] = {
    CallEvent: ("event", tables.call_events, event_parameters),
    CallRecord: ("record", tables.calls, record_parameters),
    RecordingRow: ("recording", tables.recordings, recording_parameters),
    AgentStateRow: ("agent_state", tables.agent_states, agent_state_parameters),
    QueueIntervalRow: ("queue_interval", tables.queue_intervals, interval_parameters),
    SkillIntervalRow: ("skill_interval", tables.skill_intervals, interval_parameters),
    AgentIntervalRow: ("agent_interval", tables.agent_intervals, interval_parameters),
    AgentSecondsRow: ("agent_seconds", tables.agent_seconds, asdict),
}
_BY_NAME = {name: kind for kind, (name, _, _) in KINDS.items()}


def to_line(row: Row) -> bytes:
    """One outbox line, newline included."""
    return to_json((KINDS[type(row)][0], row)).encode() + b"\n"


def from_line(line: bytes) -> Row:
    """Read one outbox line; raises `msgspec.MsgspecError`, `ValueError` or `KeyError`."""
    name, value = msgspec.json.decode(line, type=tuple[str, msgspec.Raw])
    row: Row = msgspec.json.decode(value, type=_BY_NAME[name])
    return row
