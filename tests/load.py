"""How much longer things take here because others want the processors, too.

What is promised in seconds is promised for a machine that has time: tests stretch such a figure by
`slack()`, which is 1 there, so that it is neither given up nor a matter of luck.
"""

from __future__ import annotations

import os
from pathlib import Path

from callcore.lab.site import PATIENCE


def slack() -> float:
    """Processes that want to run for each processor, now or in the last minute; at least 1."""
    minute, _, _, now, _ = Path("/proc/loadavg").read_text().split()
    wanting = max(float(minute), int(now.partition("/")[0]))
    return PATIENCE * max(1.0, wanting / (os.cpu_count() or 1))
