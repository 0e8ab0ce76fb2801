"""Prometheus metrics: counters kept as calls end, gauges read from the snapshot when scraped.

callcore_calls_total{direction,outcome}      ended calls
callcore_queue_wait_seconds{queue}           histogram: wait of calls an agent answered
callcore_events_total                        events that went through the dispatcher
callcore_actions_failed_total{action}        actions telephony refused or lost
callcore_errors_total                        calls ended because of a fault of ours
callcore_invariant_violations_total          contradictions found in the distributor's tables, where
                                             these are checked (see `check_invariants_every`)
callcore_calls_live{state}                   live calls
callcore_queue_waiting{queue}                callers waiting
callcore_queue_longest_wait_seconds{queue}   the longest of them so far
callcore_agents{state}                       agents by state
callcore_node_up{node}                       1: the link to the telephony node works
callcore_sip_calls                           calls the embedded SIP stack holds, ending ones too

Since midnight, then from 0 again (which `rate()` and `increase()` know how to take):
callcore_queue_contacts_total{queue,counter}        entered, answered, abandoned, dropped …
callcore_queue_handling_seconds_total{queue,part}   talk, hold, wrap_up
callcore_agent_seconds_total{state}                 all agents together
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from callcore.acd.counts import Counts
from callcore.call.record import CallRecord
from callcore.monitor.view import Snapshot

WAITS = (1, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """All counters of one callcore; `app.py` makes one and hands it to who counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._calls = Counter(
            "callcore_calls", "Ended calls", ["direction", "outcome"], registry=self.registry
        )
        self._wait = Histogram(
            "callcore_queue_wait_seconds", "Wait of calls an agent answered", ["queue"],
            buckets=WAITS, registry=self.registry,
        )  # fmt: skip
        self.events = Counter(
            "callcore_events", "Events that went through the dispatcher", registry=self.registry
        )
        self._failed = Counter(
            "callcore_actions_failed", "Actions refused or lost", ["action"], registry=self.registry
        )
        self.errors = Counter(
            "callcore_errors", "Calls ended because of a fault of ours", registry=self.registry
        )
        self.invariant_violations = Counter(
            "callcore_invariant_violations",
            "Contradictions found in the distributor's tables",
            registry=self.registry,
        )

    def watch(self, snapshot: Callable[[], Snapshot], today: Callable[[], Counts]) -> None:
        """Read the gauges and the counts of the day from there at each scrape."""
        self.registry.register(SnapshotCollector(snapshot))
        self.registry.register(TodayCollector(today))

    def watch_sip(self, calls: Callable[[], int]) -> None:
        """Ask the SIP stack in this process at each scrape."""
        held = Gauge("callcore_sip_calls", "Calls the SIP stack holds", registry=self.registry)
        held.set_function(calls)

    def call_ended(self, record: CallRecord) -> None:
        """Count a call once, when its record is written for the first time."""
        self._calls.labels(record.direction, record.outcome.value).inc()
        if record.queue and record.answered_at is not None:
            self._wait.labels(record.queue).observe(record.wait_seconds)

    def action_failed(self, action: str) -> None:
        self._failed.labels(action).inc()

    def text(self) -> bytes:
        return generate_latest(self.registry)


class SnapshotCollector(Collector):
    """Gauges that cost nothing until somebody asks."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return []

    def collect(self) -> Iterable[GaugeMetricFamily]:
        now = self._snapshot()
        yield _gauge("callcore_calls_live", "Live calls", "state",
                     Tally(call.state for call in now.calls))  # fmt: skip
        yield _gauge("callcore_queue_waiting", "Callers waiting", "queue",
                     {q.id: q.waiting for q in now.queues})  # fmt: skip
        yield _gauge("callcore_queue_longest_wait_seconds", "Longest wait now", "queue",
                     {q.id: now.at - (q.waiting_since or now.at) for q in now.queues})  # fmt: skip
        yield _gauge("callcore_agents", "Agents by state", "state",
                     Tally(agent.state for agent in now.agents))  # fmt: skip
        yield _gauge("callcore_node_up", "The link works", "node",
                     {node.id: float(node.up) for node in now.nodes})  # fmt: skip


#: Counters of `QueueStats` that count contacts or offers.
CONTACTS = (
    "entered", "refused", "offers", "answered", "answered_within", "abandoned", "short_abandoned",
    "dropped", "overflowed", "taken_out", "rona", "transferred_in", "transferred_out",
)  # fmt: skip


class TodayCollector(Collector):
    """What the distributor counted since midnight: the figures of monitor and reports."""

    def __init__(self, today: Callable[[], Counts]) -> None:
        self._today = today

    def describe(self) -> Iterable[CounterMetricFamily]:
        return []

    def collect(self) -> Iterable[CounterMetricFamily]:
        counted = self._today()
        contacts = CounterMetricFamily(
            "callcore_queue_contacts", "Contacts and offers since midnight",
            labels=["queue", "counter"],
        )  # fmt: skip
        handling = CounterMetricFamily(
            "callcore_queue_handling_seconds", "Handling since midnight", labels=["queue", "part"]
        )
        for queue, stats in counted.queues.items():
            for name in CONTACTS:
                contacts.add_metric([queue, name], getattr(stats, name))
            for part in ("talk", "hold", "wrap_up"):
                handling.add_metric([queue, part], getattr(stats.handling, f"{part}_seconds"))
        yield from (contacts, handling, _agent_seconds(counted))


def _agent_seconds(counted: Counts) -> CounterMetricFamily:
    spent: dict[str, float] = {}
    for agent in counted.agents.values():
        for state, seconds in agent.seconds.items():
            spent[state] = spent.get(state, 0.0) + seconds
    family = CounterMetricFamily(
        "callcore_agent_seconds", "Agents' time since midnight", labels=["state"]
    )
    for state, seconds in sorted(spent.items()):
        family.add_metric([state], seconds)
    return family


def _gauge(
    name: str, text: str, label: str, values: dict[str, float] | dict[str, int] | Tally[str]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value in sorted(values):
        family.add_metric([value], values[value])
    return family
