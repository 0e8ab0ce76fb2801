"""Chance that repeats itself."""

from __future__ import annotations

import msgspec

from callcore.acd.chance import Chance


def test_it_is_splitmix64():
    """The first outputs for seed 1234567, from the reference implementation."""
    chance = Chance(state=1234567)
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert [chance.draw() for _ in expected] == [(each >> 11) / 2**53 for each in expected]


def test_a_snapshot_goes_on_where_it_was():
    chance = Chance()
    chance.draw()
    copy = msgspec.msgpack.decode(msgspec.msgpack.encode(chance), type=Chance)
    assert [copy.draw() for _ in range(5)] == [chance.draw() for _ in range(5)]


def test_draws_are_even():
    """Ten thousand, in ten parts: within four standard deviations; never 1."""
    chance = Chance()
    draws = [chance.draw() for _ in range(10_000)]
    assert max(draws) < 1
    assert min(draws) >= 0
    parts = [sum(n / 10 <= each < (n + 1) / 10 for each in draws) for n in range(10)]
    assert all(abs(part - 1000) < 120 for part in parts)
