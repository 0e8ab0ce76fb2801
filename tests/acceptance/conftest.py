"""Sites for the acceptance tests: each on a real Asterisk and addresses of its own."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from callcore.lab.capture import SipCapture
from callcore.lab.errors import ToolError
from callcore.lab.site import LabSite
from tests.addresses import SIP_PORT, claim_block

OpenSite = Callable[..., Awaitable[LabSite]]


@pytest.fixture(scope="session")
def may_capture() -> None:
    """Capturing is a right that set-up cannot give: without it a test is left out, except in CI."""
    try:
        with SipCapture([SIP_PORT]):
            pass
    except ToolError as exc:
        if "CI" in os.environ:
            raise
        pytest.skip(f"{exc}: run make test as root for this one, too")


@pytest.fixture
async def open_site(tmp_path: Path) -> AsyncIterator[OpenSite]:
    """``await open_site(config, trees={...})`` starts callcore with an Asterisk of its own."""
    # pytest's directories are closed to others; Asterisk runs as a user of its own.
    for parent in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        parent.chmod(0o755)
    async with AsyncExitStack() as stack:

        async def open_one(config: str = "", **options: object) -> LabSite:
            number = stack.enter_context(claim_block()).number
            site = LabSite(tmp_path / f"site{number}", number, config, **options)  # type: ignore[arg-type]
            return await stack.enter_async_context(site)

        yield open_one
