"""The control stream of baresip and its account line."""

import pytest

from callcore.lab.baresip import BaresipAccount, Netstrings


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_netstrings_may_be_cut_anywhere(size):
    """Messages come out whole however the bytes are cut; line breaks in strings are accepted."""
    messages = [b'{"event":true,"type":"CALL_CLOSED"}', b'{"response":true,"data":"a\nb,1:"}']
    stream = b"".join(b"%d:%s," % (len(m), m) for m in messages)
    reader = Netstrings()
    found = [m for at in range(0, len(stream), size) for m in reader.feed(stream[at : at + size])]
    assert [m.get("type") for m in found] == ["CALL_CLOSED", None]
    assert found[1]["data"] == "a\nb,1:"


def test_account_line():
    """Everything that was asked for is in the line baresip reads."""
    account = BaresipAccount(
        "601", "pw", ("127.0.0.1", 5060), "tls", "auto", ("opus/48000/2", "pcmu"), srtp=True
    )
    line = account.line()
    assert line.startswith("<sip:601@127.0.0.1:5060;transport=tls>;")
    for part in ("auth_pass=pw", "answermode=auto", "audio_codecs=opus/48000/2,pcmu"):
        assert part in line
    assert line.endswith("mediaenc=srtp-mand")
