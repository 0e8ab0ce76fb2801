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
def l16_decode(octets: bytes, /) -> bytes: ...
def l16_encode(samples: Samples, /) -> bytes: ...

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

# module_prompt.c, module_outgoing.c, module_sender.c

CODEC_PCMU: int
CODEC_PCMA: int
CODEC_L16: int
IDLE_NOTHING: int
IDLE_SILENCE: int
IDLE_NOISE: int
PLAY_FINISHED: int
PLAY_STOPPED: int
PLAY_INTERRUPTED: int

class Prompt:
    def __init__(self, samples: Samples) -> None: ...
    def __len__(self) -> int: ...

class Outgoing:
    """The packets of one stream by themselves; arguments as those of Sender.open."""

    def __init__(
        self,
        stream: int,
        fd: int,
        codec: int,
        payload_type: int,
        to: tuple[str, int] | None,
        ssrc: int,
        sequence: int,
        timestamp: int,
        *,
        event_type: int = 255,
        rtcp_to: tuple[str, int] | None = None,
        rtcp_fd: int = -1,
        idle: int = 0,
        push_ms: int = 1000,
        random: int = 0,
    ) -> None: ...
    def packet(self, tick: int, /) -> bytes | None: ...
    def play(self, prompt: Prompt, turns: int = 1, interruptible: bool = True, /) -> int: ...
    def push(self, samples: Samples, last: bool = False, interruptible: bool = True, /) -> int: ...
    def stop(self, end: int = 1, /) -> None: ...
    def send_digits(self, keys: str, duration_ms: int = 100, gap_ms: int = 100, /) -> bool: ...
    def events(self) -> list[AudioEvent]: ...

class SendReport(TypedDict):
    packets: int
    octets: int
    errors: int
    underruns: int
    reports_sent: int
    reports_came: int
    reports_faulty: int
    remote: _Block | None
    """The far end's newest report of what it receives."""
    round_trip: float | None
    """Seconds."""

class SenderReport(TypedDict):
    packets: int
    octets: int
    reports: int
    no_room: int
    refused: int
    failed: int
    skipped_ms: int
    lateness: list[int]
    """Packets by how late they left: 0.1 ms each, the last from 10 ms on."""
    latest_ns: int
    streams: int
    realtime: bool

class Sender:
    """Sends RTP from a thread of its own. Errors: LookupError for what is closed, BufferError for
    what has no room, ValueError for what cannot be."""

    def __init__(
        self,
        rate: int = 8000,
        room: int = 1024,
        noise_level: float = -60.0,
        name: str = "callcore",
        event_room: int = 4096,
        server: Server | None = None,
    ) -> None:
        """With a server, what it has to tell is among that server's events."""
    @property
    def event_fd(self) -> int: ...
    def open(
        self,
        stream: int,
        fd: int,
        codec: int,
        payload_type: int,
        to: tuple[str, int] | None,
        ssrc: int,
        sequence: int,
        timestamp: int,
        *,
        event_type: int = 255,
        rtcp_to: tuple[str, int] | None = None,
        rtcp_fd: int = -1,
        idle: int = 0,
        push_ms: int = 1000,
        random: int = 0,
    ) -> int:
        """Begin a stream; its handle. `stream` is how its events name it."""
    def close_stream(self, handle: int, /) -> None: ...
    def redirect(
        self, handle: int, to: tuple[str, int] | None, rtcp_to: tuple[str, int] | None, /
    ) -> None: ...
    def play(
        self, handle: int, prompt: Prompt, turns: int = 1, interruptible: bool = True, /
    ) -> int: ...
    def push(
        self,
        handle: int,
        samples: Samples,
        last: bool = False,
        interruptible: bool = True,
        /,
    ) -> int: ...
    def stop(self, handle: int, /) -> None: ...
    def barge_in(self, handle: int, /) -> None: ...
    def send_digits(
        self, handle: int, keys: str, duration_ms: int = 100, gap_ms: int = 100, /
    ) -> None: ...
    def reception(
        self, handle: int, ssrc: int, expected: int, received: int, highest: int, jitter: int, /
    ) -> None: ...
    def rtcp(self, handle: int, datagram: bytes, now: int, /) -> int: ...
    def stream_counts(self, handle: int, /) -> SendReport: ...
    def counts(self) -> SenderReport: ...
    def events(self) -> list[AudioEvent]: ...
    def close(self) -> None: ...

