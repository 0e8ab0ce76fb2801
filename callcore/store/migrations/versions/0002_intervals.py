"""Counters per quarter of an hour: queues, skills, agents, and agents' seconds in each state."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

CONTACT_COUNTS = (
    "carried", "entered", "refused", "offers", "answered", "answered_within", "abandoned",
    "abandoned_within", "short_abandoned", "dropped", "overflowed", "taken_out", "rona",
    "transferred_in", "transferred_out",
)  # fmt: skip
CONTACT_SECONDS = ("answered_wait_seconds", "abandoned_wait_seconds", "longest_wait")
AGENT_COUNTS = (
    "offers", "answered", "rona", "rona_pauses", "transferred_in", "transferred_out",
)  # fmt: skip
HANDLING_SECONDS = ("talk_seconds", "hold_seconds", "wrap_up_seconds")


def upgrade() -> None:
    for key in ("queue", "skill"):
        _intervals(f"{key}_intervals", key, CONTACT_COUNTS, CONTACT_SECONDS)
    _intervals("agent_intervals", "agent", AGENT_COUNTS, ())
    op.create_table(
        "agent_seconds",
        *_key("agent"),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "begin", "agent", "state"),
        sqlite_with_rowid=False,
    )


def _intervals(table: str, key: str, counts: tuple[str, ...], seconds: tuple[str, ...]) -> None:
    op.create_table(
        table,
        *_key(key),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in (*counts, "handled")),
        *(sa.Column(name, sa.Double(), nullable=False) for name in (*seconds, *HANDLING_SECONDS)),
        sa.PrimaryKeyConstraint("tenant", "begin", key),
        sqlite_with_rowid=False,
    )


def _key(name: str) -> tuple[sa.Column[str], sa.Column[int], sa.Column[str]]:
    return (
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("begin", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(name, sa.String(length=255), nullable=False),
    )
