"""The tables, with the class of personal data each column holds.

`info={"data_class": …}` drives masking, retention and erasure; a column without it says nothing
about a person. Times are seconds since the epoch, durations are seconds.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)


class DataClass(StrEnum):
    """Whose data a column holds and how far it reaches."""

    #: Who the customer is: numbers and names.
    CUSTOMER = "customer"
    #: What an employee did and when.
    WORKER = "worker"
    #: What was said, typed or looked up in a conversation.
    CONTENT = "content"


metadata = MetaData()


def personal(name: str, kind: Any, data_class: DataClass, **options: Any) -> Column[Any]:
    return Column(name, kind, nullable=False, info={"data_class": data_class}, **options)


def fact(name: str, kind: Any, **options: Any) -> Column[Any]:
    options.setdefault("nullable", False)
    return Column(name, kind, **options)


calls = Table(
    "calls",
    metadata,
    fact("call", String(64), primary_key=True),
    fact("node", Text),
    fact("tenant", String(64)),
    fact("direction", Text),
    personal("endpoint", Text, DataClass.WORKER),
    personal("caller_number", Text, DataClass.CUSTOMER),
    personal("caller_name", Text, DataClass.CUSTOMER),
    # On an outbound call the number dialled is the customer's.
    personal("dialled", Text, DataClass.CUSTOMER),
    fact("tree", Text),
    fact("queue", Text),
    personal("agent", Text, DataClass.WORKER),
    fact("arrived_at", Double),
    fact("ivr_at", Double, nullable=True),
    fact("queued_at", Double, nullable=True),
    fact("first_offered_at", Double, nullable=True),
    fact("answered_at", Double, nullable=True),
    fact("ended_at", Double, nullable=True),
    fact("wrap_up_ended_at", Double, nullable=True),
    fact("wait_seconds", Double),
    fact("talk_seconds", Double),
    fact("hold_seconds", Double),
    fact("wrap_up_seconds", Double),
    fact("offers", Integer),
    fact("transfers", Integer),
    fact("outcome", String(32)),
    fact("hung_up_by", Text),
    fact("hangup_cause", Integer),
    fact("estimated", Boolean),
    fact("recording", Text),
    fact("no_recording_reason", Text),
    personal("segments", JSON, DataClass.WORKER),
    personal("variables", JSON, DataClass.CONTENT),
    Index("calls_by_time", "tenant", "arrived_at", "call"),
    Index("calls_by_queue", "tenant", "queue", "arrived_at"),
    Index("calls_by_agent", "tenant", "agent", "arrived_at"),
)

call_events = Table(
    "call_events",
    metadata,
    fact("call", String(64), primary_key=True),
    fact("sequence", Integer, primary_key=True, autoincrement=False),
    fact("at", Double),
    fact("name", Text),
    fact("tenant", String(64)),
    personal("details", JSON, DataClass.CONTENT),
    # The key is the only way in: no rowid, no second tree to write.
    sqlite_with_rowid=False,
)

recordings = Table(
    "recordings",
    metadata,
    fact("recording", String(128), primary_key=True),
    fact("call", String(64)),
    fact("tenant", String(64)),
    fact("kind", String(16)),
    fact("queue", Text),
    personal("agent", Text, DataClass.WORKER),
    fact("started_at", Double),
    fact("seconds", Double),
    fact("gaps", JSON),
    personal("path", Text, DataClass.CONTENT),
    fact("format", String(16)),
    fact("channels", Integer),
    fact("sample_rate", Integer),
    fact("bytes", BigInteger),
    personal("sha256", String(64), DataClass.CONTENT),
    fact("estimated", Boolean),
    fact("failure", Text),
    Index("recordings_by_call", "call"),
    Index("recordings_by_time", "tenant", "started_at"),
)

agent_states = Table(
    "agent_states",
    metadata,
    # Order of arrival: several changes can share one clock time.
    fact("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    personal("agent", Text, DataClass.WORKER),
    fact("at", Double),
    fact("state", String(32)),
    fact("before", String(32)),
    personal("reason", Text, DataClass.WORKER),
    fact("contact", Text),
    fact("queue", Text),
    fact("tenant", String(64)),
    UniqueConstraint("agent", "at", "before", "state", name="agent_states_once"),
    Index("agent_states_by_time", "tenant", "at"),
)


def _contact_counters() -> list[Column[Any]]:
    """`QueueStats`, one column each."""
    counts = (
        "carried", "entered", "refused", "offers", "answered", "answered_within", "abandoned",
        "abandoned_within", "short_abandoned", "dropped", "overflowed", "taken_out", "rona",
        "transferred_in", "transferred_out",
    )  # fmt: skip
    seconds = ("answered_wait_seconds", "abandoned_wait_seconds", "longest_wait")
    return [
        *(fact(name, Integer) for name in counts),
        *(fact(name, Double) for name in seconds),
        *_handling(),
    ]


def _handling() -> list[Column[Any]]:
    return [
        fact("handled", Integer),
        *(fact(name, Double) for name in ("talk_seconds", "hold_seconds", "wrap_up_seconds")),
    ]


#: Intervals are quarters of an hour; `begin` is a whole number, so that sums over hours can be made
#: by the database. The key makes writing one again harmless.
queue_intervals = Table(
    "queue_intervals",
    metadata,
    fact("tenant", String(64), primary_key=True),
    fact("begin", BigInteger, primary_key=True, autoincrement=False),
    fact("queue", String(255), primary_key=True),
    *_contact_counters(),
    sqlite_with_rowid=False,
)

skill_intervals = Table(
    "skill_intervals",
    metadata,
    fact("tenant", String(64), primary_key=True),
    fact("begin", BigInteger, primary_key=True, autoincrement=False),
    fact("skill", String(255), primary_key=True),
    *_contact_counters(),
    sqlite_with_rowid=False,
)

agent_intervals = Table(
    "agent_intervals",
    metadata,
    fact("tenant", String(64), primary_key=True),
    fact("begin", BigInteger, primary_key=True, autoincrement=False),
    personal("agent", String(255), DataClass.WORKER, primary_key=True),
    *(
        fact(name, Integer)
        for name in (
            "offers", "answered", "rona", "rona_pauses", "transferred_in", "transferred_out",
        )
    ),
    *_handling(),
    sqlite_with_rowid=False,
)  # fmt: skip

agent_seconds = Table(
    "agent_seconds",
    metadata,
    fact("tenant", String(64), primary_key=True),
    fact("begin", BigInteger, primary_key=True, autoincrement=False),
    personal("agent", String(255), DataClass.WORKER, primary_key=True),
    fact("state", String(64), primary_key=True),
    fact("seconds", Double),
    sqlite_with_rowid=False,
)
