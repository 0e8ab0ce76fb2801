"""Makes phones and trunks known to Asterisk: a rendered include, or pushed through ARI."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Protocol

import msgspec
import structlog

from callcore.directory import Directory
from callcore.errors import ActionRefused, BackendUnavailable
from callcore.telephony.ami import Ami
from callcore.telephony.ari import Body, Json, Method, part
from callcore.telephony.pjsip_sections import (
    Section,
    fallback_phones,
    render_fallback,
    render_sections,
    sections,
)
from callcore.telephony.render import FALLBACK_QUEUE, write_private

log = structlog.get_logger(__name__)

#: After a reload: how often, and at which distance, Asterisk is asked for what is new.
RELOAD_LOOKS = 60
RELOAD_PAUSE = 0.05


class FileProvisioner:
    """Managed Asterisk: writes the includes and reloads what changed.

    The files are what Asterisk starts with, so phones stay known while callcore is away.
    """

    def __init__(self, etc: Path, ami: Ami, fallback_queue: str = FALLBACK_QUEUE) -> None:
        self._etc = etc
        self._ami = ami
        self._queue = fallback_queue
        self._lock = asyncio.Lock()
        self._stale: set[str] = set()

    async def apply(self, directory: Directory) -> None:
        phones = fallback_phones(directory)
        changed = await self._write(
            {
                "pjsip_callcore.conf": render_sections(sections(directory)),
                "queues_callcore.conf": render_fallback(self._queue, phones),
            }
        )
        if "res_pjsip.so" in changed:
            for name in (*directory.phones, *directory.trunks)[-1:]:
                await self._until_known(name)

    async def _until_known(self, name: str) -> None:
        """Asterisk answers a reload before it is done; until then phones are refused."""
        for _ in range(RELOAD_LOOKS):
            if await self._ami.knows_endpoint(name):
                return
            await asyncio.sleep(RELOAD_PAUSE)
        raise BackendUnavailable(f"Asterisk has not taken over {name!r} after its reload")

    async def set_fallback(self, phones: tuple[str, ...]) -> None:
        """The phones where agents sit now: who would answer if callcore went away."""
        await self._write({"queues_callcore.conf": render_fallback(self._queue, phones)})

    async def _write(self, files: dict[str, str]) -> list[str]:
        """Write what is new and reload the modules it is for; returns these."""
        modules = {"pjsip_callcore.conf": "res_pjsip.so", "queues_callcore.conf": "app_queue.so"}
        async with self._lock:
            for name, text in files.items():
                # A reload that failed before is due even where the file is as it should be.
                if write_private(self._etc / name, text):
                    self._stale.add(modules[name])
            reloaded = sorted(self._stale)
            if reloaded:
                await self._ami.connect()
            for module in reloaded:
                await self._ami.reload(module)
                self._stale.discard(module)
                log.info("asterisk_reloaded", module=module)
            return reloaded


class AriRequester(Protocol):
    async def request_now(self, method: Method, uri: str, body: Body | None = None) -> None: ...


class _Pushed(msgspec.Struct):
    """What was pushed to an existing Asterisk, as digests: no secret is written twice."""

    objects: dict[str, str] = {}


class PushProvisioner:
    """Existing Asterisk: pushes objects through ARI into sorcery (`astdb` keeps them).

    Needs `sorcery.conf` to map each type to a wizard that can write; see asterisk-conf/existing.
    """

    def __init__(self, requester: AriRequester, memory: Path) -> None:
        self._requester = requester
        self._memory = memory
        self._lock = asyncio.Lock()

    async def apply(self, directory: Directory) -> None:
        async with self._lock:
            known = self._read()
            wanted = {f"{s.type}/{s.id}": _storable(s) for s in sections(directory)}
            try:
                for key in [key for key in known.objects if key not in wanted]:
                    await self._remove(key)
                    del known.objects[key]
                for key, section in wanted.items():
                    digest = _digest(section)
                    if known.objects.get(key) != digest:
                        await self._put(section)
                        known.objects[key] = digest
            finally:
                write_private(self._memory, msgspec.json.encode(known).decode())

    def _read(self) -> _Pushed:
        try:
            return msgspec.json.decode(self._memory.read_bytes(), type=_Pushed)
        except (FileNotFoundError, msgspec.DecodeError):
            return _Pushed()

    async def _put(self, section: Section) -> None:
        uri = f"asterisk/config/dynamic/res_pjsip/{section.type}/{part(section.id)}"
        fields: list[Json] = [{"attribute": k, "value": v} for k, v in section.options]
        body: Body = {"fields": fields}
        try:
            await self._requester.request_now("PUT", uri, body)
        except ActionRefused as exc:
            if exc.status != 403:
                raise
            raise ActionRefused(
                f"Asterisk does not let {section.type} objects be pushed: sorcery.conf must map"
                " them to astdb, see asterisk-conf/existing",
                403,
            ) from exc

    async def _remove(self, key: str) -> None:
        kind, _, name = key.partition("/")
        try:
            await self._requester.request_now(
                "DELETE", f"asterisk/config/dynamic/res_pjsip/{kind}/{part(name)}"
            )
        except ActionRefused as exc:
            if exc.status != 404:
                raise


def _storable(section: Section) -> Section:
    """What survives being written to astdb and read again.

    Asterisk writes an endpoint without a caller id as `<unknown>`, and reads that as the number of
    every caller; one with a name only leaves number and name to the INVITE.
    """
    if section.type != "endpoint":
        return section
    return msgspec.structs.replace(section, options=(*section.options, ("callerid", "callcore")))


def _digest(section: Section) -> str:
    return hashlib.sha256(msgspec.json.encode(section)).hexdigest()
