"""The floor where everything goes wrong: nothing that must not happen happens, and it is noticed
where it does."""

from __future__ import annotations

import pytest

from callcore.acd import events as ev
from callcore.bench.faults import FaultyFloor


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_invariant_breaks_whatever_goes_wrong(seed):
    """Some thousand contacts with faults; `callcore bench faults` plays a million."""
    report = FaultyFloor(seed, check_every=10).play(4000)
    assert report.violations == []
    assert report.ends.total() >= report.contacts
    assert min(report.ends[end] for end in ("answered", "abandoned", "overflowed")) > 100
    assert report.restarts >= 4
    assert report.reconfigurations >= 10
    assert report.ignored["late_answer"] > 100


def test_a_run_can_be_replayed_by_its_seed():
    assert FaultyFloor(7).play(500) == FaultyFloor(7).play(500)


class Broken:
    """A distributor with one fault, around a floor's own."""

    def __init__(self, distributor, spoil):
        self._distributor, self._spoil = distributor, spoil

    def __getattr__(self, name):
        return getattr(self._distributor, name)

    def handle(self, event, now):
        return self._spoil(self._distributor.handle(event, now))


def twice(actions):
    """Each contact is offered to one more agent."""
    return actions + [
        ev.Offer(contact=action.contact, agent="a00", queue=action.queue)
        for action in actions
        if isinstance(action, ev.Offer)
    ]


def without_withdrawals(actions):
    return [action for action in actions if not isinstance(action, ev.Withdraw)]


@pytest.mark.parametrize("spoil", [twice, without_withdrawals])
def test_faults_of_the_distributor_are_noticed(spoil):
    floor = FaultyFloor(1)
    floor.distributor = Broken(floor.distributor, spoil)
    assert floor.play(200).violation_count > 0
