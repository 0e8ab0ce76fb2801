"""callcore/telephony/pjsip/headers.py: who calls, what was dialled, where a REFER points."""

from __future__ import annotations

import pytest

from callcore.telephony.pjsip.headers import Address, Referral, address, caller, parse, referral

INVITE = (
    "INVITE sip:4000@192.0.2.1 SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\n"
    'f: "Bob\r\n Builder" <sip:0301@192.0.2.9>;tag=1\r\n'
    "To: <sip:4000@192.0.2.1>\r\n"
    "i: abc@192.0.2.9\r\n"
    "\r\n"
    "From: <sip:body@evil>\r\n"
)


def test_compact_and_folded_headers_are_read_and_the_body_is_not() -> None:
    request = parse(INVITE)
    assert request.uri == "sip:4000@192.0.2.1"
    assert request.first("call-id") == "abc@192.0.2.9"
    assert request.headers["from"] == ['"Bob Builder" <sip:0301@192.0.2.9>;tag=1']


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('"A \\"B\\" C" <sip:1@h>', Address('A "B" C', "1", "h", "sip:1@h")),
        ("Bob <sip:%2B49@h:50;x>;tag=2", Address("Bob", "+49", "h:50", "sip:%2B49@h:50;x")),
        ("sip:1@h", Address("", "1", "h", "sip:1@h")),
        ("<tel:+49301>", Address("", "+49301", "", "tel:+49301")),
        ("<sip:h>", Address("", "", "h", "sip:h")),
        ('"\x07x" <sip:1@h>', Address("x", "1", "h", "sip:1@h")),
        ("nonsense", Address("", "", "", "nonsense")),
        ("", Address()),
    ],
)  # fmt: skip
def test_addresses(value: str, expected: Address) -> None:
    assert address(value) == expected


def test_an_asserted_identity_comes_before_from() -> None:
    """RFC 3325; its display name may be missing."""
    asserted = INVITE.replace("To:", "P-Asserted-Identity: <tel:+4930>\r\nTo:")
    assert caller(parse(asserted)).user == "+4930"
    assert caller(parse(asserted)).display == "Bob Builder"
    assert caller(parse(INVITE)).user == "0301"


def test_a_name_of_the_network_is_bounded() -> None:
    assert len(address(f'"{"N" * 5000}" <sip:1@h>').display) == 80


@pytest.mark.parametrize(
    ("refer_to", "expected"),
    [
        ("<sip:4711@h>", Referral("4711")),
        ("sip:4711@h", Referral("4711")),
        (
            "<sip:b@h?Replaces=abc%40h%3Bto-tag%3D1%3Bfrom-tag%3D2>",
            Referral("b", "abc@h"),
        ),
        ("<sip:b@h?Subject=x&replaces=abc>", Referral("b", "abc")),
    ],
)
def test_where_a_refer_points(refer_to: str, expected: Referral) -> None:
    assert referral(refer_to) == expected
