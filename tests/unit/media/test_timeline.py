"""Two sides' frames become one stereo track."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcore.media.timeline import Side, Timeline

RATE = 8000
FRAME = 160


def frame(value: int) -> np.ndarray:
    return np.full(FRAME, value, dtype=np.int16)


def test_sides_meet_where_they_arrived() -> None:
    """The right side, which began 100 ms later, stands 100 ms later in its channel."""
    timeline = Timeline(RATE)
    timeline.put(Side.LEFT, 5000, frame(1))
    timeline.put(Side.RIGHT, 5800, frame(2))
    track = timeline.take(everything=True)
    assert track.shape == (960, 2)
    assert (track[:FRAME, 0] == 1).all()
    assert not track[FRAME:, 0].any()
    assert not track[:800, 1].any()
    assert (track[800:, 1] == 2).all()


@pytest.mark.parametrize("offset", [-80, -8, 0, 8, 80])
def test_small_steps_are_joined(offset: int) -> None:
    """What the play-out adjusts by less than 10 ms leaves no gap and no overlap."""
    timeline = Timeline(RATE)
    timeline.put(Side.LEFT, 5000, frame(1))
    timeline.put(Side.LEFT, 5000 + FRAME + offset, frame(2))
    track = timeline.take(everything=True)
    assert len(track) == 2 * FRAME
    assert (track[FRAME:, 0] == 2).all()


def test_missing_time_is_silence() -> None:
    """A side that says nothing for a second is a second silent."""
    timeline = Timeline(RATE)
    timeline.put(Side.LEFT, 0, frame(1))
    timeline.put(Side.LEFT, RATE, frame(1))
    track = timeline.take(everything=True)
    assert len(track) == RATE + FRAME
    assert not track[FRAME:RATE].any()


def test_pause_is_silence_of_the_same_length() -> None:
    """Between pause and resume nothing is heard, and the gap says where."""
    timeline = Timeline(RATE)
    for n in range(100):
        if n == 20:
            timeline.pause(20 * FRAME)
        if n == 70:
            timeline.resume(70 * FRAME)
        timeline.put(Side.LEFT, n * FRAME, frame(3))
        timeline.put(Side.RIGHT, n * FRAME, frame(4))
    track = timeline.take(everything=True)
    assert len(track) == 100 * FRAME
    assert not track[20 * FRAME : 70 * FRAME].any()
    assert (track[: 20 * FRAME] == (3, 4)).all()
    assert (track[70 * FRAME :] == (3, 4)).all()
    assert timeline.gaps == [(0.4, 1.4)]


def test_the_clock_turns_round() -> None:
    """A track goes on over the wrap of the moments at 2**32."""
    timeline = Timeline(RATE)
    for n in range(10):
        timeline.put(Side.LEFT, (2**32 - 3 * FRAME + n * FRAME) % 2**32, frame(n + 1))
    track = timeline.take(everything=True)
    assert track[::FRAME, 0].tolist() == list(range(1, 11))


@given(
    delays=st.lists(st.integers(0, 25), min_size=200, max_size=200),
    takes=st.sets(st.integers(0, 199), max_size=20),
)
def test_order_and_writing_change_nothing(delays: list[int], takes: set[int]) -> None:
    """Frames up to half a second late, and writing at any moment, give the same track."""
    timeline = Timeline(RATE)
    timeline.put(Side.LEFT, 0, frame(1000))
    parts = []
    order = sorted(range(200), key=lambda n: n // 2 + delays[n])
    for step, n in enumerate(order):
        timeline.put(Side(n % 2), (1 + n // 2) * FRAME, frame(n + 1))
        if step in takes:
            parts.append(timeline.take())
    parts.append(timeline.take(everything=True))
    track = np.concatenate(parts)
    assert track[::FRAME, 0].tolist() == [1000, *range(1, 201, 2)]
    assert track[::FRAME, 1].tolist() == [0, *range(2, 202, 2)]
