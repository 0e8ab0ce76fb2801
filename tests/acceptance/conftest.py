"""Sites for the acceptance tests: each on a real Asterisk and addresses of its own."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from callcore.lab.site import LabSite

#: Addresses differ between runs that overlap, and within one run.
_numbers = itertools.count(60 + os.getpid() % 60)

OpenSite = Callable[..., Awaitable[LabSite]]


@pytest.fixture
async def open_site(tmp_path: Path) -> AsyncIterator[OpenSite]:
    """``await open_site(config, trees={...})`` starts callcore with an Asterisk of its own."""
    # pytest's directories are closed to others; Asterisk runs as a user of its own.
    for parent in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        parent.chmod(0o755)
    async with AsyncExitStack() as stack:

        async def open_one(config: str = "", **options: object) -> LabSite:
            number = next(_numbers)
            site = LabSite(tmp_path / f"site{number}", number, config, **options)  # type: ignore[arg-type]
            return await stack.enter_async_context(site)

        yield open_one
