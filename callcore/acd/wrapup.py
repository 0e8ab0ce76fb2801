"""What follows a contact: whether the agent wraps up, and for how long."""

from __future__ import annotations

from callcore.acd.agent import Work
from callcore.directory import Queue
from callcore.directory_queue import WrapUp


def wrap_up_of(queue: Queue | None, work: Work) -> tuple[bool, float]:
    """Whether there is a wrap-up, and its seconds (0: until the agent is ready)."""
    if queue is None:
        return False, 0.0
    seconds = queue.wrap_up_seconds
    match queue.wrap_up:
        case WrapUp.TIMED:
            return seconds > 0, seconds
        case WrapUp.NONE:
            return False, 0.0
        case WrapUp.OPTIONAL:
            return work.wrap_up_asked, seconds
        case WrapUp.UNTIL_READY:
            return True, seconds
