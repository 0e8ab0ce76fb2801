"""The thread that sends: what arrives on loopback sockets, and what threads may do meanwhile."""

from __future__ import annotations

import gc
import itertools
import select
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from callcore.lab import dtmf
from callcore.native import _audio
from callcore.native.reference.rtcp import rtcp_parse, rtcp_write
from tests.load import slack

_SO_TIMESTAMPNS = 35
_TIMESPEC = struct.Struct("@qq")
SSRC = 0xABCD1234
SOUND = (np.arange(8000) * 31 % 9000).astype(np.int16)
"""One second."""


class Ear:
    """A UDP socket on loopback that notes the kernel's time of each datagram."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self.address: tuple[str, int] = self.socket.getsockname()[:2]
        self.source = ("", 0)
        """Where the last datagram came from."""

    def fileno(self) -> int:
        return self.socket.fileno()

    def hear(self, seconds: float = 5.0) -> tuple[float, bytes] | None:
        """Kernel time and datagram; None: nothing came for that long on a machine with time."""
        if not select.select([self.socket], [], [], seconds * slack())[0]:
            return None
        data, control, _, self.source = self.socket.recvmsg(2048, 64)
        whole, part = _TIMESPEC.unpack(control[0][2])
        return whole + part / 1e9, data

    def next(self) -> bytes:
        heard = self.hear()
        assert heard is not None, "nothing came"
        return heard[1]

    def is_silent(self, seconds: float) -> bool:
        """Whether nothing comes for that long."""
        return not select.select([self.socket], [], [], seconds)[0]

    def drain(self) -> list[tuple[float, bytes]]:
        """What has come already."""
        heard = []
        while select.select([self.socket], [], [], 0)[0]:
            one = self.hear()
            assert one is not None
            heard.append(one)
        return heard


@pytest.fixture
def ear() -> Iterator[Ear]:
    made = Ear()
    yield made
    made.socket.close()


@pytest.fixture
def mouth() -> Iterator[Ear]:
    """The socket that is sent from."""
    made = Ear()
    yield made
    made.socket.close()


@pytest.fixture
def sender(mouth: Ear) -> Iterator[_audio.Sender]:
    """Closed before the socket it sends from is."""
    blocks = _audio.blocks()
    made = _audio.Sender(room=600)
    yield made
    made.close()
    del made
    gc.collect()
    assert _audio.blocks() <= blocks + 5, "what the sender held was not given back"


def opened(sender: _audio.Sender, mouth: Ear, ear: Ear, idle: int = 0, push_ms: int = 1000) -> int:
    return sender.open(
        7, mouth.fileno(), _audio.CODEC_PCMU, 0, ear.address, SSRC, 65000, 1000,
        event_type=101, idle=idle, push_ms=push_ms,
    )  # fmt: skip


def told(sender: _audio.Sender) -> tuple[int, int, int, int]:
    """The next event's stream, kind, code and position."""
    deadline = time.monotonic() + 5 * slack()
    while time.monotonic() < deadline:
        select.select([sender.event_fd], [], [], 5)
        if events := sender.events():
            assert len(events) == 1
            return events[0][0], events[0][1], events[0][2], events[0][4]
    raise AssertionError("no event")


@pytest.mark.parametrize("port", [-1, 65536, 70000])
def test_a_port_does_not_wrap(sender: _audio.Sender, mouth: Ear, port: int) -> None:
    """70000 is not 4464."""
    with pytest.raises(ValueError, match="0 to 65535"):
        sender.open(7, mouth.socket.fileno(), 0, 0, ("127.0.0.1", port), 1, 0, 0)


