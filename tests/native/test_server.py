"""The receiving thread: who is heard, batches without a copy, sockets, closing in full flight."""

from __future__ import annotations

import errno
import gc
import os
import resource
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from callcore.native import _audio
from tests.load import slack
from tests.native.test_stream import rtp

SECOND = 10**9
FRAME = 160
PLAYED = 0


@pytest.fixture
def server() -> Iterator[_audio.Server]:
    server = _audio.Server(8000, 8)
    yield server
    server.stop()


def sender(host: str = "127.0.0.1") -> socket.socket:
    """A socket of its own, bound, so that its address is known."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_DGRAM)
    made.bind((host, 0))
    return made


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for what the thread does, a frame's time between looks."""
    end = time.monotonic() + 5 * slack()
    while not condition():
        assert time.monotonic() < end, what
        select.select([], [], [], 0.005)


def heard(server: _audio.Server, stream: int) -> int:
    return server.look(stream)["packets"]


def batches(server: _audio.Server, count: int) -> Iterator[_audio.Batch]:
    """The next so many; each waited for by the descriptor that wakes the loop."""
    end = time.monotonic() + 5 * slack()
    for _ in range(count):
        while (batch := server.batch()) is None:
            if select.select([server.fds()[0]], [], [], 1)[0]:
                os.eventfd_read(server.fds()[0])
            assert time.monotonic() < end, "no batches come"
        yield batch


def descriptors() -> list[int]:
    """Those that are open."""
    return [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]


# ---- who is heard ----


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_only_the_announced_source_is_heard(server: _audio.Server, host: str) -> None:
    """No RTP bleed: same SSRC, same numbers, another port or address."""
    index, port = server.bind(host, 0)
    with sender(host) as announced, sender(host) as other:
        stream = server.open(index, host, announced.getsockname()[1])
        server.start()
        for n in range(10):
            other.sendto(rtp(n, FRAME * n), (host, port))
            announced.sendto(rtp(n, FRAME * n), (host, port))
        until(lambda: server.counts()["packets"] == 20, "packets")
    assert heard(server, stream) == 10
    assert server.counts()["unknown"] == 10


def test_one_port_of_another_address_is_another_source(server: _audio.Server) -> None:
    """127.0.0.1 and 127.0.0.2, the same port number."""
    index, port = server.bind("0.0.0.0", 0)
    with sender() as one, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as two:
        two.bind(("127.0.0.2", one.getsockname()[1]))
        streams = [server.open(index, host, one.getsockname()[1])
                   for host in ("127.0.0.1", "127.0.0.2")]  # fmt: skip
        server.start()
        for n in range(6):
            one.sendto(rtp(n, FRAME * n), ("127.0.0.1", port))
            if n % 2:
                two.sendto(rtp(n, FRAME * n), ("127.0.0.1", port))
        until(lambda: server.counts()["packets"] == 9, "packets")
    assert [heard(server, stream) for stream in streams] == [6, 3]


def test_ipv4_through_a_socket_of_ipv6(server: _audio.Server) -> None:
    """[::] takes both; the source is announced as it is known."""
    index, port = server.bind("::", 0)
    with sender() as four, sender("::1") as six:
        streams = [server.open(index, *four.getsockname()), server.open(index, "::1",
                   six.getsockname()[1])]  # fmt: skip
        server.start()
        four.sendto(rtp(1, 0), ("127.0.0.1", port))
        six.sendto(rtp(1, 0), ("::1", port))
        until(lambda: server.counts()["packets"] == 2, "packets")
    assert [heard(server, stream) for stream in streams] == [1, 1]


def test_a_source_is_learnt_from_its_first_packet(server: _audio.Server) -> None:
    """Not from something else that comes before: random octets, another payload type."""
    index, port = server.bind("127.0.0.1", 0)
    stream = server.open(index, None, 0)
    server.start()
    with sender() as stranger, sender() as first, sender() as second:
        for octets in (b"", b"hello", bytes(100), b"\x80" * 11, rtp(1, 0, payload_type=96),
                       rtp(1, 0, bytes(3000))):  # fmt: skip
            stranger.sendto(octets, ("127.0.0.1", port))
        until(lambda: server.counts()["unknown"] == 6, "strangers")
        for n in range(5):
            first.sendto(rtp(n, FRAME * n), ("127.0.0.1", port))
            second.sendto(rtp(n, FRAME * n), ("127.0.0.1", port))
        until(lambda: server.counts()["packets"] == 16, "packets")
    assert heard(server, stream) == 5
    assert server.counts()["unknown"] == 11


