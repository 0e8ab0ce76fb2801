"""Lays raw parts out on the clock: where silence must be inserted, and which stretches are gaps.

Pure arithmetic on marks and samples. A raw file lacks time where its writer had nothing to write;
each clock mark says how much is missing up to there, and the silence goes to the quietest place
since the mark before (a pause in the packets begins and ends in silence).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from callcore.recording.marks import AnyMark, Clock, Part, Paused, Resumed, Stopped
from callcore.store.rows import Gap

if TYPE_CHECKING:  # numpy takes 60 ms to load; arrays come from who reads the files
    import numpy as np
    import numpy.typing as npt

    Samples = npt.NDArray[np.int16]

RATE = 8000
CHANNELS = 2
FRAME_BYTES = 2 * CHANNELS
PACKET = 160
#: Less than this is the back end's buffering, not missing time.
TOLERANCE = 320
#: Padding shorter than this is not listed.
LISTED_SECONDS = 0.2


class Piece(msgspec.Struct, frozen=True):
    """`frames` of output: from `start` of part `part`, or silence (`part` -1)."""

    part: int
    start: int
    frames: int


class RawPart(msgspec.Struct, frozen=True):
    """One raw file as it lies on the disk; `ended_at` is when it was last written to."""

    mark: Part
    clocks: tuple[Clock, ...]
    samples: Samples
    ended_at: float


def split_parts(marks: Sequence[AnyMark]) -> list[tuple[Part, tuple[Clock, ...]]]:
    """Each part with the clock marks that belong to it."""
    parts: list[tuple[Part, list[Clock]]] = []
    for mark in marks:
        if isinstance(mark, Part) and parts and parts[-1][0].raw == mark.raw:
            parts[-1] = (mark, parts[-1][1])  # the exact time, known once it had begun
        elif isinstance(mark, Part):
            parts.append((mark, []))
        elif isinstance(mark, Clock) and parts:
            parts[-1][1].append(mark)
    return [(part, tuple(clocks)) for part, clocks in parts]


def lay_out(parts: Sequence[RawPart], stopped_at: float | None) -> tuple[list[Piece], list[Gap]]:
    """The pieces of the output in order, and the padded stretches worth listing."""
    pieces: list[Piece] = []
    origin = parts[0].mark.at
    for index, part in enumerate(parts):
        missing = round((part.mark.at - origin) * RATE) - _frames(pieces)
        if missing > TOLERANCE:
            pieces.append(Piece(-1, 0, missing))
        last = index == len(parts) - 1
        pieces += _lay_out_part(index, part, stopped_at if last else None)
    return pieces, _padded(pieces)


def _lay_out_part(index: int, part: RawPart, stopped_at: float | None) -> list[Piece]:
    pieces: list[Piece] = []
    total = len(part.samples)
    end = part.ended_at
    if stopped_at is not None and stopped_at > end + 0.5:
        end = stopped_at
    begin = inserted = 0
    before = 0
    for at, frames in [*((c.at, c.bytes // FRAME_BYTES) for c in part.clocks), (end, total)]:
        frames = min(frames, total)
        missing = round((at - part.mark.at) * RATE) - frames - inserted
        # A block is written when the packet that does not fit arrives.
        if missing > TOLERANCE + PACKET:
            place = _quietest(part.samples, before, frames)
            pieces += [Piece(index, begin, place - begin), Piece(-1, 0, missing)]
            begin, inserted = place, inserted + missing
        before = frames
    pieces.append(Piece(index, begin, total - begin))
    return [piece for piece in pieces if piece.frames > 0]


def _quietest(samples: Samples, start: int, end: int) -> int:
    """The packet with the least energy between two frames; the end where there is none."""
    packets = (end - start) // PACKET
    if packets < 1:
        return end
    span = samples[start : start + packets * PACKET].astype("int64")
    energy = (span * span).reshape(packets, -1).sum(axis=1)
    return start + int(energy.argmin()) * PACKET


def _frames(pieces: Sequence[Piece]) -> int:
    return sum(piece.frames for piece in pieces)


def _padded(pieces: Sequence[Piece]) -> list[Gap]:
    gaps: list[Gap] = []
    position = 0
    for piece in pieces:
        if piece.part < 0 and piece.frames >= LISTED_SECONDS * RATE:
            start, end = position / RATE, (position + piece.frames) / RATE
            gaps.append(Gap(start=start, end=end, reason="no_packets"))
        position += piece.frames
    return gaps


def pauses(marks: Sequence[AnyMark], origin: float, seconds: float) -> list[Gap]:
    """The pauses asked for; one that was never resumed lasts to the end."""
    gaps: list[Gap] = []
    since: float | None = None
    for mark in marks:
        if isinstance(mark, Paused) and since is None:
            since = mark.at
        elif isinstance(mark, Resumed | Stopped) and since is not None:
            gaps.append(_gap(since - origin, mark.at - origin, seconds))
            since = None
    if since is not None:
        gaps.append(_gap(since - origin, seconds, seconds))
    return [gap for gap in gaps if gap.end > gap.start]


def _gap(start: float, end: float, seconds: float) -> Gap:
    return Gap(start=max(0.0, round(start, 3)), end=min(seconds, round(end, 3)))
