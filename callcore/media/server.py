"""The media server: RTP streams that callcore hears and speaks itself, for asyncio.

The work is done by threads in `native/`, which hold no lock of Python's; this face wakes when
frames or events wait and hands them on. Each stream is accepted from its announced source only.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Literal, TypeVar

from callcore.errors import SetupError
from callcore.media.events import MediaEvent
from callcore.media.frames import FrameBatch, frame_batch
from callcore.media.raw_events import media_event
from callcore.media.settings import Codec, StreamSettings
from callcore.media.stream import NO_SOCKET, Address, MediaStream, Port
from callcore.media.vad import load_vad
from callcore.native import _audio

if TYPE_CHECKING:
    from typing_extensions import CapsuleType

_T = TypeVar("_T")


class MediaServer:
    """Receives RTP on a few ports and tells frames and events of all its streams.

    `rate` is that of every stream, in Hz; `streams` how many there may be. Use it as an
    asynchronous context manager. Raises `SetupError` when a port cannot be had.
    """

    def __init__(
        self, host: str = "127.0.0.1", *, rate: Literal[8000, 16000] = 8000, streams: int = 1000
    ) -> None:
        load_vad()
        self.host = host
        self.rate = rate
        self._native = _audio.Server(rate, streams)
        self._sender = _audio.Sender(rate, streams, server=self._native)
        self._taken_events: deque[_audio.AudioEvent] = deque()
        self._batches_wait = asyncio.Event()
        self._events_wait = asyncio.Event()

    async def __aenter__(self) -> MediaServer:
        loop = asyncio.get_running_loop()
        for fd, wakes in zip(
            self._native.fds(), (self._batches_wait, self._events_wait), strict=True
        ):
            loop.add_reader(fd, _woken, fd, wakes)
        self._native.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        loop = asyncio.get_running_loop()
        for fd in self._native.fds():
            loop.remove_reader(fd)
        self._native.stop()
        self._sender.close()

    # ---- ports and streams ----

    def bind(self, port: int = 0) -> Port:
        """Bind another UDP port (0: any) and the one above it, for reports (RTCP).

        Streams of many sources can share it.
        """
        try:
            index, bound = self._native.bind(self.host, port, True)
        except OSError as exc:
            raise SetupError(
                f"cannot receive RTP on {self.host}:{port}: {exc.strerror}; choose another port"
            ) from exc
        return Port(index, self.host, bound)

    def open(
        self, port: Port, source: Address | None, settings: StreamSettings | None = None
    ) -> MediaStream:
        """Hear a stream that comes to `port` from `source`, and from nowhere else.

        Without `source` the first packet's is taken; the port must then be the stream's own.
        """
        settings = settings or StreamSettings()
        self._check(settings)
        host, source_port = source if source is not None else (None, 0)
        try:
            stream = self._native.open(port.index, host, source_port, **settings.for_native())
        except OSError as exc:
            raise _refused(exc, port, source) from exc
        return MediaStream(self._native, self._sender, stream, settings, port, source)

    def open_pushed(self, settings: StreamSettings | None = None) -> MediaStream:
        """A stream that hears what it is fed, by a back end that receives RTP itself."""
        settings = settings or StreamSettings()
        stream = self._native.open(NO_SOCKET, None, 0, **settings.for_native())
        return MediaStream(self._native, self._sender, stream, settings, None, None)

    def pusher(self) -> CapsuleType:
        """For another extension: a way to push samples without Python (native/receive.h)."""
        return self._native.pusher()

    def _check(self, settings: StreamSettings) -> None:
        if settings.codec is not Codec.L16 and self.rate != 8000:
            raise ValueError(
                f"{settings.codec.name} has 8000 Hz; this media server has {self.rate}: use another"
            )

    # ---- what is heard ----

    async def frames(self) -> AsyncIterator[FrameBatch]:
        """Every 20 ms the frames of all streams; for one reader.

        A reader that falls behind loses batches, never packets: `counts()["overruns"]`.
        """
        async for batch in _each(self._native.batch, self._batches_wait):
            yield frame_batch(batch)

    async def events(self) -> AsyncIterator[MediaEvent]:
        """What happens on all streams, as soon as it is known; for one reader at a time."""
        async for raw in _each(self._next_event, self._events_wait):
            event = media_event(raw, self.rate)
            if event is not None:
                yield event

    def _next_event(self) -> _audio.AudioEvent | None:
        # Taken together, told one by one: a reader may leave after any of them.
        if not self._taken_events:
            self._taken_events.extend(self._native.events())
        return self._taken_events.popleft() if self._taken_events else None

    def sending(self) -> _audio.SenderReport:
        """What all streams sent, and how late it left."""
        return self._sender.counts()

    def counts(self) -> _audio.ServerCounts:
        """Packets, those from unannounced sources, overruns, processor time, since the start."""
        return self._native.counts()


def _woken(fd: int, wakes: asyncio.Event) -> None:
    os.eventfd_read(fd)  # at once: it is readable until then, and the loop would spin
    wakes.set()


async def _each(take: Callable[[], _T | None], waits: asyncio.Event) -> AsyncIterator[_T]:
    while True:
        waits.clear()  # before looking, or what comes in between would be slept through
        while (taken := take()) is not None:
            yield taken
        await waits.wait()


def _refused(exc: OSError, port: Port, source: Address | None) -> Exception:
    if isinstance(exc, FileExistsError):
        return ValueError(f"a stream from {source} to port {port.port} is open already")
    if source is None:
        return ValueError(f"port {port.port} has streams: one that learns its source needs its own")
    return SetupError(f"no stream from {source} to port {port.port}: {exc.strerror}")
