"""From captured SIP and processor times to the figures that are printed: pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from callcore.lab.capture import (
    Address,
    Offer,
    WireMessage,
    answers_to_callers,
    double_offers,
    offers,
)

CALLCORE, APP_QUEUE = "callcore", "app_queue"


class Spread(msgspec.Struct, frozen=True):
    """Half of the values are at most `p50`, 95 % at most `p95`; null where nothing was measured."""

    p50: float | None = None
    p95: float | None = None


@dataclass(frozen=True)
class Run:
    """One load on one system: what the wire and the kernel say."""

    load: str
    system: str
    calls: int
    #: Callers that no agent answered.
    lost: int
    double_offers: int
    #: Milliseconds from the caller's 200 OK to the INVITE at a phone, of callers not queued behind
    #: others.
    join_to_ring: list[float] = field(default_factory=list)
    #: Milliseconds from the phone's BYE to its next INVITE, while that caller waited.
    idle_gaps: list[float] = field(default_factory=list)
    #: Processor milliseconds of the load, idling subtracted, by process.
    cpu: dict[str, float] = field(default_factory=dict)

    def cpu_per_call(self, process: str) -> float:
        return self.cpu.get(process, 0.0) / max(1, self.calls)


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON object; `calls`, `lost` and `double_offers` are callcore's."""

    calls: int
    lost: int
    double_offers: int
    join_to_ring_ms: dict[str, Spread]
    idle_gap_ms: dict[str, Spread]
    callcore_cpu_ms_per_call: float | None
    callcore_cpu_ms_per_call_with_ivr_and_recording: float | None
    asterisk_cpu_ms_per_call: dict[str, float | None]


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that `share` of the values do not exceed (nearest rank)."""
    if not values:
        return None
    ranked = sorted(values)
    rank = max(1, -(-len(ranked) * round(share * 1000) // 1000))
    return round(ranked[rank - 1], 2)


def spread(values: Sequence[float]) -> Spread:
    return Spread(percentile(values, 0.5), percentile(values, 0.95))


def read_wire(
    messages: Sequence[WireMessage], callers: Iterable[Address], phones: Iterable[Address]
) -> Wire:
    """Everything the figures need to know about one run."""
    found = sorted(offers(messages, phones), key=lambda offer: offer.began)
    ends: dict[str, float] = {}
    for message in messages:
        if message.method == "BYE":
            ends.setdefault(message.call_id, message.at)
    return Wire(found, answers_to_callers(messages, callers), ends)


@dataclass(frozen=True)
class Wire:
    """The offers in order of time, when each caller joined, and the first BYE of each dialog."""

    offers: list[Offer]
    joined: dict[str, float]
    byes: dict[str, float]

    @property
    def double_offers(self) -> int:
        return len(double_offers(self.offers))

    @property
    def served(self) -> int:
        """Callers whom an agent answered."""
        return len({offer.caller for offer in self.offers if offer.answered is not None})

    def join_to_ring(self) -> list[float]:
        """Milliseconds from each caller's 200 OK to the first INVITE that names the caller."""
        rang: dict[str, float] = {}
        for offer in self.offers:
            rang.setdefault(offer.caller, offer.began)
        return [
            (began - self.joined[caller]) * 1000
            for caller, began in rang.items()
            if caller in self.joined
        ]

    def idle_gaps(self) -> list[float]:
        """Milliseconds from a phone's BYE to its next INVITE, where that caller already waited."""
        gaps: list[float] = []
        free: dict[str, float] = {}
        for offer in self.offers:
            since = free.pop(offer.phone, None)
            if since is not None and self.joined.get(offer.caller, since) < since:
                gaps.append((offer.began - since) * 1000)
            if offer.call_id in self.byes:
                free[offer.phone] = self.byes[offer.call_id]
        return gaps


def summarise(runs: Sequence[Run]) -> Figures:
    """The JSON object of all runs."""
    ours = [run for run in runs if run.system == CALLCORE]
    plain = [run for run in ours if run.load != WITH_IVR]
    systems = (CALLCORE, APP_QUEUE)
    return Figures(
        calls=sum(run.calls for run in ours),
        lost=sum(run.lost for run in ours),
        double_offers=sum(run.double_offers for run in ours),
        join_to_ring_ms={name: spread(_of(runs, name, FREE).join_to_ring) for name in systems},
        idle_gap_ms={name: spread(_of(runs, name, WAITING).idle_gaps) for name in systems},
        callcore_cpu_ms_per_call=_cpu(plain, "callcore"),
        callcore_cpu_ms_per_call_with_ivr_and_recording=_cpu(
            [run for run in ours if run.load == WITH_IVR], "callcore"
        ),
        asterisk_cpu_ms_per_call={
            CALLCORE: _cpu(plain, "asterisk"),
            APP_QUEUE: _cpu([run for run in runs if run.system == APP_QUEUE], "asterisk"),
        },
    )


#: Names of the loads: agents free, callers waiting, many at once, IVR and recording.
FREE, WAITING, MANY, WITH_IVR = "free agents", "callers waiting", "many at once", "IVR, recording"


def _of(runs: Sequence[Run], system: str, load: str) -> Run:
    for run in runs:
        if (run.system, run.load) == (system, load):
            return run
    return Run(load, system, 0, 0, 0)


def _cpu(runs: Sequence[Run], process: str) -> float | None:
    """Over all calls of these runs."""
    calls = sum(run.calls for run in runs)
    return round(sum(run.cpu.get(process, 0.0) for run in runs) / calls, 2) if calls else None


COLUMNS = (
    "load", "system", "calls", "lost", "double", "join→ring p50", "p95", "idle gap p50", "p95",
    "callcore ms/call", "Asterisk ms/call",
)  # fmt: skip


def row(run: Run) -> tuple[str, ...]:
    """One line of the table."""
    join, gap = spread(run.join_to_ring), spread(run.idle_gaps)
    own = f"{run.cpu_per_call('callcore'):.2f}" if run.system == CALLCORE else "-"
    return (
        run.load, run.system, str(run.calls), str(run.lost), str(run.double_offers),
        _shown(join.p50), _shown(join.p95), _shown(gap.p50), _shown(gap.p95),
        own, f"{run.cpu_per_call('asterisk'):.2f}",
    )  # fmt: skip


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