def test_a_prompt_arrives_whole(sender: _audio.Sender, mouth: Ear, ear: Ear) -> None:
    """Fifty packets from the given socket, numbered on from the given numbers, then the event."""
    handle = opened(sender, mouth, ear)
    sender.play(handle, _audio.Prompt(SOUND))
    packets = [_audio.parse_rtp(ear.next()) for _ in range(50)]
    sequences, stamps, payloads = zip(*((p[2], p[3], p[5]) for p in packets), strict=True)  # type: ignore[index]
    assert list(sequences) == [(65000 + n) & 0xFFFF for n in range(50)]
    steps = np.diff(stamps)
    held_up = sender.counts()["skipped_ms"] > 0  # for more than 100 ms: such time is given up
    assert np.all(steps % 160 == 0) if held_up else np.all(steps == 160)
    assert b"".join(payloads) == _audio.ulaw_encode(SOUND)
    assert told(sender) == (7, _audio.EVENT_PLAY_ENDED, 0, 8000)
    assert sender.stream_counts(handle)["packets"] == 50
    assert ear.is_silent(0.05)


def test_frames_leave_every_twenty_milliseconds(
    sender: _audio.Sender, mouth: Ear, ear: Ear
) -> None:
    """Without drift, whatever the machine does; the times are the kernel's. How exactly is
    measured by `callcore bench media`: here only that no thread runs wild."""
    handle = opened(sender, mouth, ear, idle=_audio.IDLE_SILENCE)
    heard = [ear.hear() for _ in range(100)]
    times = [one[0] for one in heard if one is not None]
    sender.close_stream(handle)
    late = slack() * 0.02
    assert times[-1] - times[0] == pytest.approx(99 * 0.02, abs=late)
    assert np.median(np.diff(times)) == pytest.approx(0.02, abs=late / 4)


def test_five_hundred_streams_each_get_their_own_packets(
    sender: _audio.Sender, mouth: Ear, ear: Ear
) -> None:
    """In order, whatever burst they leave in."""
    for number in range(500):
        sender.open(number, mouth.fileno(), 0, 0, ear.address, number, 0, 0, idle=1)
    heard: list[tuple[float, bytes]] = []
    while len(heard) < 500 * 10:
        one = ear.hear()
        assert one is not None
        heard.append(one)
    sender.close()
    sequences: dict[int, list[int]] = {}
    for _, octets in heard:
        packet = _audio.parse_rtp(octets)
        assert not isinstance(packet, int)
        sequences.setdefault(packet[4], []).append(packet[2])
    assert len(sequences) == 500
    # The reader's buffer may overflow on a busy machine: packets can miss, not change places.
    assert all(found == sorted(set(found)) for found in sequences.values())


def test_barge_in_stops_a_prompt_within_one_frame(
    sender: _audio.Sender, mouth: Ear, ear: Ear
) -> None:
    """After it is asked for, at most the packet that was being built still carries the prompt."""
    handle = opened(sender, mouth, ear)
    sender.play(handle, _audio.Prompt(SOUND), 0)
    for _ in range(5):
        ear.next()
    sender.barge_in(handle)
    after = time.clock_gettime(time.CLOCK_REALTIME)
    assert told(sender)[1:3] == (_audio.EVENT_PLAY_ENDED, 2)
    rest = [at for at, _ in ear.drain()]
    assert ear.is_silent(0.1)
    assert len([at for at in rest if at > after]) <= 1


def test_a_barge_in_meant_for_a_closed_stream_meets_nobody(
    sender: _audio.Sender, mouth: Ear, ear: Ear
) -> None:
    """The place is taken by another stream meanwhile; nonsense is ignored."""
    old = opened(sender, mouth, ear)
    sender.close_stream(old)
    handle = opened(sender, mouth, ear)
    sender.play(handle, _audio.Prompt(SOUND))
    for wrong in (old, 0, 0xFFFFFFFF, handle + 1):
        sender.barge_in(wrong)
    assert told(sender) == (7, _audio.EVENT_PLAY_ENDED, 0, 8000)


def test_stop_is_told_with_what_was_played(sender: _audio.Sender, mouth: Ear, ear: Ear) -> None:
    """Whole frames; nothing follows."""
    handle = opened(sender, mouth, ear)
    sender.play(handle, _audio.Prompt(SOUND))
    for _ in range(5):
        ear.next()
    sender.stop(handle)
    stream, kind, code, played = told(sender)
    assert (stream, kind, code) == (7, _audio.EVENT_PLAY_ENDED, 1)
    assert played == 160 * (5 + len(ear.drain()))
    assert ear.is_silent(0.06)


