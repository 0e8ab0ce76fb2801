"""Processor time of processes, threads counted, as the kernel accounts it."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def run_realtime() -> None:
    """Run whenever there is something to do, where that is allowed: a load must come in time."""
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads, those that ended included, and of reaped children."""
    # The name in brackets may hold blanks: count from behind it.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / _TICK


@dataclass(frozen=True)
class Footprint:
    """What a process holds."""

    rss_mib: float
    descriptors: int
    threads: int


def footprint(pid: int) -> Footprint:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return Footprint(
        rss_mib=round(int(fields["VmRSS"].split()[0]) / 1024, 1),
        descriptors=sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()),
        threads=int(fields["Threads"]),
    )


@dataclass(frozen=True)
class Usage:
    """Processor time that processes (by name) used since some moment, and how long that was."""

    seconds: float
    cpu: dict[str, float]

    def above(self, idle: Usage) -> dict[str, float]:
        """What was used beyond idling as long."""
        length = self.seconds / idle.seconds
        return {name: used - idle.cpu[name] * length for name, used in self.cpu.items()}


class Meter:
    """Reads the processes' times at its making and at `read`."""

    def __init__(self, pids: dict[str, int]) -> None:
        self._pids = pids
        self._began = time.monotonic()
        self._before = {name: cpu_seconds(pid) for name, pid in pids.items()}

    def read(self) -> Usage:
        used = {name: cpu_seconds(pid) - self._before[name] for name, pid in self._pids.items()}
        return Usage(time.monotonic() - self._began, used)
