#!/usr/bin/env python3
"""Writes the tables of README.md from the code: settings, commands, HTTP; --check compares."""

from __future__ import annotations

import ast
import enum
import inspect
import json
import re
import sys
import textwrap
import types
import typing
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import typer

from callcore.api.events import PATH as EVENTS_PATH
from callcore.api.server import ENDPOINTS
from callcore.cli.main import build
from callcore.config import SECTIONS
from callcore.directory import (
    Agent,
    FeatureCodes,
    Member,
    Outbound,
    Phone,
    Queue,
    Route,
    Transfers,
    Trunk,
)
from callcore.directory_queue import Announcements, Callback, Kind, OverflowRule, Ring
from callcore.ivr.calendar import Hours

README = Path(__file__).resolve().parent.parent / "README.md"

#: Table of callcore.toml → what it is made of. `id` is the name in the header.
TABLES: dict[str, type[msgspec.Struct]] = {
    **{f"[{name}]": kind for name, kind in SECTIONS.items()},
    "[phones.ID]": Phone,
    "[trunks.ID]": Trunk,
    "[agents.ID]": Agent,
    "[queues.ID]": Queue,
    "[[queues.ID.members]]": Member,
    "[[queues.ID.rings]]": Ring,
    "[[queues.ID.overflow_rules]]": OverflowRule,
    "[queues.ID.announcements]": Announcements,
    "[queues.ID.callback]": Callback,
    "[queues.ID.hours]": Hours,
    "[kinds.NAME]": Kind,
    "[[routes]]": Route,
    "[[outbound]]": Outbound,
    "[feature_codes]": FeatureCodes,
    "[transfers]": Transfers,
}
NOT_WRITTEN = {"id", "tenant"}


def comments(kind: type) -> dict[str, str]:
    """The ``#:`` comment above each field."""
    source = textwrap.dedent(inspect.getsource(kind))
    lines = source.splitlines()
    body = typing.cast(ast.ClassDef, ast.parse(source).body[0]).body
    found: dict[str, str] = {}
    for node in body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            above: list[str] = []
            at = node.lineno - 2
            while lines[at].strip().startswith("#:"):
                above.insert(0, lines[at].strip().removeprefix("#:").strip())
                at -= 1
            found[node.target.id] = " ".join(above)
    return found


def values(kind: Any) -> str:
    """What may be written, in words."""
    if typing.get_origin(kind) is typing.Annotated:
        base, *notes = typing.get_args(kind)
        return limits(base, [note for note in notes if isinstance(note, msgspec.Meta)])
    if typing.get_origin(kind) is typing.Literal:
        return ", ".join(f'`"{value}"`' for value in typing.get_args(kind))
    if typing.get_origin(kind) is tuple:
        return "list"
    if types.UnionType is typing.get_origin(kind) and bool in typing.get_args(kind):
        return ", ".join(values(each) for each in typing.get_args(kind))
    if typing.get_origin(kind) is dict or types.UnionType is typing.get_origin(kind):
        return "table"
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return ", ".join(f'`"{member.value}"`' for member in kind)
    return {bool: "true, false", int: "whole number", float: "number", Path: "path"}.get(
        kind, "text"
    )


def limits(base: Any, notes: Sequence[msgspec.Meta]) -> str:
    low = next((note.ge for note in notes if note.ge is not None), None)
    high = next((note.le for note in notes if note.le is not None), None)
    if low is not None and high is not None:
        return f"{low} to {high}"
    return f"{values(base)}, at least {low}" if low is not None else values(base)


def default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "needed"
    value = field.default
    if value is msgspec.NODEFAULT:
        value = field.default_factory()
    if value is None:
        return "none"
    if isinstance(value, enum.Enum):
        value = value.value
    if isinstance(value, Path):
        value = str(value)
    if isinstance(value, tuple):
        value = list(value)
    return f"`{json.dumps(value)}`"


def settings() -> Iterable[str]:
    """One table per table of callcore.toml."""
    for header, kind in TABLES.items():
        yield f"**`{header}`**"
        yield ""
        yield "| key | default | values | meaning |"
        yield "|---|---|---|---|"
        hints = typing.get_type_hints(kind, include_extras=True)
        said = comments(kind)
        for field in msgspec.structs.fields(kind):
            if field.name not in NOT_WRITTEN:
                meaning = plain(said.get(field.name, ""))
                allowed = values(hints[field.name])
                yield f"| `{field.name}` | {default(field)} | {allowed} | {meaning} |"
        yield ""


def plain(comment: str) -> str:
    """reStructuredText's double backquotes as Markdown's single ones; no cell may be broken."""
    return re.sub(r"``(.+?)``", r"`\1`", comment).replace("|", "\\|")


def commands() -> Iterable[str]:
    """Every command with its first sentence."""
    yield "| command | what it does |"
    yield "|---|---|"
    root = typing.cast(Any, typer.main.get_command(build()))
    for name, command in sorted(root.commands.items()):
        for words, one in leaves(name, command):
            arguments = [p for p in one.params if p.param_type_name == "argument"]
            shown = [p.name.upper() if p.required else f"[{p.name.upper()}]" for p in arguments]
            sentence = plain(" ".join((one.help or "").split("\n\n")[0].split()))
            yield f"| `{' '.join(['callcore', words, *shown])}` | {sentence} |"


def leaves(name: str, command: Any) -> Iterable[tuple[str, Any]]:
    if hasattr(command, "commands"):
        for part, below in command.commands.items():
            yield from leaves(f"{name} {part}", below)
    else:
        yield name, command


def http() -> Iterable[str]:
    yield "| method | path | what it does |"
    yield "|---|---|---|"
    for endpoint in ENDPOINTS:
        yield f"| {endpoint.method} | `{endpoint.path}` | {endpoint.summary} |"
    yield f"| GET | `{EVENTS_PATH}` | WebSocket: a snapshot, then numbered deltas |"
    yield "| GET | `/api/openapi.json` | This interface as an OpenAPI document |"


PARTS = {"settings": settings, "commands": commands, "http": http}


def filled(text: str) -> str:
    """README.md with the text between each pair of marks replaced."""
    for name, make in PARTS.items():
        begin = f"<!-- {name}: made by scripts/make-reference.py -->"
        end = f"<!-- end of {name} -->"
        if begin not in text or end not in text:
            raise SystemExit(f"make-reference: README.md lacks {begin} … {end}")
        head, _, rest = text.partition(begin)
        tail = rest.partition(end)[2]
        made = "\n".join(make()).strip()
        text = f"{head}{begin}\n\n{made}\n\n{end}{tail}"
    return text


def main() -> int:
    now = README.read_text(encoding="utf-8")
    wanted = filled(now)
    if sys.argv[1:] == ["--check"]:
        if now != wanted:
            print("README.md is out of date: run scripts/make-reference.py", file=sys.stderr)
            return 1
        return 0
    README.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