def test_learning_needs_a_socket_of_its_own(server: _audio.Server) -> None:
    """Nobody's packets are taken for another's; once learnt, others may be announced."""
    shared, _ = server.bind("127.0.0.1", 0)
    server.open(shared, "127.0.0.1", 5000)
    with pytest.raises(OSError, match="busy") as refused:
        server.open(shared, None, 0)
    assert refused.value.errno == errno.EBUSY
    own, port = server.bind("127.0.0.1", 0)
    stream = server.open(own, None, 0)
    for source in (None, "127.0.0.1"):
        with pytest.raises(OSError, match="busy"):
            server.open(own, source, 5000)
    server.start()
    with sender() as first:
        first.sendto(rtp(1, 0), ("127.0.0.1", port))
        until(lambda: heard(server, stream) == 1, "packet")
        server.open(own, "127.0.0.1", 5000)
        with pytest.raises(OSError, match="exists") as taken:
            server.open(own, *first.getsockname())
        assert taken.value.errno == errno.EEXIST
    server.close(stream)
    with pytest.raises(OSError, match="busy"):
        server.open(own, None, 0)


def test_a_closed_stream_s_place_is_free_and_its_id_is_nobody_s(server: _audio.Server) -> None:
    """Eight places; an old id finds no new stream."""
    index, _ = server.bind("127.0.0.1", 0)
    streams = [server.open(index, "127.0.0.1", 6000 + n) for n in range(8)]
    with pytest.raises(OSError, match="space") as full:
        server.open(index, "127.0.0.1", 7000)
    assert full.value.errno == errno.ENOSPC
    for turn in range(3):
        server.close(streams[3])
        again = server.open(index, "127.0.0.1", 6003)
        assert again not in streams, turn
        for gone in (server.look, server.close):
            with pytest.raises(OSError, match="process"):
                gone(streams[3])
        streams[3] = again


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, "localhost", 5000), "numeric address"),
        ((0, "127.0.0.1", 65536), "0 to 65535"),
        ((0, "127.0.0.1", -1), "0 to 65535"),
    ],
)
def test_a_source_has_a_numeric_address(
    server: _audio.Server, arguments: tuple[int, str, int], message: str
) -> None:
    """No name is looked up, no port wraps."""
    server.bind("127.0.0.1", 0)
    with pytest.raises(ValueError, match=message):
        server.open(*arguments)


def test_a_stream_needs_a_socket_that_is_there(server: _audio.Server) -> None:
    """None was bound."""
    with pytest.raises(OSError, match="Invalid argument"):
        server.open(0, "127.0.0.1", 5000)


def test_oversized_datagrams_are_refused_whole(server: _audio.Server) -> None:
    """Not cut and heard."""
    index, port = server.bind("127.0.0.1", 0)
    with sender() as source:
        stream = server.open(index, *source.getsockname())
        server.start()
        source.sendto(rtp(1, 0, bytes(2036)), ("127.0.0.1", port))
        source.sendto(rtp(2, 2036, bytes(2037)), ("127.0.0.1", port))
        source.sendto(rtp(3, 4073, bytes(60000)), ("127.0.0.1", port))
        until(lambda: server.counts()["packets"] == 3, "packets")
    report = server.look(stream)
    assert (report["packets"], report["malformed"]) == (1, 2)


# ---- batches ----


