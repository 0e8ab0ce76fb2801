"""Which releases `callcore check` warns of."""

from __future__ import annotations

import pytest

from callcore.telephony.known_faults import known_faults


@pytest.mark.parametrize(
    ("version", "warned"),
    [
        ("22.10.1~dfsg+~cs6.17.60671434-1", True),
        ("Asterisk 22.3.0", True),
        ("22.2.0", False),
        ("22.11.0", False),
        ("20.12.0", False),
        ("20.20.1", True),
        ("20.21.0", False),
        ("21.12.0", True),
        ("23.4.2", True),
        ("23.5.0", False),
        ("24.0.0", False),
        ("GIT-master-1234", False),
        ("?", False),
        ("", False),
    ],
)
def test_the_releases_that_crash_at_refer_sub(version: str, warned: bool) -> None:
    assert bool(known_faults(version)) is warned
