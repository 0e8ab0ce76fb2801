"""Draws a tree for Graphviz: a room per node, an edge per way out."""

from __future__ import annotations

from callcore.ivr.checks import place_of
from callcore.ivr.nodes import (
    AnyStep,
    Enqueue,
    Gather,
    LookUp,
    Parts,
    PromptPart,
    Record,
    SayPart,
    Set,
    TextPart,
    Transfer,
)
from callcore.ivr.tree import Tree

#: Shape and colour by kind of step.
_LOOKS = {
    "Menu": 'shape=box, style="rounded,filled", fillcolor="#dbe9f6"',
    "Gather": 'shape=box, style="rounded,filled", fillcolor="#dbe9f6"',
    "Prompt": 'shape=box, style="rounded,filled", fillcolor="#f2f2f2"',
    "Branch": 'shape=diamond, style=filled, fillcolor="#fff3cd"',
    "LookUp": 'shape=component, style=filled, fillcolor="#fff3cd"',
    "Enqueue": 'shape=house, style=filled, fillcolor="#d8f0d8"',
    "Transfer": 'shape=house, style=filled, fillcolor="#d8f0d8"',
    "Record": 'shape=box3d, style=filled, fillcolor="#eadcf4"',
    "Hangup": 'shape=octagon, style=filled, fillcolor="#f6d5d5"',
}
_PLAIN = "shape=box"
_WIDTH = 34


def render_graph(tree: Tree) -> str:
    """Graphviz DOT of one tree; nodes of other trees are drawn as plain ovals."""
    lines = [
        f"digraph {_quoted(tree.id)} {{",
        '  graph [rankdir=TB, fontname="sans-serif", labelloc=t, '
        f"label={_quoted(f'{tree.id}  ({tree.version})')}];",
        '  node [fontname="sans-serif", fontsize=11];',
        '  edge [fontname="sans-serif", fontsize=9];',
        '  "#start" [shape=circle, label="", width=0.2, style=filled, fillcolor=black];',
        f'  "#start" -> {_target(tree.start, tree)};',
    ]
    for name, step in tree.nodes.items():
        looks = _LOOKS.get(type(step).__name__, _PLAIN)
        lines.append(f"  {_quoted(name)} [label={_quoted(_label(name, step))}, {looks}];")
    for name, step in tree.nodes.items():
        lines += [
            f"  {_quoted(name)} -> {_target(target, tree)}{_edge(labels)};"
            for target, labels in _merged(step).items()
        ]
    if tree.on_error:
        lines.append('  "#error" [shape=plaintext, label="on error"];')
        lines.append(f'  "#error" -> {_target(tree.on_error, tree)} [style=dashed];')
    return "\n".join([*lines, "}", ""])


def _merged(step: AnyStep) -> dict[str, list[str]]:
    """Labels by target: parallel edges become one."""
    merged: dict[str, list[str]] = {}
    for label, target in step.exits():
        merged.setdefault(target, []).append(label)
    return merged


def _edge(labels: list[str]) -> str:
    shown = [label for label in labels if label]
    text = f"label={_quoted(', '.join(shown))}" if shown else ""
    troubled = all(label in ("failed", "timed out", "overflow") for label in labels)
    parts = [text, "style=dashed" if troubled else ""]
    inside = ", ".join(part for part in parts if part)
    return f" [{inside}]" if inside else ""


def _target(target: str, tree: Tree) -> str:
    other, node = place_of(target, tree.id)
    return _quoted(node if other == tree.id and node else target)


def _label(name: str, step: AnyStep) -> str:
    detail = _detail(step)
    kind = type(step).__name__.lower()
    return f"{name}\n{kind}" + (f"\n{detail}" if detail else "")


def _detail(step: AnyStep) -> str:
    """The one thing worth knowing about a node."""
    match step:
        case Gather():
            return f"{step.min}–{step.max} digits → {'secret ' * step.secret}{step.into}"
        case LookUp():
            return _short(step.url)
        case Set():
            return "\n".join(_short(f"{name} = {value}") for name, value in step.values.items())
        case Enqueue():
            return f"queue {step.queue}" + (f", priority {step.priority}" if step.priority else "")
        case Transfer():
            return step.number or f"agent {step.agent}"
        case Record():
            return f"mailbox {step.mailbox}" if step.mailbox else ""
    return _spoken(getattr(step, "play", ()))


def _spoken(parts: Parts) -> str:
    words = []
    for part in parts:
        match part:
            case PromptPart():
                words.append(f"♪ {part.prompt}")
            case TextPart():
                words.append(f"“{part.text}”")
            case SayPart():
                words.append(" ".join(part.say.given()[0]))
            case _:
                words.append(part.file)
    return "\n".join(_short(word) for word in words[:4])


def _short(text: str) -> str:
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
