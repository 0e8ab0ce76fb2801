"""What must hold between the nodes of a tree, between trees, and with what the site has."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import msgspec

from callcore.errors import TreeError
from callcore.ivr.fields import CHECKS, Kind
from callcore.ivr.nodes import Gather, Set
from callcore.ivr.schema import Use, suggestion
from callcore.ivr.tree import BUILT_IN, Tree
from callcore.types import NodeId

#: A node of a tree.
Place = tuple[str, str]


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What the site has; None: unknown, so not checked."""

    queues: Collection[str] | None = None
    agents: Collection[str] | None = None
    #: Prompt names by language.
    prompts: Mapping[str, Collection[str]] | None = None
    #: ``tree`` or ``tree/node`` entered from outside (routes, overflow of queues).
    entered: Collection[str] = ()


class SourceTree(msgspec.Struct, frozen=True):
    """A tree with where its names were written; `lines` has unreadable nodes too."""

    file: str
    tree: Tree
    uses: list[Use]
    lines: dict[NodeId, int]
    hours: list[str]
    #: Every node could be read, so its exits are known.
    complete: bool

    def error(self, line: int, message: str) -> TreeError:
        return TreeError(message, file=self.file, line=line)


def place_of(target: str, tree: str) -> Place:
    """Tree and node of a reference written in `tree`; an empty node is the start."""
    first, slash, second = target.partition("/")
    return (first, second) if slash else (tree, first)


def check_all(sources: list[SourceTree], known: Known) -> tuple[list[TreeError], list[TreeError]]:
    """Errors and warnings of trees that were read."""
    by_id: dict[str, SourceTree] = {}
    errors: list[TreeError] = []
    for source in sources:
        first = by_id.setdefault(source.tree.id, source)
        if first is not source:
            errors.append(source.error(1, f"tree {source.tree.id!r} is already in {first.file}"))
    defined = _defined(sources)
    secrets = _secrets(sources)
    for source in sources:
        errors += _unknown_nodes(source, by_id)
        errors += _unknown_names(source, known)
        errors += _variables(source, defined, secrets)
        errors += _languages(source)
    errors += _endless_loops(by_id)
    return errors, [*_unreachable(by_id, known), *_unspoken(sources, known)]


def _where(use: Use) -> str:
    return f"{use.node}: " if use.node else ""


def _unknown_nodes(source: SourceTree, by_id: dict[str, SourceTree]) -> Iterable[TreeError]:
    for use in source.uses:
        if use.kind is not Kind.NODE:
            continue
        tree, node = place_of(use.name, source.tree.id)
        other = by_id.get(tree)
        if other is None:
            more = suggestion(tree, by_id)
            yield source.error(use.line, f"{_where(use)}unknown tree {tree!r}{more}")
        elif node and other.lines and node not in other.lines:
            more = suggestion(node, other.lines)
            yield source.error(use.line, f"{_where(use)}unknown node {use.name!r}{more}")


def _unknown_names(source: SourceTree, known: Known) -> Iterable[TreeError]:
    every = [name for names in (known.prompts or {}).values() for name in names]
    sets: dict[Kind, tuple[str, Collection[str] | None]] = {
        Kind.HOURS: ("hours", source.hours),
        Kind.QUEUE: ("queue", known.queues),
        Kind.AGENT: ("agent", known.agents),
        Kind.PROMPT: ("prompt", None if known.prompts is None else {*every, "beep"}),
    }
    for use in source.uses:
        word, names = sets.get(use.kind, ("", None))
        if names is not None and use.name not in names:
            more = suggestion(use.name, sorted(names))
            yield source.error(use.line, f"{_where(use)}unknown {word} {use.name!r}{more}")


def _defined(sources: list[SourceTree]) -> list[str]:
    uses = [use for source in sources for use in source.uses]
    return list(dict.fromkeys(u.name for u in uses if u.kind is Kind.DEFINES))


def _secrets(sources: list[SourceTree]) -> list[str]:
    nodes = [node for source in sources for node in source.tree.nodes.values()]
    return [node.into for node in nodes if isinstance(node, Gather) and node.secret]


def _variables(source: SourceTree, defined: list[str], secrets: list[str]) -> Iterable[TreeError]:
    kinds = (Kind.VARIABLE, Kind.TEMPLATE, Kind.SPOKEN, Kind.QUERY)
    for use in source.uses:
        at = _where(use)
        if use.kind is Kind.DEFINES and use.name in BUILT_IN and use.name != "language":
            yield source.error(use.line, f"{at}variable {use.name!r} is set by callcore itself")
        elif use.kind in kinds and use.name not in (*defined, *BUILT_IN):
            more = suggestion(use.name, [*defined, *BUILT_IN])
            yield source.error(use.line, f"{at}unknown variable {use.name!r}{more}")
        elif use.kind in kinds[:3] and use.name in secrets:
            message = "is secret: it may only be sent to a look-up"
            yield source.error(use.line, f"{at}variable {use.name!r} {message}")


