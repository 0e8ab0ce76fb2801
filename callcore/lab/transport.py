"""How a lab phone's SIP bytes travel: UDP, TCP or TLS behind one small interface."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Protocol

from callcore.lab.errors import LabError
from callcore.lab.sip import StreamFramer

Address = tuple[str, int]
Receive = Callable[[bytes, Address], None]


class SipTransport(Protocol):
    """Sends SIP bytes; what arrives goes to the ``Receive`` given at opening."""

    kind: str
    local: Address

    async def connect(self, remote: Address) -> None:
        """Make sure that ``send`` to this address can work."""
        ...

    def send(self, data: bytes, remote: Address) -> None: ...

    def close(self) -> None: ...


class UdpTransport(asyncio.DatagramProtocol):
    """One UDP socket."""

    kind = "UDP"

    def __init__(self, receive: Receive) -> None:
        self.local: Address = ("", 0)
        self._receive = receive
        self._transport: asyncio.DatagramTransport | None = None

    async def open(self, host: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=(host, port)
        )
        self.local = self._transport.get_extra_info("sockname")[:2]

    async def connect(self, remote: Address) -> None:
        """UDP needs no connection."""

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._receive(data, (addr[0], addr[1]))

    def send(self, data: bytes, remote: Address) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, remote)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class _StreamConnection(asyncio.Protocol):
    """One TCP or TLS connection, incoming or outgoing."""

    def __init__(self, owner: StreamTransport) -> None:
        self._owner = owner
        self._framer = StreamFramer()
        self.remote: Address = ("", 0)
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport) and not hasattr(transport, "write"):
            raise LabError("not a stream transport")
        self.transport = transport  # type: ignore[assignment]
        self.remote = transport.get_extra_info("peername")[:2]
        self._owner.connections[self.remote] = self

    def data_received(self, data: bytes) -> None:
        for message in self._framer.feed(data):
            self._owner.receive(message, self.remote)

    def connection_lost(self, exc: Exception | None) -> None:
        self._owner.connections.pop(self.remote, None)


class StreamTransport:
    """TCP or TLS: connects out on demand, and listens at its contact port."""

    def __init__(
        self,
        receive: Receive,
        tls: ssl.SSLContext | None = None,
        serving: ssl.SSLContext | None = None,
    ) -> None:
        self.kind = "TLS" if tls else "TCP"
        self.local: Address = ("", 0)
        self.receive = receive
        self.connections: dict[Address, _StreamConnection] = {}
        self._tls = tls
        self._serving = serving
        self._server: asyncio.Server | None = None

    async def open(self, host: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        # Also with TLS and no certificate: the port number is then ours, though nobody can use it.
        self._server = await loop.create_server(
            lambda: _StreamConnection(self), host, port, ssl=self._serving
        )
        self.local = self._server.sockets[0].getsockname()[:2]

    async def connect(self, remote: Address) -> None:
        if remote in self.connections:
            return
        loop = asyncio.get_running_loop()
        await loop.create_connection(
            lambda: _StreamConnection(self),
            *remote,
            ssl=self._tls,
            local_addr=(self.local[0], 0),
            server_hostname="" if self._tls else None,
        )

    def send(self, data: bytes, remote: Address) -> None:
        connection = self.connections.get(remote)
        if connection is not None and connection.transport is not None:
            connection.transport.write(data)

    def stop_listening(self) -> None:
        """The connections there are stay."""
        if self._server is not None:
            self._server.close()

    def disconnect(self) -> None:
        """The connections there are end; new ones may come."""
        for connection in list(self.connections.values()):
            if connection.transport is not None:
                connection.transport.abort()

    def close(self) -> None:
        self.stop_listening()
        self.disconnect()


def unverified_tls() -> ssl.SSLContext:
    """A client context that accepts the self-signed certificate of a test server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def open_transport(
    kind: str,
    host: str,
    port: int,
    receive: Receive,
    tls: ssl.SSLContext | None,
    serving: ssl.SSLContext | None = None,
) -> SipTransport:
    """Open a transport by its SIP name."""
    if kind == "UDP":
        udp = UdpTransport(receive)
        await udp.open(host, port)
        return udp
    if kind in ("TCP", "TLS"):
        stream = StreamTransport(
            receive, (tls or unverified_tls()) if kind == "TLS" else None, serving
        )
        await stream.open(host, port)
        return stream
    raise LabError(f"unknown SIP transport {kind!r}: expected UDP, TCP or TLS")