# detectors.c

DETECT_DTMF: int
DETECT_TONES: int
DETECT_WORDS: int
DETECT_SPECTRUM: int

class Detectors:
    """The detectors of one stream, by themselves; rate 8000 or 16000, wanted: DETECT flags."""

    def __init__(self, rate: int, wanted: int) -> None: ...
    def feed(self, samples: Samples, /) -> list[tuple[int, int, int, float, float]]:
        """Hear samples; the events they bring: kind, code, position, value, extra."""
    def skip(self, count: int, /) -> None:
        """Samples that never came: heard as silence."""
    def spectrum(self) -> SpectrumFeatures:
        """Hops heard; means and deviations of centroid, flatness, roll-off and flux."""
    def size(self) -> int:
        """Bytes held in C."""

# module_parts.c

SpectrumFeatures = tuple[int, tuple[float, ...], tuple[float, ...]]
"""Hops heard; means and deviations of centroid, flatness, roll-off and flux."""

AudioEvent = tuple[int, int, int, int, int, float, float]
"""Stream, kind (EVENT_…), code (TONE_…, PLAY_…, a digit), ns, position, value, extra."""

EVENT_SPEECH_STARTED: int
EVENT_SPEECH_ENDED: int
EVENT_SILENCE: int
EVENT_DIGIT: int
EVENT_TONE_DIGIT: int
EVENT_TONE: int
EVENT_SOURCE_CHANGED: int
EVENT_PLAY_ENDED: int
EVENT_DIGITS_SENT: int
EVENT_WORD_STARTED: int
EVENT_WORD_ENDED: int
TONE_NONE: int
TONE_CNG: int
TONE_CED: int
TONE_SIT: int
TONE_BUSY: int
TONE_CONGESTION: int
TONE_RINGBACK: int
TONE_BEEP: int

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
    spectrum: SpectrumFeatures

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
    def skip(self, sequence: int, /) -> None: ...
    def get(self, now: int, /) -> tuple[int, bytes, int]: ...
    def report(self) -> dict[str, int]: ...

@final
class Stream:
    def __init__(self, rate: int, /, **settings: Any) -> None: ...
    def receive(self, datagram: bytes, now: int, /) -> list[AudioEvent]: ...
    def push(self, samples: Samples, now: int, /) -> list[AudioEvent]: ...
    def tick(self, now: int, /) -> list[AudioEvent]: ...
    def report(self) -> StreamReport: ...

# module_speech.c

@final
class NoiseFloor:
    def __init__(self) -> None: ...
    def update(self, level: float, speech: bool, /) -> float: ...

@final
class Vad:
    def __init__(self, rate: int, mode: int) -> None: ...
    def decide(self, samples: Samples, /) -> bool: ...

@final
class Speech:
    def __init__(
        self, rate: int, onset_ms: int = 40, hangover_ms: int = 200, silence_ms: int = 0
    ) -> None: ...
    def frame(
        self, decision: bool, level: float, noise_floor: float, position: int, count: int, /
    ) -> list[tuple[int, int, float]]: ...

# module_server.c

class ServerCounts(TypedDict):
    packets: int
    reports: int
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
    def bind(self, host: str, port: int, reports: bool = False, /) -> tuple[int, int]:
        """Index and port; with `reports` RTCP is taken at the port above it."""
    def sockets(self, index: int, /) -> tuple[int, int]:
        """The file descriptors of RTP and RTCP; -1: none."""
    def link(self, stream: int, sender: Sender, handle: int, /) -> None:
        """Tie a stream to its sending half: speech stops prompts, reports tell what came."""
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
