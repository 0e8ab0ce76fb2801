"""Trees as values: saved and read back, versions kept as long as needed."""

from __future__ import annotations

from pathlib import Path

import msgspec

from callcore.ivr.loader import load_trees
from callcore.ivr.tree import Tree, Trees

GOOD = Path(__file__).parents[2] / "data" / "ivr" / "good"
HANGUP = "start: a\nnodes:\n  a: {step: hangup}\n"


def test_trees_survive_the_journal() -> None:
    """A tree encoded and decoded is the same tree."""
    for tree in load_trees({p.name: p.read_text() for p in GOOD.glob("*.yaml")}).values():
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(tree), type=Tree) == tree
        assert msgspec.json.decode(msgspec.json.encode(tree), type=Tree) == tree


def test_versions() -> None:
    """A replaced version stays until no call is in it; a removed tree is not current."""
    trees = Trees()
    old = load_trees({"x.yaml": HANGUP, "y.yaml": HANGUP})
    new = load_trees({"x.yaml": HANGUP + "# new\n"})
    trees.replace(old)
    trees.replace(new)
    assert trees.latest("x") == new["x"]
    assert trees.latest("y") is None
    trees.prune([("y", old["y"].version)])
    assert trees.get("y", old["y"].version) == old["y"]
    assert trees.get("x", old["x"].version) is None
    trees.prune([])
    assert list(trees.versions) == ["x"]
