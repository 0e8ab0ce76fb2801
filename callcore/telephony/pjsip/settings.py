"""What the embedded stack needs to know to start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from callcore.config import SipSettings
from callcore.errors import SetupError
from callcore.telephony.preflight import check_port

USER_AGENT = "callcore"


@dataclass(frozen=True)
class PjsipSettings:
    """Where to listen, where files are. Seconds of the probes are bounds for tests as well."""

    sip: SipSettings
    log_file: Path
    #: Directories of music on hold below it, one per class.
    prompts: Path
    voicemail: Path
    node: str = "pjsip"
    #: How long an OPTIONS ping may stay unanswered.
    probe_timeout: float = 3.0
    #: Seconds between pings of a phone: one that does not register tells nobody that it is back.
    phone_probe: float = 15.0


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