def test_speech_pushed_faster_than_it_is_spoken_is_taken_in_parts(
    sender: _audio.Sender, mouth: Ear, ear: Ear
) -> None:
    """All of it arrives, in order."""
    handle = opened(sender, mouth, ear, push_ms=100)
    speech = (np.arange(4000) * 13 % 7000).astype(np.int16)
    at, heard = 0, b""
    while len(heard) < 4000:
        if at < len(speech):
            at += sender.push(handle, speech[at:], True)
        packet = _audio.parse_rtp(ear.next())
        assert not isinstance(packet, int)
        heard += packet[5]
    assert heard == _audio.ulaw_encode(speech)
    assert told(sender) == (7, _audio.EVENT_PLAY_ENDED, 0, 4000)


def test_digits_are_heard_by_the_lab(sender: _audio.Sender, mouth: Ear, ear: Ear) -> None:
    """Each key once, by another implementation of RFC 4733."""
    handle = opened(sender, mouth, ear)
    sender.send_digits(handle, "42#", 60, 60)
    assert told(sender)[1] == _audio.EVENT_DIGITS_SENT
    keys: dict[int, str] = {}
    for _, octets in ear.drain():
        packet = _audio.parse_rtp(octets)
        assert not isinstance(packet, int)
        assert packet[0] == 101
        keys.setdefault(packet[3], dtmf.event_digit(packet[5])[0])
    assert "".join(keys.values()) == "42#"


def test_ipv6_is_sent_to_as_well(sender: _audio.Sender) -> None:
    """From a socket of IPv6; one of IPv4 says that it does not reach that far."""
    mouth, ear = Ear("::1"), Ear("::1")
    handle = sender.open(1, mouth.fileno(), 0, 0, ear.address, SSRC, 0, 0)
    sender.play(handle, _audio.Prompt(SOUND))
    assert len(ear.next()) == 172
    four = Ear()
    with pytest.raises(ValueError, match="does not reach"):
        sender.open(2, four.fileno(), 0, 0, ear.address, SSRC, 0, 0)
    sender.close()
    for made in (mouth, ear, four):
        made.socket.close()


def test_a_stream_waits_for_its_address(sender: _audio.Sender, mouth: Ear, ear: Ear) -> None:
    """Nothing of a prompt is lost before the far end is known; it can move, too."""
    handle = sender.open(7, mouth.fileno(), 0, 0, None, SSRC, 0, 0)
    sender.play(handle, _audio.Prompt(SOUND), 0)
    assert ear.is_silent(0.05)
    sender.redirect(handle, ear.address, None)
    first = _audio.parse_rtp(ear.next())
    assert not isinstance(first, int)
    assert first[1:3] == (True, 0)
    other = Ear()
    sender.redirect(handle, other.address, None)
    assert len(other.next()) == 172
    sender.close()
    other.socket.close()


def test_errors_are_counted_and_end_nothing(mouth: Ear, ear: Ear) -> None:
    """An address that may not be sent to: that stream's packets are lost, the others' are not."""
    sender = _audio.Sender(room=2)
    broadcast = ("255.255.255.255", 9)
    lost = sender.open(1, mouth.fileno(), 0, 0, broadcast, SSRC, 0, 0, idle=1)
    sender.open(2, mouth.fileno(), 0, 0, ear.address, SSRC, 0, 0, idle=1)
    while sender.stream_counts(lost)["errors"] < 3:
        ear.next()
    counts = sender.counts()
    assert counts["failed"] >= 3
    assert (counts["no_room"], counts["refused"]) == (0, 0)
    sender.close()


