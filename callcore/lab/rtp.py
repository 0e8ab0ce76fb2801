"""RTP of one call: sends G.711 from one clock per event loop, keeps what arrives with its time."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import socket
import struct
import time
from collections import deque
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from callcore.lab import dtmf, g711
from callcore.lab.errors import LabError
from callcore.lab.g711 import Samples
from callcore.lab.heard import Heard, ReceivedPacket, lay_out, parse_rtp

FRAME = 160
FRAME_SECONDS = 0.02
MAX_CATCH_UP = 5
"""Frames sent at once after the process was held up; beyond that the gap stays a gap."""

# Linux, not in the socket module of 3.11: receive times taken by the kernel.
_SO_TIMESTAMPNS = 35
_TIMESPEC = struct.Struct("@qq")
_HEADER = struct.Struct("!BBHII")

_ports = itertools.cycle(range(24000, 60000, 2))


class MediaClock:
    """One timer per event loop: every 20 ms all sending streams emit one packet each."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._streams: dict[int, RtpStream] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._next = 0.0

    def add(self, stream: RtpStream) -> None:
        self._streams[id(stream)] = stream
        if self._timer is None:
            self._next = self._loop.time()
            self._timer = self._loop.call_at(self._next, self._tick)

    def remove(self, stream: RtpStream) -> None:
        self._streams.pop(id(stream), None)

    def _tick(self) -> None:
        if not self._streams:
            self._timer = None
            return
        now, sent = self._loop.time(), 0
        while self._next <= now and sent < MAX_CATCH_UP:
            for stream in list(self._streams.values()):
                stream.emit()
            self._next += FRAME_SECONDS
            sent += 1
        if self._next <= now:
            behind = int((now - self._next) / FRAME_SECONDS) + 1
            for stream in self._streams.values():
                stream.skip(behind)
            self._next += behind * FRAME_SECONDS
        self._timer = self._loop.call_at(self._next, self._tick)


_clocks: WeakKeyDictionary[asyncio.AbstractEventLoop, MediaClock] = WeakKeyDictionary()


def media_clock() -> MediaClock:
    """The clock of the running loop."""
    loop = asyncio.get_running_loop()
    if loop not in _clocks:
        _clocks[loop] = MediaClock(loop)
    return _clocks[loop]


@dataclass
class Playing:
    """Audio on its way out; ``await playing.finished`` waits for its last frame."""

    encoded: bytes
    loop: bool
    finished: asyncio.Future[None]
    position: int = 0
    started: float | None = None
    """Wall clock of the first packet."""

    def next_frame(self) -> bytes | None:
        if self.position >= len(self.encoded):
            if not self.loop or not self.encoded:
                return None
            self.position = 0
        frame = self.encoded[self.position : self.position + FRAME]
        self.position += FRAME
        return frame

    def finish(self) -> None:
        if not self.finished.done():
            self.finished.set_result(None)


@dataclass(frozen=True)
class HeardDigit:
    """A key received as an RFC 4733 event."""

    at: float
    digit: str


