"""What the embedded stack needs to know to start."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path

from callcore.config import Settings, SipSettings
from callcore.errors import SetupError
from callcore.telephony.preflight import check_port
from callcore.telephony.render import CERTIFICATE, KEY, ensure_certificate

USER_AGENT = "callcore"
#: Of glibc's resolver (resolv.conf(5)): one try of one second with each name server.
RESOLVER = ("RES_OPTIONS", "timeout:1 attempts:1")


@dataclass(frozen=True)
class PjsipSettings:
    """Where to listen, where files are. Seconds of the probes are bounds for tests as well."""

    sip: SipSettings
    log_file: Path
    #: Directories of music on hold below it, one per class.
    prompts: Path
    voicemail: Path
    node: str = "pjsip"
    #: PEM files for TLS, where `sip.tls_port` is set.
    certificate: Path | None = None
    key: Path | None = None
    #: Calls at once; 0: as many as the library allows.
    max_calls: int = 0
    #: A trunk that has a backup fails when its provider says nothing at all for so long, which is
    #: after four INVITEs over UDP; timer B (32 s) is longer than anybody rings.
    silence: float = 5.0
    #: How long an OPTIONS ping may stay unanswered.
    probe_timeout: float = 3.0
    #: Seconds between pings of a phone: one that does not register tells nobody that it is back.
    phone_probe: float = 15.0

    @classmethod
    def of(cls, settings: Settings) -> PjsipSettings:
        sip, var = settings.sip, settings.paths.var
        keys = var / "pjsip" / "keys"
        own = not sip.tls_certificate
        if sip.tls_port and own:
            keys.mkdir(mode=0o700, parents=True, exist_ok=True)
            ensure_certificate(keys, sip.external_address or sip.bind)
        return cls(
            sip=sip,
            log_file=var / "pjsip" / "pjsua.log",
            prompts=settings.paths.prompts,
            voicemail=var / "pjsip" / "voicemail",
            certificate=keys / CERTIFICATE if own else Path(sip.tls_certificate),
            key=keys / KEY if own else Path(sip.tls_key),
        )


def bound_look_ups(environ: MutableMapping[str, str]) -> None:
    """Signalling stands still while pjsua looks a name up: not for long when name servers are dead.

    Before this process looks up its first name; what the operator has set stays.
    """
    environ.setdefault(*RESOLVER)


def check_ports(sip: SipSettings) -> None:
    """Say which port is taken before the stack half-starts."""
    import socket

    wanted = [
        ("SIP", "sip.udp_port", sip.udp_port, socket.SOCK_DGRAM),
        ("SIP", "sip.tcp_port", sip.tcp_port, socket.SOCK_STREAM),
        ("SIP TLS", "sip.tls_port", sip.tls_port, socket.SOCK_STREAM),
    ]
    for purpose, setting, port, kind in wanted:
        if port:
            check_port(purpose, setting, sip.bind, port, kind)
    if not (sip.udp_port or sip.tcp_port or sip.tls_port):
        raise SetupError("no SIP transport has a port: set sip.udp_port in callcore.toml")
