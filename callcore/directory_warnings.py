"""What is no fault but will surprise: skills, groups, languages and sites that no agent has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from callcore.acd.rule import rule_of
from callcore.directory import Directory, Queue
from callcore.directory_faults import Places, fault, place_of
from callcore.errors import ConfigError
from callcore.ivr.nodes import Enqueue
from callcore.ivr.tree import Tree
from callcore.types import TreeId

#: A skill, or ``group:NAME`` and the like, with the level needed; 0: at any.
Needed = tuple[str, int]


def warnings_of(
    directory: Directory, trees: Mapping[TreeId, Tree], places: Places, folder: Path
) -> list[ConfigError]:
    """Callers who need what nobody has wait until the queue gives up on them."""
    there = _there(directory)
    found: list[ConfigError] = []
    for queue in directory.queues.values():
        key = f"queues.{queue.id}"
        for field, needed in _of_queue(queue):
            for lack in _lacks(there, needed):
                found.append(fault(place_of(places, key, field), f"{key}.{field}: {lack}"))
    for tree in trees.values():
        for name, node in tree.nodes.items():
            if isinstance(node, Enqueue):
                needed = list(node.skills.items()) + _of_rule(node.rule)
                for lack in _lacks(there, needed):
                    found.append(
                        ConfigError(f"{name}: {lack}", file=str(folder / f"{tree.id}.yaml"))
                    )
    return found


def _there(directory: Directory) -> dict[str, int]:
    """The highest level of each skill; what agents belong to has level 1."""
    there: dict[str, int] = {}
    for agent in directory.agents.values():
        for name, level in agent.skills.items():
            there[name] = max(level, there.get(name, 0))
        belongs = [f"group:{name}" for name in agent.groups]
        belongs += [f"language:{name}" for name in agent.languages]
        there.update(dict.fromkeys([*belongs, f"site:{agent.site}"], 1))
    return there


def _of_queue(queue: Queue) -> Iterator[tuple[str, list[Needed]]]:
    yield "requires", _of_rule(queue.requires)
    for number, ring in enumerate(queue.rings, start=1):
        yield f"rings[{number}].skills", [each for each in ring.skills.items() if each[1]]


def _of_rule(rule: str) -> list[Needed]:
    """Names only: a level may stand in it as a limit to stay below."""
    return [(name, 0) for name, _ in rule_of(rule).names] if rule else []


def _lacks(there: Mapping[str, int], needed: list[Needed]) -> Iterator[str]:
    for name, level in dict(needed).items():
        kind, colon, rest = name.rpartition(":")
        if name not in there:
            yield f"no agent has the {kind if colon else 'skill'} {rest!r}"
        elif there[name] < level:
            yield f"no agent has the skill {rest!r} at level {level}"
