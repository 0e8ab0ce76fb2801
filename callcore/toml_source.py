"""A TOML file with the line of every key, and tables turned into typed values with clear errors."""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Iterable
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec

from callcore.errors import ConfigError

T = TypeVar("T", bound=msgspec.Struct)
KeyPath = tuple[str | int, ...]

SECRET_KEY = re.compile(r"secret|password|pin|token|url")
_POSITION = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


class TomlSource:
    """What one file says, and where."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        try:
            self.table: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as exc:
            raise _syntax_error(file, text, str(exc)) from exc
        self._lines = locate_keys(text)

    @classmethod
    def read(cls, path: Path) -> TomlSource:
        try:
            text = path.read_bytes().decode("utf-8")
        except OSError as exc:
            raise ConfigError(f"cannot be read: {exc.strerror}", file=str(path)) from exc
        except UnicodeDecodeError as exc:
            line = path.read_bytes()[: exc.start].count(b"\n") + 1
            raise ConfigError("is not UTF-8 text", file=str(path), line=line) from exc
        return cls(str(path), text)

    def line(self, path: KeyPath) -> int:
        """Line of a key, or of the nearest table around it; 0 when the file has neither."""
        while path:
            if path in self._lines:
                return self._lines[path]
            path = path[:-1]
        return 0

    def place(self, path: KeyPath) -> str:
        return f"{self.file}:{self.line(path)}"

    def error(self, path: KeyPath, value: object, expected: str) -> ConfigError:
        """The one form of all errors: file, line, key, value, and what was expected."""
        message = f"{dotted(path)} = {shown(path, value)}: expected {expected}"
        return ConfigError(message, file=self.file, line=self.line(path))

    def unknown(self, path: KeyPath, known: Iterable[str]) -> ConfigError:
        message = f"unknown key {dotted(path)}{suggestion(str(path[-1]), known)}"
        return ConfigError(message, file=self.file, line=self.line(path))


def locate_keys(text: str) -> dict[KeyPath, int]:
    """The line of every table header and key; tomllib itself cuts the text into statements."""
    lines = text.splitlines()
    found: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}
    table: KeyPath = ()
    index = 0
    while index < len(lines):
        start = index
        stripped = lines[start].strip()
        index += 1
        if not stripped or stripped.startswith("#"):
            continue
        if stripped.startswith("["):
            table = _header_path(stripped, counts)
            found.setdefault(table, start + 1)
            continue
        parsed = _parse_statement(lines[start:index])
        while parsed is None and index < len(lines):
            index += 1
            if _may_end(lines[index - 1]):
                parsed = _parse_statement(lines[start:index])
        for path in _key_paths(parsed or {}):
            found.setdefault(table + path, start + 1)
    return found


def _may_end(line: str) -> bool:
    """A statement of several lines can end here; keeps long lists from being parsed per line."""
    return "#" in line or line.rstrip().endswith(("]", "}", '"', "'"))


def _parse_statement(lines: list[str]) -> dict[str, Any] | None:
    try:
        return tomllib.loads("\n".join(lines))
    except tomllib.TOMLDecodeError:
        return None


def _header_path(header: str, counts: dict[KeyPath, int]) -> KeyPath:
    """``[a.b]`` → (a, b); the third ``[[a]]`` → (a, 2)."""
    names: list[str] = []
    node: Any = tomllib.loads(header)
    while isinstance(node, dict | list) and node:
        node = node[0] if isinstance(node, list) else node
        if isinstance(node, dict) and node:
            name, node = next(iter(node.items()))
            names.append(name)
    path: KeyPath = ()
    for name in names:
        path += (name,)
        if path in counts and path != tuple(names):
            path += (counts[path],)
    if header.startswith("[["):
        counts[path] = counts.get(path, -1) + 1
        path += (counts[path],)
    return path


def _key_paths(table: dict[str, Any], above: KeyPath = ()) -> Iterable[KeyPath]:
    for name, value in table.items():
        yield (*above, name)
        if isinstance(value, dict):
            yield from _key_paths(value, (*above, name))


def _syntax_error(file: str, text: str, message: str) -> ConfigError:
    match = _POSITION.search(message)
    line = int(match[1]) if match and match[1] else text.count("\n") + 1
    reason = _POSITION.sub("", message)
    return ConfigError(f"not valid TOML: {reason[:1].lower()}{reason[1:]}", file=file, line=line)


def read_struct(
    source: TomlSource, path: KeyPath, value: object, kind: type[T], **more: object
) -> T:
    """One table as a Struct: unknown keys and wrong types are errors; `more` is set by us."""
    if not isinstance(value, dict):
        raise source.error(path, value, "a table")
    fields = {f.encode_name: f for f in msgspec.structs.fields(kind) if f.name not in more}
    given: dict[str, object] = dict(more)
    for key, item in value.items():
        if key not in fields:
            raise source.unknown((*path, key), fields)
        given[key] = convert(source, (*path, key), item, fields[key].type)
    for name, field in fields.items():
        if field.required and name not in given:
            message = f"[{dotted(path)}] lacks {name}: expected {describe(field.type)}"
            raise ConfigError(message, file=source.file, line=source.line(path))
    return kind(**given)


def convert(source: TomlSource, path: KeyPath, value: object, kind: Any) -> Any:
    """One value as the type of its field; never infinite or not-a-number."""
    if isinstance(value, float) and not math.isfinite(value):
        raise source.error(path, value, describe(kind))
    if kind is Path and isinstance(value, str):
        return Path(value)
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as exc:
        raise source.error(path, value, describe(kind)) from exc


def describe(kind: Any) -> str:
    """What a person should write for a type."""
    simple = {
        str: "a text",
        Path: "a path",
        int: "a whole number",
        float: "a number",
        bool: "true or false",
    }
    if kind in simple:
        return simple[kind]
    origin = get_origin(kind)
    if hasattr(kind, "__metadata__"):
        return _describe_limits(kind)
    if origin is Literal:
        return "one of " + ", ".join(get_args(kind))
    if origin in (tuple, list):
        return f"a list, each item {describe(get_args(kind)[0])}"
    if origin is dict:
        return f"a table of names with {describe(get_args(kind)[1])} each"
    if origin is UnionType:
        return " or ".join(describe(k) for k in get_args(kind))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "one of " + ", ".join(str(m.value) for m in kind)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return "a table with " + ", ".join(f.encode_name for f in msgspec.structs.fields(kind))
    return str(kind)


def _describe_limits(kind: Any) -> str:
    text = describe(get_args(kind)[0])
    for meta in kind.__metadata__:
        if not isinstance(meta, msgspec.Meta):
            continue
        if meta.ge is not None and meta.le is not None:
            text += f" from {meta.ge} to {meta.le}"
        elif meta.ge is not None:
            text += f" of {meta.ge} or more"
        if meta.description:
            text += f" ({meta.description})"
    return text


def suggestion(word: str, known: Iterable[str]) -> str:
    """``; did you mean "x"?``, or the list of what there is."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1)
    if near:
        return f'; did you mean "{near[0]}"?'
    return f"; expected one of: {', '.join(names)}" if 0 < len(names) <= 24 else ""


def dotted(path: KeyPath) -> str:
    """``routes[2].pattern`` for (routes, 2, pattern); people count from 1."""
    text = ""
    for part in path:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def shown(path: KeyPath, value: object) -> str:
    """A value as an error may print it: short, without control characters, no secrets."""
    if any(isinstance(p, str) and SECRET_KEY.search(p) and "url" not in p for p in path[-1:]):
        return "(hidden)"
    text = re.sub(r"//[^/@\s]*@", "//(hidden)@", repr(value))
    return text if len(text) <= 80 else text[:77] + "..."
