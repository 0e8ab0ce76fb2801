"""What was really on the wire: SIP packets on loopback with kernel times, read back offline.

A raw AF_PACKET socket in a thread of its own is lighter than tcpdump and needs no other program;
it needs root or CAP_NET_RAW.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from callcore.lab.errors import SipSyntaxError, ToolError
from callcore.lab.sip import parse, parse_name_address

Address = tuple[str, int]

_ETH_P_IP = 0x0800
_SO_TIMESTAMPNS = 35
_SO_ATTACH_FILTER = 26
_SO_RCVBUFFORCE = 33
_PACKET_OUTGOING = 4
_BUFFER = 64 << 20
_TIMESPEC = struct.Struct("@qq")


@dataclass(frozen=True)
class WireMessage:
    """One SIP message as it passed by."""

    at: float
    """Wall clock of the kernel, in seconds with microseconds."""
    source: Address
    destination: Address
    method: str
    """Of a request; empty for a response."""
    status: int
    """Of a response; 0 for a request."""
    call_id: str
    cseq_number: int
    cseq_method: str
    from_user: str
    to_user: str
    request_uri: str


class PacketCapture:
    """Collects the packets of an interface that a BPF program takes, up to `octets` of each."""

    def __init__(self, interface: str, program: bytes, octets: int) -> None:
        self._interface, self._program, self._octets = interface, program, octets
        #: When the kernel saw it, and the packet from its IPv4 header on.
        self.packets: list[tuple[float, bytes]] = []
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Begin; raises ToolError without the right to do so."""
        sock = packet_socket(self._interface, self._program)
        self._stopping.clear()
        self._thread = threading.Thread(target=self._collect, args=(sock,), name="packet-capture")
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _collect(self, sock: socket.socket) -> None:
        with sock:
            while not self._stopping.is_set():
                try:
                    data, control, _, address = sock.recvmsg(self._octets, 64)
                except TimeoutError:
                    continue
                # On loopback each packet is seen going out and coming in: keep one.
                if address[2] != _PACKET_OUTGOING:
                    self.packets.append((packet_time(control), data))


class SipCapture(PacketCapture):
    """Collects UDP packets whose source or destination port is one of ``ports``."""

    def __init__(self, ports: Sequence[int], interface: str = "lo") -> None:
        super().__init__(interface, _filter_ports(sorted(set(ports))), 65536)

    def messages(self) -> list[WireMessage]:
        """Everything captured until now, in order of time; call it when nothing is measured."""
        found = (read_packet(at, data) for at, data in list(self.packets))
        return sorted((m for m in found if m is not None), key=lambda message: message.at)


