"""YAML text in, checked trees out: every error of every file with its line and what was expected.

Scalars are read as text and typed by the field they stand in, so that `no`, `09:00` or `0123`
mean what was written. Tags, anchors and aliases are refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec
import yaml

from callcore.errors import TreeError
from callcore.ivr.checks import Known, SourceTree, check_all
from callcore.ivr.schema import BAD, Reader, elide, hints, suggestion
from callcore.ivr.tree import Tree
from callcore.types import TreeId

MAX_BYTES = 100_000
MAX_DEPTH = 20


class TreesRefused(TreeError):
    """One or more trees cannot be used; `errors` has each with its place."""

    def __init__(self, errors: list[TreeError]) -> None:
        super().__init__("\n".join(str(error) for error in errors))
        self.errors = errors


class Checked(msgspec.Struct, frozen=True):
    """What reading a set of files gave. Trees are usable only when there are no errors."""

    trees: dict[TreeId, Tree]
    errors: list[TreeError]
    warnings: list[TreeError]


def load_trees(files: Mapping[str, str], known: Known | None = None) -> dict[TreeId, Tree]:
    """All trees of the files (name → text) by id, or `TreesRefused` with every error."""
    checked = check_trees(files, known)
    if checked.errors:
        raise TreesRefused(checked.errors)
    return checked.trees


def check_trees(files: Mapping[str, str], known: Known | None = None) -> Checked:
    """Read and check trees; never raises for what is written in them."""
    sources: list[SourceTree] = []
    errors: list[TreeError] = []
    for file in sorted(files):
        reader = Reader(file)
        source = _read(reader, files[file])
        if source is not None:
            sources.append(source)
        errors += reader.errors
    more, warnings = check_all(sources, known or Known())
    trees = {source.tree.id: source.tree for source in sources}
    return Checked(trees, _in_order(errors + more), _in_order(warnings))


def _in_order(errors: list[TreeError]) -> list[TreeError]:
    """By place, each once."""
    once = {str(error): error for error in errors}
    return sorted(once.values(), key=lambda error: (error.file, error.line))


def load_prompts(file: str, text: str) -> dict[str, str]:
    """A prompt set (name: text), or `TreesRefused` with every error."""
    reader = Reader(file)
    root = compose(reader, text)
    prompts: dict[str, str] = {}
    for key, key_node, value in reader.entries(root, "prompts") if root is not None else []:
        if not key.replace("-", "").replace("_", "").isalnum():
            reader.fail(key_node, f"prompts: expected the name of a prompt, got {key!r}")
        elif not isinstance(value, yaml.ScalarNode) or not value.value.strip():
            reader.fail(value, f"prompts.{key}: expected the words to be spoken")
        else:
            prompts[key] = value.value
    if reader.errors:
        raise TreesRefused(reader.errors)
    return prompts


def compose(reader: Reader, text: str) -> yaml.Node | None:
    """The one YAML document of a file as marked nodes; None when it has none or is refused."""
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        reader.fail(1, f"expected a file of at most {MAX_BYTES} bytes")
        return None
    try:
        if not _plain(reader, text):
            return None
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        what = " ".join(filter(None, (exc.context, exc.problem)))
        reader.fail(mark.line + 1 if mark else 1, f"not YAML: {what}")
        return None
    except yaml.reader.ReaderError as exc:
        line = text.count("\n", 0, int(exc.position)) + 1
        reader.fail(line, "not YAML: a control character")
        return None
    if node is None:
        reader.fail(1, "expected a mapping, the file is empty")
    return node


def _plain(reader: Reader, text: str) -> bool:
    """Whether the file is free of tags, anchors, aliases and deep nesting."""
    depth, before = 0, len(reader.errors)
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            reader.fail(line, 'expected no YAML anchors (&) and aliases (*); quote a "*" key')
        if getattr(event, "tag", None) not in (None, "!"):
            reader.fail(line, "expected no YAML tags (!)")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        if isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            reader.fail(line, f"expected at most {MAX_DEPTH} levels")
        if len(reader.errors) > before + 20 or depth > MAX_DEPTH:
            return False
    return len(reader.errors) == before


def _read(reader: Reader, text: str) -> SourceTree | None:
    """A tree as far as it could be read, so that its names can be checked beside its errors."""
    root = compose(reader, text)
    if not isinstance(root, yaml.MappingNode):
        if root is not None:
            reader.fail(root, "expected a mapping with the keys start and nodes")
        return None
    fields = [f.name for f in msgspec.structs.fields(Tree) if f.name != "version"]
    stem = reader.file.rsplit("/", 1)[-1].removesuffix(".yaml").removesuffix(".yml")
    values: dict[str, Any] = {"id": stem}
    hours: list[str] = []
    keys: list[str] = []
    for key, key_node, node in reader.entries(root, "tree"):
        keys.append(key)
        if key not in fields:
            reader.fail(key_node, f"unknown key {elide(key)}{suggestion(key, fields)}")
            continue
        if key == "hours" and isinstance(node, yaml.MappingNode):
            hours = [name.value for name, _ in node.value]
        value = reader.read(node, hints(Tree)[key], key)
        if value is not BAD:
            values[key] = value
    for key in ("start", "nodes"):
        if key not in keys:
            reader.fail(root, f"expected the key {key!r}")
    values["version"] = hashlib.sha256(text.encode()).hexdigest()[:12]
    tree = Tree(**values)
    complete = len(tree.nodes) == len(reader.lines)
    return SourceTree(reader.file, tree, reader.uses, reader.lines, hours, complete)


__all__ = ["Checked", "Known", "TreesRefused", "check_trees", "load_prompts", "load_trees"]
