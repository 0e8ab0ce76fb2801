"""The benchmark of the audio path runs and says what it promises to say."""

import msgspec

from callcore.bench.media import Scale, measure_all

TINY = Scale(
    streams=50,
    rounds=1,
    warm=0.3,
    seconds=0.5,
    heard=50,
    hear_seconds=4.0,
    impaired=20,
    spoken_to=20,
    soak_seconds=1.0,
)


def test_a_tiny_run_measures_everything():
    """Every receiver handles the packets; every figure of the JSON object is there."""
    said: list[str] = []
    made = msgspec.to_builtins(measure_all(TINY, said.append))
    assert list(made["streams_per_core"]) == [
        "asyncio",
        "uvloop",
        "callcore",
        "uvloop_no_vad",
        "callcore_no_vad",
        "ceiling_receive",
        "ceiling_full",
    ]
    assert min(made["streams_per_core"].values()) > 0, said
    assert 0 < made["gil_share"] < 1, said
    assert 0 < made["delay_ms_p99"] < 1000, said
    assert 0 <= made["send_jitter_ms_p99"] < 20, said
    assert made["late_share_recovered"] > 0.9, said
    assert made["bytes_per_stream"] > 0, said
    assert any(line.startswith("soak") for line in said)
