"""The event stream: a snapshot, numbered deltas, and clients that do not keep up."""

import asyncio
import socket

import msgspec

from callcore.api import events
from callcore.api.events import DeltaMessage, Hub, SnapshotMessage
from callcore.call.events import AgentLogin, AgentPaused
from callcore.monitor.view import CallView, apply


class Kinds(msgspec.Struct):
    message: SnapshotMessage | DeltaMessage


def decode(text):
    return msgspec.json.decode(f'{{"message": {text}}}', type=Kinds).message


async def test_snapshot_then_numbered_deltas(api, switch):
    """Applying the deltas to the snapshot gives what the switch shows."""
    async with api.session.ws_connect(api.url + "/api/v1/events") as stream:
        first = decode(await stream.receive_str())
        await switch.submit(AgentLogin(agent="a1"))
        second = decode(await stream.receive_str())
        await switch.submit(AgentPaused(agent="a1", reason="x"))
        del switch.calls["c1"]
        third = decode(await stream.receive_str())
    assert second.sequence == first.sequence + 1
    assert third.sequence == second.sequence + 1
    assert third.delta.gone == {"calls": ("c1",)}
    assert apply(apply(first.snapshot, second.delta), third.delta) == switch.snapshot()


async def test_a_late_client_joins_at_the_right_number(switch):
    """Its snapshot carries the number of the last delta, and the next delta fits it."""
    hub = Hub(switch)
    early = hub.join()
    await switch.submit(AgentLogin(agent="a1"))
    late = hub.join()
    assert decode(await early.get()).sequence == 0
    assert decode(await early.get()).sequence == 1
    snapshot = decode(await late.get())
    assert (snapshot.sequence, snapshot.snapshot) == (1, switch.snapshot())
    await switch.submit(AgentPaused(agent="a1", reason="x"))
    hub.look()
    assert await early.get() == await late.get()


async def test_nothing_changed_means_nothing_sent(switch):
    """A change that shows nowhere gives no message and no number."""
    hub = Hub(switch)
    client = hub.join()
    await client.get()
    await switch.reload()
    hub.look()
    await switch.submit(AgentLogin(agent="a1"))
    hub.look()
    assert decode(await client.get()).sequence == 1


async def test_a_slow_client_ends_and_others_go_on(switch):
    """Who does not fetch is cut off after the limit; who does gets everything."""
    hub = Hub(switch)
    slow, quick = hub.join(), hub.join()
    numbers = []
    for index in range(events.MAX_WAITING + 10):
        kind = AgentPaused(agent="a1", reason="x") if index % 2 else AgentLogin(agent="a1")
        await switch.submit(kind)
        hub.look()
        numbers.append(decode(await quick.get()).sequence)
    assert slow.too_slow
    assert not quick.ended.is_set()
    assert numbers == list(range(events.MAX_WAITING + 10))


async def test_a_client_that_never_reads_is_disconnected(api, switch, monkeypatch):
    """On a real socket: the others get everything meanwhile, and the connection ends."""
    monkeypatch.setattr(events, "LAST_WORDS", 0.2)
    monkeypatch.setattr(events, "MAX_SIZE", 2_000_000)
    monkeypatch.setattr(events, "TICK", 0.001)
    stuck = await open_without_reading(api)
    async with api.session.ws_connect(api.url + "/api/v1/events", max_msg_size=0) as stream:
        await stream.receive_str()
        for index in range(60):
            for n in range(200):
                view = CallView(id=f"x{n}", state="talking", caller=f"{index:>1000}")
                switch.calls[view.id] = view
            switch.changed()
            assert decode(await stream.receive_str()).sequence == index + 1
    received = 0
    async with asyncio.timeout(10):
        while chunk := await read(stuck):
            received += len(chunk)
    stuck.close()
    assert received < 60 * 200 * 1000


async def read(peer):
    try:
        return await asyncio.get_running_loop().sock_recv(peer, 1 << 20)
    except ConnectionError:
        return b""


async def open_without_reading(api):
    """A WebSocket whose owner asked for it and went to sleep, with little room in its kernel."""
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    peer.setblocking(False)
    host, port = api.url.removeprefix("http://").split(":")
    loop = asyncio.get_running_loop()
    await loop.sock_connect(peer, (host, int(port)))
    token = api.session.headers["Authorization"]
    request = (
        f"GET /api/v1/events HTTP/1.1\r\nHost: {host}\r\nAuthorization: {token}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    await loop.sock_sendall(peer, request.encode())
    return peer


async def test_the_server_says_goodbye(switch, server, api):
    """At the end every listener gets close code 1001."""
    async with api.session.ws_connect(api.url + "/api/v1/events") as stream:
        await stream.receive_str()
        closing = asyncio.create_task(server.close())
        await stream.receive()
        await closing
        assert stream.close_code == 1001
