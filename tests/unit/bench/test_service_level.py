"""The three-skill day: service-level routing beside longest idle and penalties."""

from __future__ import annotations

from statistics import mean

from callcore.bench.service_level import FLOORS, RULES, draw_day, play


def test_service_level_routing_answers_more_in_time():
    """Three points more than either rule, at equal staffing, without longer waits."""
    days = [
        {name: play(rule, FLOORS["mixed"], 1.05, seed) for name, rule in RULES.items()}
        for seed in (1, 2)
    ]

    def figure(rule, name):
        return mean(getattr(day[rule], name) for day in days)

    for other in ("longest_idle", "penalty"):
        gain = figure("callcore", "service_level") - figure(other, "service_level")
        assert gain >= 3.0, other
        assert figure("callcore", "mean_wait") <= 1.05 * figure(other, "mean_wait")


def test_every_rule_meets_the_same_callers_and_staff():
    """Sixty agents with one skill or several; penalties are all that differs."""
    plain, penalties = (
        draw_day(FLOORS["mixed"], 1.0, 5, RULES[rule]) for rule in ("longest_idle", "penalty")
    )
    assert len(plain.agents) == 60
    assert plain.callers == penalties.callers
    assert plain.shifts == penalties.shifts
    serving = [member.agent for queue in plain.queues.values() for member in queue.members]
    assert 0 < sum(serving.count(agent) == 1 for agent in plain.agents) < 60
