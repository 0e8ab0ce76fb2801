"""The rules never touch a clock, a socket, a file or chance: their imports say so."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "callcore"
PURE = ("call", "ivr", "acd", "types.py", "errors.py", "directory.py", "monitor/view.py",
        "monitor/live.py", "media/events.py", "media/greeting.py")  # fmt: skip
#: What a pure module may use of the standard library and of others' libraries.
ALLOWED = {
    "__future__", "abc", "bisect", "collections", "dataclasses", "datetime", "decimal", "enum",
    "functools",
    "hashlib", "heapq", "holidays", "itertools", "math", "msgspec", "re", "string", "typing",
    "unicodedata", "yaml", "zoneinfo", "operator", "random", "difflib", "types",
}  # fmt: skip
#: Calls that would bring in the time or chance even from an allowed module.
FORBIDDEN_CALLS = {
    ("datetime", "now"), ("datetime", "today"), ("datetime", "utcnow"), ("date", "today"),
    ("random", "random"), ("random", "choice"), ("random", "randrange"), ("random", "shuffle"),
}  # fmt: skip


def pure_files() -> list[Path]:
    files: list[Path] = []
    for name in PURE:
        path = PACKAGE / name
        files += sorted(path.glob("*.py")) if path.is_dir() else [path]
    return files


def is_pure(module: str) -> bool:
    parts = module.split(".")[1:]
    return any("/".join(parts).removesuffix(".py").startswith(p.removesuffix(".py")) for p in PURE)


def imports(tree: ast.AST) -> list[str]:
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found.append(node.module)
    return found


@pytest.mark.parametrize("path", pure_files(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_pure_module_imports_only_pure_things(path: Path) -> None:
    """No asyncio, socket, file, database or logging; nothing of callcore's shell."""
    for module in imports(ast.parse(path.read_text())):
        root = module.split(".")[0]
        if root == "callcore":
            assert module == "callcore" or is_pure(module), f"{module} is not pure"
        else:
            assert root in ALLOWED, f"{module} is not allowed in the rules"


@pytest.mark.parametrize("path", pure_files(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_pure_module_asks_nobody_for_time_or_chance(path: Path) -> None:
    """Time is an argument; random numbers come from a generator that was passed in."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            of = node.func.value
            name = of.id if isinstance(of, ast.Name) else ""
            assert (name, node.func.attr) not in FORBIDDEN_CALLS, ast.unparse(node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "open", ast.unparse(node)
