"""`callcore check`: files, their faults with places, and drawings."""

import json
from pathlib import Path

import pytest

from callcore.cli import checks
from callcore.cli.main import main
from callcore.findings import Finding, Level

TOML = """\
[phones.p1]
[agents.a1]
[queues.sales]
members = ["a1"]
[[routes]]
pattern = "100"
tree = "{tree}"
"""
TREE = """\
start: bye
nodes:
  bye: {step: hangup}
"""
GOOD = TOML.format(tree="hotline")


@pytest.fixture
def site(tmp_path, monkeypatch, capsys):
    """A directory with settings and one tree, and the program to run on it."""
    monkeypatch.setenv("CALLCORE_CONFIG", str(tmp_path / "callcore.toml"))
    (tmp_path / "ivr").mkdir()

    def check(*arguments, toml=GOOD, tree=None):
        (tmp_path / "callcore.toml").write_text(toml)
        if tree is not None:
            (tmp_path / "ivr" / "hotline.yaml").write_text(tree)
        monkeypatch.setattr("sys.argv", ["callcore", "check", "--files-only", "--json", *arguments])
        code = 0
        try:
            main()
        except SystemExit as exc:
            code = exc.code
        told = json.loads(capsys.readouterr().out)
        return code, [f for f in told["findings"] if f["level"] == "error"]

    return check


def test_wrong_settings_have_file_and_line(site, tmp_path):
    """Exit status 2, and the place."""
    code, errors = site(toml="[queues.q]\nring_secnds = 1\n")
    assert code == 2
    assert (errors[0]["file"], errors[0]["line"]) == (str(tmp_path / "callcore.toml"), 2)


def test_good_files_and_a_drawing(site, tmp_path):
    """Exit status 0; the tree is drawn as DOT; other endings are refused."""
    drawing = tmp_path / "ivr.dot"
    assert site("--graph", str(drawing), tree=TREE) == (0, [])
    assert drawing.read_text().startswith('digraph "hotline" {')


def test_a_wrong_tree_has_file_and_line(site, tmp_path):
    """Every fault of a tree is listed with its line."""
    code, errors = site(tree=TREE.replace("start: bye", "start: nowhere"))
    assert code == 2
    places = [(e["file"], e["line"]) for e in errors if e["area"] == "trees"]
    assert (str(tmp_path / "ivr" / "hotline.yaml"), 1) in places


def test_a_route_to_no_tree_is_an_error(site, tmp_path):
    """The route is named where it is written."""
    code, errors = site(toml=TOML.format(tree="gone"))
    assert code == 2
    assert any(
        e["line"] == 5 and e["file"].endswith("callcore.toml") and "'gone'" in e["message"]
        for e in errors
    )


def test_findings_read_well():
    """Level, area, place, what, and what to do."""
    finding = Finding(
        area="trees", level=Level.ERROR, message="bad", file="t.yaml", line=3, hint="mend it"
    )
    assert str(finding) == "error   trees    t.yaml:3: bad -> mend it"


def test_a_short_sip_password_in_the_open_is_a_warning(tmp_path):
    """Only where phones are reachable from outside."""
    from callcore.config import load_settings

    file = tmp_path / "callcore.toml"
    for bind, count in (("0.0.0.0", 1), ("127.0.0.1", 0)):
        file.write_text(f'[sip]\nbind = "{bind}"\n[phones.p]\nsecret = "1234"\n')
        assert len(checks._sip_password(load_settings(file, {}))) == count


def test_a_need_that_nobody_meets_is_a_warning(site, tmp_path, monkeypatch, capsys):
    """Skills, levels, groups and languages that no agent has: each place, and exit status 0."""
    toml = GOOD.replace("[agents.a1]", '[agents.a1]\nskills = { english = 3 }\ngroups = ["day"]')
    toml = toml.replace(
        'members = ["a1"]',
        'members = ["a1"]\nrequires = "english >= 9 and (group:night or language:fr or zh)"\n'
        "rings = [{ after_seconds = 9, skills = { english = 4, zh = 0 } }]",
    )
    tree = "start: line\nnodes:\n  line: {step: enqueue, queue: sales, skills: {russian: 1}}\n"
    assert site(toml=toml, tree=tree) == (0, [])
    monkeypatch.setattr("sys.argv", ["callcore", "check", "--files-only", "--json"])
    with pytest.raises(SystemExit):
        main()
    told = json.loads(capsys.readouterr().out)["findings"]
    found = [
        (Path(f["file"]).name, f.get("line", 0), f["message"])
        for f in told
        if f["level"] == "warning" and "no agent" in f["message"]
    ]
    assert found == [
        ("callcore.toml", 7, "queues.sales.requires: no agent has the group 'night'"),
        ("callcore.toml", 7, "queues.sales.requires: no agent has the language 'fr'"),
        ("callcore.toml", 7, "queues.sales.requires: no agent has the skill 'zh'"),
        (
            "callcore.toml", 8,
            "queues.sales.rings[1].skills: no agent has the skill 'english' at level 4",
        ),
        ("hotline.yaml", 0, "line: no agent has the skill 'russian'"),
    ]  # fmt: skip
