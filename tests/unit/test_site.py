"""Trees and prompt texts read from a site's files: good ones, wrong ones, and texts to prepare."""

from __future__ import annotations

from pathlib import Path

import pytest

from callcore import site
from callcore.config import load_settings
from callcore.errors import ConfigError

TREE = """
start: hello
nodes:
  hello:
    step: prompt
    play: [{text: "Good morning."}, {text: "You call from {caller_number}.", language: en}]
    next: queue
  queue: {step: enqueue, queue: sales}
"""
CONFIG = (
    '[agents.ann]\n[queues.sales]\nmembers = ["ann"]\n[[routes]]\npattern = "6XX"\ntree = "t"\n'
)


def write_site(directory: Path, config: str = CONFIG, **trees: str) -> Path:
    (directory / "ivr").mkdir()
    for name, text in trees.items():
        (directory / "ivr" / f"{name}.yaml").write_text(text)
    (directory / "callcore.toml").write_text(config)
    return directory / "callcore.toml"


def test_trees_are_read_by_the_name_of_their_file(tmp_path: Path) -> None:
    settings = load_settings(write_site(tmp_path, t=TREE), {})
    assert list(site.load_site(settings)) == ["t"]


def test_a_wrong_tree_is_refused_with_file_and_line_and_how_many_more(tmp_path: Path) -> None:
    wrong = TREE.replace("queue: sales", "queue: sails").replace("next: queue", "next: nowhere")
    settings = load_settings(write_site(tmp_path, t=wrong), {})
    with pytest.raises(ConfigError) as refused:
        site.load_site(settings)
    assert refused.value.file.endswith("t.yaml")
    assert refused.value.line > 0
    assert "(and 1 more: callcore check)" in str(refused.value)


def test_a_tree_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = write_site(tmp_path)
    (tmp_path / "ivr" / "t.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"t\.yaml: cannot be read"):
        site.load_site(load_settings(path, {}))


def test_texts_without_variables_can_be_spoken_in_advance(tmp_path: Path) -> None:
    settings = load_settings(write_site(tmp_path, t=TREE), {})
    assert site.fixed_texts(site.load_site(settings), settings) == ["text:en/Good morning."]