def test_a_connected_port_that_closed_is_refused_not_fatal(mouth: Ear, ear: Ear) -> None:
    """ECONNREFUSED comes with a later packet; sending goes on."""
    sender = _audio.Sender(room=2)
    with Ear().socket as closing:
        address = closing.getsockname()
    mouth.socket.connect(address)
    handle = sender.open(1, mouth.fileno(), 0, 0, address, SSRC, 0, 0, idle=1)
    deadline = time.monotonic() + 5 * slack()
    while sender.counts()["refused"] < 2 and time.monotonic() < deadline:
        ear.hear(0.02)
    assert sender.counts()["refused"] >= 2
    assert sender.stream_counts(handle)["errors"] >= 2
    sender.close()


def test_what_is_closed_says_so(sender: _audio.Sender, mouth: Ear, ear: Ear) -> None:
    """LookupError for a stream, a sender; BufferError for room; ValueError for nonsense."""
    handle = opened(sender, mouth, ear)
    sender.close_stream(handle)
    for act in (sender.close_stream, sender.stop, sender.stream_counts):
        with pytest.raises(LookupError):
            act(handle)
    with pytest.raises(LookupError):
        sender.play(handle, _audio.Prompt(SOUND))
    small = _audio.Sender(room=1)
    only = small.open(1, mouth.fileno(), 0, 0, ear.address, SSRC, 0, 0)
    with pytest.raises(BufferError):
        small.open(2, mouth.fileno(), 0, 0, ear.address, SSRC, 0, 0)
    with pytest.raises(ValueError, match="telephone-events"):
        small.send_digits(only, "1")
    with pytest.raises(ValueError, match="no DTMF digit"):
        small.send_digits(only, "x")
    with pytest.raises(ValueError, match="numeric"):
        small.redirect(only, ("localhost", 1), None)
    with pytest.raises(ValueError, match="unknown"):
        small.open(2, mouth.fileno(), 3, 0, ear.address, SSRC, 0, 0)
    small.close()
    small.close()
    with pytest.raises(LookupError):
        small.counts()


@pytest.mark.parametrize("muxed", [True, False])
def test_reports_go_both_ways(sender: _audio.Sender, mouth: Ear, ear: Ear, muxed: bool) -> None:
    """An SR within 2.5 s / 1.21828 * 1.5 with what was counted; the answer gives the round trip."""
    reports, neighbour = Ear(), Ear()
    handle = sender.open(
        7, mouth.fileno(), 0, 0, ear.address, SSRC, 0, 0,
        rtcp_to=reports.address, rtcp_fd=-1 if muxed else neighbour.fileno(), idle=1, random=0,
    )  # fmt: skip
    sender.reception(handle, 99, 100, 90, 0x20064, 17)
    compound = rtcp_parse(reports.next())
    assert reports.source == (mouth.address if muxed else neighbour.address)
    assert not isinstance(compound, int)
    ssrc, info, blocks, name, bye = compound
    assert (ssrc, name, bye) == (SSRC, b"callcore", False)
    assert blocks == [(99, 25, 10, 0x20064, 17, 0, 0)]
    assert info is not None
    now, (ntp, _, packets, octets) = time.time(), info
    assert ntp / 2**32 - 2208988800 == pytest.approx(now, abs=1.0 * slack())
    assert packets >= 40
    assert octets == packets * 160
    last = ntp >> 16 & 0xFFFFFFFF
    answer = rtcp_write((99, (ntp, 0, 0, 0), [(SSRC, 3, 4, 5, 6, last, 0)], b"x", False))
    assert sender.rtcp(handle, answer, time.monotonic_ns()) == 0
    assert sender.rtcp(handle, b"nonsense", time.monotonic_ns()) != 0
    counts = sender.stream_counts(handle)
    assert counts["round_trip"] == pytest.approx(0, abs=1.0 * slack())
    assert counts["remote"] == (SSRC, 3, 4, 5, 6, last, 0)
    assert (counts["reports_came"], counts["reports_faulty"]) == (1, 1)
    sender.close_stream(handle)
    farewell = rtcp_parse(reports.next())
    assert not isinstance(farewell, int)
    assert farewell[4]
    sender.close()
    reports.socket.close()
    neighbour.socket.close()


