"""Finds the file behind a media reference, and lets espeak-ng speak what has none.

References are those of `callcore/call/actions.py`. Texts are data: they reach espeak-ng on its
standard input, never on a command line.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import structlog

from callcore.errors import ActionRefused

log = structlog.get_logger(__name__)

#: Suffixes under which Asterisk finds a sound, best known first.
SUFFIXES = ("wav", "wav16", "ulaw", "alaw", "g722", "sln", "sln16", "gsm")
#: espeak-ng voice and words per minute; other languages are spoken by the voice they name.
VOICES = {"en": ("en-us", 155), "zh": ("cmn", 160)}
LONGEST_TEXT = 1000
SPEAKING_TIMEOUT = 15.0
#: Room for spoken texts (4 h); beyond it those not played for longest are spoken anew when wanted.
SPEECH_BYTES = 256 << 20
#: One played so recently may be played right now.
IN_USE_SECONDS = 3600.0
#: Changing the way texts are spoken speaks them all again.
RECIPE = "1"

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,12})*\Z")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}(?:/[A-Za-z0-9_-]{1,64}){0,3}\Z")


class PromptLibrary:
    """Media references → ARI media URIs."""

    def __init__(
        self,
        prompts: Path,
        site: Path,
        *,
        texts: Mapping[str, Mapping[str, str]] | None = None,
        fallback_language: str = "en",
        seen_as: str = "",
        speech_bytes: int = SPEECH_BYTES,
    ) -> None:
        """`prompts` is written to (speech, beep); recordings in `site`/prompts come first.

        `texts` are the words of prompts by language and name. `seen_as` is where a foreign
        Asterisk sees `prompts`. At most `speech_bytes` of spoken texts are kept.
        """
        self._prompts = prompts.absolute()
        self._site = site.absolute().resolve()
        self._texts = texts or {}
        self._fallback = fallback_language
        self._seen_as = seen_as.rstrip("/")
        self._speech_bytes = speech_bytes
        self._speaking: dict[Path, asyncio.Lock] = {}
        # Two cores of espeak-ng at the most; the calls come first.
        self._voices = asyncio.Semaphore(2)

    async def resolve(self, media: str) -> str:
        """The ARI URI of one reference; `ActionRefused` when there is nothing to play."""
        kind, _, rest = media.partition(":")
        if kind == "beep" and not rest:
            return self._uri(await self._beep())
        if kind == "prompt":
            language, _, name = rest.partition("/")
            return self._uri(await self._prompt(language, name))
        if kind == "text":
            language, _, words = rest.partition("/")
            return self._uri(await self.speak(language, words))
        if kind == "file":
            return self._uri(self._file(rest))
        raise ActionRefused(f"{media[:80]!r} is no media reference", 400)

    async def missing(self, media: str) -> str:
        """Why a reference could not be played as written; empty when it can (for checks)."""
        try:
            kind, _, rest = media.partition(":")
            if kind == "prompt":
                language, _, name = rest.partition("/")
                found = self._recorded(language, name)
                return "" if found else f"no recording of {name!r} in language {language!r}"
            if kind == "file":
                self._file(rest)
        except ActionRefused as exc:
            return str(exc)
        return ""

    # --- recordings ---------------------------------------------------------------------------

    async def _prompt(self, language: str, name: str) -> Path:
        found = self._recorded(language, name)
        if found is None and language != self._fallback:
            found = self._recorded(self._fallback, name)
            log.warning("prompt_missing", language=language, name=name, fallback=found is not None)
        if found is not None:
            return found
        words = self._texts.get(language, {}).get(name) or name.replace("_", " ")
        log.warning("prompt_spoken", language=language, name=name)
        return await self.speak(language, words)

    def _recorded(self, language: str, name: str) -> Path | None:
        if not _LANGUAGE.match(language) or not _NAME.match(name):
            raise ActionRefused(f"prompt {language[:20]!r}/{name[:60]!r} cannot exist", 400)
        for folder in (self._site / "prompts", self._prompts):
            stem = folder / language / name
            if _has_sound(stem):
                return stem
        return None

    def _file(self, name: str) -> Path:
        """A path below the site's directory, suffix or not; nothing may lead out of it."""
        try:
            path = (self._site / name).resolve()
        except (OSError, ValueError, RuntimeError) as exc:
            raise ActionRefused(f"file {name[:80]!r}: {exc}", 400) from exc
        if not path.is_relative_to(self._site):
            raise ActionRefused(f"file {name[:80]!r} is outside {self._site}", 403)
        stem = path.with_suffix("") if path.suffix.lstrip(".") in SUFFIXES else path
        if not _has_sound(stem):
            raise ActionRefused(f"file {name[:80]!r}: no sound of that name", 404)
        return stem

    def _uri(self, stem: Path) -> str:
        if self._seen_as and stem.is_relative_to(self._prompts):
            return f"sound:{self._seen_as}/{stem.relative_to(self._prompts)}"
        return f"sound:{stem}"

    # --- made here ----------------------------------------------------------------------------

    async def _beep(self) -> Path:
        stem = self._prompts / "beep"
        if not _has_sound(stem):
            await asyncio.to_thread(_write_beep, stem)
        return stem

    async def speak(self, language: str, words: str) -> Path:
        """Speak a text (once: the same words are kept)."""
        if not _LANGUAGE.match(language):
            raise ActionRefused(f"{language[:20]!r} is no language", 400)
        text = "".join(c if c.isprintable() else " " for c in words[:LONGEST_TEXT]).strip()
        if not text:
            raise ActionRefused("there is no text to speak", 400)
        key = hashlib.sha256(f"{RECIPE}\0{language}\0{text}".encode()).hexdigest()[:40]
        stem = self._prompts / "tts" / key
        lock = self._speaking.setdefault(stem, asyncio.Lock())
        try:
            async with lock:
                if not _has_sound(stem):
                    async with self._voices:
                        spoken = await _espeak(language, text)
                    await asyncio.to_thread(_write_speech, spoken, stem)
                    await asyncio.to_thread(self._make_room, stem.parent)
                else:
                    _note_use(stem)
        finally:
            if not lock.locked():
                self._speaking.pop(stem, None)
        return stem

    def _make_room(self, folder: Path) -> None:
        """Remove what was not played for longest, a tenth more than has to go."""
        files = sorted(((p.stat(), p) for p in folder.glob("*.wav")), key=lambda f: f[0].st_mtime)
        total = sum(status.st_size for status, _ in files)
        if total <= self._speech_bytes:
            return
        removed = 0
        for status, path in files:
            in_use = status.st_mtime > time.time() - IN_USE_SECONDS
            if in_use or total <= self._speech_bytes * 0.9:
                break
            path.unlink(missing_ok=True)
            total -= status.st_size
            removed += 1
        log.info("spoken_texts_removed", files=removed, kept_bytes=total)


