"""Alembic's entry: runs the migrations on the connection that `Database.migrate` hands over."""

from __future__ import annotations

from alembic import context

from callcore.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite cannot alter columns in place: alembic rebuilds the table.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
