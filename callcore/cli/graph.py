"""`callcore check --graph FILE`: the trees drawn, as DOT or by Graphviz."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from callcore.config import Settings
from callcore.errors import ConfigError
from callcore.findings import Finding, error, ok
from callcore.ivr.graph import render_graph
from callcore.ivr.tree import Tree
from callcore.site import check_site

TIMEOUT = 60
FORMATS = ("dot", "svg", "png", "pdf")


def draw(settings: Settings, file: Path, wanted: str) -> list[Finding]:
    """One file for one tree; with several trees each has its name put before the ending."""
    form = file.suffix.removeprefix(".").lower() or "dot"
    if form not in FORMATS:
        raise ConfigError(f"--graph {file}: expected a name ending in {', '.join(FORMATS)}")
    trees = check_site(settings).trees
    if wanted and wanted not in trees:
        raise ConfigError(f"--tree {wanted!r}: expected one of {', '.join(trees) or 'none yet'}")
    chosen = [trees[wanted]] if wanted else list(trees.values())
    if not chosen:
        return [error("graph", f"there is no tree to draw in {settings.paths.ivr}")]
    names = {t.id: file if len(chosen) == 1 else _named(file, t.id) for t in chosen}
    return [_draw_one(tree, names[tree.id], form) for tree in chosen]


def _named(file: Path, tree: str) -> Path:
    return file.with_name(f"{file.stem}-{tree}{file.suffix}")


def _draw_one(tree: Tree, file: Path, form: str) -> Finding:
    text = render_graph(tree)
    if form == "dot":
        file.write_text(text, encoding="utf-8")
        return ok("graph", f"{tree.id} drawn in {file}")
    program = shutil.which("dot")
    if program is None:
        return error("graph", f"no Graphviz here to make .{form}", "apt install graphviz, or .dot")
    command = [program, f"-T{form}", "-o", str(file.absolute())]
    try:
        done = subprocess.run(
            command, input=text.encode(), capture_output=True, timeout=TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        return error("graph", f"dot took more than {TIMEOUT} s for {tree.id}")
    if done.returncode:
        reason = done.stderr.decode("utf-8", "replace").strip().splitlines()
        return error("graph", f"dot: {reason[0] if reason else done.returncode}")
    return ok("graph", f"{tree.id} drawn in {file}")