def test_a_batch_is_a_view_of_all_streams_frames(server: _audio.Server) -> None:
    """Rows in the order of `streams`, nothing copied, nothing to be written."""
    first, second = server.open(-1, None, 0, vad_mode=-1), server.open(-1, None, 0, vad_mode=-1)
    server.open(-1, None, 0, vad_mode=-1, frames=False)
    server.start()
    for _ in range(20):
        server.push(first, np.full(FRAME, 1000, np.int16))
        server.push(second, np.full(FRAME, -2000, np.int16))
    for batch in batches(server, 25):
        rows = np.asarray(batch)
        streams = np.frombuffer(batch.streams, np.uint32).tolist()
        assert streams == [first, second]
        assert rows.shape == (2, FRAME)
        assert not rows.flags.owndata
        assert not rows.flags.writeable
        assert rows.base is not None
        if list(batch.kinds) == [PLAYED, PLAYED]:
            break
    else:
        pytest.fail("nothing was played")
    assert set(rows[0].tolist()) == {1000}
    assert set(rows[1].tolist()) == {-2000}
    with pytest.raises(TypeError, match="read-only"):
        memoryview(batch)[0, 0] = 1


def test_a_view_keeps_its_frames_whatever_comes(server: _audio.Server) -> None:
    """A second of ticks and the server's end: the view still holds what it held."""
    stream = server.open(-1, None, 0, vad_mode=-1)
    server.start()
    server.push(stream, np.full(FRAME * 20, 1234, np.int16))
    for batch in batches(server, 25):
        view = np.asarray(batch)
        if batch.kinds == b"\0" and set(view[0].tolist()) == {1234}:
            break
    else:
        pytest.fail("nothing was played")
    numbers = [later.number for later in batches(server, 40)]
    assert numbers == list(range(numbers[0], numbers[0] + 40)), "one kept batch is in nobody's way"
    server.stop()
    del batch
    gc.collect()
    assert set(view[0].tolist()) == {1234}


def test_a_view_outlives_its_server() -> None:
    """The memory goes with the last view of it."""
    before = _audio.blocks()
    server = _audio.Server(8000, 4)
    server.open(-1, None, 0, vad_mode=-1)
    server.start()
    view = np.asarray(next(batches(server, 1)))
    server.stop()
    del server
    gc.collect()
    assert _audio.blocks() > before
    assert view.sum() == 0
    del view
    gc.collect()
    assert _audio.blocks() == before


def test_a_slow_reader_loses_batches_and_they_are_counted() -> None:
    """Depth 4: after four the next are dropped, and the numbers say which."""
    server = _audio.Server(8000, 2, depth=4)
    server.open(-1, None, 0, vad_mode=-1)
    server.start()
    until(lambda: server.counts()["overruns"] >= 3, "overruns")
    numbers = [batch.number for batch in batches(server, 5)]
    assert numbers[:4] == [1, 2, 3, 4]
    assert numbers[4] >= 8
    server.stop()
    counts = server.counts()
    assert counts["overruns"] >= 3
    assert counts["ticks"] >= 7


def test_ticks_come_every_20_ms(server: _audio.Server) -> None:
    """By the batches' own times, whatever the reader does."""
    server.open(-1, None, 0, vad_mode=-1)
    server.start()
    times = np.array([batch.at for batch in batches(server, 10)])
    assert (times[-1] - times[0]) / 9 == pytest.approx(20_000_000, rel=0.3 * slack())


# ---- faults ----


def test_a_port_that_is_taken_is_a_clear_error_and_leaves_nothing() -> None:
    """Errno and all; the descriptors are as many as before."""
    with sender() as other:
        server = _audio.Server(8000, 4)
        before = len(descriptors())
        for _ in range(3):
            with pytest.raises(OSError, match="in use") as refused:
                server.bind("127.0.0.1", other.getsockname()[1])
            assert refused.value.errno == errno.EADDRINUSE
        assert len(descriptors()) == before
    index, _ = server.bind("127.0.0.1", 0)
    assert index == 0


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1"])
def test_an_address_that_is_not_ours_is_refused(server: _audio.Server, host: str) -> None:
    """EADDRNOTAVAIL."""
    with pytest.raises(OSError, match="assign") as refused:
        server.bind(host, 0)
    assert refused.value.errno == errno.EADDRNOTAVAIL


@pytest.mark.parametrize("host", ["localhost", "", "300.0.0.1"])
def test_a_host_is_numeric(server: _audio.Server, host: str) -> None:
    """A name would be looked up, and block."""
    with pytest.raises(OSError, match="Invalid argument"):
        server.bind(host, 0)


