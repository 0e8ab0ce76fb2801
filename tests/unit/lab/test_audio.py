"""Test audio can be made, and found again in what was heard."""

from pathlib import Path

import numpy as np
import pytest

from callcore.lab import audio, g711


def noise(seconds: float, amplitude: float, seed: int) -> g711.Samples:
    """Speech-like noise: slowly modulated, low-passed."""
    generator = np.random.default_rng(seed)
    raw = np.convolve(generator.normal(size=round(8000 * seconds)), np.ones(4) / 4, "same")
    envelope = 0.2 + np.abs(np.sin(np.arange(len(raw)) / (900 + 70 * seed)))
    return (raw * envelope * amplitude).astype(np.int16)


def test_tone_level_measures_the_amplitude_of_one_frequency_only():
    """A tone has its amplitude at its own frequency and next to nothing elsewhere."""
    samples = audio.tone(440, 1.0, amplitude=5000)
    assert audio.tone_level(samples, 440) == pytest.approx(5000, rel=0.01)
    assert audio.tone_level(samples, 1000) < 50
    assert audio.tone_level(samples[:0], 440) == 0


@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
def test_tone_intervals_are_exact_to_ten_milliseconds_after_g711(codec):
    """Edges of tones are found to ±10 ms, also behind another tone."""
    made = audio.join(
        audio.silence(0.5),
        audio.tone(1000, 0.333),
        audio.silence(0.2),
        audio.tone(1000, 1.0),
        audio.tone(800, 0.7),
        audio.silence(0.4),
    )
    heard = g711.decode(g711.encode(made, codec), codec)
    found = audio.tone_intervals(heard, 1000)
    expected = [(0.5, 0.833), (1.033, 2.033)]
    assert np.asarray(found) == pytest.approx(np.asarray(expected), abs=0.01)
    assert np.asarray(audio.tone_intervals(heard, 800)) == pytest.approx(
        np.asarray([(2.033, 2.733)]), abs=0.01
    )


def test_absent_tones_have_no_intervals():
    """Neither silence nor other tones nor noise count as the tone."""
    assert audio.tone_intervals(audio.silence(1), 1000) == []
    assert audio.tone_intervals(audio.silence(0), 1000) == []
    assert audio.tone_intervals(audio.tone(800, 1), 600) == []
    assert audio.tone_intervals(noise(2, 4000, 1), 1000) == []


@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
def test_speech_is_found_at_its_place_through_g711(codec):
    """Half the volume, other speech around it and G.711 do not hide the needle."""
    needle = noise(1.5, 6000, 1)
    other = noise(3.0, 6000, 2)
    mixed = audio.join(other, (needle * 0.5).astype(np.int16), other)
    offset, correlation = audio.find_speech(g711.decode(g711.encode(mixed, codec), codec), needle)
    assert offset == pytest.approx(3.0, abs=0.001)
    assert correlation > 0.98


def test_absent_speech_has_a_low_correlation():
    """Other speech, silence, a tone or too short a haystack are not taken for the needle."""
    needle = noise(1.5, 6000, 1)
    for haystack in (noise(5, 6000, 2), audio.silence(5), audio.tone(440, 5), needle[:4000]):
        assert audio.find_speech(haystack, needle)[1] < 0.3


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_files_keep_every_sample_and_channel(tmp_path: Path, suffix):
    """What is written is read again, mono and stereo."""
    left, right = audio.tone(440, 0.5), audio.tone(880, 0.5)
    audio.write(tmp_path / f"mono{suffix}", left)
    assert np.array_equal(audio.read(tmp_path / f"mono{suffix}"), left)
    audio.write(tmp_path / f"stereo{suffix}", np.stack([left, right], axis=1))
    channels = audio.read_channels(tmp_path / f"stereo{suffix}")
    assert np.array_equal(channels[0], left)
    assert np.array_equal(channels[1], right)


def test_spoken_text_differs_by_words_and_is_cached(tmp_path: Path):
    """Two sentences are two sounds; the same sentence is read from its file."""
    first = audio.speak("I would like to ask about my invoice.", tmp_path)
    second = audio.speak("Good morning, how can I help you today?", tmp_path)
    assert 1.0 < len(first) / audio.RATE < 6.0
    assert audio.find_speech(audio.join(audio.silence(1), first, second), second)[1] > 0.98
    assert audio.find_speech(audio.join(audio.silence(5), first), second)[1] < 0.3
    files = sorted(tmp_path.iterdir())
    audio.write(files[0], audio.silence(1))
    audio.write(files[1], audio.silence(1))
    assert audio.level(audio.speak("I would like to ask about my invoice.", tmp_path)) == 0
