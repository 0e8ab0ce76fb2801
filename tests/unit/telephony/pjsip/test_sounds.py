"""callcore/telephony/pjsip/sounds.py: files become samples at the telephone's rate."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from callcore.errors import ActionRefused
from callcore.telephony.pjsip.sounds import RATE, SoundCache, ringing


def tone(path: Path, rate: int, seconds: float = 0.5, channels: int = 1) -> None:
    wave = 0.5 * np.sin(2 * np.pi * 440 * np.arange(int(rate * seconds)) / rate)
    soundfile.write(path, np.stack([wave] * channels, axis=1), rate, format="WAV")


@pytest.mark.parametrize(("suffix", "rate", "channels"), [("wav", 8000, 1), ("wav16", 16000, 2)])
def test_any_file_becomes_one_channel_at_8_khz(
    tmp_path: Path, suffix: str, rate: int, channels: int
) -> None:
    tone(tmp_path / f"a.{suffix}", rate, channels=channels)
    samples = np.frombuffer(SoundCache().load(tmp_path / "a"), "<i2")
    assert abs(len(samples) - RATE // 2) < 10
    assert 0.45 * 32768 < np.abs(samples).max() < 0.55 * 32768


def test_a_file_is_read_once_and_again_when_it_changed(tmp_path: Path) -> None:
    cache = SoundCache()
    tone(tmp_path / "a.wav", 8000)
    first = cache.load(tmp_path / "a")
    assert cache.load(tmp_path / "a") is first
    tone(tmp_path / "a.wav", 8000, 0.25)
    os.utime(tmp_path / "a.wav", (1, 1))
    assert len(cache.load(tmp_path / "a")) == len(first) // 2


def test_what_was_not_used_for_longest_makes_room(tmp_path: Path) -> None:
    for name in "abc":
        tone(tmp_path / f"{name}.wav", 8000)
    cache = SoundCache(room=2 * RATE)
    first = cache.load(tmp_path / "a")
    second = cache.load(tmp_path / "b")
    cache.load(tmp_path / "c")
    assert cache.load(tmp_path / "b") is second
    assert cache.load(tmp_path / "a") is not first


def test_what_cannot_be_played_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.wav").write_bytes(b"no sound")
    with pytest.raises(ActionRefused):
        SoundCache().load(tmp_path / "broken")
    with pytest.raises(ActionRefused):
        SoundCache().load(tmp_path / "missing")


def test_music_is_all_files_of_its_class_and_never_silence(tmp_path: Path) -> None:
    tone(tmp_path / "1.wav", 8000)
    tone(tmp_path / "2.wav", 8000)
    assert len(SoundCache().music(tmp_path)) == 2 * RATE
    assert SoundCache().music(tmp_path / "none") == ringing()
