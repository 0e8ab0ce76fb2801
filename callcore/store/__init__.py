"""Call records, events, recordings and agent states in a database, written behind the calls."""

from callcore.store.rows import AgentStateRow, RecordingKind, RecordingRow
from callcore.store.store import Store

__all__ = ["AgentStateRow", "RecordingKind", "RecordingRow", "Store"]
