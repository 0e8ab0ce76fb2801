"""scripts/make-prompts speaks what changed, and nothing twice."""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest
import soundfile

SCRIPT = Path(__file__).parents[2] / "scripts" / "make-prompts"


@pytest.fixture
def make_prompts(tmp_path, monkeypatch):
    """The script as a module, reading texts from a directory of the test."""
    loader = SourceFileLoader("make_prompts", str(SCRIPT))
    spec = importlib.util.spec_from_loader("make_prompts", loader)
    assert spec is not None
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    texts = tmp_path / "texts"
    texts.mkdir()
    monkeypatch.setattr(module, "TEXTS", texts)
    monkeypatch.setattr(sys, "argv", ["make-prompts", str(tmp_path / "out")])
    return module


def test_speaks_only_what_changed(make_prompts, tmp_path, capsys):
    """New and changed texts are spoken, others left, removed ones taken away."""
    texts, out = make_prompts.TEXTS / "en.yaml", tmp_path / "out" / "en"
    texts.write_text("hello: Hello.\ndigits/1: one\n")
    assert make_prompts.main() == 0
    assert "prompts en: 2 spoken" in capsys.readouterr().out
    kept = (out / "hello.wav").stat().st_mtime_ns
    assert make_prompts.main() == 0
    assert "prompts en: 0 spoken" in capsys.readouterr().out
    texts.write_text("hello: Hello.\ndigits/2: two\n")
    assert make_prompts.main() == 0
    assert "prompts en: 1 spoken" in capsys.readouterr().out
    assert (out / "hello.wav").stat().st_mtime_ns == kept
    assert (out / "digits" / "2.wav").exists()
    assert not (out / "digits" / "1.wav").exists()


def test_prompts_and_music_are_what_asterisk_plays(make_prompts, tmp_path):
    """One channel of 16 bits at 8 and 16 kHz, loud enough, in English and Chinese."""
    (make_prompts.TEXTS / "en.yaml").write_text("hello: Hello there.\n")
    (make_prompts.TEXTS / "zh.yaml").write_text("hello: 您好。\n")
    assert make_prompts.main() == 0
    for name in ("en/hello", "zh/hello", "music/default/arpeggio"):
        for suffix, rate in (("wav", 8000), ("wav16", 16000)):
            with (tmp_path / "out" / f"{name}.{suffix}").open("rb") as file:
                info = soundfile.SoundFile(file)
                assert (info.samplerate, info.channels, info.subtype) == (rate, 1, "PCM_16")
                samples = info.read()
            assert 0.2 < abs(samples).max() < 1.0
            assert len(samples) > 0.4 * rate


@pytest.mark.parametrize("text", ["hello: 5\n", "- hello\n", "hello: [\n", "../x: y\n", "a: ''\n"])
def test_unusable_texts_are_refused(make_prompts, text, capsys):
    """A wrong file of texts ends the run with its name."""
    (make_prompts.TEXTS / "en.yaml").write_text(text)
    assert make_prompts.main() == 1
    assert "en.yaml" in capsys.readouterr().err
