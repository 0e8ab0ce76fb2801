"""Reads YAML nodes into the structs of a tree, guided by their annotations, noting every error."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import StrEnum
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec
import yaml

from callcore.errors import TreeError
from callcore.ivr.fields import CHECKS, Kind, Span, is_variable, variables_in
from callcore.ivr.nodes import STEPS, AnyPart, AnyStep, FilePart, PromptPart, SayPart, TextPart
from callcore.types import NodeId

#: Stands for a value that could not be read; its error is already noted.
BAD: Any = object()

_TRUE, _FALSE = ("true", "yes", "on"), ("false", "no", "off")
_REFERENCES = (Kind.NODE, Kind.QUEUE, Kind.AGENT, Kind.HOURS, Kind.DEFINES, Kind.VARIABLE)
_TEMPLATES = (Kind.TEMPLATE, Kind.SPOKEN, Kind.QUERY)
_PARTS: dict[str, type[msgspec.Struct]] = {
    "prompt": PromptPart,
    "file": FilePart,
    "text": TextPart,
    "say": SayPart,
}


class Use(msgspec.Struct, frozen=True):
    """A name used somewhere in a tree, checked once everything is read."""

    kind: Kind
    name: str
    line: int
    node: NodeId = ""


@cache
def hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls, include_extras=True)


def suggestion(name: str, known: Iterable[str]) -> str:
    """``; did you mean …?`` where something known is close, else what there is."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known: {', '.join(names[:12])}" if names else ""


def elide(text: str) -> str:
    """A value as it is shown in an error: short and on one line."""
    return repr(text if len(text) <= 40 else text[:37] + "...")


