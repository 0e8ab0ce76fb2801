"""The formulas against known points."""

from __future__ import annotations

import pytest

from callcore.bench.erlang import Erlang


def test_known_point_of_erlang_c():
    """10 erlangs, 14 agents, 180 s."""
    queue = Erlang(10.0, 14, 180.0)
    assert queue.waits == pytest.approx(0.17413, abs=5e-6)
    assert queue.within(20.0) == pytest.approx(0.88835, abs=5e-6)
    assert queue.mean_wait == pytest.approx(7.836, abs=5e-4)
    assert queue.abandons == 0.0


def test_known_point_of_erlang_a():
    """The same with a mean patience of 180 s."""
    queue = Erlang(10.0, 14, 180.0, 180.0)
    assert queue.waits == pytest.approx(0.1355, abs=5e-5)
    assert queue.abandons == pytest.approx(0.0187, abs=5e-5)
    assert queue.mean_wait == pytest.approx(3.36, abs=5e-3)


def test_what_has_no_answer_is_refused():
    with pytest.raises(ValueError, match="for ever"):
        Erlang(14.0, 14, 180.0)
    with pytest.raises(ValueError, match="hang up"):
        Erlang(10.0, 14, 180.0, 60.0).within(20.0)
