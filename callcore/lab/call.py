"""One call at a lab phone: what a person (or a fault) does with it, and what happened to it."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from callcore.lab import dtmf, sdp
from callcore.lab.dialog import Dialog
from callcore.lab.errors import CallFailed, LabError, LabTimeout, SipSyntaxError
from callcore.lab.g711 import Samples
from callcore.lab.heard import Heard
from callcore.lab.milestone import Milestone
from callcore.lab.rtp import Playing, RtpStream
from callcore.lab.sip import LogEntry, NameAddress, SipMessage, parse_name_address, response_to
from callcore.lab.transactions import ClientTransaction, ServerTransaction

if TYPE_CHECKING:
    from callcore.lab.phone import Phone

_SIPFRAG = re.compile(rb"SIP/2\.0 (\d{3})")
_AUTO_ANSWER = re.compile(r"answer-after\s*=\s*0|auto[- ]?answer|alert-autoanswer", re.IGNORECASE)


@dataclass(frozen=True)
class Ending:
    """How a call ended: ``by`` is "local", "remote" or "fault" (a time-out, a dropped socket)."""

    by: str
    status: int
    """The final answer to the INVITE; 200 for a call that was answered and hung up, 0 for none."""
    reason: str
    """The Reason header of the BYE, CANCEL or refusal."""
    at: float


@dataclass(frozen=True)
class TransferOutcome:
    """What the other side said about a REFER."""

    code: int
    """The last sipfrag code, or the refusal of the REFER itself."""
    progress: tuple[int, ...]

    @property
    def ok(self) -> bool:
        return 200 <= self.code < 300


class Call:
    """Made by ``Phone.dial`` or ``Phone.incoming``; ``ringing``, ``answered`` and ``ended`` are
    awaited with a bound, everything else is plain state to assert on."""

    def __init__(self, phone: Phone, outgoing: bool, invite: SipMessage, dialog: Dialog) -> None:
        self.phone = phone
        self.outgoing = outgoing
        self.invite = invite
        self.dialog = dialog
        self.log: list[LogEntry] = []
        self.media = RtpStream(phone.local[0], phone.keep_audio)
        self.on_hold = False
        self.remote_direction = "sendrecv"
        """What the other side does: "sendonly" or "inactive" when it holds us."""
        self.provisional: list[int] = []
        self.ringing: Milestone[SipMessage] = self._milestone("ringing")
        self.early_media: Milestone[SipMessage] = self._milestone("early media")
        self.answered: Milestone[SipMessage] = self._milestone("answered")
        self.ended: Milestone[Ending] = Milestone("ended", phone.patience, self.transcript)
        self.client: ClientTransaction | None = None
        self.server: ServerTransaction | None = None
        self.hanging_up = False
        self._offering = False
        self._codecs: dict[int, str] = {}
        self._event_type: int | None = None
        self._session_id, self._session_version = secrets.randbits(31), 0
        self._transfer: asyncio.Queue[int] | None = None

    # --- what is known ---

    @property
    def call_id(self) -> str:
        return self.dialog.call_id

    @property
    def caller(self) -> NameAddress:
        """The From of the INVITE: ``.display`` and ``.user``."""
        return parse_name_address(self.invite.get("from"))

    @property
    def auto_answer(self) -> bool:
        """Whether Alert-Info or Call-Info asks the phone to answer by itself."""
        headers = self.invite.all("alert-info") + self.invite.all("call-info")
        return any(_AUTO_ANSWER.search(value) for value in headers)

    @property
    def reason_header(self) -> str:
        """The Reason of the CANCEL or BYE received last ("SIP;cause=200;text=...")."""
        received = [e.message for e in self.log if not e.sent and e.message.get("reason")]
        return received[-1].get("reason") if received else ""

    def header(self, name: str) -> str:
        """A header of the INVITE."""
        return self.invite.get(name)

    def requests(self, method: str, sent: bool | None = None) -> list[LogEntry]:
        """Logged requests of a method, retransmissions included."""
        return [
            e for e in self.log if e.message.method == method and (sent is None or e.sent == sent)
        ]

    def transcript(self, last: int = 14) -> list[str]:
        return [str(entry) for entry in self.log[-last:]]

    def heard(self) -> Heard:
        """Everything this side received as audio until now."""
        return self.media.heard()

    def _milestone(self, name: str) -> Milestone[SipMessage]:
        return Milestone(name, self.phone.patience, self.transcript)

    # --- answering ---

    async def ring(self) -> None:
        """180 Ringing."""
        self._respond(180)
        self.ringing.reach(self.invite)

    async def answer(self) -> None:
        """200 OK, and wait for the ACK."""
        self._respond(200, with_sdp=True)
        await self.answered

    async def answer_without_waiting(self, headers: Mapping[str, str] | None = None) -> None:
        """200 OK; ``answered`` is reached when the ACK comes."""
        self._respond(200, with_sdp=True, headers=headers)

    async def reject(self, status: int = 486, reason: str = "") -> None:
        """Refuse: 486 busy, 603 decline, 480 unavailable …"""
        self._respond(status, reason=reason)
        self.finish("local", status, reason)

    def _respond(
        self,
        status: int,
        with_sdp: bool = False,
        reason: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        if self.server is None or self.ended.happened:
            raise CallFailed(f"cannot answer {status}: no open INVITE", None, self.transcript())
        response = response_to(self.server.request, status, self.dialog.local_tag)
        response.add("Contact", self.dialog.contact)
        response.add("Allow", self.phone.ALLOW)
        if reason:
            response.add("Reason", reason)
        for name, value in (headers or {}).items():
            response.add(name, value)
        if with_sdp:
            self._attach(response, self.server.request.body)
        self.phone.respond(self.server, response, self)

    # --- hanging up ---

    async def hang_up(self, reason: str = "") -> Ending:
        """BYE, CANCEL or 486, whatever fits the state of the call."""
        if not self.ended.happened:
            self.hanging_up = True
            if self.answered.happened:
                await self._bye(reason)
            elif self.outgoing:
                self.phone.cancel(self, reason)
            elif self.server is not None:
                await self.reject(486, reason)
        return await self.ended

    async def cancel(self, reason: str = "") -> Ending:
        """Give up an outgoing call before it is answered."""
        if not self.outgoing or self.answered.happened:
            raise LabError("only an unanswered outgoing call can be cancelled", self.transcript())
        return await self.hang_up(reason)

    async def _bye(self, reason: str = "") -> None:
        bye = self.phone.in_dialog(self.dialog, "BYE")
        if reason:
            bye.add("Reason", reason)
        self.media.close()
        self.finish("local", 200, reason)
        await self.phone.transact(bye, self.dialog.destination, self)

    def finish(self, by: str, status: int, reason: str = "") -> None:
        """The call is over, whoever ended it; first time wins."""
        if self.ended.happened:
            return
        self.media.close()
        self.ended.reach(Ending(by, status, reason, time.time()))
        failure = CallFailed(f"call ended by {by} with {status}", status, self.transcript())
        for milestone in (self.ringing, self.early_media, self.answered):
            milestone.fail(failure)

    # --- hold and transfer ---

    async def hold(self) -> None:
        """re-INVITE with sendonly; sends no audio while on hold."""
        await self._renegotiate("sendonly")
        self.on_hold = True
        self._apply_direction()

    async def resume(self) -> None:
        """re-INVITE with sendrecv."""
        await self._renegotiate("sendrecv")
        self.on_hold = False
        self._apply_direction()

    async def _renegotiate(self, direction: str) -> None:
        for _ in range(6):
            request = self.phone.in_dialog(self.dialog, "INVITE")
            self._attach_offer(request, direction)
            self._offering = True
            try:
                answer = await self.phone.transact(request, self.dialog.destination, self)
            finally:
                self._offering = False
            if answer.status < 300:
                self.accept_answer(answer)
                return
            if answer.status != 491:  # glare: RFC 3261 §14.1, try again after a while
                break
            await asyncio.sleep(0.1 + secrets.randbelow(300) / 1000)
        raise CallFailed(f"re-INVITE refused: {answer.status}", answer.status, self.transcript())

    async def transfer(
        self, target: str, timeout: float = 30, hang_up: bool = True
    ) -> TransferOutcome:
        """Blind transfer to a number or sip: URI; waits for the last NOTIFY."""
        uri = target if target.startswith("sip:") else self.phone.uri_of(target)
        return await self._refer(f"<{uri}>", timeout, hang_up)

    async def transfer_to(
        self, other: Call, timeout: float = 30, hang_up: bool = True
    ) -> TransferOutcome:
        """Attended transfer: connect the far ends of this call and of the other one."""
        target = other.dialog.target.partition(";")[0].partition("?")[0]
        outcome = await self._refer(
            f"<{target}?Replaces={other.dialog.replaces()}>", timeout, hang_up
        )
        if outcome.ok and hang_up and not other.ended.happened:
            await other.hang_up()
        return outcome

    async def _refer(self, refer_to: str, timeout: float, hang_up: bool) -> TransferOutcome:
        self._transfer = asyncio.Queue()
        request = self.phone.in_dialog(self.dialog, "REFER")
        request.add("Refer-To", refer_to)
        request.add("Referred-By", f"<{self.phone.address_of_record}>")
        request.add("Supported", "replaces")
        answer = await self.phone.transact(request, self.dialog.destination, self)
        if answer.status >= 300:
            return TransferOutcome(answer.status, ())
        codes = await self._sipfrags(self._transfer, timeout)
        outcome = TransferOutcome(codes[-1], tuple(codes))
        if outcome.ok and hang_up and not self.ended.happened:
            await self.hang_up()
        return outcome

    async def _sipfrags(self, arriving: asyncio.Queue[int], timeout: float) -> list[int]:
        codes: list[int] = []
        deadline = asyncio.get_running_loop().time() + timeout
        while not codes or codes[-1] < 200:
            left = deadline - asyncio.get_running_loop().time()
            try:
                codes.append(await asyncio.wait_for(arriving.get(), max(left, 0)))
            except TimeoutError:
                raise LabTimeout(
                    f"transfer not finished within {timeout:g} s, progress {codes}",
                    self.transcript(),
                ) from None
        return codes

    def notify(self, request: SipMessage) -> None:
        """A NOTIFY inside the dialog: progress of our REFER."""
        found = _SIPFRAG.search(request.body)
        if self._transfer is not None and found:
            self._transfer.put_nowait(int(found.group(1)))

    # --- audio ---

    def play(self, samples: Samples, loop: bool = False) -> Playing:
        """Send audio; ``await play(...).finished`` waits for its end (silence follows)."""
        return self.media.play(samples, loop)

    def send_silence(self) -> None:
        self.media.stop_playing(silent=True)

    def send_nothing(self) -> None:
        """No packets at all, as a phone with discontinuous transmission."""
        self.media.stop_playing(silent=False)

    async def send_digits(
        self, digits: str, how: str = "rfc4733", tone_ms: int = 100, gap_ms: int = 100
    ) -> None:
        """Press keys: how is "rfc4733", "inband" or "info"."""
        sending: Awaitable[None]
        if how == "rfc4733":
            sending = self.media.insert_events(digits, tone_ms, gap_ms)
        elif how == "inband":
            sending = self.media.insert_audio(dtmf.tone_sequence(digits, tone_ms, gap_ms))
        elif how == "info":
            sending = self._send_info(digits, tone_ms, gap_ms)
        else:
            raise LabError(f"unknown way to send digits: {how!r}")
        await asyncio.wait_for(sending, self.phone.patience + len(digits))

    async def _send_info(self, digits: str, tone_ms: int, gap_ms: int) -> None:
        for digit in digits:
            request = self.phone.in_dialog(self.dialog, "INFO")
            request.add("Content-Type", "application/dtmf-relay")
            request.body = f"Signal={digit}\r\nDuration={tone_ms}\r\n".encode()
            answer = await self.phone.transact(request, self.dialog.destination, self)
            if answer.status >= 300:
                raise CallFailed(f"INFO refused: {answer.status}", answer.status)
            await asyncio.sleep((tone_ms + gap_ms) / 1000)

    # --- session description ---

    def _attach_offer(self, message: SipMessage, direction: str = "sendrecv") -> None:
        codecs = self._codecs or {sdp.PAYLOAD_TYPES[name]: name for name in self.phone.codecs}
        events = sdp.TELEPHONE_EVENT if self.phone.telephone_event else None
        self._attach_description(message, codecs, self._event_type or events, direction)

    def _attach(self, response: SipMessage, offer: bytes) -> None:
        """Answer the offer of a request, or make one if it had none."""
        if not offer:
            self._attach_offer(response)
            return
        remote = sdp.parse_sdp(offer)
        codecs = sdp.answer_codecs(remote, self.phone.codecs)
        if not codecs:
            raise LabError(f"no common codec: offered {remote.codecs}", self.transcript())
        events = remote.event_type if self.phone.telephone_event else None
        self._use(remote, codecs, events)
        direction = sdp.answer_direction(remote.direction, self.on_hold)
        self._attach_description(response, codecs, events, direction)

    def _attach_description(
        self, message: SipMessage, codecs: dict[int, str], events: int | None, direction: str
    ) -> None:
        self._session_version += 1
        description = sdp.AudioDescription(
            self.media.host, self.media.port, codecs, events, direction
        )
        message.add("Content-Type", "application/sdp")
        message.body = sdp.format_sdp(description, self._session_id, self._session_version)

    def first_offer(self) -> None:
        """The offer of an outgoing INVITE."""
        self._attach_offer(self.invite)

    def accept_answer(self, message: SipMessage) -> None:
        """The SDP answer in a 183, a 200 or an ACK."""
        if not message.body:
            return
        try:
            remote = sdp.parse_sdp(message.body)
        except SipSyntaxError:
            return  # a body of another kind
        codecs = sdp.answer_codecs(remote, self.phone.codecs)
        if codecs:
            events = remote.event_type if self.phone.telephone_event else None
            self._use(remote, codecs, events)

    def reoffer(self, transaction: ServerTransaction) -> None:
        """A re-INVITE or UPDATE of the other side: agree, with its direction mirrored."""
        if self._offering:  # both at once: RFC 3261 §14.2
            glare = response_to(transaction.request, 491, self.dialog.local_tag)
            self.phone.respond(transaction, glare, self)
            return
        response = response_to(transaction.request, 200, self.dialog.local_tag)
        self.dialog.learn_target(transaction.request)
        response.add("Contact", self.dialog.contact)
        try:
            if transaction.request.body or transaction.request.method == "INVITE":
                self._attach(response, transaction.request.body)
        except LabError:
            response = response_to(transaction.request, 488, self.dialog.local_tag)
        self.phone.respond(transaction, response, self)

    def _use(
        self, remote: sdp.AudioDescription, codecs: dict[int, str], events: int | None
    ) -> None:
        payload_type, codec = next(iter(codecs.items()))
        self._codecs, self._event_type = codecs, events
        self.remote_direction = remote.direction
        self.media.start((remote.host, remote.port), payload_type, codec, events)
        self._apply_direction()

    def _apply_direction(self) -> None:
        self.media.muted = self.on_hold or self.remote_direction in ("sendonly", "inactive")