def _note_use(stem: Path) -> None:
    """The time of a file is when it was played last."""
    with suppress(OSError):  # a directory we may only read keeps what it has
        os.utime(stem.with_name(f"{stem.name}.wav"))


def _has_sound(stem: Path) -> bool:
    return any(stem.with_name(f"{stem.name}.{suffix}").is_file() for suffix in SUFFIXES)


async def _espeak(language: str, text: str) -> bytes:
    voice, speed = VOICES.get(language.partition("-")[0].lower(), (language, 155))
    try:
        process = await asyncio.create_subprocess_exec(
            "espeak-ng", "-v", voice, "-s", str(speed), "--stdin", "--stdout",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
    except FileNotFoundError as exc:
        raise ActionRefused("espeak-ng is not installed: run make setup", 500) from exc
    try:
        async with asyncio.timeout(SPEAKING_TIMEOUT):
            spoken, said = await process.communicate(text.encode())
    except TimeoutError as exc:
        raise ActionRefused("espeak-ng took too long", 500) from exc
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode or len(spoken) <= 44:
        complaint = said.decode(errors="replace").strip()[-100:]
        raise ActionRefused(f"espeak-ng could not speak {language!r}: {complaint}", 500)
    return spoken


# In a worker: numpy and its like take 65 ms to load, and neither a start nor a call waits for them.


def _write_beep(stem: Path) -> None:
    from callcore.telephony import sounds

    sounds.write_beep(stem)


def _write_speech(spoken: bytes, stem: Path) -> None:
    from callcore.telephony import sounds

    sounds.write_speech(spoken, stem)
