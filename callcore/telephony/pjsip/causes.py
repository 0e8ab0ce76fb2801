"""SIP status codes and Q.850 causes, as Asterisk maps them, so that records read the same."""

from __future__ import annotations

from callcore.telephony.causes import HANGUP_CAUSE, NORMAL_CLEARING
from callcore.types import HangupReason

#: RFC 3398, 7.2.6 with Asterisk's choices where it leaves one.
_CAUSE = {
    401: 21, 402: 21, 403: 21, 404: 1, 407: 21, 408: 18, 409: 41, 410: 22, 413: 127, 414: 127,
    415: 79, 420: 127, 480: 19, 482: 25, 483: 25, 484: 28, 485: 1, 486: 17, 487: 16, 488: 58,
    500: 41, 501: 79, 502: 27, 503: 34, 504: 102, 600: 17, 603: 21, 604: 1, 606: 58,
}  # fmt: skip

#: What a call that was not answered yet is refused with.
REFUSAL = {
    HangupReason.NORMAL: 480,
    HangupReason.BUSY: 486,
    HangupReason.CONGESTION: 503,
    HangupReason.NO_ANSWER: 480,
    HangupReason.REJECTED: 403,
    HangupReason.NO_SUCH_NUMBER: 404,
    HangupReason.ANSWERED_ELSEWHERE: 480,
}


def cause_of(status: int) -> int:
    """Of the final answer to an INVITE; 0 when nothing is known."""
    if status < 300:
        return NORMAL_CLEARING
    found = _CAUSE.get(status)
    if found is not None:
        return found
    return {4: 127, 5: 41, 6: 127}.get(status // 100, 0)


def reason_header(reason: HangupReason) -> str:
    """RFC 3326: why we end a call; one taken elsewhere shows as no missed call."""
    if reason is HangupReason.ANSWERED_ELSEWHERE:
        return 'SIP;cause=200;text="Call completed elsewhere"'
    return f"Q.850;cause={HANGUP_CAUSE[reason]}"
