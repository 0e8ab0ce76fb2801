"""SIP transactions of a lab phone: retransmission, matching and absorbing (RFC 3261 §17)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from callcore.lab.sip import SipMessage, response_to
from callcore.lab.transport import Address

Send = Callable[[SipMessage, Address], None]


@dataclass(frozen=True)
class SipTimers:
    """RFC 3261 §17.1.1.1; tests of time-outs shorten them."""

    t1: float = 0.5
    t2: float = 4.0
    give_up: float = 32.0


def new_branch() -> str:
    return "z9hG4bK" + secrets.token_hex(8)


@dataclass
class ClientTransaction:
    """A request of ours; responses are put in ``answers``, None when it timed out."""

    request: SipMessage
    remote: Address
    answers: asyncio.Queue[SipMessage | None] = field(default_factory=asyncio.Queue)
    provisional: bool = False
    final: SipMessage | None = None
    ack: SipMessage | None = None
    timer: asyncio.TimerHandle | None = None

    def stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


@dataclass
class ServerTransaction:
    """A request of theirs and the last response to it."""

    request: SipMessage
    remote: Address
    response: SipMessage | None = None
    acknowledged: bool = False
    timer: asyncio.TimerHandle | None = None

    def stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class TransactionLayer:
    """Both kinds of transactions of one phone, by branch and method."""

    def __init__(self, send: Send, reliable: bool, timers: SipTimers) -> None:
        self._send = send
        self._reliable = reliable
        self._timers = timers
        self._loop = asyncio.get_running_loop()
        self._clients: dict[tuple[str, str], ClientTransaction] = {}
        self._servers: dict[tuple[str, str], ServerTransaction] = {}
        self._expiries: dict[tuple[str, str, str], asyncio.TimerHandle] = {}

    def close(self) -> None:
        for client in self._clients.values():
            client.stop_timer()
        for server in self._servers.values():
            server.stop_timer()
        for handle in self._expiries.values():
            handle.cancel()

    # --- client side ---

    def request(self, request: SipMessage, remote: Address) -> ClientTransaction:
        """Send a request and retransmit it until it is answered."""
        transaction = ClientTransaction(request, remote)
        self._clients[(request.branch, request.method)] = transaction
        self._send(request, remote)
        self._retransmit(transaction, self._timers.t1, self._loop.time())
        return transaction

    def _retransmit(self, transaction: ClientTransaction, wait: float, began: float) -> None:
        def again() -> None:
            invite = transaction.request.method == "INVITE"
            if self._loop.time() - began >= self._timers.give_up:
                if not (invite and transaction.provisional):
                    transaction.answers.put_nowait(None)
                return
            if not self._reliable and not (invite and transaction.provisional):
                self._send(transaction.request, transaction.remote)
            self._retransmit(transaction, min(2 * wait, self._timers.t2), began)

        transaction.timer = self._loop.call_later(wait, again)

    def response(self, response: SipMessage, remote: Address) -> None:
        """A response arrived; retransmitted failures of an INVITE are acknowledged again."""
        key = (response.branch, response.cseq[1])
        transaction = self._clients.get(key)
        if transaction is None:
            return
        if response.status < 200:
            transaction.provisional = True
            transaction.answers.put_nowait(response)
            return
        transaction.stop_timer()
        if transaction.final is not None:
            if transaction.ack is not None:
                self._send(transaction.ack, transaction.remote)
            return
        transaction.final = response
        if key[1] == "INVITE" and response.status >= 300:
            transaction.ack = _failure_ack(transaction.request, response)
            self._send(transaction.ack, transaction.remote)
        transaction.answers.put_nowait(response)
        self._expire(("client", *key), lambda: self._clients.pop(key, None))

    # --- server side ---

    def incoming(self, request: SipMessage, remote: Address) -> ServerTransaction | None:
        """A new server transaction, or None for a retransmission (answered here)."""
        key = (request.branch, request.method)
        known = self._servers.get(key)
        if known is not None:
            if known.response is not None:
                self._send(known.response, known.remote)
            return None
        transaction = ServerTransaction(request, remote)
        self._servers[key] = transaction
        return transaction

    def respond(self, transaction: ServerTransaction, response: SipMessage) -> None:
        """Answer; final answers to INVITE are repeated until the ACK (§13.3.1.4, §17.2.1)."""
        transaction.response = response
        self._send(response, transaction.remote)
        if response.status < 200:
            return
        request = transaction.request
        key = (request.branch, request.method)
        self._expire(("server", *key), lambda: self._servers.pop(key, None))
        if request.method == "INVITE" and (not self._reliable or response.status < 300):
            self._repeat_final(transaction, self._timers.t1, self._loop.time())

    def _repeat_final(self, transaction: ServerTransaction, wait: float, began: float) -> None:
        def again() -> None:
            if self._loop.time() - began < self._timers.give_up and transaction.response:
                self._send(transaction.response, transaction.remote)
                self._repeat_final(transaction, min(2 * wait, self._timers.t2), began)

        transaction.timer = self._loop.call_later(wait, again)

    def acknowledged(self, ack: SipMessage) -> None:
        """An ACK stops the repeated answer; that of a 2xx has a branch of its own."""
        for transaction in self._servers.values():
            request = transaction.request
            if (
                request.method == "INVITE"
                and request.call_id == ack.call_id
                and request.cseq[0] == ack.cseq[0]
            ):
                transaction.acknowledged = True
                transaction.stop_timer()

    def cancelled(self, cancel: SipMessage) -> ServerTransaction | None:
        """The INVITE a CANCEL means."""
        return self._servers.get((cancel.branch, "INVITE"))

    def _expire(self, key: tuple[str, str, str], forget: Callable[[], object]) -> None:
        """Keep a finished transaction so that late retransmissions find it, then forget it."""

        def expired() -> None:
            self._expiries.pop(key, None)
            forget()

        self._expiries[key] = self._loop.call_later(self._timers.give_up, expired)


def _failure_ack(request: SipMessage, response: SipMessage) -> SipMessage:
    """The ACK of a refused INVITE belongs to its transaction (RFC 3261 §17.1.1.3)."""
    ack = SipMessage(method="ACK", uri=request.uri)
    ack.add("Via", request.get("via"))
    ack.add("Max-Forwards", "70")
    for route in request.all("route"):
        ack.add("Route", route)
    ack.add("From", request.get("from"))
    ack.add("To", response.get("to"))
    ack.add("Call-ID", request.call_id)
    ack.add("CSeq", f"{request.cseq[0]} ACK")
    return ack


def simple_response(transaction: ServerTransaction, status: int, to_tag: str = "") -> SipMessage:
    """A response without body."""
    return response_to(transaction.request, status, to_tag)
