"""The measure of the sending thread's pacing, in small."""

from __future__ import annotations

from callcore.bench.media_send import measure_pacing


def test_pacing_is_measured_on_every_stream() -> None:
    """Eight streams for a second: about 50 packets each, and figures in their order."""
    pacing = measure_pacing(8, 1.0)
    assert pacing.streams == 8
    assert pacing.packets >= 8 * 20
    assert 0 <= pacing.jitter_p50 <= pacing.jitter_p99 <= pacing.jitter_max
    assert pacing.lateness_p99 > 0
    assert 0 <= pacing.processor_share < 1