class Reader:
    """Turns the YAML nodes of one file into values; errors and used names pile up."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.errors: list[TreeError] = []
        self.uses: list[Use] = []
        self.lines: dict[NodeId, int] = {}
        self._node: NodeId = ""

    def fail(self, at: yaml.Node | int, message: str) -> Any:
        line = at if isinstance(at, int) else at.start_mark.line + 1
        self.errors.append(TreeError(message, file=self.file, line=line))
        return BAD

    def read(self, node: yaml.Node, hint: Any, name: str) -> Any:
        """The value of `node` as `hint` asks; `name` is used in errors."""
        if get_origin(hint) is Annotated:
            base, *marks = get_args(hint)
            return self._marked(node, base, marks[0], name)
        if hint is AnyStep or hint is AnyPart:
            return self._step(node) if hint is AnyStep else self._part(node, name)
        if get_origin(hint) in (Union, UnionType):
            return self.read(node, get_args(hint)[0], name)
        if get_origin(hint) is tuple:
            return self._tuple(node, get_args(hint)[0], name)
        if get_origin(hint) is dict:
            key_hint, value_hint = get_args(hint)
            return self._dict(node, key_hint, value_hint, name)
        if issubclass(hint, msgspec.Struct):
            return self.struct(node, hint, name)
        return self._scalar(node, hint, name)

    # --- scalars ---------------------------------------------------------------------------

    def _text(self, node: yaml.Node, name: str, expected: str) -> Any:
        if isinstance(node, yaml.ScalarNode):
            return node.value
        found = "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"
        return self.fail(node, f"{name}: expected {expected}, got {found}")

    def _scalar(self, node: yaml.Node, hint: Any, name: str) -> Any:
        if issubclass(hint, StrEnum):
            return self._choice(node, hint, name)
        if hint is bool:
            return self._bool(node, name)
        return self._number(node, hint, name) if hint in (int, float) else self._word(node, name)

    def _word(self, node: yaml.Node, name: str) -> Any:
        text = self._text(node, name, "a text")
        if text is not BAD and len(text) > 1000:
            return self.fail(node, f"{name}: expected at most 1000 characters, got {len(text)}")
        return text

    def _bool(self, node: yaml.Node, name: str) -> Any:
        text = self._text(node, name, "true or false")
        if text is BAD or text.lower() in _TRUE + _FALSE:
            return text if text is BAD else text.lower() in _TRUE
        return self.fail(node, f"{name}: expected true or false, got {elide(text)}")

    def _choice(self, node: yaml.Node, hint: type[StrEnum], name: str) -> Any:
        values = [member.value for member in hint]
        text = self._text(node, name, f"one of {', '.join(values)}")
        if text is BAD or text in values:
            return text if text is BAD else hint(text)
        return self.fail(node, f"{name}: expected one of {', '.join(values)}, got {elide(text)}")

    def _number(self, node: yaml.Node, hint: Any, name: str, span: Span | None = None) -> Any:
        kind = "a whole number" if hint is int else "a number"
        if span is not None:
            kind += f" from {span.least:g} to {span.most:g}"
        text = self._text(node, name, kind)
        if text is BAD:
            return BAD
        try:
            value = hint(text)
        except ValueError:
            return self.fail(node, f"{name}: expected {kind}, got {elide(text)}")
        if not abs(value) < 1e15 or (span and not span.least <= value <= span.most):
            return self.fail(node, f"{name}: expected {kind}, got {elide(text)}")
        return value

    def _marked(self, node: yaml.Node, base: Any, mark: Kind | Span, name: str) -> Any:
        if isinstance(mark, Span):
            return self._number(node, base, name, mark)
        text = self._word(node, name)
        if text is BAD:
            return BAD
        expected = CHECKS[mark](text)
        if expected:
            return self.fail(node, f"{name}: expected {expected}, got {elide(text)}")
        self._note(mark, text, node.start_mark.line + 1)
        return text

    def _note(self, kind: Kind, text: str, line: int) -> None:
        if kind in (Kind.WANTED_AGENT, Kind.VALUE):
            written_out = Kind.AGENT if kind is Kind.WANTED_AGENT else Kind.VALUE
            kind = Kind.TEMPLATE if is_variable(text) else written_out
        names = variables_in(text) if kind in _TEMPLATES else [text]
        if kind in _TEMPLATES or kind in _REFERENCES or kind is Kind.PROMPT:
            self.uses += [Use(kind, name, line, self._node) for name in names]

    # --- collections ---------------------------------------------------------------------------

    def _tuple(self, node: yaml.Node, item: Any, name: str) -> Any:
        """A list, or a single item written without one."""
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        values = [self.read(child, item, name) for child in nodes]
        return BAD if BAD in values else tuple(values)

    def entries(self, node: yaml.Node, name: str) -> list[tuple[str, yaml.Node, yaml.Node]]:
        """Key, key node and value node of a mapping; duplicate keys are errors."""
        if not isinstance(node, yaml.MappingNode):
            if not (isinstance(node, yaml.ScalarNode) and node.value == ""):
                self.fail(node, f"{name}: expected a mapping")
            return []
        found: dict[str, tuple[str, yaml.Node, yaml.Node]] = {}
        for key, value in node.value:
            text = self._text(key, name, "a key")
            if text in found:
                first = found[text][1].start_mark.line + 1
                self.fail(key, f"{name}: duplicate key {elide(text)}, first on line {first}")
            elif text is not BAD:
                found[text] = (text, key, value)
        return list(found.values())

    def _dict(self, node: yaml.Node, key_hint: Any, value_hint: Any, name: str) -> Any:
        values: dict[Any, Any] = {}
        for text, key, value in self.entries(node, name):
            key_value = self.read(key, key_hint, f"{name}: key")
            if value_hint is AnyStep:
                self._node = text
                self.lines[text] = key.start_mark.line + 1
            values[key_value] = self.read(value, value_hint, f"{name}.{text}")
        self._node = "" if value_hint is AnyStep else self._node
        whole = {k: v for k, v in values.items() if k is not BAD and v is not BAD}
        # Nodes are kept even beside bad ones, so that the others can still be checked.
        return whole if value_hint is AnyStep or len(whole) == len(values) else BAD

    # --- structs -------------------------------------------------------------------------------

    def _step(self, node: yaml.Node) -> Any:
        kinds = ", ".join(STEPS)
        name = self._node
        if not isinstance(node, yaml.MappingNode):
            return self.fail(node, f"{name}: expected a mapping with step: one of {kinds}")
        for key, _, value in self.entries(node, name):
            if key == "step":
                kind = self._text(value, f"{name}.step", f"one of {kinds}")
                if kind in STEPS:
                    return self.struct(node, STEPS[kind], name, skip=("step",), entries_known=True)
                if kind is BAD:
                    return BAD
                more = suggestion(kind, STEPS)
                return self.fail(value, f"{name}: unknown step {elide(kind)}{more}")
        return self.fail(node, f"{name}: expected step: one of {kinds}")

    def _part(self, node: yaml.Node, name: str) -> Any:
        """``name`` alone is a prompt; else a mapping with prompt, file, text or say."""
        if isinstance(node, yaml.ScalarNode):
            prompt = self._marked(node, str, Kind.PROMPT, name)
            return prompt if prompt is BAD else PromptPart(prompt=prompt)
        if isinstance(node, yaml.MappingNode):
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode) and key.value in _PARTS:
                    return self.struct(node, _PARTS[key.value], name)
        return self.fail(node, f"{name}: expected a prompt's name, or prompt, file, text or say")

    def struct(
        self,
        node: yaml.Node,
        cls: type[msgspec.Struct],
        name: str,
        skip: tuple[str, ...] = (),
        entries_known: bool = False,
    ) -> Any:
        """A mapping as a struct: unknown, missing and contradicting fields are errors."""
        before = len(self.errors)
        entries = self.entries(node, name)
        if entries_known:
            del self.errors[before:]
        fields = {f.name: f for f in msgspec.structs.fields(cls) if f.name not in skip}
        values: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key, key_node, value in entries:
            if key in skip:
                continue
            if key not in fields:
                self.fail(key_node, f"{name}: unknown key {elide(key)}{suggestion(key, fields)}")
                continue
            lines[key] = key_node.start_mark.line + 1
            values[key] = self.read(value, hints(cls)[key], f"{name}.{key}")
        missing = [f for f in fields.values() if f.required and f.name not in lines]
        for field in missing:
            self.fail(node, f"{name}: expected the key {field.name!r}")
        if len(self.errors) > before:
            return BAD
        built = cls(**values)
        for key, problem in built.problems() if hasattr(built, "problems") else ():
            line = lines.get(key, node.start_mark.line + 1)
            self.fail(line, f"{name}.{key}: {problem}" if key else f"{name}: {problem}")
        return built
