"""Laying raw parts out on the clock: nothing lost, nothing doubled, time as long as it was."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcore.recording.align import (
    CHANNELS,
    FRAME_BYTES,
    PACKET,
    RATE,
    TOLERANCE,
    RawPart,
    lay_out,
    pauses,
    split_parts,
)
from callcore.recording.marks import Clock, Part, Paused, Resumed, Stopped

BEGIN = 1_800_000_000.0


def part(samples: int, clocks: list[tuple[float, int]], lasted: float, at: float = 0.0) -> RawPart:
    """`clocks`: seconds since the begin and frames there."""
    marks = tuple(Clock(at=BEGIN + at + s, bytes=f * FRAME_BYTES) for s, f in clocks)
    sound = np.arange(samples * CHANNELS, dtype=np.int64).astype(np.int16).reshape(-1, CHANNELS)
    return RawPart(Part(at=BEGIN + at, raw="x.raw", channel="c"), marks, sound, BEGIN + at + lasted)


@given(
    blocks=st.lists(
        st.tuples(st.integers(1, 20_000), st.sampled_from([0.0, 0.0, 0.1, 1.0, 30.0])),
        min_size=1,
        max_size=12,
    )
)
def test_every_sample_once_and_in_order(blocks: list[tuple[int, float]]) -> None:
    """Whatever was missing where: all frames appear in order, and the length is the clock's."""
    frames, seconds, clocks = 0, 0.0, []
    for count, missing in blocks:
        frames += count
        seconds += count / RATE + missing
        clocks.append((seconds, frames))
    pieces, _ = lay_out([part(frames, clocks, seconds)], None)
    taken = [(p.start, p.start + p.frames) for p in pieces if p.part == 0]
    assert taken[0][0] == 0
    assert taken[-1][1] == frames
    assert all(a[1] == b[0] for a, b in pairwise(taken))
    length = sum(piece.frames for piece in pieces)
    assert abs(length - seconds * RATE) <= TOLERANCE + PACKET + len(blocks)


def test_buffering_is_not_missing_time() -> None:
    """A file a packet or two behind the clock is left as it is."""
    pieces, gaps = lay_out([part(RATE, [], 1.03)], BEGIN + 1.05)
    assert [(p.part, p.frames) for p in pieces] == [(0, RATE)]
    assert gaps == []


def test_a_disk_that_filled_up_shows_as_a_gap_at_the_end() -> None:
    """Recording stopped long after the last sample: the rest is silence, and listed."""
    pieces, gaps = lay_out([part(RATE, [], 1.0)], BEGIN + 61.0)
    assert sum(p.frames for p in pieces) == 61 * RATE
    assert gaps[0].end - gaps[0].start == pytest.approx(60)


def test_parts_lie_where_they_began() -> None:
    """Between two parts there is silence as long as it took."""
    pieces, gaps = lay_out([part(RATE, [], 1.0), part(RATE, [], 1.0, at=5.0)], None)
    assert [(p.part, p.frames) for p in pieces] == [(0, RATE), (-1, 4 * RATE), (1, RATE)]
    assert [(g.start, g.end, g.reason) for g in gaps] == [(1.0, 5.0, "no_packets")]


def test_the_exact_start_replaces_the_expected_one() -> None:
    """The mark written before the back end began is corrected by the one after it."""
    marks = [Part(at=1.0, raw="a", channel="c"), Part(at=1.2, raw="a", channel="c")]
    marks += [Clock(at=2.0, bytes=4), Part(at=9.0, raw="b", channel="d")]
    assert [(p.at, len(c)) for p, c in split_parts(marks)] == [(1.2, 1), (9.0, 0)]


def test_pauses_are_pairs_within_the_file() -> None:
    """A second pause in a pause is none; one never resumed lasts to the end."""
    marks = [Paused(at=12.0), Paused(at=13.0), Resumed(at=14.0), Paused(at=18.0)]
    assert [(g.start, g.end) for g in pauses(marks, 10.0, 9.0)] == [(2.0, 4.0), (8.0, 9.0)]
    stopped = [Paused(at=12.0), Stopped(at=13.0)]
    assert [(g.start, g.end) for g in pauses(stopped, 10.0, 9.0)] == [(2.0, 3.0)]
