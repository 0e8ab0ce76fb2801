"""What a supervisor sees now, as values, and the same rendered to text; pure.

`Snapshot` is also what the API and its WebSocket send. Times are seconds since the epoch, so that
a reader computes the elapsed time itself and nothing has to be sent while a clock merely runs.
"""

from __future__ import annotations

from typing import Any
from unicodedata import combining, east_asian_width

import msgspec

from callcore.types import AgentId, CallId, PhoneId, QueueId, RecordingId, TrunkId


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a table."""


class QueueView(Row, frozen=True, kw_only=True):
    """A queue now, and its counters since midnight."""

    id: QueueId
    name: str = ""
    strategy: str = ""
    waiting: int = 0
    #: Since when the caller waits who waits longest.
    waiting_since: float | None = None
    #: Logged-in members by state: {"idle": 2, "talking": 1}.
    agents: dict[str, int] = {}
    #: Members, logged in or not.
    members: tuple[AgentId, ...] = ()
    offered_today: int = 0
    answered_today: int = 0
    abandoned_today: int = 0
    #: Abandoned before the short-abandon limit; not part of abandoned_today.
    short_abandoned_today: int = 0
    overflowed_today: int = 0
    #: Share of today's calls answered in time, 0…1; None: no call yet.
    service_level: float | None = None
    #: Average wait of today's answered calls (ASA), seconds.
    average_wait: float | None = None


class AgentView(Row, frozen=True, kw_only=True):
    """An agent's session; `phone` is empty when logged out."""

    id: AgentId
    name: str = ""
    #: logged_out, idle, offered, talking, on_hold, wrapping_up, paused, busy, unreachable.
    state: str = "logged_out"
    #: Pause reason, or why the state changed.
    reason: str = ""
    phone: PhoneId = ""
    since: float | None = None
    #: When a timed state (wrap-up) ends by itself.
    until: float | None = None
    #: Call and queue at work on.
    contact: CallId = ""
    queue: QueueId = ""
    queues: tuple[QueueId, ...] = ()


class CallView(Row, frozen=True, kw_only=True):
    """A live call."""

    id: CallId
    state: str
    direction: str = "inbound"
    caller: str = ""
    caller_name: str = ""
    dialled: str = ""
    tree: str = ""
    queue: QueueId = ""
    #: Place in the queue, from 1; 0: not waiting.
    position: int = 0
    agent: AgentId = ""
    arrived_at: float = 0.0
    #: Since when in this state.
    since: float = 0.0
    #: When it entered the queue it waits or waited in; None: never queued.
    queued_at: float | None = None
    recording: RecordingId = ""
    recording_paused: bool = False
    on_hold: bool = False
    #: Supervisors' phones and what each does: {"desk": "whisper"}.
    supervisors: dict[PhoneId, str] = {}
    #: The call that this one, a supervisor's, listens to.
    supervised: CallId = ""
    #: Why it still waits, as reason codes.
    reasons: tuple[str, ...] = ()


class PhoneView(Row, frozen=True, kw_only=True):
    id: PhoneId
    reachable: bool = False
    #: Who is logged in there.
    agent: AgentId = ""


class TrunkView(Row, frozen=True, kw_only=True):
    id: TrunkId
    host: str = ""
    calls: int = 0
    #: registered, unregistered, rejected, reachable, unreachable, or empty when unknown.
    state: str = ""


class NodeView(Row, frozen=True, kw_only=True):
    """A telephony node and whether the link to it works."""

    id: str
    up: bool = False
    since: float | None = None
    reason: str = ""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything there is to see, at `at`; rows in the order of their configuration or arrival."""

    at: float
    queues: tuple[QueueView, ...] = ()
    agents: tuple[AgentView, ...] = ()
    calls: tuple[CallView, ...] = ()
    phones: tuple[PhoneView, ...] = ()
    trunks: tuple[TrunkView, ...] = ()
    nodes: tuple[NodeView, ...] = ()


class Rows(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Rows of some tables."""

    queues: tuple[QueueView, ...] = ()
    agents: tuple[AgentView, ...] = ()
    calls: tuple[CallView, ...] = ()
    phones: tuple[PhoneView, ...] = ()
    trunks: tuple[TrunkView, ...] = ()
    nodes: tuple[NodeView, ...] = ()


TABLES = Rows.__struct_fields__


