"""The WebSocket client against a server of aiohttp's, and against bytes no server should send."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress

import pytest
import uvloop
from aiohttp import WSMsgType, web

from callcore.telephony.websocket import TEXT, HandshakeRefused, WebSocket, frame
from tests.load import slack

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
AGREED = (
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
)


@asynccontextmanager
async def served(handler: Handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/ari/events", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}/ari/events?app=a"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw(answer: Callable[[str], bytes]) -> AsyncIterator[str]:
    """A server that answers the handshake with these bytes, given the proof it should hold."""

    finished: list[asyncio.Event] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        finished.append(done := asyncio.Event())
        with suppress(ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            key = head.partition("Sec-WebSocket-Key: ")[2].partition("\r\n")[0]
            guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            proof = base64.b64encode(hashlib.sha1((key + guid).encode()).digest()).decode()
            writer.write(answer(proof))
            await reader.read()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        done.set()

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()[:2]
        yield f"http://{host}:{port}/"
        for done in finished:
            await done.wait()


async def echo(request: web.Request) -> web.StreamResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        if message.data == "bye":
            await socket.close()
        elif message.type is WSMsgType.TEXT:
            await socket.send_str(f"{request.headers['X-Who']}: {message.data}")
    return socket


class Messages:
    """What was received; `wait` until there are so many."""

    def __init__(self) -> None:
        self.all: list[str] = []
        self._news = asyncio.Event()

    def __call__(self, message: bytes) -> None:
        self.all.append(message.decode())
        self._news.set()

    async def wait(self, number: int) -> list[str]:
        async with asyncio.timeout(5):
            while len(self.all) < number:
                self._news.clear()
                await self._news.wait()
        return self.all


async def test_messages_of_every_length_come_back_in_order() -> None:
    sizes = (0, 1, 125, 126, 127, 65_535, 65_536, 300_000)
    heard = Messages()
    async with served(echo) as url:
        socket = WebSocket(url, {"X-Who": "me"}, heard)
        await socket.open(heartbeat=5.0)
        for size in sizes:
            socket.send(b"x" * size)
        assert [len(text) for text in await heard.wait(len(sizes))] == [s + 4 for s in sizes]
        await socket.close(patience=1.0)
        assert await socket.ended == "closed"


async def test_a_server_that_closes_is_answered_and_named_as_the_reason() -> None:
    async with served(echo) as url:
        socket = WebSocket(url, {"X-Who": "me"}, Messages())
        await socket.open(heartbeat=5.0)
        socket.send(b"bye")
        assert await asyncio.wait_for(socket.ended, 5) == "closed by the server"
        socket.send(b"into the void")
        await socket.close(patience=1.0)


async def test_a_refusal_says_its_status() -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        raise web.HTTPUnauthorized

    async with served(refuse) as url:
        with pytest.raises(HandshakeRefused, match="401") as caught:
            await WebSocket(url, {}, Messages()).open(heartbeat=5.0)
    assert caught.value.status == 401


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9\r\n\r\n", b"x" * 20_000])
async def test_what_is_no_web_server_is_refused(answer: bytes) -> None:
    async with raw(lambda proof: answer) as url:
        with pytest.raises(HandshakeRefused):
            await WebSocket(url, {}, Messages()).open(heartbeat=5.0)


async def test_a_server_without_the_proof_is_refused() -> None:
    async with raw(lambda proof: AGREED.format(accept="no").encode()) as url:
        with pytest.raises(HandshakeRefused):
            await WebSocket(url, {}, Messages()).open(heartbeat=5.0)


async def test_what_follows_the_handshake_in_the_same_packet_is_read() -> None:
    """Asterisk tells of channels it holds at once; pings and fragments (RFC 6455, 5.4) among it."""
    sent = b"\x81\x03one" + b"\x89\x00" + b"\x01\x02tw" + b"\x80\x01o" + b"\x82\x05three"
    heard = Messages()
    async with raw(lambda proof: AGREED.format(accept=proof).encode() + sent) as url:
        socket = WebSocket(url, {}, heard)
        await socket.open(heartbeat=5.0)
        assert await heard.wait(3) == ["one", "two", "three"]
        await socket.close(patience=0.05)


async def test_frames_may_be_cut_anywhere() -> None:
    """Each byte on its own says the same as all at once."""
    heard = Messages()
    socket = WebSocket("http://nowhere/", {}, heard)
    socket._opened.set_result(None)
    texts = ["", "a", "b" * 125, "c" * 126, "d" * 70_000]
    data = b"".join(_of_a_server(text.encode()) for text in texts)
    for at in range(1000):
        socket.data_received(data[at : at + 1])
    socket.data_received(data[1000:])
    assert heard.all == texts


def _of_a_server(payload: bytes) -> bytes:
    """A client's frame with a mask of zeros, without the mask and its bit."""
    masked = frame(TEXT, payload, bytes(4))
    head = len(masked) - len(payload) - 4
    return bytes((masked[0], masked[1] & 0x7F)) + masked[2:head] + payload


async def test_a_silent_server_is_noticed_within_two_heartbeats() -> None:
    """It took the handshake and says nothing more, not even a pong."""
    loop = asyncio.get_running_loop()
    async with raw(lambda proof: AGREED.format(accept=proof).encode()) as url:
        socket = WebSocket(url, {}, Messages())
        await socket.open(heartbeat=0.1)
        began = loop.time()
        assert "nothing heard" in await asyncio.wait_for(socket.ended, 5)
        assert 0.09 < loop.time() - began < slack()


async def test_a_fault_of_the_reader_ends_the_connection_and_comes_out() -> None:
    def fail(message: bytes) -> None:
        raise ZeroDivisionError("reader")

    async with served(echo) as url:
        socket = WebSocket(url, {"X-Who": "me"}, fail)
        await socket.open(heartbeat=5.0)
        socket.send(b"hello")
        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(socket.ended, 5)


async def test_a_port_where_nobody_listens_is_an_os_error() -> None:
    with pytest.raises(OSError, match=r"refused|Connect"):
        await WebSocket("http://127.0.0.1:1/", {}, Messages()).open(heartbeat=5.0)


@pytest.mark.parametrize(
    "scenario",
    [
        test_messages_of_every_length_come_back_in_order,
        test_a_server_that_closes_is_answered_and_named_as_the_reason,
        test_a_silent_server_is_noticed_within_two_heartbeats,
        test_a_fault_of_the_reader_ends_the_connection_and_comes_out,
    ],
)
def test_it_is_the_same_on_uvloop(scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    """callcore runs on uvloop, the tests on asyncio's own loop; their transports differ."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())
