"""Words of the command line as keys and values of a queue."""

import re

import pytest

from callcore.directory import Queue
from callcore.directory_read import read_changes


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        (["weight=2"], {"weight": 2}),
        (["strategy=ring_all"], {"strategy": "ring_all"}),
        (["name=7"], {"name": "7"}),
        (["name="], {"name": ""}),
        (["match_language=true"], {"match_language": True}),
        (["requires=english >= 3"], {"requires": "english >= 3"}),
        (["criteria={ cost = 1 }"], {"criteria": {"cost": 1}}),
        (["criteria.cost=1", "criteria.level=2"], {"criteria": {"cost": 1, "level": 2}}),
        (["callback.key=3"], {"callback": {"key": "3"}}),
        (["callback=none", "name=none"], {"callback": None, "name": "none"}),
        (["no_such_key=1"], {"no_such_key": 1}),
    ],
)
def test_words_are_keys_and_values(words, changes):
    """Values are TOML; a text needs no quotes."""
    assert read_changes(words, Queue) == changes


@pytest.mark.parametrize("word", ["weight", "=2", "criteria.=1", ".a=1"])
def test_what_is_no_key_and_value_is_refused(word):
    """The word is in the error."""
    with pytest.raises(ValueError, match=re.escape(word)):
        read_changes([word], Queue)
