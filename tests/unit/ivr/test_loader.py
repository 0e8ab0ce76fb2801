"""The loader: every error of a bad file, exactly, and good files without any."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callcore.errors import TreeError
from callcore.ivr.loader import (
    MAX_BYTES,
    Known,
    TreesRefused,
    check_trees,
    load_prompts,
    load_trees,
)
from callcore.ivr.nodes import STEPS, Enqueue, Gather, Menu

DATA = Path(__file__).parents[2] / "data" / "ivr"
SHIPPED = Path(__file__).parents[3] / "ivr"
SPOKEN_BY_CALLCORE = [
    "not-available",
    "goodbye",
    "login-agent",
    "login-pin",
    "login-ok",
    "login-failed",
    "logout-ok",
    "paused",
    "ready",
    "invalid",
    "transfer-failed",
    "please-wait",
    "queue-full",
    "leave-message",
    "message-saved",
    "you-are-next",
    "your-position-is",
    "in-the-queue",
    "wait-under-a-minute",
    "wait-one-minute",
    "the-wait-is-about",
    "minutes",
    "wait-over-an-hour",
]
KNOWN = Known(
    queues=["sales", "support"],
    agents=["anna", "bob"],
    prompts={"en": ["welcome", "please-wait"], "zh": ["welcome"]},
)


@pytest.mark.parametrize("path", sorted((DATA / "bad").glob("*.yaml")), ids=lambda p: p.stem)
def test_bad_file(path: Path) -> None:
    """All that is wrong is said, each with its line and what was expected, and nothing else."""
    checked = check_trees({path.name: path.read_text()}, KNOWN)
    lines = [str(error) for error in checked.errors]
    lines += [f"warning: {warning}" for warning in checked.warnings]
    assert lines == path.with_suffix(".expected").read_text().splitlines()
    with pytest.raises(TreesRefused) as refused:
        load_trees({path.name: path.read_text()}, KNOWN)
    assert [str(e) for e in refused.value.errors] == [str(e) for e in checked.errors]


def test_good_files() -> None:
    """Valid trees give neither errors nor warnings, even about each other."""
    files = {p.name: p.read_text() for p in (DATA / "good").glob("*.yaml")}
    checked = check_trees(files)
    assert [str(e) for e in checked.errors + checked.warnings] == []
    assert sorted(checked.trees) == ["gather", "menu", "office", "second"]


def test_shipped_files() -> None:
    """What ships fits together: trees, prompts in both languages, the two queues of the demo."""
    prompts = {
        language: load_prompts(language, (SHIPPED / "prompts" / f"{language}.yaml").read_text())
        for language in ("en", "zh")
    }
    files = {p.name: p.read_text() for p in SHIPPED.glob("*.yaml")}
    checked = check_trees(files, Known(queues=["sales", "support"], agents=[], prompts=prompts))
    assert [str(e) for e in checked.errors + checked.warnings] == []
    for language in ("en", "zh"):
        assert [name for name in SPOKEN_BY_CALLCORE if name not in prompts[language]] == []


def test_scalars_mean_what_is_written() -> None:
    """No YAML 1.1 surprises: leading zeros, yes/no, times and dates stay as they are."""
    text = """
id: plain
start: a
variables: {no: 010, date: 2026-01-01, when: 12:30, nil: null}
nodes:
  a: {step: menu, keys: {012: b, 7: b}, barge_in: no, failed: b}
  b: {step: gather, into: digits, min: 3, next: c}
  c: {step: enqueue, queue: "007", skills: {no: 1}}
