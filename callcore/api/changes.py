"""Changes to the run-time directory made through the API: saved, then put in force."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from callcore.api.endpoint import Context
from callcore.config import Settings
from callcore.directory import Agent, Phone, Trunk, without_secrets
from callcore.directory_additions import DirectoryFile
from callcore.directory_file import editing
from callcore.directory_read import keys_changed
from callcore.errors import Refused, UnknownEntity
from callcore.site_check import check_change
from callcore.types import QueueId


async def change(context: Context, edit: Callable[[DirectoryFile], None]) -> None:
    """Apply `edit` to var/directory.json and reload; raises ConfigError and changes nothing."""
    settings = context.switchboard.settings()
    check = functools.partial(check_change, settings)

    def write() -> None:
        path = settings.directory_file
        with editing(path, settings.configured, settings.configured_places, check) as file:
            edit(file)

    async with context.editing:
        await asyncio.to_thread(write)
        await context.switchboard.reload()


async def add(
    context: Context, entity: Phone | Trunk | Agent, queues: Sequence[QueueId] = ()
) -> None:
    """Add an entity whose id is free; an agent joins `queues` in the same step."""
    section = f"{type(entity).__name__.lower()}s"

    def put(file: DirectoryFile) -> None:
        if entity.id in getattr(file.additions, section):
            raise Refused(f"there is a {section[:-1]} {entity.id!r} already")
        file.put(entity)
        for queue in queues:
            file.put_member(queue, entity.id)

    await change(context, put)


async def remove(context: Context, section: str, name: str) -> None:
    """Remove what was added at run time; what callcore.toml says can only be removed there."""
    settings = context.switchboard.settings()
    if name in getattr(settings.configured, section):
        place = settings.configured_places.get(f"{section}.{name}", settings.file)
        raise Refused(f"{section[:-1]} {name!r} is written in {place}: remove it there")
    if name not in getattr(settings.directory, section):
        raise UnknownEntity(section[:-1], name[:80])
    await change(context, lambda file: file.remove(section, name))


def configured(context: Context, section: str, name: str) -> str:
    """Only what callcore.toml has can go back to it."""
    if name not in getattr(context.switchboard.settings().configured, section):
        raise Refused(f"{section[:-1]} {name!r} was added at run time: callcore.toml has none")
    return name


def settings_now(settings: Settings, section: str, name: str) -> tuple[dict[str, Any], list[str]]:
    """Keys that are not at their default, without secrets; and those changed at run time."""
    entity = getattr(without_secrets(settings.directory), section)[name]
    base = getattr(without_secrets(settings.configured), section).get(name)
    table = msgspec.to_builtins(entity)
    return {key: value for key, value in table.items() if key != "id"}, keys_changed(entity, base)
