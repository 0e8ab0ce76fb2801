"""callcore/telephony/pjsip/failover.py: a trunk's own faults only, and never in a circle."""

from __future__ import annotations

import pytest

from callcore.directory import Trunk
from callcore.telephony.pjsip.failover import may_go_on, next_trunk

TRUNKS = {
    "one": Trunk(id="one", host="h", backup="two"),
    "two": Trunk(id="two", host="h", backup="one"),
    "three": Trunk(id="three", host="h", backup="gone"),
}


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("progressed", [False, True])
def test_a_server_failure_is_no_answer_of_the_callee(status: int, progressed: bool) -> None:
    assert may_go_on(status, progressed=progressed)


def test_silence_counts_only_before_a_provisional_answer() -> None:
    assert may_go_on(408, progressed=False)
    assert not may_go_on(408, progressed=True)


@pytest.mark.parametrize("status", [403, 404, 480, 486, 487, 488, 501, 600, 603, 604])
def test_what_the_callee_said_is_the_same_over_every_trunk(status: int) -> None:
    assert not may_go_on(status, progressed=False)


def test_each_trunk_is_tried_once() -> None:
    assert next_trunk(TRUNKS, ("one",)) == "two"
    assert next_trunk(TRUNKS, ("one", "two")) == ""
    assert next_trunk(TRUNKS, ("three",)) == ""
    assert next_trunk(TRUNKS, ("removed",)) == ""
