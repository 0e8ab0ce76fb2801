"""The client side of a WebSocket (RFC 6455), for a link of which every message has a cost.

A message goes to its reader as soon as its bytes are there: no queue, no task to wake. What is sent
while messages are read, or in one turn of the loop, leaves as one packet. aiohttp's client does
neither, and that was a fifth of the processor time of a call.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import random
import re
import ssl
from collections.abc import Callable, Mapping
from typing import cast
from urllib.parse import SplitResult, urlsplit

from callcore.errors import CallcoreError

#: RFC 6455, 5.2: opcodes, and the bits beside them.
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
FINAL, OPCODE, MASKED = 0x80, 0x0F, 0x80
_FINAL_TEXT = FINAL | TEXT
_NORMAL_CLOSURE = (1000).to_bytes(2, "big")
#: RFC 6455, 1.3: proves that the server speaks WebSocket.
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_STATUS = re.compile(r"HTTP/1\.1 (\d{3})\b")
_LONGEST_HEAD = 16 * 1024

_mask = random.Random(os.urandom(16)).getrandbits


class HandshakeRefused(CallcoreError):
    """The server did not open a WebSocket; `status` is its HTTP status, 0 if it gave none."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class WebSocket(asyncio.Protocol):
    """One connection to an ``http:`` or ``https:`` URL.

    An exception of `on_message` ends the connection and comes out of `ended`. A server that reads
    nothing is noticed by its missing pong: what was sent until then waits in memory.
    """

    def __init__(
        self, url: str, headers: Mapping[str, str], on_message: Callable[[bytes], None]
    ) -> None:
        self._url = urlsplit(url)
        self._headers = headers
        self._on_message = on_message
        self._key = base64.b64encode(os.urandom(16)).decode()
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        #: Received, and no whole frame yet.
        self._rest = b""
        self._fragments: list[bytes] = []
        #: To be sent at the end of this turn.
        self._outgoing: list[bytes] = []
        self._flushing = False
        self._heard = True
        self._beat: asyncio.TimerHandle | None = None
        self._reason = ""
        #: The server has agreed.
        self._opened: asyncio.Future[None] = self._loop.create_future()
        #: Why the connection ended, once it has.
        self.ended: asyncio.Future[str] = self._loop.create_future()

    # --- asyncio.Protocol -------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's are none of asyncio's classes.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(_request(self._url, self._key, self._headers))

    def data_received(self, data: bytes) -> None:
        self._heard = True
        self._rest = self._rest + data if self._rest else data
        if not self._opened.done() and not self._agreed():
            return
        self._flushing = True  # what these messages make us send leaves below
        self._read_frames()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._beat is not None:
            self._beat.cancel()
        reason = self._reason or (str(exc) if exc is not None else "closed by the server")
        if not self._opened.done():
            self._opened.set_exception(HandshakeRefused(reason))
        if exc is None or isinstance(exc, OSError):
            self.ended.set_result(reason)
        else:
            self.ended.set_exception(exc)

    # --- in ---------------------------------------------------------------------------------

    def _agreed(self) -> bool:
        """The answer to the handshake is complete, and it is yes (RFC 6455, 4.1)."""
        head, end, rest = self._rest.partition(b"\r\n\r\n")
        if not end:
            if len(head) > _LONGEST_HEAD:
                self.abort("no web server")
            return False
        status, headers = _parse_head(head)
        if status != 101 or headers.get("sec-websocket-accept") != _accept(self._key):
            self._opened.set_exception(HandshakeRefused(f"HTTP {status}", status))
            self.abort(f"HTTP {status}")
            return False
        self._rest = rest
        self._opened.set_result(None)
        return True

    def _read_frames(self) -> None:
        """Every whole frame (RFC 6455, 5.2); the rest waits until more has come."""
        data, at, size = self._rest, 0, len(self._rest)
        while size - at >= 2:
            first, length = data[at], data[at + 1]
            start = at + 2
            if length == 126:
                start += 2
                length = int.from_bytes(data[at + 2 : start], "big")
            elif length == 127:
                start += 8
                length = int.from_bytes(data[at + 2 : start], "big")
            if start + length > size or start > size:
                break
            at = start + length
            if first == _FINAL_TEXT:
                self._on_message(data[start:at])
            else:
                self._other_frame(first, data[start:at])
        self._rest = data[at:]

    def _other_frame(self, first: int, payload: bytes) -> None:
        match first & OPCODE:
            case 0x0 | 0x1 | 0x2:
                self._fragments.append(payload)
                if first & FINAL:
                    whole, self._fragments = b"".join(self._fragments), []
                    self._on_message(whole)
            case 0x8:
                self._reason = self._reason or "closed by the server"
                self.leave(payload[:2])
            case 0x9:
                self._send_frame(PONG, payload)

    # --- out --------------------------------------------------------------------------------

    def send(self, message: bytes) -> None:
        """One text message, in the order of the calls; nothing when the connection has ended."""
        self._send_frame(TEXT, message)

    def _send_frame(self, opcode: int, payload: bytes) -> None:
        self._outgoing.append(frame(opcode, payload, _mask(32).to_bytes(4, "big")))
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """A packet per message would cost a system call, and a wake-up of the server, for each."""
        self._flushing = False
        if self._outgoing:
            packet = b"".join(self._outgoing)
            self._outgoing.clear()
            if self._transport is not None:
                self._transport.write(packet)

    # --- life -------------------------------------------------------------------------------

    async def open(self, heartbeat: float) -> None:
        """Connect; `HandshakeRefused` or `OSError`.

        From then on a link that carries nothing, not even a pong, ends after `heartbeat` to twice
        as many seconds.
        """
        secure = self._url.scheme == "https"
        await self._loop.create_connection(
            lambda: self,
            self._url.hostname or "",
            self._url.port or (443 if secure else 80),
            ssl=ssl.create_default_context() if secure else None,
        )
        try:
            await self._opened
        except BaseException:
            self.abort("not opened")
            raise
        self._ping(heartbeat)

    def _ping(self, heartbeat: float) -> None:
        if not self._heard:
            self.abort(f"nothing heard for {heartbeat:g} s")
            return
        self._heard = False
        self._send_frame(PING, b"")
        self._beat = self._loop.call_later(heartbeat, self._ping, heartbeat)

    def leave(self, code: bytes = _NORMAL_CLOSURE) -> None:
        """Say goodbye and wait for nothing."""
        self._send_frame(CLOSE, code)
        self._flush()
        if self._transport is not None:
            self._transport.close()

    async def close(self, patience: float) -> None:
        """Say goodbye; a server that has not answered after `patience` seconds is left."""
        self._reason = self._reason or "closed"
        if self._transport is not None:
            self._send_frame(CLOSE, _NORMAL_CLOSURE)
            await asyncio.wait([self.ended], timeout=patience)
            self.abort("closed")

    def abort(self, reason: str) -> None:
        self._reason = self._reason or reason
        if self._transport is not None:
            self._transport.abort()