def packet_socket(interface: str, program: bytes) -> socket.socket:
    """Packets of an interface that a BPF program takes, with the kernel's times; raises ToolError
    without the right to look."""
    try:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
    except PermissionError:
        raise ToolError("capturing packets needs root or CAP_NET_RAW") from None
    memory = ctypes.create_string_buffer(program)
    loaded = struct.pack("HL", len(program) // 8, ctypes.addressof(memory))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, loaded)
    sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
    sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    sock.bind((interface, _ETH_P_IP))
    sock.settimeout(0.1)
    return sock


def packet_time(control: Iterable[tuple[int, int, bytes]]) -> float:
    """When the kernel saw it, in seconds."""
    for level, kind, data in control:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
            seconds, nanoseconds = _TIMESPEC.unpack(data)
            return float(seconds + nanoseconds / 1e9)
    raise ToolError("the kernel gave no receive time")


def _filter_ports(ports: Sequence[int]) -> bytes:
    """A BPF program, so that the RTP of the same run never reaches Python."""
    if len(ports) > 100:  # jumps of BPF are one byte
        raise ToolError("at most 100 ports can be captured")
    accept_after = len(ports)
    program: list[tuple[int, int, int, int]] = [
        (0x30, 0, 0, 9),  # load protocol
        (0x15, 0, 2 * accept_after + 3, 17),  # not UDP: drop
        (0xB1, 0, 0, 0),  # X = length of the IP header
    ]
    for offset in (0, 2):  # source port, destination port
        program.append((0x48, 0, 0, offset))
        for index, port in enumerate(ports):
            left = accept_after - index - 1 + (accept_after + 1 if offset == 0 else 0)
            program.append((0x15, left + 1, 0, port))
    program.append((0x06, 0, 0, 0))  # drop
    program.append((0x06, 0, 0, 65535))  # take it whole
    return b"".join(struct.pack("HBBI", *instruction) for instruction in program)


def read_packet(at: float, data: bytes) -> WireMessage | None:
    """Read an IPv4 packet; None if it carries no SIP message."""
    header = (data[0] & 0x0F) * 4 if data else 0
    if len(data) < header + 8 or data[9] != 17:
        return None
    source_port, destination_port, length = struct.unpack_from("!HHH", data, header)
    body = data[header + 8 : header + length]
    try:
        message = parse(body)
    except SipSyntaxError:
        return None
    number, method = message.cseq
    return WireMessage(
        at=at,
        source=(socket.inet_ntoa(data[12:16]), source_port),
        destination=(socket.inet_ntoa(data[16:20]), destination_port),
        method=message.method,
        status=message.status,
        call_id=message.call_id,
        cseq_number=number,
        cseq_method=method,
        from_user=parse_name_address(message.get("from")).user,
        to_user=parse_name_address(message.get("to")).user,
        request_uri=message.uri,
    )


# --- questions benchmarks ask ---


@dataclass(frozen=True)
class Offer:
    """One INVITE dialog at a phone: from the INVITE until it was refused, cancelled or hung up."""

    phone: str
    """The user part of the request URI."""
    call_id: str
    caller: str
    """The From user of the INVITE."""
    began: float
    answered: float | None
    ended: float | None


def offers(messages: Iterable[WireMessage], phones: Iterable[Address]) -> list[Offer]:
    """Every INVITE that reached one of these phone addresses, retransmissions counted once."""
    addresses = frozenset(phones)
    invites: dict[str, WireMessage] = {}
    answered: dict[str, float] = {}
    ended: dict[str, float] = {}
    for message in messages:
        key = message.call_id
        if message.method == "INVITE" and message.destination in addresses:
            invites.setdefault(key, message)
        elif key not in invites:
            continue
        elif message.cseq_method == "INVITE" and message.status >= 300:
            ended.setdefault(key, message.at)
        elif message.cseq_method == "INVITE" and 200 <= message.status < 300:
            answered.setdefault(key, message.at)
        elif message.cseq_method == "BYE" and message.status >= 200:
            ended.setdefault(key, message.at)
    return [
        Offer(
            _user(invite.request_uri),
            key,
            invite.from_user,
            invite.at,
            answered.get(key),
            ended.get(key),
        )
        for key, invite in invites.items()
    ]


def double_offers(found: Sequence[Offer]) -> list[tuple[Offer, Offer]]:
    """Pairs of dialogs that overlapped at one phone."""
    pairs: list[tuple[Offer, Offer]] = []
    open_offers: dict[str, Offer] = {}
    for offer in sorted(found, key=lambda item: item.began):
        before = open_offers.get(offer.phone)
        if before is not None and (before.ended is None or before.ended > offer.began):
            pairs.append((before, offer))
        open_offers[offer.phone] = offer
    return pairs


def answers_to_callers(
    messages: Iterable[WireMessage], callers: Iterable[Address]
) -> dict[str, float]:
    """For each caller (From user) when the 200 OK of its INVITE reached it."""
    addresses = frozenset(callers)
    found: dict[str, float] = {}
    for message in messages:
        if (
            message.status == 200
            and message.cseq_method == "INVITE"
            and message.destination in addresses
        ):
            found.setdefault(message.from_user, message.at)
    return found


def join_to_ring(
    messages: Sequence[WireMessage], callers: Iterable[Address], phones: Iterable[Address]
) -> dict[str, float]:
    """Seconds from a caller's 200 OK to the first INVITE at a phone that names this caller."""
    joined = answers_to_callers(messages, callers)
    rang: dict[str, float] = {}
    for offer in sorted(offers(messages, phones), key=lambda item: item.began):
        rang.setdefault(offer.caller, offer.began)
    return {user: rang[user] - at for user, at in joined.items() if user in rang}


def idle_gaps(found: Sequence[Offer]) -> list[float]:
    """Seconds each phone waited between the end of one dialog and the next INVITE."""
    gaps: list[float] = []
    ended: dict[str, float] = {}
    for offer in sorted(found, key=lambda item: item.began):
        if offer.phone in ended:
            gaps.append(offer.began - ended[offer.phone])
        if offer.ended is not None:
            ended[offer.phone] = offer.ended
    return gaps


def _user(uri: str) -> str:
    return uri.partition(":")[2].partition("@")[0]
