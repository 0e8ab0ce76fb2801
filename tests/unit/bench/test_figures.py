"""Figures come from the packets and processor times alone."""

import os

import pytest

from callcore.bench import figures
from callcore.bench.figures import APP_QUEUE, CALLCORE, FREE, MANY, WAITING, WITH_IVR, Run
from callcore.bench.usage import Meter, Usage, cpu_seconds
from callcore.lab.capture import WireMessage

PHONE, CALLER, SERVER = ("127.0.0.24", 5600), ("127.0.0.25", 5700), ("127.0.0.20", 5060)


def invite(at, call_id, phone, caller):
    """Asterisk rings a phone for a caller."""
    uri = f"sip:{phone}@127.0.0.24:5600"
    return WireMessage(at, SERVER, PHONE, "INVITE", 0, call_id, 1, "INVITE", caller, phone, uri)


def reply(at, call_id, source, destination, cseq="INVITE", caller="91"):
    return WireMessage(at, source, destination, "", 200, call_id, 1, cseq, caller, "x", "")


def bye(at, call_id):
    """The phone hangs up."""
    return WireMessage(at, PHONE, SERVER, "BYE", 0, call_id, 2, "BYE", "p", "91", "sip:x")


def joined(at, caller):
    return reply(at, f"c{caller}", SERVER, CALLER, caller=caller)


@pytest.fixture
def wire():
    """Two callers join at a floor of one phone; a third comes when the phone is free."""
    messages = [
        joined(10.0, "91"),
        invite(10.002, "p1", "601", "91"),
        reply(10.2, "p1", PHONE, SERVER),
        joined(10.5, "92"),
        bye(12.0, "p1"),
        reply(12.001, "p1", SERVER, PHONE, "BYE"),
        invite(12.004, "p2", "601", "92"),
        reply(12.2, "p2", PHONE, SERVER, caller="92"),
        bye(13.0, "p2"),
        reply(13.001, "p2", SERVER, PHONE, "BYE"),
        joined(20.0, "93"),
        invite(20.003, "p3", "601", "93"),
    ]
    return figures.read_wire(messages, [CALLER], [PHONE])


def test_a_gap_counts_only_where_the_caller_waited(wire):
    """From the BYE to the INVITE of someone who had joined before; an empty queue is no gap."""
    assert [round(gap, 3) for gap in wire.idle_gaps()] == [4.0]


def test_served_callers_and_join_to_ring(wire):
    """A phone that rings and is not answered serves nobody."""
    assert wire.served == 2
    assert [round(value, 3) for value in wire.join_to_ring()] == [2.0, 1504.0, 3.0]
    assert wire.double_offers == 0


@pytest.mark.parametrize(
    ("values", "half", "most"),
    [([], None, None), ([7.0], 7.0, 7.0), ([float(n) for n in range(1, 101)], 50.0, 95.0)],
)
def test_percentiles_are_values_that_were_measured(values, half, most):
    assert figures.spread(values) == figures.Spread(half, most)


def test_idling_is_subtracted_for_the_length_of_the_run():
    idle = Usage(2.0, {"callcore": 0.1})
    assert Usage(10.0, {"callcore": 1.0}).above(idle) == {"callcore": pytest.approx(0.5)}


def test_processor_time_of_this_process_grows():
    """What the kernel accounts is what is read."""
    before = cpu_seconds(os.getpid())
    meter = Meter({"me": os.getpid()})
    while cpu_seconds(os.getpid()) - before < 0.02:
        sum(range(10_000))
    assert meter.read().cpu["me"] >= 0.01


def test_the_summary_keeps_systems_and_loads_apart():
    """CPU per call without IVR and recording, over all its calls; lost ones are callcore's."""
    cpu = {"callcore": 100.0, "asterisk": 900.0}
    runs = [
        Run(FREE, CALLCORE, 100, 1, 0, join_to_ring=[1.0, 2.0], cpu=cpu),
        Run(FREE, APP_QUEUE, 100, 5, 3, join_to_ring=[3.0], cpu={"asterisk": 1000.0}),
        Run(WAITING, CALLCORE, 100, 0, 0, idle_gaps=[4.0], cpu=cpu),
        Run(MANY, CALLCORE, 100, 0, 2, join_to_ring=[99.0], cpu=cpu),
        Run(WITH_IVR, CALLCORE, 10, 0, 0, cpu={"callcore": 50.0, "asterisk": 300.0}),
    ]
    made = figures.summarise(runs)
    assert (made.calls, made.lost, made.double_offers) == (310, 1, 2)
    assert made.join_to_ring_ms[CALLCORE] == figures.Spread(1.0, 2.0)
    assert made.idle_gap_ms[APP_QUEUE] == figures.Spread()
    assert made.callcore_cpu_ms_per_call == 1.0
    assert made.callcore_cpu_ms_per_call_with_ivr_and_recording == 5.0
    assert made.asterisk_cpu_ms_per_call == {CALLCORE: 9.0, APP_QUEUE: 10.0}
