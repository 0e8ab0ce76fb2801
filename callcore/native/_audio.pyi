"""Types of the C extension. What a function does and means stands in audio.h and send.h."""

import numpy as np
import numpy.typing as npt

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
EVENT_TONE_DIGIT: int

class Detectors:
    """The detectors of one stream, by themselves; rate 8000 or 16000, wanted: DETECT flags."""

    def __init__(self, rate: int, wanted: int) -> None: ...
    def feed(self, samples: Samples, /) -> list[tuple[int, int, int, float, float]]:
        """Hear samples; the events they bring: kind, code, position, value, extra."""
    def skip(self, count: int, /) -> None:
        """Samples that never came: heard as silence."""
    def size(self) -> int:
        """Bytes held in C."""
