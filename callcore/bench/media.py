"""The audio path's figures: streams a core hears, beside Python and the kernel's own; delays."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context

import msgspec
import numpy as np
import numpy.typing as npt

from callcore.bench.media_load import PACKETS_PER_S, Load, Order, Sent, speech
from callcore.bench.media_receivers import Job, Received, receive
from callcore.bench.media_streams import Heard, hear, send_jitter
from callcore.native import _audio

Tell = Callable[[str], None]

#: Name of the figure, receiver, with VAD.
SYSTEMS = (
    ("asyncio", "asyncio", True),
    ("uvloop", "uvloop", True),
    ("callcore", "callcore", True),
    ("uvloop_no_vad", "uvloop", False),
    ("callcore_no_vad", "callcore", False),
    ("ceiling_receive", "ceiling", False),
)
#: Both ceilings come of one run.
FULL = "ceiling_full"
LOSS_PER_MILLE, JITTER_MS = 50, 60


@dataclass(frozen=True)
class Scale:
    """How much is measured."""

    streams: int = 2000
    """Sent to each receiver at once."""
    rounds: int = 3
    """Of all receivers in turn."""
    warm: float = 1.0
    seconds: float = 4.0
    heard: int = 1000
    """Streams for delay, GIL and memory."""
    hear_seconds: float = 20.0
    impaired: int = 200
    """Streams with loss and jitter."""
    spoken_to: int = 500
    soak_seconds: float = 0.0


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The last line of `callcore bench media --json`."""

    streams_per_core: dict[str, int]
    gil_share: float
    delay_ms_p99: float
    send_jitter_ms_p99: float
    bytes_per_stream: int
    late_share_recovered: float