"""
    text = text.replace('"007"', "q007")
    tree = load_trees({"any-name.yaml": text})["plain"]
    assert tree.variables == {"no": "010", "date": "2026-01-01", "when": "12:30", "nil": "null"}
    menu, gather, enqueue = tree.nodes.values()
    assert isinstance(menu, Menu)
    assert menu.keys == {"012": "b", "7": "b"}
    assert not menu.barge_in
    assert isinstance(gather, Gather)
    assert gather.min == 3
    assert isinstance(enqueue, Enqueue)
    assert enqueue.skills == {"no": 1}


def test_version_follows_the_text() -> None:
    """The same text has the same version, any other text another."""
    text = "start: a\nnodes:\n  a: {step: hangup}\n"
    first, again = (load_trees({"x.yaml": text})["x"] for _ in range(2))
    other = load_trees({"x.yaml": text + "# changed\n"})["x"]
    assert first == again
    assert first.version != other.version


def test_oversize_file() -> None:
    """A file beyond the limit is refused unread."""
    text = "start: a\nnodes:\n  a: {step: hangup}\n" + "#" * MAX_BYTES
    errors = check_trees({"big.yaml": text}).errors
    assert [str(e) for e in errors] == ["big.yaml:1: expected a file of at most 100000 bytes"]


def test_errors_of_all_files_are_collected() -> None:
    """One bad file hides nothing in another, and two trees may not share an id."""
    text = "id: same\nstart: a\nnodes:\n  a: {step: hangup}\n"
    files = {"a.yaml": text, "b.yaml": text, "c.yaml": "start: [", "d.yaml": "start: b"}
    with pytest.raises(TreesRefused) as refused:
        load_trees(files)
    assert [str(e) for e in refused.value.errors] == [
        "b.yaml:1: tree 'same' is already in a.yaml",
        "c.yaml:1: not YAML: while parsing a flow node expected the node content, "
        "but found '<stream end>'",
        "d.yaml:1: expected the key 'nodes'",
    ]


def test_references_between_trees() -> None:
    """Nodes of other trees are checked, count as reached, and may not close a silent loop."""
    one = "start: a\nnodes:\n  a: {step: goto, next: two/b}\n  c: {step: goto, next: two/d}\n"
    two = "start: b\nnodes:\n  b: {step: goto, next: one/c}\n  e: {step: goto, next: one/}\n"
    checked = check_trees({"one.yaml": one, "two.yaml": two})
    assert [str(e) for e in checked.errors] == [
        "one.yaml:4: c: unknown node 'two/d'; known: b, e",
    ]
    assert [str(e) for e in checked.warnings] == ["two.yaml:4: e: no way leads to this node"]
    known = Known(entered=["two/e", "one"])
    fixed = check_trees({"one.yaml": one.replace("two/d", "two/e"), "two.yaml": two}, known)
    assert [str(e) for e in fixed.errors] == [
        "one.yaml:3: a: endless loop without waiting for the caller: a → two/b → c → two/e → a",
    ]
    assert fixed.warnings == []


def test_prompt_sets() -> None:
    """A prompt without words, with an odd name, or twice, is told with its line."""
    assert load_prompts("en.yaml", "hello: Hello\n1-2: one two\n") == {
        "hello": "Hello",
        "1-2": "one two",
    }
    with pytest.raises(TreesRefused) as refused:
        load_prompts("en.yaml", "hello:\n../x: y\nbye: Bye\nbye: [Bye]\nsee: [you]\n")
    assert [str(e) for e in refused.value.errors] == [
        "en.yaml:4: prompts: duplicate key 'bye', first on line 3",
        "en.yaml:1: prompts.hello: expected the words to be spoken",
        "en.yaml:2: prompts: expected the name of a prompt, got '../x'",
        "en.yaml:5: prompts.see: expected the words to be spoken",
    ]
    with pytest.raises(TreesRefused):
        load_prompts("en.yaml", "")


PIECES = st.sampled_from(
    ["start: ", "nodes:\n", "  a: ", "{step: ", "menu", "prompt", "gather", "}", "\n", ", ", "[",
     "]", "keys: ", "1", "a", "play: ", "text: ", "'", '"', "{", "  ", "- ", "? ", ": ", "&", "*x",
     "!!int ", "|", ">", "%", "hours: ", "\t", "\0", "\ud800", "…", "branch", "cases: ", "when: "]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(PIECES, max_size=30).map("".join))
def test_no_text_breaks_the_loader(text: str) -> None:
    """Whatever is written, the answer is trees or errors with a line."""
    for error in check_trees({"any.yaml": text}).errors:
        assert isinstance(error, TreeError)
        assert error.line >= 1


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_no_damage_breaks_the_loader(data: st.DataObject) -> None:
    """A good file with a piece cut out and something put in is read or refused, never worse."""
    text = (DATA / "good" / "office.yaml").read_text()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 30)))
    text = text[:start] + data.draw(PIECES) + text[end:]
    for error in check_trees({"office.yaml": text}).errors:
        assert error.line >= 1


def test_the_guide_is_right() -> None:
    """The tree in the guide loads, and its tables name every step and every key there is."""
    guide = (SHIPPED.parent / "docs" / "ivr.md").read_text()
    example = guide.split("```yaml\n")[1].split("```")[0]
    checked = check_trees({"example.yaml": example})
    assert [str(e) for e in checked.errors + checked.warnings] == []
    for name, step in STEPS.items():
        (row,) = [line for line in guide.splitlines() if line.startswith(f"| `{name}`")] or [""]
        keys = [field for field in step.__struct_fields__ if field != "language"]
        if name != "record":
            assert [key for key in keys if f"`{key}" not in row] == [], name
