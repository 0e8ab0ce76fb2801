"""The schema is brought to this version, and alembic is loaded only where that takes anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

from callcore.store.schema import MIGRATIONS, SchemaNewer, bring_up, newest_revision, revision_of


@pytest.fixture
def engine(tmp_path: Path) -> sa.Engine:
    return sa.create_engine(f"sqlite:///{tmp_path / 'x.db'}", poolclass=sa.NullPool)


def test_the_newest_revision_is_alembics_head() -> None:
    """Told by the names of the files, without alembic."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert newest_revision() == ScriptDirectory.from_config(config).get_current_head()


def test_an_empty_database_gets_the_tables(engine: sa.Engine) -> None:
    """And is at the newest revision then."""
    with engine.begin() as connection:
        assert revision_of(connection) == ""
        bring_up(connection)
        assert revision_of(connection) == newest_revision()
        assert sa.inspect(connection).has_table("calls")


def test_a_newer_schema_is_refused(engine: sa.Engine) -> None:
    """Nothing is changed in it."""
    with engine.begin() as connection:
        bring_up(connection)
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with engine.begin() as connection, pytest.raises(SchemaNewer, match="9999"):
        bring_up(connection)


LOADED = """
import sys
import callcore.app
heavy = ("alembic", "numpy", "soundfile", "soxr", "cryptography", "holidays", "asyncpg")
print([name for name in heavy if name in sys.modules])
"""


def test_a_start_loads_nothing_heavy_that_it_does_not_need() -> None:
    """A killed callcore has three seconds to be back, half a second of them for these."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
