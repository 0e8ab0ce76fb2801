"""Every table has its tenant, and every column about a person says so."""

from __future__ import annotations

import sqlalchemy as sa

from callcore.store import tables
from callcore.store.tables import DataClass

#: Text columns that say nothing about a person.
NEUTRAL = {
    "call", "node", "tenant", "direction", "tree", "queue", "outcome", "hung_up_by", "recording",
    "no_recording_reason", "name", "kind", "gaps", "format", "failure", "state", "before",
    "contact", "skill",
}  # fmt: skip


def test_every_table_carries_its_tenant() -> None:
    """Rows of different owners can be told apart everywhere."""
    for table in tables.metadata.sorted_tables:
        assert "tenant" in table.columns, table.name


def test_every_text_column_is_classified() -> None:
    """A new text or JSON column is either marked with a data class or known to be neutral."""
    for table in tables.metadata.sorted_tables:
        for column in table.columns:
            if isinstance(column.type, sa.String | sa.JSON):
                marked = column.info.get("data_class") in set(DataClass)
                assert marked != (column.name in NEUTRAL), f"{table.name}.{column.name}"


def test_who_the_customer_is_is_marked() -> None:
    """The columns that identify a caller are of the class that masking will look for."""
    customer = [c.name for c in tables.calls.columns if c.info.get("data_class") == "customer"]
    assert customer == ["caller_number", "caller_name", "dialled"]
