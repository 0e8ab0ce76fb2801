"""callcore/telephony/pjsip/peers.py: who is at which address."""

from __future__ import annotations

import pytest

from callcore.directory import Directory, Phone, Transport, Trunk
from callcore.telephony.pjsip.peers import Peers, host_names, phone_uri, trunk_uri
from callcore.types import Entry

DIRECTORY = Directory(
    phones={
        "p1": Phone(id="p1", host="192.0.2.10:5080"),
        "p2": Phone(id="p2", host="192.0.2.10:5090"),
        "p3": Phone(id="p3"),
        "p4": Phone(id="p4", host="desk.example", transport=Transport.TLS),
    },
    trunks={"t": Trunk(id="t", host="sip.example", match=("198.51.100.0/24",))},
)


@pytest.mark.parametrize(
    ("source", "user", "name", "entry"),
    [
        ("192.0.2.10:5080", "", "p1", Entry.PHONE),
        ("192.0.2.10:5090", "", "p2", Entry.PHONE),
        ("192.0.2.10:5080", "p2", "p2", Entry.PHONE),
        ("192.0.2.10:40000", "nobody", "p1", Entry.PHONE),
        ("203.0.113.1:5060", "anyone", "t", Entry.TRUNK),
        ("198.51.100.77:9999", "", "t", Entry.TRUNK),
        ("203.0.113.2:5061", "", "p4", Entry.PHONE),
    ],
)
def test_who_calls(source: str, user: str, name: str, entry: Entry) -> None:
    """By address, then by name, then by port."""
    addresses = {"sip.example": "203.0.113.1", "desk.example": "203.0.113.2"}
    found = Peers(DIRECTORY, addresses).who(source, user)
    assert found is not None
    assert (found.name, found.entry) == (name, entry)


@pytest.mark.parametrize("source", ["203.0.113.9:5060", "nonsense", ""])
def test_strangers(source: str) -> None:
    assert Peers(DIRECTORY, {}).who(source, "p1") is None


def test_names_that_have_to_be_looked_up() -> None:
    assert host_names(DIRECTORY) == ("desk.example", "sip.example")


def test_uris() -> None:
    phones = DIRECTORY.phones
    assert phone_uri(phones["p1"]) == "sip:p1@192.0.2.10:5080"
    assert phone_uri(phones["p4"]) == "sip:p4@desk.example:5061;transport=tls"
    assert phone_uri(Phone(id="p", host="2001:db8::1")) == "sip:p@[2001:db8::1]:5060"
    assert trunk_uri(DIRECTORY.trunks["t"], "4711") == "sip:4711@sip.example:5060"
