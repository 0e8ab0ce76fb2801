"""/api/v1/events: a WebSocket with the snapshot first, then numbered deltas.

Everybody gets the same encoded bytes. A client that does not read fast enough is closed with code
4008; the others never wait for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress

import msgspec
from aiohttp import WSCloseCode, web

from callcore.api.ports import Switchboard
from callcore.monitor.view import Delta, Snapshot, difference

# --- schemas -----------------------------------------------------------------------------------


class SnapshotMessage(msgspec.Struct, frozen=True, tag_field="type", tag="snapshot"):
    """Everything, as of message number `sequence`."""

    sequence: int
    snapshot: Snapshot


class DeltaMessage(msgspec.Struct, frozen=True, tag_field="type", tag="delta"):
    """What changed; `sequence` is one more than that of the message before."""

    sequence: int
    delta: Delta


# --- handlers ----------------------------------------------------------------------------------

TOO_SLOW = 4008
#: Messages, and characters, that may wait for one client.
MAX_WAITING = 256
MAX_SIZE = 8 * 1024 * 1024
MAX_CLIENTS = 100
TICK = 0.1
HEARTBEAT = 20.0
#: How long a slow client may take to read why it is dropped.
LAST_WORDS = 3.0


class Client:
    """The messages that wait for one WebSocket."""

    def __init__(self) -> None:
        self._waiting: deque[str] = deque()
        self._size = 0
        self._some = asyncio.Event()
        #: No more for this client: it is too slow, or the server closes.
        self.ended = asyncio.Event()
        self.too_slow = False

    def put(self, message: str) -> None:
        if self.ended.is_set():
            return
        full = len(self._waiting) >= MAX_WAITING or self._size + len(message) > MAX_SIZE
        if full and self._waiting:
            self.too_slow = True
            self.ended.set()
            return
        self._waiting.append(message)
        self._size += len(message)
        self._some.set()

    async def get(self) -> str:
        """The next message, as soon as there is one."""
        while not self._waiting:
            self._some.clear()
            await self._some.wait()
        message = self._waiting.popleft()
        self._size -= len(message)
        return message


class Hub:
    """Looks for changes while anybody listens, and hands each change to all clients."""

    def __init__(self, switchboard: Switchboard) -> None:
        self._switchboard = switchboard
        self._clients: list[Client] = []
        self._sequence = 0
        self._last: Snapshot | None = None
        self._version = -1
        self._listeners = asyncio.Event()

    async def run(self) -> None:
        """For ever; the server owns the task."""
        while True:
            await self._listeners.wait()
            self.look()
            await asyncio.sleep(TICK)

    def look(self) -> None:
        """Tell all clients what changed since the last look."""
        version = self._switchboard.version()
        if self._last is None or version == self._version:
            return
        now = self._switchboard.snapshot()
        delta = difference(self._last, now)
        self._last, self._version = now, version
        if not delta:
            return
        self._sequence += 1
        message = msgspec.json.encode(DeltaMessage(self._sequence, delta)).decode()
        for client in self._clients:
            client.put(message)

    def join(self) -> Client:
        """A new client; its first message is the snapshot the next delta builds on."""
        if self._clients:
            self.look()
        else:
            self._version = self._switchboard.version()
            self._last = self._switchboard.snapshot()
        assert self._last is not None
        client = Client()
        first = SnapshotMessage(self._sequence, self._last)
        client.put(msgspec.json.encode(first).decode())
        self._clients.append(client)
        self._listeners.set()
        return client

    def leave(self, client: Client) -> None:
        self._clients.remove(client)
        if not self._clients:
            self._listeners.clear()
            self._last = None

    @property
    def full(self) -> bool:
        return len(self._clients) >= MAX_CLIENTS

    def close(self) -> None:
        for client in self._clients:
            client.ended.set()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """The aiohttp handler."""
        if self.full:
            raise web.HTTPServiceUnavailable(reason="too many listeners")
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT, max_msg_size=1024, timeout=1.0)
        await socket.prepare(request)
        client = self.join()
        try:
            await _talk(socket, client)
        finally:
            self.leave(client)
        if client.too_slow:
            await _drop(request, socket)
        elif client.ended.is_set():
            await socket.close(code=WSCloseCode.GOING_AWAY, message=b"callcore stops")
        return socket


async def _talk(socket: web.WebSocketResponse, client: Client) -> None:
    """Until the client leaves, or there is no more for it."""
    tasks = (
        asyncio.create_task(_send(socket, client)),
        asyncio.create_task(_read_to_end(socket)),
        asyncio.create_task(client.ended.wait()),
    )
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _send(socket: web.WebSocketResponse, client: Client) -> None:
    while True:
        message = await client.get()
        try:
            await socket.send_str(message)
        except (ConnectionError, RuntimeError):
            return  # the client is gone


async def _read_to_end(socket: web.WebSocketResponse) -> None:
    """Clients say nothing; reading answers pings and notices the close."""
    async for _ in socket:
        pass


async def _drop(request: web.Request, socket: web.WebSocketResponse) -> None:
    """Say why, if that can still be said, and cut the connection."""
    with suppress(TimeoutError, ConnectionError, RuntimeError):
        async with asyncio.timeout(LAST_WORDS):
            await socket.close(code=TOO_SLOW, message=b"too slow: reconnect for a new snapshot")
    if request.transport is not None:
        request.transport.abort()


# --- routes ------------------------------------------------------------------------------------

PATH = "/api/v1/events"
