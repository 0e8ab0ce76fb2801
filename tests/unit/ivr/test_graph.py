"""Drawn trees: every node and every way out is there, and Graphviz can read it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from callcore.ivr.graph import render_graph
from callcore.ivr.loader import load_trees

GOOD = Path(__file__).parents[2] / "data" / "ivr" / "good"
TREES = load_trees({p.name: p.read_text() for p in GOOD.glob("*.yaml")})


@pytest.mark.parametrize("name", sorted(TREES))
def test_nodes_and_edges(name: str) -> None:
    """Each node is a room with its kind, each target an edge."""
    tree, dot = TREES[name], render_graph(TREES[name])
    for node, step in tree.nodes.items():
        assert f'  "{node}" [label="{node}\\n{type(step).__name__.lower()}' in dot
        for _, target in step.exits():
            assert f'"{node}" -> "{target}"' in dot


def test_labels() -> None:
    """Edges tell the key or condition, parallel ones share a line, trouble is dashed."""
    dot = render_graph(TREES["office"])
    assert '"who" -> "vip" [label="caller +49X. 0Z!, dialled 5000"];' in dot
    assert '"tier" -> "gold" [label="tier in gold silver"];' in dot
    assert '"gold" -> "message" [label="overflow", style=dashed];' in dot
    assert '"other" -> "second/";' in dot
    assert 'label="{number}' not in dot
    assert "secret pin" in render_graph(TREES["gather"])


@pytest.mark.parametrize("name", sorted(TREES))
def test_graphviz_reads_it(name: str) -> None:
    """`dot` draws it without a complaint."""
    assert shutil.which("dot"), "Graphviz is not installed: run make setup"
    done = subprocess.run(
        ["dot", "-Tsvg"], input=render_graph(TREES[name]).encode(), capture_output=True, timeout=20
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"<svg" in done.stdout