def test_threads_may_do_anything_while_it_sends(mouth: Ear, ear: Ear) -> None:
    """Open, play, push, stop, barge in, close from four threads; then all memory is back."""
    gc.collect()
    blocks = _audio.blocks()
    sender = _audio.Sender(room=64)
    stop = time.monotonic() + 1.0
    speech = np.zeros(500, np.int16)
    failures: list[BaseException] = []

    def act(turn: int) -> None:
        handles: list[int] = []
        for step in itertools.count(turn):
            if time.monotonic() > stop:
                return
            try:
                if len(handles) < 12:
                    handles.append(opened(sender, mouth, ear, idle=step % 3))
                handle = handles[step * 7 % len(handles)]
                sender.play(handle, _audio.Prompt(SOUND), step % 2)
                sender.push(handle, speech, step % 5 == 0)
                if step % 3 == 0:
                    sender.barge_in(handle)
                if step % 4 == 0:
                    sender.stop(handle)
                if step % 6 == 0:
                    sender.send_digits(handle, "1", 20, 20)
                if step % 8 == 0:
                    sender.close_stream(handle)
                    handles.remove(handle)
            except BufferError:
                sender.stop(handles[0])
            except BaseException as failure:  # noqa: BLE001 - told to the test
                failures.append(failure)
                return

    threads = [threading.Thread(target=act, args=(turn,)) for turn in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sender.counts()["packets"] > 0
    sender.close()
    assert _audio.blocks() <= blocks + 3  # the prompt's octets, the events until they are read


def test_a_sender_closed_by_one_thread_is_closed_for_all(mouth: Ear, ear: Ear) -> None:
    """Others in the middle of their calls find it closed, and nothing crashes."""
    for _ in range(5):
        sender = _audio.Sender(room=8)
        handle = opened(sender, mouth, ear, idle=1)

        def use(sender: _audio.Sender = sender, handle: int = handle) -> None:
            try:
                while True:
                    sender.stop(handle)
                    sender.play(handle, _audio.Prompt(SOUND))
            except LookupError:
                return

        threads = [threading.Thread(target=use) for _ in range(3)]
        for thread in threads:
            thread.start()
        ear.next()
        sender.close()
        for thread in threads:
            thread.join()


@pytest.fixture
def no_memory() -> Iterator[None]:
    yield
    _audio.fail_after(-1)


@pytest.mark.usefixtures("no_memory")
def test_without_memory_nothing_is_half_open(mouth: Ear, ear: Ear) -> None:
    """Each allocation of sender, stream, prompt and push fails once; none is left behind."""
    samples = np.zeros(800, np.int16)
    gc.collect()
    for room in itertools.count():
        before = _audio.blocks()
        sender: _audio.Sender | None = None
        prompt = None
        _audio.fail_after(room)
        try:
            sender = _audio.Sender(room=4)
            handle = opened(sender, mouth, ear)
            prompt = _audio.Prompt(samples)
            sender.play(handle, prompt)
            sender.push(handle, samples)
            break
        except MemoryError:
            _audio.fail_after(-1)
        if sender is not None:
            sender.close()
        sender = prompt = None
        assert _audio.blocks() == before
    _audio.fail_after(-1)
    assert room >= 12
    assert len(ear.next()) == 172
    assert sender is not None
    sender.close()


def test_the_thread_sleeps_while_there_is_nobody_to_send_to() -> None:
    """No wake-ups every 5 ms for an idle server."""
    sender = _audio.Sender()
    tasks = [path for path in Path("/proc/self/task").iterdir() if "callcore-send" in name_of(path)]
    (task,) = tasks
    before = switches(task)
    time.sleep(0.2)
    assert switches(task) - before <= 2
    sender.close()


def name_of(task: Path) -> str:
    return (task / "comm").read_text()


def switches(task: Path) -> int:
    lines = (task / "status").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)
