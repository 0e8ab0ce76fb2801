"""Brings the schema of a database to this version; alembic is loaded only where it is not."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from callcore.errors import CallcoreError

MIGRATIONS = Path(__file__).with_name("migrations")


class SchemaNewer(CallcoreError):
    """A newer callcore wrote it; the text says which revision."""


def newest_revision() -> str:
    """Of this callcore: files of revisions are named by number, ``0001_first.py``."""
    files = (MIGRATIONS / "versions").glob("[0-9]*.py")
    return max(path.name.partition("_")[0] for path in files)


def bring_up(connection: sa.Connection) -> None:
    """Create or migrate the tables; raises `SchemaNewer`."""
    if revision_of(connection) == newest_revision():
        return
    # 150 ms, which a callcore that comes back to its callers does not have.
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as exc:
        raise SchemaNewer(str(exc)) from exc


def revision_of(connection: sa.Connection) -> str:
    """The revision the tables are at; empty: there are none."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return ""
    return connection.scalar(sa.text("SELECT version_num FROM alembic_version")) or ""
