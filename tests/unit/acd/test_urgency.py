"""The order of the heads of lines: fair by default, or for as many as possible in time."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from callcore.acd.urgency import AGED, fair_urgency, service_level_urgency


@dataclass
class Settings:
    service_level_seconds: float = 20.0
    weight: float = 1.0
    priority_seconds: float = 600.0


QUEUE = Settings()
WAITS = [step * 0.5 for step in range(4000)]


def test_fair_is_first_come_first_served():
    """Grows with every second; half the target counts as twice the wait; a step of priority as
    so many seconds."""
    values = [fair_urgency(QUEUE, 0, waited) for waited in WAITS]
    assert values == sorted(values)
    assert fair_urgency(Settings(10.0), 0, 5.0) == fair_urgency(QUEUE, 0, 10.0)
    assert fair_urgency(QUEUE, 1, 5.0) == fair_urgency(QUEUE, 0, 605.0)
    assert fair_urgency(Settings(weight=2.0), 0, 5.0) == fair_urgency(QUEUE, 0, 10.0)


def test_in_time_comes_first_whoever_has_the_least_left():
    values = [service_level_urgency(QUEUE, 0, waited) for waited in WAITS if waited <= 20.0]
    assert values == sorted(values)
    assert values[-1] == 1.0


def test_missed_steps_back_the_more_the_later():
    values = [service_level_urgency(QUEUE, 0, waited) for waited in WAITS if 20.0 < waited < 200.0]
    assert values == sorted(values, reverse=True)
    assert service_level_urgency(QUEUE, 0, 10.0) > service_level_urgency(QUEUE, 0, 30.0)


@pytest.mark.parametrize("target", [0.0, 5.0, 20.0, 300.0])
def test_nothing_starves(target):
    """After ten targets a contact goes before everyone in time, and ever further."""
    queue = Settings(target)
    aged = AGED * max(target, 1.0)
    assert service_level_urgency(queue, 0, aged) >= service_level_urgency(QUEUE, 0, 20.0)
    assert service_level_urgency(queue, 0, 100 * aged) == pytest.approx(100.0)
    light = Settings(target, weight=0.01)
    assert service_level_urgency(light, 0, 101 * aged) > service_level_urgency(QUEUE, 0, 20.0)


def test_priority_goes_before_everyone_in_time():
    """Also in a queue with a long target; the one passed over behind its time."""
    assert service_level_urgency(Settings(300.0), 1, 0.0) >= service_level_urgency(QUEUE, 0, 20.0)
    assert service_level_urgency(QUEUE, 2, 0.0) > service_level_urgency(QUEUE, 1, 0.0)
    assert service_level_urgency(QUEUE, -1, 300.0) < service_level_urgency(QUEUE, 0, 1.0)
