"""Accounts of pjsua2: one for each trunk, and those that phones and other callers share."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

import structlog

from callcore.directory import CODECS, Directory, Phone, Srtp, Transport, Trunk, srtp_of
from callcore.telephony.pjsip.peers import bracketed, trunk_uri
from callcore.telephony.pjsip.stack import Stack, destroy, known_address, reason_of
from callcore.types import TrunkId

log = structlog.get_logger(__name__)

REGISTER_SECONDS = 300
#: A registration that failed is tried again after so long; the first time at once (RFC 5626).
RETRY_SECONDS = 20


#: As SDP calls them (RFC 3551, RFC 7587).
ENCODING = {"ulaw": "PCMU", "alaw": "PCMA", "g722": "G722", "opus": "opus"}


class Way(NamedTuple):
    """How sound goes to phones and trunks that share an account: encryption, and codecs."""

    srtp: Srtp = Srtp.OFF
    codecs: tuple[str, ...] = CODECS


class Accounts:
    """Keeps the accounts as the directory wants them."""

    def __init__(
        self,
        stack: Stack,
        on_call: Callable[[Any, Any], None],
        on_answer: Callable[[Any], None],
    ) -> None:
        """`on_call(account, prm)` hears of arriving calls, `on_answer(prm)` of requests' ends."""
        self._stack = stack
        self._on_call = on_call
        self._on_answer = on_answer
        self._class = account_class(stack.pj)
        self._shared: dict[tuple[Transport, Way], Any] = {}
        self._accounts: dict[TrunkId, Any] = {}
        self._trunks: dict[TrunkId, Trunk] = {}
        #: Registered or why not, by trunk.
        self.registrations: dict[TrunkId, str] = {}

    def apply(self, directory: Directory) -> None:
        """Make, change and remove accounts; those that did not change stay registered."""
        peers: list[Phone | Trunk] = [*directory.phones.values(), *directory.trunks.values()]
        for way in dict.fromkeys((Way(), *map(way_of, peers))):
            self._share(way)
        for name in [n for n in self._trunks if directory.trunks.get(n) != self._trunks[n]]:
            self._remove(name)
        for name, trunk in directory.trunks.items():
            if name not in self._trunks:
                self._trunks[name] = trunk
                self._accounts[name] = self._make(name, self._trunk_config(trunk), trunk.codecs)

    def _share(self, way: Way) -> None:
        """One account for each transport that is on."""
        for transport in self._ports():
            if (transport, way) not in self._shared:
                config = self._shared_config(transport, way.srtp)
                self._shared[transport, way] = self._make("", config, way.codecs)

    def of_trunk(self, trunk: TrunkId) -> Any:
        return self._accounts[trunk]

    def of_phone(self, phone: Phone) -> Any:
        return self.shared(phone.transport, way_of(phone))

    def shared(self, transport: Transport, way: Way) -> Any:
        """Of a transport that is off: any other, and the call fails as one that cannot leave."""
        found = self._shared.get((transport, way))
        return found or next(a for (_, w), a in self._shared.items() if w == way)

    def close(self) -> None:
        """Unregister and delete all."""
        for account in (*self._accounts.values(), *self._shared.values()):
            self._delete(account)
        self._accounts.clear()
        self._shared.clear()

    def _delete(self, account: Any) -> None:
        """Now: its destructor ends whatever account has its number, and a later one may have it."""
        account.owner = None
        destroy(account)

    def renew(self, name: TrunkId) -> None:
        """Register again now: a provider that was away may have forgotten us, and would send no
        calls until the registration's time is up."""
        trunk = self._trunks.get(name)
        if trunk is None or not trunk.register:
            return
        try:
            self.of_trunk(name).setRegistration(True)
        except self._stack.pj.Error as exc:
            log.debug("register_refused", trunk=name, reason=reason_of(exc))  # one is under way

    def registered(self, trunk: TrunkId, status: int, active: bool) -> None:
        state = "registered" if active else "rejected" if status in (401, 403) else "unregistered"
        if self.registrations.get(trunk) != state:
            log.info("trunk_state", trunk=trunk, state=state, status=status)
        self.registrations[trunk] = state

    def called(self, account: Any, prm: Any) -> None:
        self._on_call(account, prm)

    def answered(self, prm: Any) -> None:
        self._on_answer(prm)

    def _remove(self, name: TrunkId) -> None:
        del self._trunks[name]
        self.registrations.pop(name, None)
        self._delete(self._accounts.pop(name))

    def _make(self, trunk: TrunkId, config: Any, codecs: tuple[str, ...]) -> Any:
        account = self._class(self, trunk)
        try:
            account.create(config, False)
            self._stack.ports.set_codecs(account.getId(), tuple(ENCODING[c] for c in codecs))
        except self._stack.pj.Error as exc:
            log.error("account_not_made", trunk=trunk, reason=reason_of(exc))
        return account

    # --- configuration ------------------------------------------------------------------------

    def _config(self, srtp: Srtp) -> Any:
        pj, sip = self._stack.pj, self._stack.settings.sip
        config = pj.AccountConfig()
        rtp = config.mediaConfig.transportConfig
        rtp.boundAddress = sip.bind
        rtp.publicAddress = sip.external_address or known_address(sip.bind)
        rtp.port = sip.rtp_start
        rtp.portRange = sip.rtp_end - sip.rtp_start
        # Each account counts by itself: from the same start they would meet at every call.
        rtp.randomizePort = True
        config.mediaConfig.srtpUse = {
            Srtp.OFF: pj.PJMEDIA_SRTP_DISABLED,
            Srtp.OPTIONAL: pj.PJMEDIA_SRTP_OPTIONAL,
            Srtp.REQUIRED: pj.PJMEDIA_SRTP_MANDATORY,
        }[srtp]
        config.mediaConfig.srtpSecureSignaling = 0
        config.mediaConfig.lockCodecEnabled = False
        config.callConfig.timerUse = pj.PJSUA_SIP_TIMER_OPTIONAL
        # Behind NAT the settings say which address is ours; what an answer says is not believed.
        config.natConfig.contactRewriteUse = config.natConfig.viaRewriteUse = 0
        config.natConfig.sdpNatRewriteUse = 0
        config.natConfig.sipOutboundUse = 0
        return config

    def _shared_config(self, transport: Transport, srtp: Srtp) -> Any:
        config = self._config(srtp)
        config.idUri = self.own_uri()
        config.sipConfig.contactForced = self._contact(transport, "callcore")
        return config

    def _ports(self) -> dict[Transport, int]:
        """Of the transports that are on."""
        sip = self._stack.settings.sip
        ports = {
            Transport.UDP: sip.udp_port, Transport.TCP: sip.tcp_port, Transport.TLS: sip.tls_port,
        }  # fmt: skip
        return {transport: port for transport, port in ports.items() if port}

    def _contact(self, transport: Transport, user: str) -> str:
        """Where we are reached over TCP and TLS: pjsua would name the address of the interface that
        leads to the far end, on which nobody may listen. Empty: what pjsua says is right."""
        sip = self._stack.settings.sip
        host, port = sip.external_address or known_address(sip.bind), self._ports().get(transport)
        if transport is Transport.UDP or not host or not port:
            return ""
        return f"<sip:{user}@{bracketed(host)}:{port};transport={transport}>"

    def own_uri(self, user: str = "callcore") -> str:
        sip = self._stack.settings.sip
        host = bracketed(sip.external_address or sip.bind)
        return f"sip:{user}@{host}:{sip.udp_port or sip.tcp_port or sip.tls_port}"

    def _trunk_config(self, trunk: Trunk) -> Any:
        config = self._config(srtp_of(trunk))
        host = bracketed(trunk.host)
        config.idUri = f"sip:{trunk.user}@{host}" if trunk.user else self.own_uri()
        config.sipConfig.contactForced = self._contact(trunk.transport, trunk.user or "callcore")
        if trunk.secret:
            credentials = self._stack.pj.AuthCredInfo("digest", "*", trunk.user, 0, trunk.secret)
            config.sipConfig.authCreds.append(credentials)
        if trunk.register:
            config.regConfig.registrarUri = trunk_uri(trunk)
            config.regConfig.timeoutSec = REGISTER_SECONDS
            config.regConfig.retryIntervalSec = RETRY_SECONDS
            config.regConfig.firstRetryIntervalSec = 1
            config.regConfig.randomRetryIntervalSec = 0
        return config