def started_within(room: int) -> bool:
    """Make and start a server with so many more descriptors; whether there were enough."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    now = descriptors()[:-1]  # the last was the look itself
    fillers = [os.dup(now[0]) for _ in range(max(now) + 1 - len(now))]
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(now) + len(fillers) + room, hard))
    failure: OSError | None = None
    try:
        server = _audio.Server(8000, 4)
        server.bind("127.0.0.1", 0)
        server.start()
        server.stop()
    except OSError as exc:
        failure = exc
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for filler in fillers:
            os.close(filler)
    assert failure is None or failure.errno == errno.EMFILE
    return failure is None


def test_without_descriptors_nothing_is_half_open() -> None:
    """Room for 0, 1, 2 … more: an error that says so, and none of them is left."""
    before, blocks = len(descriptors()), _audio.blocks()
    for room in range(12):
        done = started_within(room)
        gc.collect()
        assert len(descriptors()) == before, room
        assert _audio.blocks() == blocks, room
    assert done


def test_what_a_server_cannot_be_is_refused() -> None:
    """Rates, rooms, depths."""
    for rate, room, depth in ((44100, 1, 4), (8000, 0, 4), (8000, 65537, 4), (8000, 1, 1)):
        with pytest.raises(ValueError, match="8000 or 16000"):
            _audio.Server(rate, room, depth)  # type: ignore[arg-type]


def test_starting_and_stopping_again_and_again() -> None:
    """Streams live through it, and are heard again."""
    server = _audio.Server(8000, 4)
    index, port = server.bind("127.0.0.1", 0)
    with sender() as source:
        stream = server.open(index, *source.getsockname())
        for turn in range(1, 6):
            server.start()
            server.start()
            source.sendto(rtp(turn, FRAME * turn), ("127.0.0.1", port))
            until(lambda turn=turn: heard(server, stream) == turn, "packet")
            server.stop()
            server.stop()


def test_streams_are_closed_while_their_packets_fly() -> None:
    """Four sources send as fast as they can, streams open and close, frames are read."""
    server = _audio.Server(8000, 16)
    index, port = server.bind("127.0.0.1", 0)
    server.start()
    done = threading.Event()

    def flood(source: socket.socket) -> None:
        number = 0
        while not done.is_set():
            source.sendto(rtp(number, FRAME * number), ("127.0.0.1", port))
            number += 1
            if number % 50 == 0:
                done.wait(0.001)

    sources = [sender() for _ in range(4)]
    threads = [threading.Thread(target=flood, args=(source,)) for source in sources]
    for thread in threads:
        thread.start()
    try:
        rng, views = np.random.default_rng(0), []
        end = time.monotonic() + 1.5
        opened: dict[int, int] = {}
        while time.monotonic() < end:
            which = int(rng.integers(4))
            if which in opened:
                server.look(opened[which])
                server.close(opened.pop(which))
            else:
                opened[which] = server.open(index, *sources[which].getsockname())
            if (batch := server.batch()) is not None:
                views = [*views[-5:], np.asarray(batch)]
            server.events()
            select.select([], [], [], 0.002)
    finally:
        done.set()
        for thread in threads:
            thread.join()
        for source in sources:
            source.close()
    counts = server.counts()
    server.stop()
    assert counts["packets"] > 1000
    assert counts["unknown"] > 0
    assert all(view.dtype == np.int16 for view in views)


def test_events_wake_their_reader(server: _audio.Server) -> None:
    """A key press makes the second descriptor readable, once."""
    index, port = server.bind("127.0.0.1", 0)
    with sender() as source:
        server.open(index, *source.getsockname(), event_type=101)
        server.start()
        fd = server.fds()[1]
        assert select.select([fd], [], [], 0)[0] == []
        payload = struct.pack("!BBH", 5, 10, 160)
        source.sendto(rtp(1, 0, payload, payload_type=101, marker=True), ("127.0.0.1", port))
        assert select.select([fd], [], [], 5 * slack())[0] == [fd]
        os.eventfd_read(fd)
    (event,) = server.events()
    assert event[1:3] == (_audio.EVENT_DIGIT, 5)
    assert time.monotonic_ns() - event[3] < 5 * slack() * SECOND
    assert select.select([fd], [], [], 0)[0] == []