def measure_all(scale: Scale, tell: Tell) -> Figures:
    """One after the other; what is found is told on the way."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its threads spin in every process
    samples = speech()
    octets = _audio.ulaw_encode(samples)
    per_core = _throughput(scale, samples, octets, tell)
    heard = _heard(scale, scale.hear_seconds, octets, tell)
    recovered = _impaired(scale, octets, tell)
    jitter = _sent(scale, samples, tell)
    if scale.soak_seconds:
        _soak(scale, octets, tell)
    return Figures(
        streams_per_core=per_core,
        gil_share=round(heard.gil_share, 3),
        delay_ms_p99=heard.delay_ms["p99"],
        send_jitter_ms_p99=round(jitter, 3),
        bytes_per_stream=heard.bytes_per_stream,
        late_share_recovered=round(recovered, 4),
    )


# ---- streams per core ----


def _throughput(
    scale: Scale, samples: npt.NDArray[np.int16], octets: bytes, tell: Tell
) -> dict[str, int]:
    costs: dict[str, list[float]] = {name: [] for name, _, _ in SYSTEMS}
    vad_ns: list[float] = []
    for number in range(scale.rounds):
        for name, system, vad in SYSTEMS:
            found = _receive(scale, system, vad, samples, octets)
            costs[name] += found.thread_ns
            _tell_received(f"round {number + 1}, {name}", scale, found, tell)
            if system == "ceiling":
                vad_ns += found.vad_ns
    packet_ns = {name: undisturbed(found) for name, found in costs.items()}
    packet_ns[FULL] = packet_ns["ceiling_receive"] + undisturbed(vad_ns)
    streams = {name: round(1e9 / each / PACKETS_PER_S) for name, each in packet_ns.items()}
    _tell_ratios(streams, tell)
    return streams


def undisturbed(costs: list[float]) -> float:
    """What it costs while the machine does little else: exceeded by 19 of 20 slices of the time."""
    return float(np.quantile(costs, 0.05))


def _receive(
    scale: Scale, system: str, vad: bool, samples: npt.NDArray[np.int16], octets: bytes
) -> Received:
    context = get_context("spawn")
    answers, theirs = context.Pipe()
    with Load(octets) as load:
        job = Job(system, scale.streams, load.port, scale.warm, scale.seconds, vad)
        process = context.Process(target=receive, args=(job, theirs), daemon=True)
        process.start()
        theirs.close()
        try:
            if system == "ceiling":
                answers.send_bytes(samples.tobytes())
            seconds = scale.warm + 2 * scale.seconds + 1
            load.begin(Order(answers.recv(), scale.streams, seconds))
            found: Received = answers.recv()
        finally:
            process.terminate()
            process.join()
    return found


def _tell_received(what: str, scale: Scale, found: Received, tell: Tell) -> None:
    share = found.packets / (scale.streams * PACKETS_PER_S * found.seconds)
    vad = f"; a frame of VAD alone {undisturbed(found.vad_ns):,.0f} ns" if found.vad_ns else ""
    tell(
        f"{what}: {undisturbed(found.thread_ns):,.0f} ns a packet in the receiving thread (median "
        f"{np.median(found.thread_ns):,.0f}, process {found.process_ns:,.0f}), "
        f"{100 * share:.1f} % of those sent were handled{vad}"
    )


def _tell_ratios(found: dict[str, int], tell: Tell) -> None:
    def ratio(of: str, to: str) -> str:
        return f"{found[of] / found[to]:.2f}"

    tell(
        f"with VAD: {ratio('callcore', 'ceiling_full')} of the ceiling, "
        f"{ratio('callcore', 'asyncio')} × asyncio, {ratio('callcore', 'uvloop')} × uvloop; "
        f"without: {ratio('callcore_no_vad', 'ceiling_receive')} of the ceiling, "
        f"{ratio('callcore_no_vad', 'uvloop_no_vad')} × uvloop"
    )


# ---- what happens to streams ----


def _hear(job: Job, order: Order, octets: bytes) -> tuple[Heard, Sent]:
    context = get_context("spawn")
    answers, theirs = context.Pipe()
    with tempfile.NamedTemporaryFile() as times, Load(octets, times.name) as load:
        there = Job(job.system, job.streams, load.port, job.warm, job.seconds)
        process = context.Process(target=hear, args=(there, theirs, times.name), daemon=True)
        process.start()
        theirs.close()
        try:
            port: int = answers.recv()
            load.begin(Order(port, order.streams, order.seconds, order.loss, order.jitter_ms))
            found: Heard = answers.recv()
            sent = load.sent()
        finally:
            process.terminate()
            process.join()
    return found, sent


def _heard(scale: Scale, seconds: float, octets: bytes, tell: Tell) -> Heard:
    job = Job("callcore", scale.heard, 0, scale.warm, seconds)
    found, sent = _hear(job, Order(0, scale.heard, scale.warm + seconds + 1), octets)
    delays = ", ".join(f"{name} {ms:.1f} ms" for name, ms in found.delay_ms.items())
    tell(
        f"{scale.heard} streams for {found.seconds:.0f} s: {found.events:,} events, from "
        f"sending to event {delays}; GIL held at most {100 * found.gil_share:.1f} % of the time; "
        f"{found.bytes_per_stream:,} bytes a stream; the stream that got least had "
        f"{100 * found.fewest:.1f} % of the packets of the one that got most; "
        f"{found.overruns} batches missed; the sender was late by {sent.latest_ms:.0f} ms at most"
    )
    return found


def _soak(scale: Scale, octets: bytes, tell: Tell) -> None:
    found = _heard(scale, scale.soak_seconds, octets, tell)
    tell(
        f"soak: resident memory grew by {found.growth / 1024:,.0f} KiB in "
        f"{0.9 * found.seconds:.0f} s, {found.packets:,} packets; {found.blocks:,} blocks in C"
    )


def _impaired(scale: Scale, octets: bytes, tell: Tell) -> float:
    order = Order(0, scale.impaired, scale.warm + scale.hear_seconds + 1, LOSS_PER_MILLE, JITTER_MS)
    job = Job("callcore", scale.impaired, 0, scale.warm, scale.hear_seconds)
    found, _ = _hear(job, order, octets)
    recovered = found.stored / max(1, found.stored + found.late)
    tell(
        f"{LOSS_PER_MILLE / 10:.0f} % loss, {JITTER_MS} ms jitter: {found.stored:,} packets in "
        f"time, {found.late:,} late ({100 * recovered:.2f} % delivered), "
        f"{found.concealed:,} frames made up"
    )
    return recovered


# ---- sending ----


def _sent(scale: Scale, samples: npt.NDArray[np.int16], tell: Tell) -> float:
    distances, counts = send_jitter(samples, scale.spoken_to, scale.hear_seconds / 2)
    p99 = float(np.quantile(np.abs(distances - 20.0), 0.99))
    tell(
        f"sent to {scale.spoken_to} streams: {len(distances):,} distances, p1 "
        f"{np.quantile(distances, 0.01):.3f} ms, p99 {np.quantile(distances, 0.99):.3f} ms; "
        f"{counts['skipped_ms']} ms given up, "
        f"{'' if counts['realtime'] else 'not '}under SCHED_FIFO"
    )
    return p99
