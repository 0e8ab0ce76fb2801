"""callcore/directory_import.py: each kind of wrong row, named with its line."""

import pytest

from callcore.directory import Agent, Directory, Phone, Queue, Transport, srtp_of
from callcore.directory_additions import Additions, DirectoryFile
from callcore.directory_import import RowsRefused, put_agents, read_agents, read_phones
from callcore.errors import ConfigError
from callcore.types import Reach

KNOWN = Directory(phones={"p1": Phone(id="p1")}, queues={"q": Queue(id="q")})


def test_good_agents():
    """Quotes, blanks, a byte-order mark, Windows line ends and several lines in a cell."""
    text = (
        "\ufeffID, Name ,pin,phone,reach,skills,queues\r\n"
        'a1,"Zoë\r\nM.",2468,p1,auto_answer,en:5 de,q:2\r\n\r\na2,,,,,,\r\n'
    )
    first, second = read_agents("f.csv", text.encode(), KNOWN)
    assert first.agent == Agent(
        id="a1", name="Zoë M.", phone="p1", reach=Reach.AUTO_ANSWER, skills={"en": 5, "de": 1}
    )
    assert (first.line, first.pin, first.queues) == (2, "2468", (("q", 2),))
    assert (second.line, second.agent) == (5, Agent(id="a2"))


def test_good_phones():
    """Defaults, flags, and a random secret where one is needed."""
    rows = read_phones("f.csv", b"id,transport,nat,host\np1,TLS,yes,\np2,,no,192.0.2.9\n")
    assert [line for line, _ in rows] == [2, 3]
    first, second = (phone for _, phone in rows)
    assert (first.transport, first.nat, len(first.secret)) == (Transport.TLS, True, 30)
    assert (second.host, second.secret) == ("192.0.2.9", "")


def test_an_empty_pin_keeps_the_old_one(tmp_path):
    """Importing the same people again does not lock them out."""
    file = DirectoryFile(tmp_path / "d.json", Additions(agents={"a": Agent(id="a", pin_hash="h")}))
    put_agents(file, read_agents("f.csv", b"id,name,pin\na,New,\nb,,2468\n", KNOWN))
    assert file.additions.agents["a"] == Agent(id="a", name="New", pin_hash="h")
    assert file.additions.agents["b"].pin_hash.startswith("$argon2id$")


WRONG_ROWS = [
    (b"id\nA1\n", "f.csv:2: id 'A1': expected 1 to 40"),
    (b"id,name\na1\n", "f.csv:2: has 1 cells: expected 2 as in line 1"),
    (b"id,pin\na1,12\n", "f.csv:2: PIN: expected 4 to 12 digits"),
    (b"id,reach\na1,shout\n", "f.csv:2: reach 'shout': expected one of ring, auto_answer"),
    (b"id,skills\na1,en:x\n", "f.csv:2: skills 'en:x': expected name or name:number"),
    (b"id,queues\na1,r\n", "f.csv:2: queues: 'r': expected the id of a known queue"),
    (b"id\n$(x)\n", "f.csv:2: id '$(x)'"),
]


@pytest.mark.parametrize(("content", "message"), WRONG_ROWS)
def test_wrong_rows(content, message):
    """One error per row."""
    with pytest.raises(RowsRefused) as caught:
        read_agents("f.csv", content, KNOWN)
    assert str(caught.value.errors[0]).startswith(message)


WRONG_FILES = [
    (b"", "f.csv: empty: expected a line with id,name"),
    (b"id,nmae\n", "f.csv:1: unknown column 'nmae'; did you mean \"name\"?"),
    (b"name\nx\n", "f.csv:1: expected a column id"),
    (b"id,id\nx,y\n", "f.csv:1: expected a column id, and each column once"),
    (b'id\n"a1\n', "f.csv:2: not valid CSV"),
    (b"id\na1\nM\xfcller\n", "f.csv:3: is not UTF-8 text"),
]


@pytest.mark.parametrize(("content", "message"), WRONG_FILES)
def test_wrong_files(content, message):
    """What is wrong with the file as a whole."""
    with pytest.raises(ConfigError) as caught:
        read_agents("f.csv", content, KNOWN)
    assert str(caught.value).startswith(message)


def test_encryption_is_a_word_or_yes_or_no():
    """As in callcore.toml; an empty cell means none."""
    rows = read_phones("f.csv", b"id,srtp\np1,optional\np2,yes\np3,\np4,off\n")
    assert [srtp_of(phone) for _, phone in rows] == ["optional", "required", "off", "off"]
    with pytest.raises(RowsRefused, match="srtp 'perhaps': expected one of off, optional"):
        read_phones("f.csv", b"id,srtp\np1,perhaps\n")


def test_wrong_phones():
    """All wrong rows are collected."""
    with pytest.raises(RowsRefused) as caught:
        read_phones("f.csv", b"id,nat,transport\np1,maybe,\np2,,sctp\np3,,\n")
    assert [str(e) for e in caught.value.errors] == [
        "f.csv:2: nat 'maybe': expected yes or no",
        "f.csv:3: transport 'sctp': expected one of udp, tcp, tls",
    ]
