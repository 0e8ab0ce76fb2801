"""Tells which of some files changed, by looking at them each second."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path

Fingerprint = tuple[int, int, int]


def fingerprints(paths: Iterable[Path]) -> dict[Path, Fingerprint]:
    """What there is of `paths`; a directory stands for the YAML files below it."""
    found: dict[Path, Fingerprint] = {}
    for path in paths:
        for file in sorted(path.rglob("*.yaml")) if path.is_dir() else [path]:
            try:
                status = file.stat()
            except OSError:
                continue  # gone or unreadable: not there, which is a change by itself
            found[file] = (status.st_mtime_ns, status.st_size, status.st_ino)
    return found


def changed_files(before: dict[Path, Fingerprint], after: dict[Path, Fingerprint]) -> list[Path]:
    """Files that came, went or were written, in order of their names."""
    return sorted(p for p in {**before, **after} if before.get(p) != after.get(p))


async def each_second() -> None:
    await asyncio.sleep(1.0)


async def watch(
    paths: Callable[[], Iterable[Path]], pause: Callable[[], Awaitable[None]] = each_second
) -> AsyncIterator[list[Path]]:
    """Yields the files that changed since the last look; `paths` may answer differently later."""
    before = await asyncio.to_thread(fingerprints, list(paths()))
    while True:
        await pause()
        after = await asyncio.to_thread(fingerprints, list(paths()))
        changed = changed_files(before, after)
        before = after
        if changed:
            yield changed
