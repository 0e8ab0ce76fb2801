"""The recorder writes what a media server's batches hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from callcore.media.frames import FrameBatch, FrameKind
from callcore.media.recorder import StereoRecorder


def batch(number: int, left: int, right: int, kind: FrameKind = FrameKind.PLAYED) -> FrameBatch:
    samples = np.array([[left] * 160, [right] * 160], dtype=np.int16)
    moments = np.full(2, number * 160, dtype=np.uint32)
    kinds = np.full(2, kind, dtype=np.uint8)
    streams = np.array([7, 9], dtype=np.uint32)
    return FrameBatch(number * 0.02, number, streams, kinds, moments, samples, {7: 0, 9: 1})


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_each_stream_has_its_channel(tmp_path: Path, suffix: str) -> None:
    """The first stream is left, the second right, to the sample; before both began is nothing."""
    path = tmp_path / f"call.{suffix}"
    with StereoRecorder(path, left=9, right=7) as recorder:
        recorder.hear(batch(0, 0, 0, FrameKind.NOTHING))
        for number in range(1, 101):
            recorder.hear(batch(number, number, -number))
    recorder.close()
    track, rate = soundfile.read(path, dtype="int16")
    assert rate == 8000
    assert track[::160].tolist() == [[-n, n] for n in range(1, 101)]


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    """A format that would lose sound, or is unknown, is refused before anything is written."""
    with pytest.raises(ValueError, match=r"call\.mp3: recordings are \.wav or \.flac"):
        StereoRecorder(tmp_path / "call.mp3", 1, 2)
    assert not list(tmp_path.iterdir())
