"""Speech for tests: espeak-ng reads texts in many voices, as a telephone would carry it."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

Samples = npt.NDArray[np.int16]

LANGUAGES = ("en-us", "en-gb", "de", "fr-fr", "es", "it", "pt-br", "nl", "pl", "sv", "ru", "tr",
             "cmn-latn-pinyin", "hi", "id", "fi")  # fmt: skip
#: High female voices and steady synthetic ones are the hard ones for detectors of tones.
VARIANTS = ("", "+f1", "+m2", "+Annie", "+f2", "+klatt4", "+f3", "+m5", "+linda", "+f4", "+m7",
            "+belinda", "+f5")  # fmt: skip
#: Debian's place of espeak-ng's variants.
VOICES = Path("/usr/lib/x86_64-linux-gnu/espeak-ng-data/voices/!v")
#: What is read aloud: documents and code.
TEXTS = Path(__file__).parents[2]


def say(text: str, voice: str = "en-us", pitch: int = 50, words_per_minute: int = 165,
        rate: int = 8000, level_db: float = -22.0) -> Samples:  # fmt: skip
    """`text` spoken, at a mean level of `level_db` dB of full scale."""
    wave = subprocess.run(
        ["espeak-ng", "-v", voice, "-p", str(pitch), "-s", str(words_per_minute), "--stdout"],
        input=text.encode(), capture_output=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    sound, sound_rate = soundfile.read(io.BytesIO(wave), dtype="float32")
    sound = soxr.resample(sound, sound_rate, rate)
    power = float(np.mean(sound**2)) + 1e-12
    sound = sound * np.sqrt(10 ** (level_db / 10) / power)
    return np.clip(sound * 32768, -32768, 32767).astype(np.int16)


def texts() -> Iterator[str]:
    """Paragraphs of about 600 characters, without end."""
    files = sorted(p for p in TEXTS.glob("*.md")) + sorted((TEXTS / "callcore").rglob("*.py"))
    while True:
        for file in files:
            text = file.read_text()
            for at in range(0, len(text), 600):
                yield text[at : at + 600]


def speech(seconds: float, rate: int = 8000) -> Iterator[Samples]:
    """Pieces of speech in every voice in turn, `seconds` of it or a little more."""
    heard = 0.0
    for turn, text in enumerate(texts()):
        if heard >= seconds:
            return
        voice = LANGUAGES[turn % len(LANGUAGES)] + VARIANTS[turn % len(VARIANTS)]
        piece = say(text, voice, pitch=20 + turn * 7 % 75, words_per_minute=130 + turn * 11 % 90,
                    rate=rate, level_db=-30.0 + turn * 5 % 17)  # fmt: skip
        heard += len(piece) / rate
        yield piece


def any_voice(seconds: float, seed: int) -> Iterator[tuple[str, Samples]]:
    """Speech in any language, voice, pitch, speed and level; with the name of the voice."""
    rng = np.random.default_rng(seed)
    listed = subprocess.run(["espeak-ng", "--voices"], capture_output=True, check=True, text=True)
    languages = [line.split()[1] for line in listed.stdout.splitlines()[1:]]
    variants = sorted(path.name for path in VOICES.iterdir()) if VOICES.is_dir() else VARIANTS
    heard = 0.0
    for text in texts():
        if heard >= seconds:
            return
        voice = str(rng.choice(languages)) + "+" + str(rng.choice(variants)).removeprefix("+")
        how = {"pitch": int(rng.integers(0, 99)), "words_per_minute": int(rng.integers(90, 260))}
        try:
            piece = say(text, voice, **how, level_db=float(rng.uniform(-35, -12)))
        except subprocess.CalledProcessError:
            continue  # espeak-ng cannot combine every voice with every language
        heard += len(piece) / 8000
        yield voice, piece
