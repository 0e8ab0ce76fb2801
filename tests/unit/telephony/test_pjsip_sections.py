"""Phones and trunks become PJSIP sections; nothing a person writes can become more than a value."""

from __future__ import annotations

import pytest

from callcore.directory import Agent, Directory, Dtmf, Member, Phone, Queue, Srtp, Transport, Trunk
from callcore.errors import ConfigError
from callcore.telephony.pjsip_sections import (
    Section,
    fallback_phones,
    phone_sections,
    render_fallback,
    render_sections,
    sections,
    trunk_sections,
)


def by_type(made: list[Section]) -> dict[str, dict[str, str]]:
    return {section.type: dict(section.options) for section in made}


def test_a_phone_that_registers() -> None:
    made = by_type(phone_sections(Phone(id="desk1", secret="geheim", codecs=("g722", "alaw"))))
    assert list(made) == ["auth", "aor", "endpoint"]
    assert made["auth"] == {"auth_type": "userpass", "username": "desk1", "password": "geheim"}
    assert made["aor"]["max_contacts"] == "1"
    assert made["aor"]["remove_existing"] == "yes"
    endpoint = made["endpoint"]
    assert endpoint["context"] == "callcore-phone"
    assert endpoint["allow"] == "g722,alaw"
    assert endpoint["direct_media"] == "no"
    assert endpoint["identify_by"] == "username,auth_username"
    assert (endpoint["force_rport"], endpoint["rtp_symmetric"]) == ("no", "no")
    assert "media_encryption" not in endpoint


@pytest.mark.parametrize("transport", [Transport.TCP, Transport.TLS])
def test_a_connected_phone_is_called_on_its_own_connection(transport: Transport) -> None:
    """A TLS phone has no certificate to be called back with; a fixed address stays as it is."""
    endpoint = by_type(phone_sections(Phone(id="d", secret="s", transport=transport)))["endpoint"]
    assert (endpoint["rewrite_contact"], endpoint["rtp_symmetric"]) == ("yes", "no")
    static = by_type(phone_sections(Phone(id="d", host="192.0.2.7", transport=transport)))
    assert static["endpoint"]["rewrite_contact"] == "no"


def test_a_phone_at_a_static_address() -> None:
    """Known by its address alone only where it has no password."""
    made = by_type(phone_sections(Phone(id="door", host="192.0.2.7:5062", transport=Transport.TCP)))
    assert made["aor"]["contact"] == "sip:door@192.0.2.7:5062;transport=tcp"
    assert made["identify"] == {"endpoint": "door", "match": "192.0.2.7"}
    assert made["endpoint"]["identify_by"] == "ip"
    with_password = by_type(phone_sections(Phone(id="door", host="192.0.2.7", secret="x")))
    assert "identify" not in with_password
    assert with_password["endpoint"]["auth"] == "door"


def test_a_trunk_that_registers() -> None:
    trunk = Trunk(
        id="provider", host="sip.example.net", user="4930123", secret="s", register=True,
        transport=Transport.TLS, port=5061, srtp=True, nat=True, dtmf=Dtmf.INFO,
        match=("198.51.100.0/24",), qualify_seconds=30,
    )  # fmt: skip
    made = by_type(trunk_sections(trunk))
    assert list(made) == ["auth", "aor", "endpoint", "identify", "registration"]
    uri = "sip:sip.example.net:5061;transport=tls"
    assert made["aor"] == {"contact": uri, "qualify_frequency": "30"}
    assert made["identify"]["match"] == "sip.example.net,198.51.100.0/24"
    assert made["registration"]["server_uri"] == uri
    assert made["registration"]["client_uri"] == "sip:4930123@sip.example.net"
    endpoint = made["endpoint"]
    assert (endpoint["outbound_auth"], endpoint["from_user"]) == ("provider", "4930123")
    assert endpoint["media_encryption"] == "sdes"
    assert endpoint["dtmf_mode"] == "info"
    assert {endpoint[k] for k in ("rtp_symmetric", "force_rport", "rewrite_contact")} == {"yes"}


def test_optional_encryption_is_offered_and_not_asked_for() -> None:
    endpoint = by_type(trunk_sections(Trunk(id="t", host="h", srtp=Srtp.OPTIONAL)))["endpoint"]
    assert endpoint["media_encryption"] == "sdes"
    assert endpoint["media_encryption_optimistic"] == "yes"
    required = by_type(trunk_sections(Trunk(id="t", host="h", srtp=Srtp.REQUIRED)))["endpoint"]
    assert "media_encryption_optimistic" not in required


def test_a_trunk_known_by_address_asks_for_no_password() -> None:
    made = by_type(trunk_sections(Trunk(id="pstn", host="2001:db8::1")))
    assert list(made) == ["aor", "endpoint", "identify"]
    assert made["aor"]["contact"] == "sip:[2001:db8::1]:5060"
    assert made["identify"]["match"] == "2001:db8::1"


def test_the_file_escapes_what_would_start_a_comment() -> None:
    text = render_sections(phone_sections(Phone(id="a", host="h", transport=Transport.TCP)))
    assert "contact = sip:a@h\\;transport=tcp\n" in text
    assert text.count("[a]") == 3


@pytest.mark.parametrize(
    "bad",
    [
        Phone(id="a]\n[b", secret="x"),
        Phone(id="../x"),
        Phone(id="", secret="x"),
        Phone(id="a", secret="x\ncontext = evil"),
        Phone(id="a", secret="x;y"),
        Phone(id="a", secret=" x"),
        Phone(id="a", host="h\n[evil]"),
        Phone(id="a", codecs=("ulaw\nx=y",)),
        Trunk(id="t", host="h;x"),
        Trunk(id="t", host=""),
        Trunk(id="t", host="h", user="u@\n"),
        Trunk(id="t", host="h", match=("1.2.3.4,0.0.0.0/0",)),
    ],
    ids=repr,
)
def test_what_could_break_out_is_refused(bad: Phone | Trunk) -> None:
    with pytest.raises(ConfigError) as refused:
        phone_sections(bad) if isinstance(bad, Phone) else trunk_sections(bad)
    assert "\n" not in str(refused.value)


def test_secrets_do_not_show() -> None:
    made = phone_sections(Phone(id="a", secret="geheim"))
    assert "geheim" not in repr(made)


def test_the_fallback_queue_rings_who_would_have() -> None:
    phones = {p: Phone(id=p) for p in ("p1", "p2", "p3")}
    agents = {a: Agent(id=a, phone=p) for a, p in (("a1", "p2"), ("a2", "p3"), ("a3", "p1"))}
    queue = Queue(id="q", members=(Member(agent="a1"), Member(agent="a2")))
    directory = Directory(phones=phones, agents=agents, queues={"q": queue})
    assert fallback_phones(directory) == ("p2", "p3")
    assert fallback_phones(Directory(phones=phones)) == ("p1", "p2", "p3")
    text = render_fallback("away", fallback_phones(directory))
    assert text.endswith("[away]\n" + text.partition("[away]\n")[2])
    assert "member => PJSIP/p2\nmember => PJSIP/p3\n" in text


def test_order_is_that_of_the_directory() -> None:
    directory = Directory(
        phones={"b": Phone(id="b"), "a": Phone(id="a")}, trunks={"t": Trunk(id="t", host="h")}
    )
    assert [s.id for s in sections(directory) if s.type == "endpoint"] == ["b", "a", "t"]
