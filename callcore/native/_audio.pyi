"""Types of the C extension. What a function does and means stands in audio.h and send.h."""

from os import PathLike
from typing import Any, Literal, TypedDict, final

import numpy as np
import numpy.typing as npt
from typing_extensions import Buffer, CapsuleType

Samples = npt.NDArray[np.int16]

def fail_after(count: int, /) -> None: ...
def blocks() -> int: ...

# g711.c

def ulaw_decode(codes: bytes, /) -> bytes: ...
def alaw_decode(codes: bytes, /) -> bytes: ...
def ulaw_encode(samples: Samples, /) -> bytes: ...
def alaw_encode(samples: Samples, /) -> bytes: ...

# rtcp.c

_Block = tuple[int, int, int, int, int, int, int]
"""ssrc, fraction lost, lost, highest sequence number, jitter, last SR, delay since it."""

def rtcp_parse(
    datagram: bytes, /
) -> tuple[int, tuple[int, int, int, int] | None, list[_Block], bytes, bool] | int:
    """ssrc, (NTP time, timestamp, packets, octets) of an SR, blocks, CNAME, bye; or the fault."""

class Rtcp:
    """One stream's reports; times are ns since 1970."""

    def __init__(self, ssrc: int, name: str) -> None: ...
    @property
    def round_trip(self) -> float | None: ...
    @property
    def remote(self) -> _Block | None: ...
    def reception(
        self, ssrc: int, expected: int, received: int, highest: int, jitter: int, /
    ) -> None: ...
    def receive(self, datagram: bytes, wall: int, /) -> int: ...
    def report(
        self, timestamp: int, packets: int, octets: int, wall: int, bye: bool = False, /
    ) -> bytes: ...

# detectors.c

DETECT_DTMF: int
DETECT_TONES: int
DETECT_WORDS: int
DETECT_SPECTRUM: int

EVENT_TONE_DIGIT: int
EVENT_TONE: int
EVENT_WORD_STARTED: int
EVENT_WORD_ENDED: int

TONE_CNG: int
TONE_CED: int
TONE_SIT: int
TONE_BUSY: int
TONE_CONGESTION: int
TONE_RINGBACK: int
TONE_BEEP: int

class Detectors:
    """The detectors of one stream, by themselves; rate 8000 or 16000, wanted: DETECT flags."""

    def __init__(self, rate: int, wanted: int) -> None: ...
    def feed(self, samples: Samples, /) -> list[tuple[int, int, int, float, float]]:
        """Hear samples; the events they bring: kind, code, position, value, extra."""
    def skip(self, count: int, /) -> None:
        """Samples that never came: heard as silence."""
    def spectrum(self) -> tuple[int, tuple[float, ...], tuple[float, ...]]:
        """Hops heard; means and deviations of centroid, flatness, roll-off and flux."""
    def size(self) -> int:
        """Bytes held in C."""

# module_parts.c

AudioEvent = tuple[int, int, int, int, int, float, float]
"""Stream, kind (audio.h: enum audio_event_kind), code, ns, position, value, extra."""

def load_vad(path: str | bytes | PathLike[str], /) -> None: ...
def parse_rtp(datagram: bytes, /) -> tuple[int, bool, int, int, int, bytes] | int:
    """Payload type, marker, sequence, timestamp, SSRC, payload; or the fault (enum rtp_fault)."""

def measure(samples: Samples, /) -> tuple[float, int]: ...

class StreamReport(TypedDict):
    packets: int
    octets: int
    malformed: int
    unknown_type: int
    strays: int
    events: int
    source_changes: int
    lost: int
    reordered: int
    duplicates: int
    jitter_ms: float
    position: int
    level: float
    noise_floor: float
    zero_crossings: int
    speaking: bool
    stored: int
    late: int
    resyncs: int
    concealed: int
    silent: int
    played: int
    delay_ms: int

@final
class Sequence:
    def update(self, number: int, /) -> int: ...
    def arrival(self, timestamp: int, arrival: int, /) -> float: ...
    def lost(self) -> int: ...
    def fraction_lost(self) -> int: ...

@final
class Jitter:
    def __init__(self, rate: int, least_ms: int = 40, most_ms: int = 300) -> None: ...
    def put(self, sequence: int, timestamp: int, samples: Samples, now: int, /) -> int: ...
    def get(self, now: int, /) -> tuple[int, bytes, int]: ...
    def report(self) -> dict[str, int]: ...

@final
class Stream:
    def __init__(self, rate: int, /, **settings: Any) -> None: ...
    def receive(self, datagram: bytes, now: int, /) -> list[AudioEvent]: ...
    def push(self, samples: Samples, now: int, /) -> list[AudioEvent]: ...
    def tick(self, now: int, /) -> list[AudioEvent]: ...
    def report(self) -> StreamReport: ...

# module_server.c

class ServerCounts(TypedDict):
    packets: int
    unknown: int
    overflows: int
    ticks: int
    missed_ticks: int
    cpu_ns: int
    overruns: int
    events_dropped: int

@final
class Batch:
    at: int
    number: int
    streams: bytes
    moments: bytes
    kinds: bytes
    def __buffer__(self, flags: int, /) -> memoryview: ...

@final
class Server:
    def __init__(self, rate: Literal[8000, 16000], streams: int, depth: int = 16) -> None: ...
    def bind(self, host: str, port: int, /) -> tuple[int, int]: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def open(self, socket: int, host: str | None, port: int, /, **settings: Any) -> int: ...
    def close(self, stream: int, /) -> None: ...
    def push(self, stream: int, samples: Samples, /) -> None: ...
    def pusher(self) -> CapsuleType: ...
    def look(self, stream: int, /) -> StreamReport: ...
    def counts(self) -> ServerCounts: ...
    def batch(self) -> Batch | None: ...
    def events(self) -> list[AudioEvent]: ...
    def fds(self) -> tuple[int, int]: ...

# load.c

def send_load(
    fd: int,
    port: int,
    streams: int,
    ticks: int,
    octets: bytes,
    loss: int,
    jitter_ms: int,
    sent: Buffer | None,
    /,
) -> tuple[int, int, int]:
    """Packets, packets refused, and ns that the latest burst was late."""

def discard(fd: int, until: int, /) -> tuple[int, int]:
    """Packets, and ns of processor time."""

def time_vad(samples: Samples, mode: int, times: int, /) -> float:
    """ns of processor time for one frame of 20 ms at 8000 Hz."""
