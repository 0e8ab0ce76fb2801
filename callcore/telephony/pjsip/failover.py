"""Which trunk to try next when one could not carry a call: pure.

Only what the trunk itself could not do counts: nobody there, no answer of any kind, a server error.
What the callee said (busy, away, declined) is an answer, and the same over every trunk.
"""

from __future__ import annotations

from collections.abc import Mapping

from callcore.directory import Trunk
from callcore.types import TrunkId

#: RFC 3261, 21.5; pjsua reports a transport that failed as 503, and silence as 408.
SERVER_FAILURES = (500, 502, 503, 504)
REQUEST_TIMEOUT = 408


def may_go_on(status: int, *, progressed: bool) -> bool:
    """Whether another trunk may be tried after this answer; `progressed`: a provisional answer
    (100 or 18x) came before."""
    if status == REQUEST_TIMEOUT:
        return not progressed
    return status in SERVER_FAILURES


def next_trunk(trunks: Mapping[TrunkId, Trunk], tried: tuple[TrunkId, ...]) -> TrunkId:
    """The backup of the one tried last, if it was not tried itself; empty: nobody is left."""
    last = trunks.get(tried[-1])
    backup = last.backup if last is not None else ""
    return backup if backup in trunks and backup not in tried else ""
