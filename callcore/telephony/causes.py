"""Hang-up causes (ITU-T Q.850) and what they mean to callcore."""

from __future__ import annotations

from callcore.types import HangupReason, LegFailure

NORMAL_CLEARING = 16

_FAILURES = {
    1: LegFailure.UNREACHABLE,  # unallocated number (404)
    2: LegFailure.UNREACHABLE,  # no route to transit network
    3: LegFailure.UNREACHABLE,  # no route to destination
    17: LegFailure.BUSY,  # user busy (486, 600)
    18: LegFailure.NO_ANSWER,  # no user responding (408)
    19: LegFailure.NO_ANSWER,  # no answer from user (480)
    20: LegFailure.UNREACHABLE,  # subscriber absent
    21: LegFailure.REJECTED,  # call rejected (401, 403, 603)
    22: LegFailure.UNREACHABLE,  # number changed (410)
    26: LegFailure.CANCELLED,  # answered elsewhere
    27: LegFailure.UNREACHABLE,  # destination out of order (502)
    28: LegFailure.UNREACHABLE,  # invalid number format (484)
}

_DIAL_STATUS = {
    "BUSY": LegFailure.BUSY,
    "NOANSWER": LegFailure.NO_ANSWER,
    "CHANUNAVAIL": LegFailure.UNREACHABLE,
}


def leg_failure(cause: int, dial_status: str, *, cancelled: bool) -> LegFailure:
    """Why a leg was not answered: our own hang-up, else the cause, else Asterisk's dial status."""
    if cancelled:
        return LegFailure.CANCELLED
    return _FAILURES.get(cause) or _DIAL_STATUS.get(dial_status, LegFailure.FAILED)


#: The query of `DELETE /channels/{id}`: ``reason`` names as ARI spells them.
HANGUP_QUERY = {
    HangupReason.NORMAL: "reason=normal",
    HangupReason.BUSY: "reason=busy",
    HangupReason.CONGESTION: "reason=congestion",
    HangupReason.NO_ANSWER: "reason=no_answer",
    HangupReason.REJECTED: "reason_code=21",
    HangupReason.NO_SUCH_NUMBER: "reason_code=1",
    HangupReason.ANSWERED_ELSEWHERE: "reason=answered_elsewhere",
}

HANGUP_CAUSE = {
    HangupReason.NORMAL: NORMAL_CLEARING,
    HangupReason.BUSY: 17,
    HangupReason.CONGESTION: 34,
    HangupReason.NO_ANSWER: 19,
    HangupReason.REJECTED: 21,
    HangupReason.NO_SUCH_NUMBER: 1,
    HangupReason.ANSWERED_ELSEWHERE: 26,
}
