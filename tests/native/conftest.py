"""Every test of the C extension leaves as many of its blocks of memory as it found."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from callcore.media.vad import load_vad
from callcore.native import _audio


@pytest.fixture(autouse=True, scope="session")
def _vad() -> None:
    """Streams with speech events need it."""
    load_vad()


@pytest.fixture(autouse=True)
def _nothing_is_leaked(request: pytest.FixtureRequest) -> Iterator[None]:
    before = _audio.blocks()
    yield
    request.node.funcargs.clear()  # what fixtures gave would live on in there
    if _audio.blocks() != before:
        gc.collect()
    # Fewer: what a failure before had kept for its report is gone.
    assert _audio.blocks() <= before
