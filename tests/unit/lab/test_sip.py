"""SIP text is read as phones and servers really write it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcore.lab import sip
from callcore.lab.errors import SipSyntaxError

INVITE = (
    b"INVITE sip:601@127.0.0.21:5270 SIP/2.0\r\n"
    b"v: SIP/2.0/UDP 127.0.0.20:5260;rport;branch=z9hG4bKabc\r\n"
    b'f: "Ann \\"Nan\\" Lee" <sip:100@127.0.0.20;tag=inside>;tag=out\r\n'
    b"To: <sip:601@127.0.0.21>\r\n"
    b"Call-ID: 1@x\r\n"
    b"CSeq: 7 INVITE\r\n"
    b"Subject: folded\r\n  line\r\n"
    b"l: 4\r\n\r\nv=0\n"
)


def test_compact_names_folding_and_quotes_are_read():
    """Short header names, folded lines and escaped quotes mean what RFC 3261 says."""
    message = sip.parse(INVITE)
    assert (message.method, message.cseq, message.branch) == ("INVITE", (7, "INVITE"), "z9hG4bKabc")
    assert message.get("subject") == "folded line"
    assert message.from_tag == "out"
    caller = sip.parse_name_address(message.get("from"))
    assert (caller.display, caller.user, caller.host) == ('Ann "Nan" Lee', "100", "127.0.0.20")
    assert message.body == b"v=0\n"


def test_a_message_survives_writing_and_reading():
    """Encoding loses nothing and states the true length."""
    message = sip.parse(INVITE)
    again = sip.parse(message.encode())
    assert again.get("content-length") == "4"
    assert again.body == message.body
    assert again.get("from") == message.get("from")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, 1000])
def test_a_stream_may_be_cut_anywhere(size):
    """Messages on TCP come out whole however the bytes are cut; keep-alives vanish."""
    stream = b"\r\n\r\n" + INVITE + b"\r\n" + INVITE
    framer = sip.StreamFramer()
    found = [m for at in range(0, len(stream), size) for m in framer.feed(stream[at : at + size])]
    assert found == [INVITE, INVITE]


@pytest.mark.parametrize(
    "text", [b"", b"HELLO", b"INVITE sip:x HTTP/1.1\r\n\r\n", b"SIP/2.0 abc x"]
)
def test_what_is_no_sip_is_refused(text):
    """Noise raises one clear error."""
    with pytest.raises(SipSyntaxError):
        sip.parse(text)


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_parser(data):
    """Any bytes are either a message or a SipSyntaxError."""
    try:
        sip.parse(b"OPTIONS sip:x SIP/2.0\r\n" + data)
    except SipSyntaxError:
        return


def test_digest_matches_the_example_of_rfc_2617():
    """The well-known Mufasa example (without a client nonce of ours: no qop)."""
    answer = sip.digest_answer(
        ['Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'],
        "GET",
        "/dir/index.html",
        "Mufasa",
        "Circle Of Life",
    )
    assert answer is not None
    assert 'response="670fd8c2df070c60b045671b8b24ff02"' in answer


def test_unknown_digest_algorithms_are_passed_over():
    """The first challenge that can be answered is."""
    challenges = [
        'Digest realm="a", nonce="b", algorithm=SHA-512-256',
        'Digest realm="a", nonce="c"',
    ]
    answer = sip.digest_answer(challenges, "REGISTER", "sip:x", "u", "p")
    assert answer is not None
    assert 'nonce="c"' in answer
    assert sip.digest_answer(challenges[:1], "REGISTER", "sip:x", "u", "p") is None
