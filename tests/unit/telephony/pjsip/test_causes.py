"""callcore/telephony/pjsip/causes.py: SIP status codes as Asterisk maps them."""

from __future__ import annotations

import pytest

from callcore.telephony.causes import HANGUP_CAUSE, leg_failure
from callcore.telephony.pjsip.causes import REFUSAL, cause_of, reason_header
from callcore.types import HangupReason, LegFailure


@pytest.mark.parametrize(
    ("status", "cause", "failure"),
    [
        (404, 1, LegFailure.UNREACHABLE),
        (408, 18, LegFailure.NO_ANSWER),
        (480, 19, LegFailure.NO_ANSWER),
        (486, 17, LegFailure.BUSY),
        (600, 17, LegFailure.BUSY),
        (403, 21, LegFailure.REJECTED),
        (603, 21, LegFailure.REJECTED),
        (410, 22, LegFailure.UNREACHABLE),
        (484, 28, LegFailure.UNREACHABLE),
        (502, 27, LegFailure.UNREACHABLE),
        (488, 58, LegFailure.FAILED),
        (503, 34, LegFailure.FAILED),
        (499, 127, LegFailure.FAILED),
        (599, 41, LegFailure.FAILED),
    ],
)
def test_status_to_cause(status: int, cause: int, failure: LegFailure) -> None:
    assert cause_of(status) == cause
    assert leg_failure(cause, "", cancelled=False) is failure


def test_every_reason_can_be_said() -> None:
    """Before the answer as a refusal, after it in a Reason header."""
    for reason in HangupReason:
        assert 400 <= REFUSAL[reason] < 700
        header = reason_header(reason)
        if reason is HangupReason.ANSWERED_ELSEWHERE:
            assert header.startswith("SIP;cause=200")
        else:
            assert header == f"Q.850;cause={HANGUP_CAUSE[reason]}"