def way_of(peer: Phone | Trunk) -> Way:
    return Way(srtp_of(peer), peer.codecs)


def account_class(pj: Any) -> Any:
    """The library's base class exists only once it is loaded."""

    class Account(pj.Account):  # type: ignore[misc]
        def __init__(self, owner: Accounts, trunk: TrunkId) -> None:
            super().__init__()
            #: None: removed, and not deleted yet.
            self.owner: Accounts | None = owner
            self.trunk = trunk

        @_guarded
        def onIncomingCall(self, prm: Any) -> None:
            assert self.owner is not None
            self.owner.called(self, prm)

        @_guarded
        def onRegState(self, prm: Any) -> None:
            assert self.owner is not None
            active = prm.code // 100 == 2 and prm.expiration > 0
            self.owner.registered(self.trunk, prm.code, active)

        @_guarded
        def onSendRequest(self, prm: Any) -> None:
            assert self.owner is not None
            self.owner.answered(prm)

    return Account


def _guarded(callback: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    """Nothing may be raised into C++: it would end the process."""

    @wraps(callback)
    def run(account: Any, prm: Any) -> None:
        if account.owner is None:
            return
        try:
            callback(account, prm)
        except Exception:
            log.exception("account_callback_failed", trunk=account.trunk)

    return run
