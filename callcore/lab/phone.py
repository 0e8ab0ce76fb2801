"""A scriptable SIP phone for tests: registers, calls, is called, transfers, and misbehaves."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Unpack

from callcore.lab.call import Call
from callcore.lab.dialog import Dialog, answering_dialog
from callcore.lab.errors import LabError, LabTimeout, RegistrationFailed
from callcore.lab.sip import LogEntry, SipMessage, quote_display, response_to
from callcore.lab.transactions import ClientTransaction, ServerTransaction
from callcore.lab.transport import Address
from callcore.lab.useragent import PhoneOptions, UserAgent


class Phone(UserAgent):
    """One SIP phone; use as ``async with Phone(...) as phone``.

    The options are those of ``UserAgent``. ``server`` is where requests go; ``patience`` bounds
    every wait that names no time of its own.
    """

    def __init__(
        self, user: str, password: str = "", *, server: Address, **options: Unpack[PhoneOptions]
    ) -> None:
        super().__init__(user, password, server=server, **options)
        self.registered = False
        self._arrivals: asyncio.Queue[Call] = asyncio.Queue()
        self._register_id = secrets.token_hex(8)
        self._register_sequence = 0
        self._refresh: asyncio.Task[None] | None = None

    # --- life ---

    async def __aenter__(self) -> Phone:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Hang up what is open, unregister, close all sockets, end all tasks."""
        for call in list(self._by_call_id.values()):
            if call.ended.happened:
                continue
            if self.deaf or self._transport is None:
                call.finish("fault", 0)
            else:
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

    # --- registration ---

    async def register(self, expires: int = 300, keep: bool = False) -> SipMessage:
        """REGISTER with digest; ``keep`` renews it at half time until the phone closes."""
        answer = await self._register(expires)
        if keep and self._refresh is None:
            self._refresh = self.start_task(self._keep_registered(expires))
        return answer

    async def unregister(self) -> SipMessage:
        if self._refresh is not None:
            self._refresh.cancel()
            self._refresh = None
        return await self._register(0)

    async def _register(self, expires: int) -> SipMessage:
        self._register_sequence += 1
        own = f"<{self.address_of_record}>"
        request = self.new_request("REGISTER", f"sip:{self.server[0]}:{self.server[1]}", own, own)
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
        invite = self.new_request("INVITE", uri, local, f"<{uri}>")
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
        self.start_task(self._invite(call))
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
            self.start_task(self._send_cancel(cancel, call))

    async def _send_cancel(self, cancel: SipMessage, call: Call) -> None:
        try:
            await self.transact(cancel, call.dialog.destination, call)
        except LabTimeout:
            call.finish("fault", 408)

    # --- what arrives ---

    def requested(self, transaction: ServerTransaction) -> None:
        request = transaction.request
        call = self._by_call_id.get(request.call_id)
        if request.method == "CANCEL":
            self._cancelled(transaction, call)
        elif call is not None and request.to_tag:
            self._requested_in_dialog(transaction, call)
        elif request.method == "INVITE":
            self._invited(transaction)
        elif request.method in ("OPTIONS", "NOTIFY", "MESSAGE", "INFO"):
            self.respond(transaction, self.plain_response(request, 200))
        else:
            self.respond(transaction, self.plain_response(request, 481 if request.to_tag else 405))

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
        self.respond(transaction, self.plain_response(request, status), call)

    def _cancelled(self, transaction: ServerTransaction, call: Call | None) -> None:
        if self._layer is None:
            return
        invite = self._layer.cancelled(transaction.request)
        self.respond(
            transaction, self.plain_response(transaction.request, 200 if invite else 481), call
        )
        if invite is None or call is None or call.ended.happened:
            return
        if invite.response is None or invite.response.status < 200:
            self.respond(invite, response_to(invite.request, 487, call.dialog.local_tag), call)
            call.finish("remote", 487, transaction.request.get("reason"))

    def acknowledged(self, ack: SipMessage) -> None:
        if self._layer is not None:
            self._layer.acknowledged(ack)
        call = self._by_call_id.get(ack.call_id)
        if call is None or call.outgoing or call.ended.happened:
            return
        call.accept_answer(ack)
        call.answered.reach(ack)
