"""Prometheus metrics: counters kept as calls end, gauges read from the snapshot when scraped.

callcore_calls_total{direction,outcome}      ended calls
callcore_queue_wait_seconds{queue}           histogram: wait of calls an agent answered
callcore_events_total                        events that went through the dispatcher
callcore_actions_failed_total{action}        actions telephony refused or lost
callcore_errors_total                        calls ended because of a fault of ours
callcore_calls_live{state}                   live calls
callcore_queue_waiting{queue}                callers waiting
callcore_queue_longest_wait_seconds{queue}   the longest of them so far
callcore_agents{state}                       agents by state
callcore_node_up{node}                       1: the link to the telephony node works
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

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

    def watch(self, snapshot: Callable[[], Snapshot]) -> None:
        """Read the gauges from there at each scrape."""
        self.registry.register(SnapshotCollector(snapshot))

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


def _gauge(
    name: str, text: str, label: str, values: dict[str, float] | dict[str, int] | Tally[str]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value in sorted(values):
        family.add_metric([value], values[value])
    return family
