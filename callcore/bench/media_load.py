"""The load that media servers are measured with: many streams of G.711 speech, sent beside them.

A process of its own sends; in it one C thread without the GIL. Each stream has an address of its
own (127.1.x.y) and begins at another place of the same speech.
"""

from __future__ import annotations

import io
import mmap
import socket
import subprocess
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from types import TracebackType

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from callcore.bench.usage import run_realtime
from callcore.native import _audio

RATE, FRAME, PACKETS_PER_S = 8000, 160, 50
#: `enum { LOAD_REMEMBERED }` of load.h.
REMEMBERED = 64
TEXT = (
    "Good morning, you are through to the service line, my name is Martha. How can I help you? "
    "Yes, I can see the order here. It left the warehouse on the third of May, and the carrier "
    "says that nobody was at home when they came by. Would you like them to try again on "
    "Thursday, or shall they leave the parcel with a neighbour? One moment, please. Very well: "
    "number forty eight, the green door, between nine and eleven. Is there anything else I can "
    "do for you?"
)
#: Of a quiet line, beside the speech: RMS in steps of 16 bits.
NOISE = 12


def speech() -> npt.NDArray[np.int16]:
    """About half a minute of talk with its pauses, on a line that is not quite silent."""
    spoken = subprocess.run(
        ["espeak-ng", "-v", "en", "-s", "150", "-g", "12", "--stdin", "--stdout"],
        input=TEXT.encode(),
        capture_output=True,
        check=True,
        timeout=60,
    ).stdout
    samples, rate = soundfile.read(io.BytesIO(spoken), dtype="float32")
    talk = soxr.resample(samples, rate, RATE) * 0.5 * 32767
    pauses = np.zeros(RATE * 3 // 2)
    line = np.concatenate([talk, pauses])
    line = line[: len(line) // FRAME * FRAME]
    line = line + np.random.default_rng(1).normal(0, NOISE, len(line))
    samples16: npt.NDArray[np.int16] = np.clip(line, -32768, 32767).astype(np.int16)
    return samples16


def address(stream: int) -> str:
    """Where load.c sends that stream from."""
    return str(socket.inet_ntoa((0x7F010000 + stream).to_bytes(4, "big")))


@dataclass(frozen=True)
class Order:
    """What is to be sent, and where to."""

    port: int
    streams: int
    seconds: float
    loss: int = 0
    """Packets of 1000."""
    jitter_ms: int = 0


@dataclass(frozen=True)
class Sent:
    packets: int
    refused: int
    latest_ms: float
    """The longest that a burst of half a millisecond was late."""


class Load:
    """The sending process; `port` is where all its packets come from."""

    def __init__(self, octets: bytes, times: str | None = None) -> None:
        context = get_context("spawn")
        self._orders, theirs = context.Pipe()
        self._process = context.Process(target=_send, args=(theirs, octets, times), daemon=True)

    def __enter__(self) -> Load:
        self._process.start()
        self.port: int = self._orders.recv()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.join()

    def begin(self, order: Order) -> None:
        """Send from now on."""
        self._orders.send(order)

    def sent(self) -> Sent:
        """Wait until all is sent."""
        sent: Sent = self._orders.recv()
        return sent


def sent_times(path: str, streams: int) -> npt.NDArray[np.int64]:
    """[tick % REMEMBERED][stream] ns when the packet left; shared through the file."""
    size = REMEMBERED * streams * 8
    with open(path, "r+b") as file:  # noqa: PTH123
        file.truncate(size)
        shared = mmap.mmap(file.fileno(), size)
    return np.frombuffer(shared, np.int64).reshape(REMEMBERED, streams)


def _send(orders: Connection, octets: bytes, times: str | None) -> None:
    """Tell the port, take one order, answer with what was sent."""
    run_realtime()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        out.bind(("0.0.0.0", 0))
        orders.send(out.getsockname()[1])
        order: Order = orders.recv()
        packets, refused, latest = _audio.send_load(
            out.fileno(),
            order.port,
            order.streams,
            round(order.seconds * PACKETS_PER_S),
            octets,
            order.loss,
            order.jitter_ms,
            None if times is None else sent_times(times, order.streams).data,
        )
        orders.send(Sent(packets, refused, latest / 1e6))
