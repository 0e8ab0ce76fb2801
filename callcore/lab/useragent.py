"""What every lab phone stands on: a socket, transactions, digest, background tasks and faults."""

from __future__ import annotations

import asyncio
import secrets
import ssl
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypedDict

from callcore.lab.dialog import Dialog
from callcore.lab.errors import LabError, LabTimeout, SipSyntaxError
from callcore.lab.sip import LogEntry, SipMessage, digest_answer, parse, response_to
from callcore.lab.transactions import (
    ClientTransaction,
    ServerTransaction,
    SipTimers,
    TransactionLayer,
    new_branch,
)
from callcore.lab.transport import Address, SipTransport, open_transport

if TYPE_CHECKING:
    from callcore.lab.call import Call


@dataclass
class _Loss:
    """So many more messages of a kind vanish."""

    what: str
    sent: bool
    times: int


class PhoneOptions(TypedDict, total=False):
    """What a phone may be told beside user, password and server."""

    host: str
    port: int
    transport: str
    tls: ssl.SSLContext | None
    serving: ssl.SSLContext | None
    codecs: tuple[str, ...]
    telephone_event: bool
    patience: float
    timers: SipTimers | None
    keep_audio: bool


class UserAgent:
    """Sends requests and answers, keeps the log; what requests mean is the phone's business."""

    ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, NOTIFY, REFER, MESSAGE"

    def __init__(
        self,
        user: str,
        password: str = "",
        *,
        server: Address,
        host: str = "127.0.0.1",
        port: int = 0,
        transport: str = "UDP",
        tls: ssl.SSLContext | None = None,
        serving: ssl.SSLContext | None = None,
        codecs: tuple[str, ...] = ("PCMU", "PCMA"),
        telephone_event: bool = True,
        patience: float = 10.0,
        timers: SipTimers | None = None,
        keep_audio: bool = True,
    ) -> None:
        self.user = user
        self.password = password
        self.server = server
        self.codecs = codecs
        self.telephone_event = telephone_event
        self.patience = patience
        self.keep_audio = keep_audio
        self.log: list[LogEntry] = []
        self.calls: list[Call] = []
        self.failures: list[BaseException] = []
        """Errors of background work (INVITE, CANCEL, refresh); ``close`` raises the first."""
        self.deaf = False
        """Everything received is thrown away: a phone that is switched off."""
        self._bind = (host, port)
        self._kind = transport.upper()
        self._tls, self._serving = tls, serving
        self._timers = timers or SipTimers()
        self._transport: SipTransport | None = None
        self._layer: TransactionLayer | None = None
        self._by_call_id: dict[str, Call] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._losses: list[_Loss] = []

    # --- life ---

    async def open(self) -> None:
        """Bind the socket."""
        self._transport = await open_transport(
            self._kind, *self._bind, self._received, self._tls, self._serving
        )
        self._layer = TransactionLayer(self._send, self._kind != "UDP", self._timers)

    async def drop_socket(self) -> None:
        """Vanish without a word: no BYE, no unregister."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._layer is not None:
            self._layer.close()
        if self._transport is not None:
            self._transport.close()
            self._transport = None
        for call in self._by_call_id.values():
            call.finish("fault", 0)

    # --- addresses ---

    @property
    def local(self) -> Address:
        if self._transport is None:
            raise LabError(f"phone {self.user} is not open")
        return self._transport.local

    @property
    def address_of_record(self) -> str:
        return self.uri_of(self.user)

    def uri_of(self, number: str) -> str:
        """The sip: URI of a number at the server."""
        return f"sip:{number}@{self.server[0]}:{self.server[1]}{self._uri_transport()}"

    @property
    def contact(self) -> str:
        host, port = self.local
        return f"<sip:{self.user}@{host}:{port}{self._uri_transport()}>"

    def _uri_transport(self) -> str:
        return "" if self._kind == "UDP" else f";transport={self._kind.lower()}"

    def _via(self) -> str:
        host, port = self.local
        return f"SIP/2.0/{self._kind} {host}:{port};branch={new_branch()};rport"

    # --- requests out ---

    def new_request(self, method: str, uri: str, local: str, remote: str) -> SipMessage:
        request = SipMessage(method=method, uri=uri)
        request.add("Via", self._via())
        request.add("Max-Forwards", "70")
        request.add("From", f"{local};tag={secrets.token_hex(6)}")
        request.add("To", remote)
        request.add("Call-ID", f"{secrets.token_hex(10)}@{self.local[0]}")
        request.add("CSeq", f"1 {method}")
        request.add("User-Agent", "callcore-lab")
        return request

    def in_dialog(self, dialog: Dialog, method: str) -> SipMessage:
        return dialog.request(method, self._via())

    async def options(self, server: Address | None = None) -> SipMessage:
        """OPTIONS to the server."""
        target = server or self.server
        own = f"<{self.address_of_record}>"
        request = self.new_request("OPTIONS", f"sip:{target[0]}:{target[1]}", own, own)
        return await self.transact(request, target)

    async def transact(
        self,
        request: SipMessage,
        remote: Address,
        call: Call | None = None,
        on_progress: Callable[[SipMessage], None] | None = None,
        on_start: Callable[[ClientTransaction], None] | None = None,
    ) -> SipMessage:
        """Send a request, answer a digest challenge once, return the final response."""
        if self._transport is None or self._layer is None:
            raise LabError(f"phone {self.user} is not open")
        await self._transport.connect(remote)
        for attempt in range(2):
            transaction = self._layer.request(request, remote)
            if on_start is not None:
                on_start(transaction)
            answer = await self._final(transaction, on_progress, call)
            if request.method == "INVITE" and answer.status < 300 and call is not None:
                self._acknowledge(transaction, answer, call)
            if answer.status not in (401, 407) or attempt or not self.password:
                break
            request = self._authorised(request, answer)
            if call is not None:
                call.dialog.sequence = request.cseq[0]
        return answer

    async def _final(
        self,
        transaction: ClientTransaction,
        on_progress: Callable[[SipMessage], None] | None,
        call: Call | None,
    ) -> SipMessage:
        while True:
            answer = await transaction.answers.get()
            if answer is None:
                raise LabTimeout(
                    f"{transaction.request.method} was not answered",
                    call.transcript() if call else self.transcript(),
                )
            if answer.status >= 200:
                return answer
            if on_progress is not None:
                on_progress(answer)

    def _authorised(self, request: SipMessage, challenge: SipMessage) -> SipMessage:
        proxy = challenge.status == 407
        value = digest_answer(
            challenge.all("proxy-authenticate" if proxy else "www-authenticate"),
            request.method,
            request.uri,
            self.user,
            self.password,
        )
        if value is None:
            raise LabError(f"no digest algorithm known for {challenge}", self.transcript())
        number, method = request.cseq
        request = replace(request, headers=list(request.headers))  # the log keeps the first one
        request.replace("CSeq", f"{number + 1} {method}")
        request.headers = [("Via", self._via()), *[h for h in request.headers if h[0] != "Via"]]
        request.replace("Proxy-Authorization" if proxy else "Authorization", value)
        return request

    def _acknowledge(self, transaction: ClientTransaction, answer: SipMessage, call: Call) -> None:
        """ACK of a 2xx: a request of its own, repeated for each repeated answer."""
        call.dialog.learn_from_answer(answer)
        number = transaction.request.cseq[0]
        transaction.ack = call.dialog.request("ACK", self._via(), sequence=number)
        self._send(transaction.ack, call.dialog.destination)

    def respond(
        self, transaction: ServerTransaction, response: SipMessage, call: Call | None = None
    ) -> None:
        if self._layer is None:
            raise LabError(f"phone {self.user} is not open")
        self._layer.respond(transaction, response)

    def plain_response(self, request: SipMessage, status: int) -> SipMessage:
        response = response_to(request, status, secrets.token_hex(6))
        response.add("Allow", self.ALLOW)
        return response

    # --- faults ---

    async def send_raw(self, data: bytes, server: Address | None = None) -> None:
        """Any bytes at all."""
        if self._transport is None:
            raise LabError(f"phone {self.user} is not open")
        await self._transport.connect(server or self.server)
        self._transport.send(data, server or self.server)

    def lose_sent(self, what: str, times: int = 1) -> None:
        """The next messages of a method ("ACK") or status ("200") we send vanish."""
        self._losses.append(_Loss(what, True, times))

    def lose_received(self, what: str, times: int = 1) -> None:
        """The next messages of a method or status that arrive vanish."""
        self._losses.append(_Loss(what, False, times))

    def _is_lost(self, message: SipMessage, sent: bool) -> bool:
        name = message.method or str(message.status)
        for loss in self._losses:
            if loss.sent == sent and loss.what == name and loss.times > 0:
                loss.times -= 1
                return True
        return False

    # --- wire ---

    def _send(self, message: SipMessage, remote: Address) -> None:
        self._note(message, sent=True)
        if self._transport is not None and not self._is_lost(message, sent=True):
            self._transport.send(message.encode(), remote)

    def _received(self, data: bytes, remote: Address) -> None:
        if self.deaf or not data.strip():
            return
        try:
            message = parse(data)
        except SipSyntaxError:
            return  # noise on the port is no business of a test phone
        if self._is_lost(message, sent=False) or self._layer is None:
            return
        self._note(message, sent=False)
        if not message.is_request:
            self._layer.response(message, remote)
        elif message.method == "ACK":
            self.acknowledged(message)
        else:
            transaction = self._layer.incoming(message, remote)
            if transaction is not None:
                self.requested(transaction)

    def _note(self, message: SipMessage, sent: bool) -> None:
        entry = LogEntry(time.time(), sent, message)
        call = self._by_call_id.get(message.call_id)
        (call.log if call is not None else self.log).append(entry)

    def transcript(self, last: int = 14) -> list[str]:
        return [str(entry) for entry in self.log[-last:]]

    # --- background work ---

    def start_task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.failures.append(error)

    # --- the phone's business ---

    def requested(self, transaction: ServerTransaction) -> None:
        """A new request arrived."""
        raise NotImplementedError

    def acknowledged(self, ack: SipMessage) -> None:
        """An ACK arrived."""
        raise NotImplementedError