class RtpStream:
    """The audio socket of one call: what is sent, and everything received."""

    def __init__(self, host: str, keep_audio: bool = True) -> None:
        self.host = host
        self.codec = "PCMU"
        self.payload_type = 0
        self.event_type: int | None = None
        self.remote: tuple[str, int] | None = None
        self.silent = True
        """With nothing to play: True sends silence, False sends no packets at all."""
        self.muted = False
        """Held: nothing is sent, whatever is playing."""
        self.packets_sent = 0
        self.packets_received = 0
        self._keep_audio = keep_audio
        self._received: list[tuple[float, bytes]] = []
        self._codecs: dict[int, str] = dict(zip((0, 8), ("PCMU", "PCMA"), strict=True))
        self._playing: Playing | None = None
        self._inserts: deque[dtmf.EventFrame | bytes] = deque()
        self._inserts_done: list[asyncio.Future[None]] = []
        self._sequence = secrets.randbelow(30000)
        self._timestamp = secrets.randbelow(1 << 31)
        self._ssrc = secrets.randbits(32)
        self._quiet = True
        self._socket: socket.socket | None = _bind(host)
        self.port = int(self._socket.getsockname()[1])
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._readable)

    def start(
        self, remote: tuple[str, int], payload_type: int, codec: str, event_type: int | None
    ) -> None:
        """Begin (or go on) sending to the address the other side gave."""
        if codec != self.codec and self._playing is not None:
            raise LabError(f"codec changed from {self.codec} to {codec} while audio was playing")
        self.remote, self.payload_type, self.codec = remote, payload_type, codec
        self.event_type = event_type
        self._codecs[payload_type] = codec
        media_clock().add(self)

    def close(self) -> None:
        """Stop sending and receiving; what was heard stays available."""
        media_clock().remove(self)
        if self._socket is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None
        self._finish_playing()
        self._finish_inserts()

    def play(self, samples: Samples, loop: bool = False) -> Playing:
        """Send these samples instead of what was sent before."""
        self._finish_playing()
        future: asyncio.Future[None] = self._loop.create_future()
        self._playing = Playing(g711.encode(samples, self.codec), loop, future)
        return self._playing

    def stop_playing(self, silent: bool) -> None:
        """Send silence, or (``silent=False``) no packets at all."""
        self._finish_playing()
        self.silent = silent

    def insert_events(self, digits: str, milliseconds: int, gap: int) -> asyncio.Future[None]:
        """Put RFC 4733 events in front of the audio."""
        if self.event_type is None:
            raise LabError("the other side offers no telephone-event: use inband or info")
        quiet = g711.SILENCE[self.codec]
        for digit in digits:
            self._inserts.extend(dtmf.event_frames(digit, milliseconds))
            self._inserts.extend([quiet] * max(1, gap // 20))
        return self._insertion()

    def insert_audio(self, samples: Samples) -> asyncio.Future[None]:
        """Put samples in front of what is playing (in-band DTMF)."""
        encoded = g711.encode(samples, self.codec)
        self._inserts.extend(encoded[at : at + FRAME] for at in range(0, len(encoded), FRAME))
        return self._insertion()

    def heard(self) -> Heard:
        """Everything received until now as one array."""
        return lay_out(self.packets(), self._codecs)

    def packets(self) -> list[ReceivedPacket]:
        parsed = (parse_rtp(arrived, data) for arrived, data in self._received)
        return [packet for packet in parsed if packet is not None]

    def heard_digits(self) -> list[HeardDigit]:
        """Keys received as RFC 4733 events, each once, at its first packet."""
        digits: list[HeardDigit] = []
        last: int | None = None
        for packet in self.packets():
            if packet.payload_type == self.event_type and packet.timestamp != last:
                last = packet.timestamp
                digits.append(HeardDigit(packet.arrived, dtmf.event_digit(packet.payload)[0]))
        return digits

    def emit(self) -> None:
        """One step of 20 ms, called by the clock."""
        if self._inserts and not self.muted:
            self._emit_insert(self._inserts.popleft())
            if not self._inserts:
                self._finish_inserts()
        elif not self.muted:
            self._emit_audio()
        else:
            self._quiet = True
        self._timestamp = (self._timestamp + FRAME) & 0xFFFFFFFF

    def skip(self, frames: int) -> None:
        """Time passed without packets: the process was held up."""
        self._timestamp = (self._timestamp + frames * FRAME) & 0xFFFFFFFF

    def _emit_insert(self, frame: dtmf.EventFrame | bytes) -> None:
        if isinstance(frame, bytes):
            self._send(self.payload_type, frame, self._timestamp, self._quiet)
        elif self.event_type is not None:
            stamp = (self._timestamp - frame.since_start) & 0xFFFFFFFF
            self._send(self.event_type, frame.payload, stamp, frame.first)

    def _emit_audio(self) -> None:
        frame = self._playing.next_frame() if self._playing is not None else None
        if frame is None:
            self._finish_playing()
            if not self.silent:
                self._quiet = True
                return
            frame = g711.SILENCE[self.codec]
        elif self._playing is not None and self._playing.started is None:
            self._playing.started = time.time()
        if len(frame) < FRAME:
            frame += g711.SILENCE[self.codec][: FRAME - len(frame)]
        self._send(self.payload_type, frame, self._timestamp, self._quiet)

    def _send(self, payload_type: int, payload: bytes, timestamp: int, marker: bool) -> None:
        if self._socket is None or self.remote is None:
            return
        self._sequence = (self._sequence + 1) & 0xFFFF
        second = payload_type | (0x80 if marker else 0)
        header = _HEADER.pack(0x80, second, self._sequence, timestamp, self._ssrc)
        self._quiet = False
        try:
            self._socket.sendto(header + payload, self.remote)
        except (BlockingIOError, ConnectionRefusedError):
            return  # a full buffer or a port that closed: lost like any packet on a network
        self.packets_sent += 1

    def _readable(self) -> None:
        if self._socket is None:
            return
        for _ in range(16):
            try:
                data, control, _, _ = self._socket.recvmsg(2048, 64)
            except (BlockingIOError, ConnectionRefusedError):
                return
            self.packets_received += 1
            if self._keep_audio:
                self._received.append((_arrival(control), data))

    def _insertion(self) -> asyncio.Future[None]:
        future: asyncio.Future[None] = self._loop.create_future()
        self._inserts_done.append(future)
        return future

    def _finish_inserts(self) -> None:
        for future in self._inserts_done:
            if not future.done():
                future.set_result(None)
        self._inserts_done.clear()

    def _finish_playing(self) -> None:
        if self._playing is not None:
            self._playing.finish()
            self._playing = None


def _arrival(control: list[tuple[int, int, bytes]]) -> float:
    for level, kind, data in control:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
            seconds, nanoseconds = _TIMESPEC.unpack(data)
            return float(seconds + nanoseconds / 1e9)
    return time.time()


def _bind(host: str) -> socket.socket:
    """An even port, its odd neighbour left free for RTCP (RFC 3550 §11)."""
    for port in itertools.islice(_ports, 500):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        try:
            sock.bind((host, port))
        except OSError:
            sock.close()
            continue
        return sock
    raise LabError(f"no free RTP port on {host}")
