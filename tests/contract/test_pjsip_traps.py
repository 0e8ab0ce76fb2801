"""Traps of pjsua2 that no other test would show each time: rules about how it is used."""

from __future__ import annotations

import asyncio
import gc
import re
import sys
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import callcore.telephony.pjsip
from callcore.lab import audio
from tests.contract.worlds import PjsipWorld

pytestmark = pytest.mark.acceptance


def test_a_call_info_is_held_while_its_media_are_read() -> None:
    """`call.getInfo().media` lies inside an object that nobody holds: freed memory is read.

    (Numbers and texts are copies.)"""
    (directory,) = callcore.telephony.pjsip.__path__
    for path in Path(directory).glob("*.py"):
        assert not re.search(r"getInfo\(\)\.", path.read_text()), path


async def test_sound_never_enters_the_interpreter(embedded: PjsipWorld, tmp_path: Path) -> None:
    """Two talk and are recorded; no port is written in Python, and no thread but ours and the
    tests' is ever seen in it. (A Python port costs 15 to 100 µs a frame.)"""
    known = set(sys._current_frames())  # pytest-xdist has threads that threading does not know
    channel, _, _ = await embedded.talking()
    caller, desk = embedded.calls[-1], embedded.rung["p1"][-1]
    for call in (caller, desk):
        call.play(audio.tone(440.0, 1.0), loop=True)
    tap = embedded.pjsip_backend.tap
    await tap.start(channel, tmp_path / "r.raw")
    strangers: Counter[int] = Counter()
    for _ in range(200):
        ours = known | {thread.ident for thread in threading.enumerate()}
        strangers.update(sys._current_frames().keys() - ours)
        await asyncio.sleep(0.005)
    await tap.stop(channel)
    assert np.fromfile(tmp_path / "r.raw", "<i2").any()
    # A thread that begins or ends between the two looks is seen once; one of C comes each frame.
    assert all(seen == 1 for seen in strangers.values())
    pjsua2 = embedded.pjsip_backend._stack.pj
    gc.collect()
    assert not pjsua2.AudioMediaPort.__subclasses__()
