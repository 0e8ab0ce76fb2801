"""For all tests: files lie where Asterisk, which runs as a user of its own, may enter.

pytest's own place for temporary files is closed to others, and closed again by every run that
starts, under the feet of the one that is on.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.addresses import Block, claim_block

# How long an example takes says how busy the machine is.
settings.register_profile("callcore", deadline=None)
settings.load_profile("callcore")

MADE = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    if config.option.basetemp is None:
        # Short: the path of Asterisk's control socket has room for 107 characters.
        base = Path(tempfile.mkdtemp(prefix="cc-"))
        base.chmod(0o755)
        config.stash[MADE] = base
        config.option.basetemp = base / "t"


@pytest.fixture(autouse=True, scope="session")
def _base_can_be_entered(tmp_path_factory: pytest.TempPathFactory) -> None:
    base = tmp_path_factory.getbasetemp()
    for directory in (base, base.parent):
        directory.chmod(0o755)


@pytest.fixture(scope="module")
def block() -> Iterator[Block]:
    """Loopback addresses of the module's own."""
    with claim_block() as claimed:
        yield claimed


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """What failing tests left is kept to be looked at."""
    base = session.config.stash.get(MADE, None)
    if base is None:
        return
    if exitstatus == 0:
        shutil.rmtree(base, ignore_errors=True)
    else:
        print(f"\nfiles of these tests: {base}")
