"""Pings phones and trunks with OPTIONS: who answers anything at all can be reached."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog

from callcore.directory import Directory
from callcore.telephony.pjsip.exchange import Exchange
from callcore.telephony.pjsip.headers import address, parse
from callcore.telephony.pjsip.peers import phone_uri, trunk_uri
from callcore.telephony.pjsip.stack import Timer

log = structlog.get_logger(__name__)

#: Timer F.
TRANSACTION_SECONDS = 32.0


class Target:
    """One phone or trunk that is pinged."""

    def __init__(self, uri: str, every: float, account: Any, tell: Callable[[bool], None]) -> None:
        self.uri = uri
        self.every = every
        self.account = account
        self.tell = tell
        #: Unknown until the first answer, or the first silence.
        self.there: bool | None = None
        #: When the last ping left; 0 once it was answered.
        self.asked_at = 0.0
        self.next: Timer | None = None
        self.deadline: Timer | None = None

    @property
    def repeated(self) -> bool:
        """A ping over UDP is under way, and sent again every 4 s at the latest (RFC 3261, 17.1.2),
        so that whoever comes back is seen soon without more of them."""
        over_udp = ";transport=" not in self.uri
        return over_udp and time.monotonic() - self.asked_at < TRANSACTION_SECONDS

    def end(self) -> None:
        for timer in (self.next, self.deadline):
            if timer is not None:
                timer.cancel()


class Probes:
    """All pings. `on_phone(phone, there)` and `on_trunk(trunk, there)` hear of changes."""

    def __init__(
        self,
        exchange: Exchange,
        on_phone: Callable[[str, bool], None],
        on_trunk: Callable[[str, bool], None],
    ) -> None:
        self._exchange = exchange
        self._on_phone = on_phone
        self._on_trunk = on_trunk
        self._targets: dict[str, Target] = {}
        exchange.on_answer = self._answered
        exchange.on_stop.append(self.close)

    def apply(self, directory: Directory) -> None:
        """Ping these from now on; what is known of those that stay is kept."""
        wanted: dict[str, Target] = {}
        settings, accounts = self._exchange.stack.settings, self._exchange.accounts
        for phone in directory.phones.values():
            if phone.host:
                tell = partial(self._on_phone, phone.id)
                uri, account = phone_uri(phone), accounts.of_phone(phone)
                wanted[uri] = Target(uri, settings.phone_probe, account, tell)
        for trunk in directory.trunks.values():
            if trunk.qualify_seconds:
                tell = partial(self._on_trunk, trunk.id)
                account = accounts.of_trunk(trunk.id)
                uri = trunk_uri(trunk)
                wanted[uri] = Target(uri, trunk.qualify_seconds, account, tell)
        before, self._targets = self._targets, wanted
        for target in before.values():
            target.end()
        for uri, target in wanted.items():
            known = before.get(uri)
            target.there = known.there if known is not None else None
            self._ping(target)

    def close(self) -> None:
        for target in self._targets.values():
            target.end()
        self._targets.clear()

    def _ping(self, target: Target) -> None:
        if self._targets.get(target.uri) is not target:
            return
        settings, pj = self._exchange.stack.settings, self._exchange.stack.pj
        target.next = self._exchange.stack.after(target.every, partial(self._ping, target))
        if target.repeated:
            return
        target.asked_at = time.monotonic()
        request = pj.SendRequestParam()
        request.method = "OPTIONS"
        request.txOption.targetUri = target.uri
        if target.deadline is None:
            silent = partial(self._silent, target)
            target.deadline = self._exchange.stack.after(settings.probe_timeout, silent)
        try:
            target.account.sendRequest(request)
        except pj.Error:
            self._note(target, False)

    def _silent(self, target: Target) -> None:
        target.deadline = None
        self._note(target, False)

    def _answered(self, prm: Any) -> None:
        event = prm.e.body.tsxState
        if event.type != self._exchange.stack.pj.PJSIP_EVENT_RX_MSG:
            return  # nobody answered: the deadline tells
        target = self._pinged(event.src.rdata)
        if target is not None:
            if target.deadline is not None:
                target.deadline.cancel()
                target.deadline = None
            target.asked_at = 0.0
            self._note(target, True)

    def _pinged(self, answer: Any) -> Target | None:
        """Whose answer this is: To says it but for the port (RFC 3261, 19.1.1)."""
        to = address(parse(answer.wholeMsg).first("to"))
        port = answer.srcAddress.rpartition(":")[2]
        fits = [t for t in self._targets.values() if _without_port(t.uri) == (to.user, to.host)]
        return next((t for t in fits if f":{port}" in t.uri), fits[0] if fits else None)

    def _note(self, target: Target, there: bool) -> None:
        if target.there is not there and self._targets.get(target.uri) is target:
            target.there = there
            target.tell(there)


def _without_port(uri: str) -> tuple[str, str]:
    where = address(uri)
    host, colon, port = where.host.rpartition(":")
    return where.user, host if colon and port.isdigit() else where.host
