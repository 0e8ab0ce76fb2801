"""callcore/telephony/pjsip/library.py, and habits that keep clear of pjsua2's traps."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import callcore.telephony.pjsip
from callcore.errors import SetupError
from callcore.telephony.pjsip.library import FEWEST_CALLS, check_limit

SOURCES = sorted(Path(callcore.telephony.pjsip.__file__).parent.glob("*.py"))


def test_a_build_with_too_few_calls_is_refused_with_a_way_out() -> None:
    """The wheels of the package index allow four."""
    with pytest.raises(SetupError, match=r"4 calls at once.*make pjsua2"):
        check_limit(4)
    check_limit(FEWEST_CALLS)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_nothing_is_read_from_an_info_that_nobody_holds(path: Path) -> None:
    """`for m in call.getInfo().media` reads memory that was freed."""
    assert not re.search(r"\b(getInfo|getStreamInfo)\([^)]*\)\.media\b", path.read_text())


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_frame_of_sound_passes_through_python(path: Path) -> None:
    """A port written in Python costs 15 to 100 µs a frame."""
    assert not re.search(r"onFrame|AudioMediaPort|AudioMediaRecorder", path.read_text())