def _languages(source: SourceTree) -> Iterable[TreeError]:
    for name, node in source.tree.nodes.items():
        value = node.values.get("language", "") if isinstance(node, Set) else ""
        if "{" not in value and (expected := CHECKS[Kind.LANGUAGE](value)):
            line = source.lines[name]
            yield source.error(line, f"{name}.values.language: expected {expected}, got {value!r}")


# --- the graph -------------------------------------------------------------------------------


def _edges(by_id: dict[str, SourceTree]) -> dict[Place, list[Place]]:
    """Where each node leads, over all trees; starts are resolved to their nodes."""
    edges: dict[Place, list[Place]] = {}
    for id, source in by_id.items():
        for name, node in source.tree.nodes.items():
            targets = [place_of(target, id) for _, target in node.exits()]
            edges[id, name] = [_resolved(place, by_id) for place in targets]
    return edges


def _resolved(place: Place, by_id: dict[str, SourceTree]) -> Place:
    """Starts may name another tree's start: follow, but not in circles."""
    for _ in range(len(by_id) + 1):
        if place[1] or place[0] not in by_id:
            break
        place = place_of(by_id[place[0]].tree.start, place[0])
    return place


def _endless_loops(by_id: dict[str, SourceTree]) -> Iterable[TreeError]:
    """Circles of nodes at which the caller neither hears nor does anything."""
    nodes = {(id, n): s.tree.nodes[n] for id, s in by_id.items() for n in s.tree.nodes}
    silent = [place for place, node in nodes.items() if not node.waits]
    edges = _edges(by_id)
    todo = {
        place: [p for p in edges[place] if p in nodes and not nodes[p].waits] for place in silent
    }
    done: dict[Place, bool] = {}
    for start in silent:
        circle = _circle(start, todo, done)
        if circle:
            source = by_id[circle[0][0]]
            names = " → ".join(_shown(p, source.tree.id) for p in [*circle, circle[0]])
            message = f"{circle[0][1]}: endless loop without waiting for the caller: {names}"
            yield source.error(source.lines[circle[0][1]], message)


def _circle(start: Place, edges: dict[Place, list[Place]], done: dict[Place, bool]) -> list[Place]:
    """The first circle met in a depth-first walk; each place is walked once over all calls."""
    if start in done:
        return []
    path: list[Place] = [start]
    pending = [iter(edges[start])]
    done[start] = False
    while pending:
        place = next(pending[-1], None)
        if place is None:
            done[path.pop()] = True
            pending.pop()
        elif place not in done:
            done[place] = False
            path.append(place)
            pending.append(iter(edges[place]))
        elif not done[place]:
            for left in path:
                done[left] = True
            return path[path.index(place) :]
    return []


def _shown(place: Place, tree: str) -> str:
    return place[1] if place[0] == tree else "/".join(place)


def _unreachable(by_id: dict[str, SourceTree], known: Known) -> Iterable[TreeError]:
    edges = _edges(by_id)
    pending = [_resolved((id, ""), by_id) for id in by_id]
    pending += [place_of(s.tree.on_error, id) for id, s in by_id.items() if s.tree.on_error]
    pending += [place_of(e if "/" in e else e + "/", "") for e in known.entered]
    reached = dict.fromkeys(pending)
    while pending:
        for place in edges.get(pending.pop(), []):
            if place not in reached:
                reached[place] = None
                pending.append(place)
    for id, source in by_id.items():
        for name in source.tree.nodes if all(s.complete for s in by_id.values()) else ():
            if (id, name) not in reached:
                yield source.error(source.lines[name], f"{name}: no way leads to this node")


def _unspoken(sources: list[SourceTree], known: Known) -> Iterable[TreeError]:
    """Prompts that are recorded in some languages only."""
    for source in sources:
        for use in source.uses:
            if use.kind is not Kind.PROMPT or use.name == "beep":
                continue
            prompts = known.prompts or {}
            lacking = [lang for lang in sorted(prompts) if use.name not in prompts[lang]]
            if lacking and len(lacking) < len(prompts):
                message = f"prompt {use.name!r} is missing in {', '.join(lacking)}"
                yield source.error(use.line, _where(use) + message)