def frame(opcode: int, payload: bytes, mask: bytes) -> bytes:
    """One final frame of a client (RFC 6455, 5.2 and 5.3)."""
    size = len(payload)
    if size < 126:
        head = bytes((FINAL | opcode, MASKED | size))
    elif size < 65536:
        head = bytes((FINAL | opcode, MASKED | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((FINAL | opcode, MASKED | 127)) + size.to_bytes(8, "big")
    repeated = (mask * (size // 4 + 1))[:size]
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return head + mask + masked.to_bytes(size, "big")


def _request(url: SplitResult, key: str, headers: Mapping[str, str]) -> bytes:
    fields = {
        "Host": url.netloc,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": key,
        "Sec-WebSocket-Version": "13",
        **headers,
    }
    target = f"{url.path or '/'}?{url.query}".rstrip("?")
    lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _accept(key: str) -> str:
    return base64.b64encode(hashlib.sha1(f"{key}{_GUID}".encode()).digest()).decode()


def _parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    """Status and header fields; status 0 for what is no HTTP."""
    first, *lines = head.decode("latin-1").split("\r\n")
    status = _STATUS.match(first)
    fields = (line.partition(":") for line in lines)
    named = {name.strip().lower(): value.strip() for name, _, value in fields}
    return int(status[1]) if status else 0, named
