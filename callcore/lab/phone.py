"""A scriptable SIP phone for tests: registers, calls, is called, transfers, and misbehaves."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import ssl
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

from callcore.lab.call import Call, LogEntry
from callcore.lab.dialog import Dialog, answering_dialog
from callcore.lab.errors import LabError, LabTimeout, RegistrationFailed, SipSyntaxError
from callcore.lab.sip import (
    SipMessage,
    digest_answer,
    parse,
    quote_display,
    response_to,
)
from callcore.lab.transactions import (
    ClientTransaction,
    ServerTransaction,
    SipTimers,
    TransactionLayer,
    new_branch,
)
from callcore.lab.transport import Address, SipTransport, open_transport


@dataclass
class _Loss:
    """So many more messages of a kind vanish."""

    what: str
    sent: bool
    times: int


class Phone:
    """One SIP user agent; use as ``async with Phone(...) as phone``.

    ``server`` is where requests go; ``patience`` bounds every wait that names no time of its own.
    """

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
        self.registered = False
        self.deaf = False
        """Everything received is thrown away: a phone that is switched off."""
        self._bind = (host, port)
        self._kind = transport.upper()
        self._tls = tls
        self._timers = timers or SipTimers()
        self._transport: SipTransport | None = None
        self._layer: TransactionLayer | None = None
        self._by_call_id: dict[str, Call] = {}
        self._arrivals: asyncio.Queue[Call] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._losses: list[_Loss] = []
        self._register_id = secrets.token_hex(8)
        self._register_sequence = 0
        self._refresh: asyncio.Task[None] | None = None

    # --- life ---

    async def __aenter__(self) -> Phone:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Bind the socket."""
        self._transport = await open_transport(self._kind, *self._bind, self._received, self._tls)
        self._layer = TransactionLayer(self._send, self._kind != "UDP", self._timers)

    async def close(self) -> None:
        """Hang up what is open, unregister, close all sockets, end all tasks."""
        for call in list(self._by_call_id.values()):
            if not call.ended.happened and not self.deaf and self._transport is not None:
                await self._hang_up_quietly(call)
        if self.registered and not self.deaf and self._transport is not None:
            await self._unregister_quietly()
        await self.drop_socket()
        if self.failures:
            raise LabError(f"phone {self.user}: background work failed") from self.failures[0]

    async def _hang_up_quietly(self, call: Call) -> None:
        try:
            async with asyncio.timeout(2):
                await call.hang_up()
        except (LabError, TimeoutError):
            call.finish("fault", 0)

    async def _unregister_quietly(self) -> None:
        """A contact left behind would get the calls of the next phone of this user."""
        with contextlib.suppress(LabError, OSError, TimeoutError):
            async with asyncio.timeout(1):
                await self.unregister()

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

    # --- registration ---

    async def register(self, expires: int = 300, keep: bool = False) -> SipMessage:
        """REGISTER with digest; ``keep`` renews it at half time until the phone closes."""
        answer = await self._register(expires)
        if keep and self._refresh is None:
            self._refresh = self._start(self._keep_registered(expires))
        return answer

    async def unregister(self) -> SipMessage:
        if self._refresh is not None:
            self._refresh.cancel()
            self._refresh = None
        return await self._register(0)

    async def _register(self, expires: int) -> SipMessage:
        self._register_sequence += 1
        own = f"<{self.address_of_record}>"
        request = self._request("REGISTER", f"sip:{self.server[0]}:{self.server[1]}", own, own)
        request.replace("Call-ID", self._register_id)
        request.replace("CSeq", f"{self._register_sequence} REGISTER")
        request.add("Contact", self.contact)
        request.add("Expires", str(expires))
        try:
            answer = await self.transact(request, self.server)
        except LabTimeout as exc:
            raise RegistrationFailed(f"{self.user}: REGISTER not answered", None) from exc
        self._register_sequence = answer.cseq[0]
        self.registered = answer.status < 300 and expires > 0
        if answer.status >= 300:
            raise RegistrationFailed(
                f"{self.user}: REGISTER refused with {answer.status} {answer.phrase}",
                answer.status,
                self.transcript(),
            )
        return answer

    async def _keep_registered(self, expires: int) -> None:
        while True:
            await asyncio.sleep(expires / 2)
            await self._register(expires)

    # --- calls ---

    async def dial(
        self,
        number: str,
        server: Address | None = None,
        *,
        display: str | None = None,
        raw_display: str | None = None,
        from_user: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Call:
        """Send an INVITE; ``display`` is quoted properly, ``raw_display`` goes out as it is."""
        target = server or self.server
        uri = (
            number
            if number.startswith("sip:")
            else (f"sip:{number}@{target[0]}:{target[1]}{self._uri_transport()}")
        )
        name = raw_display if raw_display is not None else quote_display(display) if display else ""
        user = from_user if from_user is not None else self.user
        local = f"{name} <sip:{user}@{self.server[0]}>".strip()
        invite = self._request("INVITE", uri, local, f"<{uri}>")
        invite.add("Contact", self.contact)
        invite.add("Allow", self.ALLOW)
        invite.add("Supported", "replaces")
        for key, value in (headers or {}).items():
            invite.add(key, value)
        dialog = Dialog(
            invite.call_id, invite.get("from"), invite.get("to"), uri, self.contact, target
        )
        call = self._add_call(Call(self, True, invite, dialog))
        call.first_offer()
        self._start(self._invite(call))
        return call

    async def incoming(self, timeout: float | None = None) -> Call:
        """The next call that arrives (or has arrived)."""
        wait = self.patience if timeout is None else timeout
        try:
            return await asyncio.wait_for(self._arrivals.get(), wait)
        except TimeoutError:
            raise LabTimeout(f"{self.user}: no call within {wait:g} s", self.transcript()) from None

    async def serve(self, handler: Callable[[Call], Awaitable[None]]) -> None:
        """Let a handler take every incoming call, each in a task; runs until cancelled."""

        async def handle(call: Call) -> None:
            await handler(call)

        async with asyncio.TaskGroup() as group:
            while True:
                group.create_task(handle(await self._arrivals.get()))

    def _add_call(self, call: Call) -> Call:
        self.calls.append(call)
        self._by_call_id[call.call_id] = call
        return call

    async def _invite(self, call: Call) -> None:
        """Drive the INVITE of an outgoing call to its final answer."""

        def started(transaction: ClientTransaction) -> None:
            call.client = transaction

        try:
            answer = await self.transact(
                call.invite,
                call.dialog.destination,
                call,
                lambda response: self._progress(call, response),
                started,
            )
        except LabError:
            call.finish("fault", 408)
            return
        if answer.status >= 300:
            by = "local" if call.hanging_up else "remote"
            call.finish(by, answer.status, answer.get("reason"))
            return
        call.accept_answer(answer)
        call.answered.reach(answer)
        if call.hanging_up:  # the answer crossed our CANCEL
            await call.hang_up()

    def _progress(self, call: Call, response: SipMessage) -> None:
        call.provisional.append(response.status)
        if response.to_tag:
            call.dialog.learn_from_answer(response)
        if response.body:
            call.accept_answer(response)
            call.early_media.reach(response)
        if response.status == 180:
            call.ringing.reach(response)
        if call.hanging_up:
            self.cancel(call, "")

    def cancel(self, call: Call, reason: str) -> None:
        """CANCEL may only follow a provisional answer (RFC 3261 §9.1); until then it waits."""
        transaction = call.client
        if transaction is None or not transaction.provisional or transaction.final is not None:
            return
        invite = transaction.request
        cancel = SipMessage(method="CANCEL", uri=invite.uri)
        for name in ("Via", "Max-Forwards", "From", "To", "Call-ID"):
            cancel.add(name, invite.get(name))
        cancel.add("CSeq", f"{invite.cseq[0]} CANCEL")
        if reason:
            cancel.add("Reason", reason)
        if (cancel.branch, "CANCEL") not in {
            (r.message.branch, r.message.method) for r in call.log
        }:
            self._start(self._send_cancel(cancel, call))

    async def _send_cancel(self, cancel: SipMessage, call: Call) -> None:
        try:
            await self.transact(cancel, call.dialog.destination, call)
        except LabTimeout:
            call.finish("fault", 408)

    # --- requests out ---

    def _request(self, method: str, uri: str, local: str, remote: str) -> SipMessage:
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
        request = self._request("OPTIONS", f"sip:{target[0]}:{target[1]}", own, own)
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
            self._acknowledged(message)
        else:
            transaction = self._layer.incoming(message, remote)
            if transaction is not None:
                self._requested(transaction)

    def _note(self, message: SipMessage, sent: bool) -> None:
        entry = LogEntry(time.time(), sent, message)
        call = self._by_call_id.get(message.call_id)
        (call.log if call is not None else self.log).append(entry)

    def transcript(self, last: int = 14) -> list[str]:
        return [str(entry) for entry in self.log[-last:]]

    def _requested(self, transaction: ServerTransaction) -> None:
        request = transaction.request
        call = self._by_call_id.get(request.call_id)
        if request.method == "CANCEL":
            self._cancelled(transaction, call)
        elif call is not None and request.to_tag:
            self._requested_in_dialog(transaction, call)
        elif request.method == "INVITE":
            self._invited(transaction)
        elif request.method in ("OPTIONS", "NOTIFY", "MESSAGE", "INFO"):
            self.respond(transaction, self._plain(request, 200))
        else:
            self.respond(transaction, self._plain(request, 481 if request.to_tag else 405))

    def _plain(self, request: SipMessage, status: int) -> SipMessage:
        response = response_to(request, status, secrets.token_hex(6))
        response.add("Allow", self.ALLOW)
        return response

    def _invited(self, transaction: ServerTransaction) -> None:
        invite = transaction.request
        tag = secrets.token_hex(6)
        dialog = answering_dialog(invite, tag, self.contact, transaction.remote)
        call = self._add_call(Call(self, False, invite, dialog))
        call.log.append(LogEntry(time.time(), False, invite))
        call.server = transaction
        self.respond(transaction, response_to(invite, 100))
        self._arrivals.put_nowait(call)

    def _requested_in_dialog(self, transaction: ServerTransaction, call: Call) -> None:
        request = transaction.request
        if request.method in ("INVITE", "UPDATE") and not call.ended.happened:
            call.reoffer(transaction)
            return
        if request.method == "NOTIFY":
            call.notify(request)
        if request.method == "BYE":
            call.finish("remote", 200, request.get("reason"))
        known = request.method in ("BYE", "NOTIFY", "INFO", "OPTIONS", "MESSAGE")
        status = 200 if known else 481 if call.ended.happened else 405
        self.respond(transaction, self._plain(request, status), call)

    def _cancelled(self, transaction: ServerTransaction, call: Call | None) -> None:
        if self._layer is None:
            return
        invite = self._layer.cancelled(transaction.request)
        self.respond(transaction, self._plain(transaction.request, 200 if invite else 481), call)
        if invite is None or call is None or call.ended.happened:
            return
        if invite.response is None or invite.response.status < 200:
            self.respond(invite, response_to(invite.request, 487, call.dialog.local_tag), call)
            call.finish("remote", 487, transaction.request.get("reason"))

    def _acknowledged(self, ack: SipMessage) -> None:
        if self._layer is not None:
            self._layer.acknowledged(ack)
        call = self._by_call_id.get(ack.call_id)
        if call is None or call.outgoing or call.ended.happened:
            return
        call.accept_answer(ack)
        call.answered.reach(ack)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.failures.append(error)
