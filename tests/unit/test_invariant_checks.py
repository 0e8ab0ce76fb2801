"""Invariants checked while callcore serves: told once, counted, and nothing ends for it."""

from __future__ import annotations

import pytest
import structlog

from callcore.acd import events as acd
from callcore.acd.distributor import Distributor
from callcore.api.metrics import Metrics
from callcore.directory import Agent, Member, Queue
from callcore.invariant_checks import InvariantChecks


class Serving:
    """A distributor with an idle agent, watched."""

    def __init__(self):
        self.every = 1
        self.metrics = Metrics()
        self.distributor = Distributor()
        self.checks = InvariantChecks(
            self.distributor, lambda: self.every, self.metrics.invariant_violations.inc
        )
        queue = Queue(id="q", members=(Member(agent="ann"),))
        self.handle(acd.Configured(queues={"q": queue}, agents={"ann": Agent(id="ann")}))
        self.handle(acd.LoggedIn(agent="ann"))

    def handle(self, event):
        actions = self.distributor.handle(event, 1.0)
        self.checks(event, actions)

    def forget_that_ann_is_idle(self):
        self.distributor.floor.queues["q"].idle.discard("ann")

    def events(self, count):
        with structlog.testing.capture_logs() as lines:
            for number in range(count):
                self.handle(acd.ContactLeft(contact=f"unknown{number}"))
        return [line for line in lines if line["event"] == "invariant_violated"]

    @property
    def counted(self):
        name = "callcore_invariant_violations_total"
        return self.metrics.registry.get_sample_value(name)


@pytest.fixture
def serving():
    return Serving()


def test_a_sound_floor_says_nothing(serving):
    """Whatever is handled."""
    assert serving.events(3) == []
    assert serving.counted == 0


def test_a_violation_is_told_once_with_its_ids(serving):
    """However many events follow; the agent still gets calls."""
    serving.forget_that_ann_is_idle()
    (line,) = serving.events(5)
    assert line["log_level"] == "error"
    assert "ann" in line["violation"]
    assert serving.counted == 1


def test_every_so_many_events(serving):
    """Between two checks nothing is looked at; 0 switches them off, while running, too."""
    serving.forget_that_ann_is_idle()
    serving.every = 0
    assert serving.events(10) == []
    serving.every = 3
    assert serving.events(2) == []
    assert len(serving.events(1)) == 1


def test_tables_that_cannot_be_read_are_a_violation(serving):
    """The check itself must not break what it looks at."""
    del serving.distributor.floor.seats["ann"]
    (line,) = serving.events(2)
    assert "'ann'" in line["violation"]
    assert serving.counted == 1


def test_the_log_has_an_end(serving, monkeypatch):
    """Past so many different ones they are counted only."""
    monkeypatch.setattr("callcore.invariant_checks.KEPT", 0)
    serving.forget_that_ann_is_idle()
    assert serving.events(3) == []
    assert serving.counted == 3
