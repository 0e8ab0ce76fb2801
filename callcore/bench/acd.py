"""The distributor's figures: throughput, faults, estimated waits, service level."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import mean

import msgspec

from callcore.bench.faults import FaultyFloor
from callcore.bench.floors import one_queue, shared_agents
from callcore.bench.service_level import FLOORS, RULES, Outcome, play
from callcore.bench.throughput import Size, Throughput, measure
from callcore.bench.waiting import Announced, Errors, errors

Tell = Callable[[str], None]
#: The floor and load whose service levels are the result; the others are told beside it.
DAY, LOAD = "mixed", 1.05


@dataclass(frozen=True)
class Scale:
    """How much is measured."""

    size: Size = field(default_factory=Size)
    #: Events of the mix, for each point of the curve.
    events: int = 100_000
    #: Contacts played with faults.
    contacts: int = 50_000
    #: Days of each floor for estimated waits and service levels.
    days: int = 10
    seed: int = 1


class Estimated(msgspec.Struct, frozen=True):
    callcore: float
    average_hold: float


class Levels(msgspec.Struct, frozen=True):
    callcore: float
    longest_idle: float
    penalty: float


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The last line of `callcore bench acd --json`."""

    events_per_s: float
    decision_ms_p99: float
    rss_mib: float
    us_per_event: dict[str, float]
    invariant_violations: int
    ewt_median_abs_error_s: Estimated
    service_level: Levels


def measure_all(scale: Scale, tell: Tell) -> Figures:
    """One after the other, on one core; what is found is told on the way."""
    throughput = measure(scale.size, scale.events, scale.seed)
    _tell_throughput(throughput, tell)
    violations = _faults(scale, tell)
    estimated = _waits(scale, tell)
    levels = _service_levels(scale, tell)
    return Figures(
        events_per_s=round(throughput.events_per_s),
        decision_ms_p99=round(throughput.decision_ms_p99, 4),
        rss_mib=round(throughput.rss_mib, 1),
        us_per_event={name: round(each, 2) for name, each in throughput.us_per_event.items()},
        invariant_violations=violations,
        ewt_median_abs_error_s=estimated,
        service_level=levels,
    )


def _tell_throughput(found: Throughput, tell: Tell) -> None:
    ratio = found.events_per_s / found.bare_heaps_per_s
    tell(
        f"throughput: {found.events_per_s:,.0f} events/s ({found.mixed_per_s:,.0f} of the mix, "
        f"answers uncounted); bare heaps {found.bare_heaps_per_s:,.0f}/s, ratio {ratio:.3f}"
    )
    tell(
        f"decision p99 {found.decision_ms_p99:.4f} ms, slowest {found.slowest_ms:.2f} ms; "
        f"{100 * found.idle:.1f} % of the agents idle; {found.rss_mib:.0f} MiB"
    )
    curve = ", ".join(f"{name}: {each:.2f}" for name, each in found.us_per_event.items())
    tell(f"µs per event by contacts waiting: {curve}")
    tell(f"agents freed within one second: at most {found.burst_ms:.3f} ms until the decision")


def _faults(scale: Scale, tell: Tell) -> int:
    report = FaultyFloor(scale.seed).play(scale.contacts)
    ends = ", ".join(f"{count:,} {end}" for end, count in sorted(report.ends.items()))
    tell(
        f"faults (seed {scale.seed}): {report.contacts:,} contacts, {report.events:,} events, "
        f"{report.checks:,} checks of all tables, {report.restarts} restarts, "
        f"{report.reconfigurations} reconfigurations, {report.ignored.total():,} events ignored; "
        f"{ends}; {report.violation_count} violations"
    )
    for violation in report.violations:
        tell(f"  {violation}")
    return report.violation_count


def _waits(scale: Scale, tell: Tell) -> Estimated:
    """Errors over the days of both floors together; told for each."""
    told = []
    for name, floor in (("one queue", one_queue), ("shared agents", shared_agents)):
        here = []
        for seed in range(scale.seed, scale.seed + scale.days):
            simulation = Announced(*floor(seed))
            simulation.play()
            here += simulation.told
        _tell_errors(name, errors(here), tell)
        told += here
    found = errors(told)
    return Estimated(round(found["callcore"].median, 2), round(found["average_hold"].median, 2))


def _tell_errors(floor: str, found: dict[str, Errors], tell: Tell) -> None:
    base = found["average_hold"].median
    for name, each in found.items():
        tell(
            f"estimated wait, {floor}, {name}: median error {each.median:.1f} s "
            f"({each.median / base:.2f}), P90 {each.p90:.1f} s, not exceeded by "
            f"{100 * each.covered:.0f} % of the waits"
        )


def _service_levels(scale: Scale, tell: Tell) -> Levels:
    levels: dict[str, dict[str, float]] = {}
    for floor, staff in FLOORS.items():
        seeds = range(scale.seed, scale.seed + scale.days)
        played = {
            name: [play(rule, staff, LOAD, seed) for seed in seeds] for name, rule in RULES.items()
        }
        levels[floor] = _tell_levels(floor, played, tell)
    return Levels(**{name: round(level, 2) for name, level in levels[DAY].items()})


def _tell_levels(floor: str, played: dict[str, list[Outcome]], tell: Tell) -> dict[str, float]:
    for name, days in played.items():
        tell(
            f"service level, {floor}, {name}: {mean(day.service_level for day in days):.1f} % "
            f"(days {min(day.service_level for day in days):.1f} to "
            f"{max(day.service_level for day in days):.1f}), "
            f"{mean(day.abandoned for day in days):.1f} % abandon, mean wait "
            f"{mean(day.mean_wait for day in days):.1f} s, longest "
            f"{max(day.longest_wait for day in days):.0f} s"
        )
    return {name: mean(day.service_level for day in days) for name, days in played.items()}
