"""Who is at which address: the phones and trunks of the directory, as SIP sees them."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import NamedTuple

from callcore.directory import Directory, Phone, Transport, Trunk
from callcore.types import Entry

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
SIP_PORT, SIPS_PORT = 5060, 5061


class Peer(NamedTuple):
    """Where calls of one phone or trunk come from."""

    name: str
    entry: Entry
    networks: tuple[Network, ...]
    port: int


class Peers:
    """Finds out who calls: by address, then by port, then by name."""

    def __init__(self, directory: Directory, addresses: Mapping[str, str]) -> None:
        """`addresses` are those of host names, looked up before."""
        self._peers = [
            *(_phone(p, addresses) for p in directory.phones.values() if p.host),
            *(_trunk(t, addresses) for t in directory.trunks.values()),
        ]

    def who(self, source: str, user: str) -> Peer | None:
        """The one at ``address:port`` who calls itself `user`; None: a stranger."""
        host, _, port = source.rpartition(":")
        try:
            address = ipaddress.ip_address(host.strip("[]"))
        except ValueError:
            return None
        there = [p for p in self._peers if any(address in network for network in p.networks)]
        for fits in (
            lambda p: p.entry is Entry.PHONE and p.name == user,
            lambda p: str(p.port) == port,
        ):
            for peer in there:
                if fits(peer):
                    return peer
        return there[0] if there else None


def _phone(phone: Phone, addresses: Mapping[str, str]) -> Peer:
    host, port = split_host(phone.host, phone.transport)
    return Peer(phone.id, Entry.PHONE, _networks([host], addresses), port)


def _trunk(trunk: Trunk, addresses: Mapping[str, str]) -> Peer:
    networks = _networks([trunk.host, *trunk.match], addresses)
    return Peer(trunk.id, Entry.TRUNK, networks, trunk.port)


def _networks(hosts: list[str], addresses: Mapping[str, str]) -> tuple[Network, ...]:
    found = []
    for host in hosts:
        try:
            found.append(ipaddress.ip_network(addresses.get(host, host).strip("[]"), strict=False))
        except ValueError:
            continue  # a name nobody knows: told where it was looked up
    return tuple(found)


def split_host(host: str, transport: Transport = Transport.UDP) -> tuple[str, int]:
    """``address`` or ``address:port``."""
    usual = SIPS_PORT if transport is Transport.TLS else SIP_PORT
    if host.count(":") == 1:
        name, _, port = host.partition(":")
        return name, int(port) if port.isdigit() else usual
    return host.strip("[]"), usual


def host_names(directory: Directory) -> tuple[str, ...]:
    """Hosts that are no addresses and have to be looked up."""
    hosts = [split_host(p.host)[0] for p in directory.phones.values() if p.host]
    hosts += [host for t in directory.trunks.values() for host in (t.host, *t.match)]
    return tuple(dict.fromkeys(host for host in hosts if not _is_address(host)))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_network(host.strip("[]"), strict=False)
    except ValueError:
        return False
    return True


def phone_uri(phone: Phone) -> str:
    host, port = split_host(phone.host, phone.transport)
    return f"sip:{phone.id}@{bracketed(host)}:{port}{_parameter(phone.transport)}"


def trunk_uri(trunk: Trunk, number: str = "") -> str:
    user = f"{number}@" if number else ""
    return f"sip:{user}{bracketed(trunk.host)}:{trunk.port}{_parameter(trunk.transport)}"


def bracketed(host: str) -> str:
    """An IPv6 address in a URI stands in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _parameter(transport: Transport) -> str:
    return "" if transport is Transport.UDP else f";transport={transport}"
