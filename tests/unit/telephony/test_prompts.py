"""Media references find their file, fall back, are spoken, and never lead out of the site."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest
import soundfile
from structlog.testing import capture_logs

from callcore.errors import ActionRefused
from callcore.telephony import prompts
from callcore.telephony.prompts import PromptLibrary


@pytest.fixture
def library(tmp_path: Path) -> PromptLibrary:
    for name in ("var/prompts/en/welcome.wav", "var/prompts/en/only.wav", "site/own.alaw"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "secret.wav").touch()
    texts = {"de": {"closed": "Wir haben geschlossen."}}
    return PromptLibrary(tmp_path / "var/prompts", tmp_path / "site", texts=texts)


async def test_recordings_of_the_site_come_first(library: PromptLibrary, tmp_path: Path) -> None:
    found = await library.resolve("prompt:en/welcome")
    assert found == f"sound:{tmp_path}/var/prompts/en/welcome"
    own = tmp_path / "site/prompts/en/welcome.ulaw"
    own.parent.mkdir(parents=True)
    own.touch()
    assert await library.resolve("prompt:en/welcome") == f"sound:{own.with_suffix('')}"


async def test_a_missing_language_falls_back(library: PromptLibrary, tmp_path: Path) -> None:
    with capture_logs() as logs:
        found = await library.resolve("prompt:zh/only")
    assert found == f"sound:{tmp_path}/var/prompts/en/only"
    assert [entry["event"] for entry in logs] == ["prompt_missing"]


async def test_what_nobody_recorded_is_spoken_once(library: PromptLibrary, tmp_path: Path) -> None:
    with capture_logs():
        uris = await asyncio.gather(*(library.resolve("prompt:de/closed") for _ in range(4)))
    assert len(set(uris)) == 1
    spoken = Path(uris[0].removeprefix("sound:")).with_suffix(".wav")
    info = soundfile.info(spoken)
    assert (info.samplerate, info.channels, info.subtype) == (8000, 1, "PCM_16")
    assert 0.5 < info.duration < 5.0
    before = spoken.stat().st_ino
    assert await library.resolve("text:de/Wir haben geschlossen.") == uris[0]
    assert spoken.stat().st_ino == before
    assert list(spoken.parent.iterdir()) == [spoken]


async def test_text_is_data(library: PromptLibrary, tmp_path: Path) -> None:
    """Neither a shell nor espeak-ng's options nor its length limit can be reached by a text."""
    for words in (
        "$(touch hacked) `touch hacked`",
        "-w /tmp/x",
        "--help",
        "a\x00b\r\nc",
        "x" * 3000,
    ):
        uri = await library.resolve(f"text:en/{words}")
        assert uri.startswith(f"sound:{tmp_path}/var/prompts/tts/")
    assert not (tmp_path / "hacked").exists()


async def test_the_beep_is_made_here(library: PromptLibrary, tmp_path: Path) -> None:
    assert await library.resolve("beep") == f"sound:{tmp_path}/var/prompts/beep"
    assert soundfile.info(tmp_path / "var/prompts/beep.wav").duration == pytest.approx(0.2)


async def test_files_of_the_site(library: PromptLibrary, tmp_path: Path) -> None:
    for name in ("own.alaw", "own", "./own.alaw"):
        assert await library.resolve(f"file:{name}") == f"sound:{tmp_path}/site/own"
    (tmp_path / "site/link.wav").symlink_to(tmp_path / "secret.wav")
    for name in ("../secret.wav", "/etc/passwd", "link.wav", f"{tmp_path}/secret.wav"):
        with pytest.raises(ActionRefused) as refused:
            await library.resolve(f"file:{name}")
        assert refused.value.status == 403


@pytest.mark.parametrize(
    "media",
    [
        "", "welcome", "prompt:en", "prompt:en/../x", "prompt:../en/x", "prompt:en/a b",
        "text:en/", "text:en/ \n", "text:-w/x", "text:xx-unknown/hello", "file:missing.wav",
        "file:a\x00b", "beep:2", "sound:/etc/x", "prompt:en/" + "x" * 65,
    ],
)  # fmt: skip
async def test_references_that_mean_nothing_are_refused(library: PromptLibrary, media: str) -> None:
    with pytest.raises(ActionRefused):
        await library.resolve(media)


async def test_another_host_sees_them_elsewhere(tmp_path: Path) -> None:
    library = PromptLibrary(tmp_path, tmp_path, seen_as="/mnt/callcore/prompts/")
    assert await library.resolve("beep") == "sound:/mnt/callcore/prompts/beep"


async def test_checks_ask_without_speaking(library: PromptLibrary, tmp_path: Path) -> None:
    assert await library.missing("prompt:en/welcome") == ""
    assert "no recording" in await library.missing("prompt:zh/welcome")
    assert "outside" in await library.missing("file:../secret.wav")
    assert await library.missing("text:en/anything") == ""
    assert not (tmp_path / "var/prompts/tts").exists()


async def test_spoken_texts_do_not_fill_the_disk(tmp_path: Path) -> None:
    """Those not played for longest go, and are spoken anew; what may be playing stays."""
    library = PromptLibrary(tmp_path / "prompts", tmp_path, speech_bytes=60_000)
    old = [await library.speak("en", f"text number {n}") for n in range(3)]
    long_ago = time.time() - 2 * prompts.IN_USE_SECONDS
    for age, stem in enumerate(old):
        os.utime(stem.with_suffix(".wav"), (long_ago - age, long_ago - age))
    assert await library.speak("en", "text number 2") == old[2], "played again: not old any more"
    new = [await library.speak("en", f"another text, number {n}") for n in range(3)]
    kept = set((tmp_path / "prompts/tts").iterdir())
    assert kept == {stem.with_suffix(".wav") for stem in (old[2], *new)}
    assert await library.speak("en", "text number 0") == old[0]
    assert old[0].with_suffix(".wav").exists()
