"""The documents agree with the code: reference tables, dependencies, links."""

from __future__ import annotations

import configparser
import importlib.util
import re
import shlex
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest
import typer

from callcore.acd.criteria import CRITERIA
from callcore.acd.strategy import STRATEGIES
from callcore.cli.main import build
from callcore.config import load_file_only, load_settings

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


@pytest.fixture(scope="module")
def reference():
    """scripts/make-reference.py as a module."""
    loader = SourceFileLoader("make_reference", str(ROOT / "scripts" / "make-reference.py"))
    spec = importlib.util.spec_from_loader("make_reference", loader)
    assert spec is not None
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        module = importlib.util.module_from_spec(spec)
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module


def test_the_reference_is_current(reference):
    """README.md has every key, command and path: if not, run scripts/make-reference.py."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert reference.filled(text) == text


def test_every_key_says_what_it_means(reference):
    """No row of the configuration reference is without a meaning."""
    silent = [row for row in reference.settings() if row.startswith("| `") and "|  |" in row]
    assert silent == []


def test_every_command_says_what_it_does(reference):
    """No row of the command table is without a sentence."""
    assert [row for row in reference.commands() if row.rstrip().endswith("|  |")] == []


def test_every_dependency_has_a_reason():
    """The tables of CONTRIBUTING.md name exactly what setup.cfg and scripts/setup install."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\w ,()-]+?) \|", text, re.M)
    named = {name.strip().lower() for row in rows for name in re.split(r",|\(|\)", row)}
    needed = names(setup["options"]["install_requires"])
    assert needed - named == set()
    for package in names(setup["options.extras_require"]["dev"]):
        assert re.search(rf"\b{package}\b", text, re.I), package
    script = (ROOT / "scripts" / "setup").read_text(encoding="utf-8")
    packages = re.search(r"^PACKAGES=\((.*?)\)", script, re.M | re.S)
    assert packages is not None
    assert set(packages[1].split()) - named == set()


def names(requirements: str) -> set[str]:
    lines = [line.strip() for line in requirements.splitlines() if line.strip()]
    return {re.split(r"[\s\[<>=]", line)[0].lower() for line in lines}


def blocks(document: Path, language: str) -> list[str]:
    """The fenced blocks of a document in one language ("" for commands)."""
    text = document.read_text(encoding="utf-8")
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)
    return [content for name, content in fenced if name == language]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_settings_in_documents_are_accepted(document, tmp_path):
    """Every TOML example has known keys and values of the right kind."""
    for text in blocks(document, "toml"):
        file = tmp_path / "callcore.toml"
        file.write_text(text, encoding="utf-8")
        for name in re.findall(r'_file = "(.+?)"', text):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text("secret")
        load_file_only(file, {})


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_in_documents_exist(document):
    """Every command shown has that name and those options."""
    root = typer.main.get_command(build())
    for line in "".join(blocks(document, "")).splitlines():
        words = shlex.split(line, comments=True)
        if not words or Path(words[0]).name != "callcore":
            continue
        command, rest = root, words[1:]
        while rest and rest[0] in getattr(command, "commands", {}):
            command, rest = command.commands[rest[0]], rest[1:]
        assert getattr(command, "invoke_without_command", True), line
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in rest if word.startswith("-")} <= known, line


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    """Every relative link names a file or directory of the project."""
    for target in re.findall(r"\]\(([^)#\s]+)", document.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (document.parent / target).exists(), target


def test_the_examples_about_queues_are_one_site(tmp_path):
    """Put together they pass every check, references included."""
    file = tmp_path / "callcore.toml"
    file.write_text("\n".join(blocks(ROOT / "docs" / "queues.md", "toml")), encoding="utf-8")
    directory = load_settings(file, {}).directory
    assert set(directory.queues) == {"sales", "billing", "premium", "contracts", "chat"}


def test_strategies_and_criteria_are_all_explained():
    """docs/queues.md has each by its name."""
    text = (ROOT / "docs" / "queues.md").read_text(encoding="utf-8")
    assert [name for name in (*STRATEGIES, *CRITERIA) if f"`{name}`" not in text] == []
