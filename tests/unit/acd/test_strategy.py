"""Strategies by name."""

from __future__ import annotations

import pytest

from callcore.acd.agent import LiveAgent
from callcore.acd.strategy import STRATEGIES, strategy_named
from callcore.directory import Member
from callcore.errors import UnknownEntity


def test_strategies_are_found_by_name():
    """Each is registered under the name that a configuration uses."""
    for name in ("longest_idle", "ring_all"):
        assert strategy_named(name) is STRATEGIES[name]
    assert strategy_named("ring_all").rings_all
    with pytest.raises(UnknownEntity, match="psychic"):
        strategy_named("psychic")


def test_longest_idle_ranks_by_the_time_without_work():
    """Earlier idle means lower rank."""
    rank = strategy_named("longest_idle").rank
    early, late = LiveAgent(id="z", idle_since=1.0), LiveAgent(id="a", idle_since=2.0)
    assert rank(early, Member(agent="z")) < rank(late, Member(agent="a"))
