"""Phones and trunks as PJSIP sections: pure rendering, every value checked."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from callcore.directory import Directory, Dtmf, Phone, Srtp, Transport, Trunk, members_of, srtp_of
from callcore.errors import ConfigError

PHONE_CONTEXT = "callcore-phone"
TRUNK_CONTEXT = "callcore-trunk"
#: Seconds without any RTP after which a leg is dead (its BYE was lost); longer while on hold.
RTP_TIMEOUT = 120
RTP_TIMEOUT_HOLD = 900
PHONE_QUALIFY = 60
#: A phone that does not register tells nobody that it is back.
STATIC_PHONE_QUALIFY = 15

_DTMF = {
    Dtmf.RFC4733: "rfc4733",
    Dtmf.INFO: "info",
    Dtmf.INBAND: "inband",
    Dtmf.AUTO: "auto_info",
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")
_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}\Z")
_USER = re.compile(r"[A-Za-z0-9._+@*-]{1,80}\Z")
_NETWORK = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}(?:/[0-9.]{1,15})?\Z")
_CODEC = re.compile(r"[a-z0-9]{1,16}\Z")


class Section(msgspec.Struct, frozen=True):
    """One object of res_pjsip: its sorcery type, its id, its options in order."""

    type: str
    id: str
    options: tuple[tuple[str, str], ...]

    def __repr__(self) -> str:
        return f"Section({self.type!r}, {self.id!r})"


def sections(directory: Directory) -> tuple[Section, ...]:
    """Everything res_pjsip has to know, in an order in which each part finds what it refers to."""
    made: list[Section] = []
    for phone in directory.phones.values():
        made += phone_sections(phone)
    for trunk in directory.trunks.values():
        made += trunk_sections(trunk)
    return tuple(made)


def phone_sections(phone: Phone) -> list[Section]:
    name = _checked(_NAME, phone.id, "phone")
    made: list[Section] = []
    if phone.secret:
        made.append(_auth(name, name, phone.secret))
    aor = [
        # A person who moves to another phone takes the name along: the last registration counts.
        ("max_contacts", "1"),
        ("remove_existing", "yes"),
        ("minimum_expiration", "30"),
        ("qualify_frequency", str(STATIC_PHONE_QUALIFY if phone.host else PHONE_QUALIFY)),
    ]
    if phone.host:
        host = _host(phone.host, f"phone {name}")
        aor.insert(0, ("contact", f"sip:{name}@{host}{_transport(phone.transport)}"))
    made.append(Section("aor", name, tuple(aor)))
    by_address = bool(phone.host) and not phone.secret
    endpoint = [
        ("context", PHONE_CONTEXT),
        ("aors", name),
        *_media(phone, f"phone {name}"),
        ("device_state_busy_at", "1"),
        ("identify_by", "ip" if by_address else "username,auth_username"),
    ]
    if phone.secret:
        endpoint.append(("auth", name))
    made.append(Section("endpoint", name, tuple(endpoint)))
    if by_address:
        # Nothing but its address tells who it is.
        made.append(_identify(name, [_address_only(phone.host)]))
    return made


def trunk_sections(trunk: Trunk) -> list[Section]:
    name = _checked(_NAME, trunk.id, "trunk")
    place = f"trunk {name}"
    host = _bracketed(_checked(_HOST, trunk.host, f"{place}: host"))
    uri = f"sip:{host}:{int(trunk.port)}{_transport(trunk.transport)}"
    made: list[Section] = []
    endpoint = [
        ("context", TRUNK_CONTEXT),
        ("aors", name),
        *_media(trunk, place),
        ("identify_by", "ip"),
    ]
    if trunk.user:
        user = _checked(_USER, trunk.user, f"{place}: user")
        made.append(_auth(name, user, trunk.secret))
        endpoint += [("outbound_auth", name), ("from_user", user), ("from_domain", host)]
    made.append(
        Section(
            "aor",
            name,
            (("contact", uri), ("qualify_frequency", str(max(0, int(trunk.qualify_seconds))))),
        )
    )
    made.append(Section("endpoint", name, tuple(endpoint)))
    made.append(_identify(name, [trunk.host, *trunk.match]))
    if trunk.register:
        made.append(_registration(name, trunk.user, host, uri))
    return made


def _registration(name: str, user: str, host: str, uri: str) -> Section:
    return Section(
        "registration",
        name,
        (
            ("server_uri", uri),
            ("client_uri", f"sip:{user}@{host}"),
            ("contact_user", user),
            ("outbound_auth", name),
            ("expiration", "300"),
            ("retry_interval", "20"),
            # A wrong password may be put right at the provider: go on asking.
            ("auth_rejection_permanent", "no"),
            ("forbidden_retry_interval", "60"),
            ("fatal_retry_interval", "60"),
            ("max_retries", "100000"),
            # At once: for the sake of providers with many accounts Asterisk waits up to 10 s.
            ("max_random_initial_delay", "0"),
            # Calls of this registration are known by the line parameter, whatever their address.
            ("line", "yes"),
            ("endpoint", name),
        ),
    )


def _media(peer: Phone | Trunk, place: str) -> list[tuple[str, str]]:
    codecs = [_checked(_CODEC, codec, f"{place}: codec") for codec in peer.codecs]
    nat = "yes" if peer.nat else "no"
    # A phone often has no certificate and no open port of its own: the connection it made when it
    # registered is the way back to it.
    connected = isinstance(peer, Phone) and not peer.host and peer.transport is not Transport.UDP
    options = [
        ("disallow", "all"),
        ("allow", ",".join(codecs)),
        ("dtmf_mode", _DTMF[peer.dtmf]),
        ("direct_media", "no"),
        ("rtp_symmetric", nat),
        ("force_rport", nat),
        ("rewrite_contact", "yes" if connected else nat),
        ("rtp_timeout", str(RTP_TIMEOUT)),
        ("rtp_timeout_hold", str(RTP_TIMEOUT_HOLD)),
        ("allow_transfer", "yes"),
        ("allow_subscribe", "no"),
        # Each bridge would cost an UPDATE to tell the phone a name it shows already.
        ("send_connected_line", "no"),
        ("trust_connected_line", "no"),
    ]
    if srtp_of(peer) is not Srtp.OFF:
        options.append(("media_encryption", "sdes"))
    if srtp_of(peer) is Srtp.OPTIONAL:
        options.append(("media_encryption_optimistic", "yes"))
    return options


def _auth(name: str, user: str, secret: str) -> Section:
    if not secret.isprintable() or ";" in secret or "\\" in secret or secret != secret.strip():
        raise ConfigError(f"{name}: a secret has no control characters, no ; no \\ and no blanks")
    return Section(
        "auth", name, (("auth_type", "userpass"), ("username", user), ("password", secret))
    )


def _identify(name: str, addresses: Iterable[str]) -> Section:
    matches = [_checked(_NETWORK, address, f"{name}: address") for address in addresses]
    # One option with commas: the same text for a file and for `config/dynamic`.
    return Section("identify", name, (("endpoint", name), ("match", ",".join(matches))))


def _transport(transport: str) -> str:
    return "" if transport == "udp" else f";transport={transport}"


def _checked(pattern: re.Pattern[str], value: str, what: str) -> str:
    if not pattern.match(value):
        raise ConfigError(f"{what}: {value[:80]!r} cannot be used in SIP settings")
    return value


def _bracketed(host: str) -> str:
    """An IPv6 address in a URI stands in brackets."""
    return f"[{host}]" if host.count(":") > 1 and not host.startswith("[") else host


def _host(value: str, what: str) -> str:
    host = _checked(_HOST, value, f"{what}: host")
    return host if host.count(":") == 1 else _bracketed(host)


def _address_only(host: str) -> str:
    return host.partition(":")[0] if host.count(":") == 1 else host.strip("[]")


def render_sections(made: Iterable[Section]) -> str:
    """The sections as text of a pjsip.conf include."""
    lines = ["; Written by callcore from its phones and trunks; changes here are lost.", ""]
    for section in made:
        lines.append(f"[{section.id}]")
        lines.append(f"type = {section.type}")
        lines += [f"{key} = {value.replace(';', chr(92) + ';')}" for key, value in section.options]
        lines.append("")
    return "\n".join(lines)


def render_fallback(queue: str, phones: Iterable[str], music: str = "default") -> str:
    """queues.conf section of the queue that holds callers while callcore is away."""
    lines = [
        "; Written by callcore; used by the dialplan while callcore is away.",
        f"[{queue}]",
        "strategy = rrmemory",
        f"musicclass = {music}",
        "timeout = 15",
        "retry = 1",
        "ringinuse = no",
        "joinempty = yes",
        "leavewhenempty = no",
    ]
    lines += [f"member => PJSIP/{_checked(_NAME, phone, 'phone')}" for phone in phones]
    return "\n".join(lines) + "\n"


def fallback_phones(directory: Directory) -> tuple[str, ...]:
    """Phones of the agents who serve queues; all phones where no agent has one of their own."""
    agents = {
        agent
        for queue in directory.queues.values()
        for agent in members_of(queue, directory.agents)
    }
    served = [
        agent.phone
        for agent in directory.agents.values()
        if agent.id in agents and agent.phone in directory.phones
    ]
    return tuple(dict.fromkeys(served)) or tuple(directory.phones)