class Delta(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What changed between two snapshots: rows that are new or different, and ids that went."""

    at: float
    changed: Rows = Rows()
    gone: dict[str, tuple[str, ...]] = {}

    def __bool__(self) -> bool:
        return bool(self.gone) or self.changed != Rows()


def difference(before: Snapshot, after: Snapshot) -> Delta:
    """The delta that turns `before` into `after`."""
    changed: dict[str, Any] = {}
    gone: dict[str, tuple[str, ...]] = {}
    for table in TABLES:
        old, new = getattr(before, table), getattr(after, table)
        if old == new:
            continue
        by_id = {row.id: row for row in old}
        there = {row.id for row in new}
        changed[table] = tuple(row for row in new if by_id.get(row.id) != row)
        left = tuple(row.id for row in old if row.id not in there)
        if left:
            gone[table] = left
    return Delta(at=after.at, changed=Rows(**changed), gone=gone)


def apply(before: Snapshot, delta: Delta) -> Snapshot:
    """`before` with a delta applied; new rows come last."""
    result = {}
    for table in TABLES:
        rows = {row.id: row for row in getattr(before, table)}
        for name in delta.gone.get(table, ()):
            rows.pop(name, None)
        rows.update({row.id: row for row in getattr(delta.changed, table)})
        result[table] = tuple(rows.values())
    return msgspec.structs.replace(before, at=delta.at, **result)


# --- as text -----------------------------------------------------------------------------------


class Table(msgspec.Struct, frozen=True):
    """A table as text, ready for whatever prints it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(snapshot: Snapshot) -> tuple[Table, ...]:
    """Queues, agents, calls, and what is wrong with the links, if anything."""
    shown = (queue_table(snapshot), agent_table(snapshot), call_table(snapshot))
    broken = tuple(node for node in snapshot.nodes if not node.up)
    if not broken:
        return shown
    rows = tuple((n.id, "down", clock(n.since, snapshot.at), n.reason) for n in broken)
    return (Table("Telephony", ("node", "link", "for", "reason"), rows), *shown)


def queue_table(snapshot: Snapshot) -> Table:
    columns = ("queue", "waiting", "longest", "idle", "talking", "paused", "in",
               "calls", "answered", "abandoned", "level", "avg wait")  # fmt: skip
    return Table("Queues", columns, tuple(_queue_row(q, snapshot.at) for q in snapshot.queues))


def _queue_row(queue: QueueView, now: float) -> tuple[str, ...]:
    agents = queue.agents
    present = sum(count for state, count in agents.items() if state != "logged_out")
    return (
        queue.id,
        str(queue.waiting),
        clock(queue.waiting_since, now),
        str(agents.get("idle", 0)),
        str(agents.get("talking", 0) + agents.get("on_hold", 0)),
        str(agents.get("paused", 0)),
        f"{present}/{len(queue.members)}",
        str(queue.offered_today),
        str(queue.answered_today),
        str(queue.abandoned_today),
        "-" if queue.service_level is None else f"{queue.service_level:.0%}",
        "-" if queue.average_wait is None else f"{queue.average_wait:.0f} s",
    )


def agent_table(snapshot: Snapshot) -> Table:
    columns = ("agent", "name", "state", "for", "phone", "queue", "call", "reason")
    rows = tuple(_agent_row(agent, snapshot.at) for agent in snapshot.agents)
    return Table("Agents", columns, rows)


def _agent_row(agent: AgentView, now: float) -> tuple[str, ...]:
    left = "" if agent.until is None else f" ({max(0.0, agent.until - now):.0f} s left)"
    return (
        agent.id,
        printable(agent.name),
        agent.state.replace("_", " ") + left,
        clock(agent.since, now),
        agent.phone or "-",
        agent.queue or "-",
        agent.contact or "-",
        printable(agent.reason),
    )


def call_table(snapshot: Snapshot) -> Table:
    columns = ("call", "state", "for", "caller", "dialled", "queue", "place", "agent", "wait")
    rows = tuple(_call_row(call, snapshot.at) for call in snapshot.calls)
    return Table("Calls", columns, rows)


def _call_row(call: CallView, now: float) -> tuple[str, ...]:
    waiting = call.position > 0
    state = call.state.replace("_", " ") + (" (hold)" if call.on_hold else "")
    state += "".join(f" ({mode}: {phone})" for phone, mode in call.supervisors.items())
    return (
        call.id,
        state,
        clock(call.since or None, now),
        printable(call.caller) or "-",
        printable(call.dialled) or call.supervised or "-",
        call.queue or "-",
        str(call.position) if waiting else "-",
        call.agent or "-",
        clock(call.queued_at, now) if waiting else "-",
    )


def as_text(snapshot: Snapshot) -> str:
    """All tables in plain columns, for a terminal of any width or none."""
    return "\n\n".join(_plain_table(table) for table in tables(snapshot))


def _plain_table(table: Table) -> str:
    lines = [table.columns, *table.rows]
    widths = [max(_width(line[i]) for line in lines) for i in range(len(table.columns))]
    text = [table.title]
    for line in lines:
        cells = (c + " " * (w - _width(c)) for c, w in zip(line, widths, strict=True))
        text.append("  ".join(cells).rstrip())
    if not table.rows:
        text.append("(none)")
    return "\n".join(text)


def _width(text: str) -> int:
    """Columns a text takes on a terminal: CJK characters take two."""
    wide = sum(east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(combining(c) != 0 for c in text)


def clock(since: float | None, now: float) -> str:
    """Elapsed time as ``m:ss`` or ``h:mm:ss``; a clock that went back counts as zero."""
    if since is None:
        return "-"
    seconds = max(0, int(now - since))
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def printable(text: str, longest: int = 32) -> str:
    """A text from outside as one harmless piece: no control characters, not endless."""
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:longest])
    return shown + ("…" if len(text) > longest else "")
