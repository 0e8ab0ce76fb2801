"""One phone, trunk, agent or queue from a table, wherever it was written: the same faults."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, get_args

import msgspec

from callcore.directory import Agent, Entity, Queue
from callcore.toml_source import KeyPath, TomlSource, read_struct


def read_entity(source: TomlSource, path: KeyPath, table: Any, kind: type[Any]) -> Any:
    """The entity named by the end of `path`; raises `ConfigError` with key and expectation."""
    if kind is Agent and isinstance(table, dict) and "pin" in table:
        expected = "pin_hash instead: `callcore agent pin-hash` makes one from a PIN"
        raise source.error((*path, "pin"), "", expected)
    if kind is Queue and isinstance(table, dict) and isinstance(table.get("members"), list):
        members = [{"agent": m} if isinstance(m, str) else m for m in table["members"]]
        table = {**table, "members": members}
    entity = read_struct(source, path, table, kind, id=path[-1])
    for field in msgspec.structs.fields(kind):
        value = getattr(entity, field.name)
        if isinstance(value, int | float) and value < 0:
            raise source.error((*path, field.name), value, "0 or more")
    return entity


def changed_entity(source: TomlSource, path: KeyPath, table: Any, before: Entity) -> Any:
    """`before` with the keys of `table` instead of its own."""
    given = read_entity(source, path, table, type(before))
    return msgspec.structs.replace(before, **{key: getattr(given, key) for key in table})


def keys_changed(now: Entity, base: Entity | None) -> list[str]:
    """Keys that differ from `base`, what callcore.toml says; none for what was added later."""
    if base is None:
        return []
    names = now.__struct_fields__
    return [name for name in names if getattr(now, name) != getattr(base, name)]


def plain_value(text: str, kind: Any) -> object:
    """A word as TOML would read it, unless what it is for is a text itself."""
    if kind in (str, Path) or not text:
        return text
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        return text


def read_changes(words: list[str], kind: type[msgspec.Struct]) -> dict[str, Any]:
    """``weight=2 hours=none callback.key=3`` as keys and values, nested keys as tables.

    Raises `ValueError` for a word without ``=``.
    """
    types = {field.name: field.type for field in msgspec.structs.fields(kind)}
    changes: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        name, dot, part = key.partition(".")
        if not equals or not name or (dot and not part):
            raise ValueError(word)
        if not dot:
            changes[name] = _value(text, types.get(name))
            continue
        inner = changes.setdefault(name, {})
        if not isinstance(inner, dict):
            raise ValueError(word)
        inner[part] = plain_value(text, _type_of(types.get(name), part))
    return changes


def _value(text: str, kind: Any) -> object:
    """``none`` takes a table away that need not be there."""
    return None if text == "none" and type(None) in get_args(kind) else plain_value(text, kind)


def _type_of(kind: Any, part: str) -> Any:
    for each in (kind, *get_args(kind)):
        if isinstance(each, type) and issubclass(each, msgspec.Struct):
            return {field.name: field.type for field in msgspec.structs.fields(each)}.get(part)
    return None
