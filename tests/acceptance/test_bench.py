"""The benchmark runs, loses nothing and says what it promises to say."""

import msgspec
import pytest

from callcore.bench.calls import Scale, measure
from callcore.bench.figures import summarise
from tests.addresses import Block

pytestmark = [pytest.mark.acceptance, pytest.mark.usefixtures("may_capture")]

TINY = Scale(
    phones=6,
    few=2,
    idle_seconds=0.5,
    settle_seconds=0.3,
    answer_ms=50,
    talk_ms=300,
    free=(4, 8),
    waiting=(6, 20),
    many=(8, 20),
    with_ivr=(2, 4),
)


async def test_a_tiny_run_measures_everything(block: Block):
    """Both systems under every load; every figure of the JSON object is there."""
    said: list[str] = []
    runs = await measure(TINY, block.number, said.append)
    made = msgspec.to_builtins(summarise(runs))
    assert (made["calls"], made["lost"], made["double_offers"]) == (20, 0, 0), (runs, said)
    for name in ("join_to_ring_ms", "idle_gap_ms"):
        for system in ("callcore", "app_queue"):
            assert made[name][system]["p50"] > 0, made
            assert made[name][system]["p95"] >= made[name][system]["p50"], made
    assert set(made["asterisk_cpu_ms_per_call"]) == {"callcore", "app_queue"}
    assert made["callcore_cpu_ms_per_call"] is not None
    assert made["callcore_cpu_ms_per_call_with_ivr_and_recording"] is not None
