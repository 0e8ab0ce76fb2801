"""callcore/config.py: defaults, environment, and one clear error for each thing that is wrong."""

import contextlib
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcore.config import find_settings_file, load_settings
from callcore.directory import Member
from callcore.errors import ConfigError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def load(tmp_path):
    def load_text(text, env=None):
        file = tmp_path / "callcore.toml"
        file.write_text(text, "utf-8")
        return load_settings(file, env or {})

    return load_text


def test_the_shipped_file_is_valid():
    """callcore.toml at the root loads, with its two queues."""
    settings = load_settings(ROOT / "callcore.toml", {})
    assert list(settings.configured.queues) == ["sales", "support"]
    file, line = settings.configured_places["phones.desk1"].rsplit(":", 1)
    assert Path(file).read_text().splitlines()[int(line) - 1] == "[phones.desk1]"


def test_no_file_means_defaults(tmp_path):
    """Every setting has a default; paths are absolute and start at the file."""
    settings = load_settings(tmp_path / "callcore.toml", {})
    assert settings.asterisk.mode == "managed"
    assert settings.paths.var == tmp_path / "var"
    assert settings.paths.prompts == tmp_path / "var" / "prompts"
    assert settings.store.url == f"sqlite+aiosqlite:///{tmp_path}/var/callcore.db"
    assert settings.token_file == tmp_path / "var" / "api-token"


def test_the_environment_wins(load):
    """CALLCORE_SECTION_KEY overrides the file, converted to the key's type."""
    settings = load(
        "[api]\nport = 9000\n",
        {
            "CALLCORE_API_PORT": "9001",
            "CALLCORE_PATHS_VAR": "/elsewhere",
            "CALLCORE_SIP_LOCAL_NETWORKS": '["10.0.0.0/8"]',
            "CALLCORE_JOURNAL_SYNC_SECONDS": "1",
            "CALLCORE_ASTERISK_APP": "007",
        },
    )
    assert settings.api.port == 9001
    assert settings.paths.var == Path("/elsewhere")
    assert settings.sip.local_networks == ("10.0.0.0/8",)
    assert settings.journal.sync_seconds == 1.0
    assert settings.asterisk.app == "007"


def test_settings_file_can_be_named_by_the_environment():
    """CALLCORE_CONFIG names another file."""
    assert find_settings_file({}) == Path("callcore.toml")
    assert find_settings_file({"CALLCORE_CONFIG": "/etc/callcore.toml"}).name == "callcore.toml"


def test_members_are_names_or_tables(load):
    """A member without penalty can be written as its id."""
    settings = load(
        '[agents.a]\n[agents.b]\n[queues.q]\nmembers = ["a", {agent = "b", penalty = 2}]\n'
    )
    assert settings.directory.queues["q"].members == (
        Member(agent="a"),
        Member(agent="b", penalty=2),
    )


PHONE = '[phones.p]\nhost = "192.0.2.1"\n'
TRUNK = '[trunks.t]\nhost = "sip.example.net"\n'

WRONG = [
    ("[apo]\n", 1, 'unknown key apo; did you mean "api"?'),
    ("[api]\nprot = 1\n", 2, 'unknown key api.prot; did you mean "port"?'),
    ('[api]\nport = "x"\n', 2, "api.port = 'x': expected a whole number from 1 to 65535"),
    ("[api]\nport = 70000\n", 2, "api.port = 70000: expected a whole number from 1 to 65535"),
    ("[api]\nport = true\n", 2, "api.port = True: expected a whole number from 1 to 65535"),
    ("api = 3\n", 1, "api = 3: expected a table"),
    ('[asterisk]\nmode = "mine"\n', 2, "expected one of managed, existing"),
    ('[asterisk]\nmode = "existing"\n', 1, "asterisk.ari_password = (hidden): expected a password"),
    (
        '[asterisk]\nmode = "existing"\nari_password = "s3cret"\nami_password = 5\n',
        4,
        "asterisk.ami_password = (hidden): expected a text",
    ),
    (
        '[asterisk]\nari_password_file = "gone"\n',
        2,
        "asterisk.ari_password_file: cannot read",
    ),
    ("[sip]\nrtp_end = 9000\n", 2, "sip.rtp_end = 9000: expected a port above 10000"),
    ('[sip]\ntls_key = "k"\n', 1, "expected tls_certificate and tls_key, or neither"),
    ("[sip]\nudp_port = 0\ntcp_port = 0\n", 2, "expected at least one transport with a port"),
    ('[api]\nbind = "0.0.0.0"\n', 2, "expected token_file to be set when the API is not on"),
    ("phones = 1\n", 1, "phones = 1: expected tables named [phones.ID]"),
    ("[phones.Desk]\n", 1, "'phones.Desk': expected an id of 1 to 40 of a-z 0-9 _ -"),
    (f"[phones.{'x' * 41}]\n", 1, "expected an id of 1 to 40"),
    ('[phones.p]\nid = "q"\n', 2, "unknown key phones.p.id"),
    ('[phones.p]\ntransport = "sctp"\n', 2, "'sctp': expected one of udp, tcp, tls"),
    ('[phones.p]\ncodecs = ["g729"]\n', 1, "phones.p.codecs: expected some of ulaw, alaw"),
    ('[phones.p]\nhost = "a b"\n', 1, "phones.p.host = 'a b': expected an address"),
    ('[phones.p]\nhost = "x\\ny"\n', 1, "expected an address"),
    ('[phones.p]\nsecret = "a\\nb"\n', 1, "phones.p.secret: expected no control characters"),
    (PHONE + '[trunks.p]\nhost = "h"\n', 3, "trunks.p: expected another id"),
    ("[trunks.t]\n", 1, "[trunks.t] lacks host: expected a text"),
    ('[trunks.t]\nhost = ""\n', 1, "trunks.t.host: expected the provider's address"),
    (TRUNK + "register = true\n", 1, "trunks.t.register = true: expected user and secret"),
    (TRUNK + "port = 0\n", 1, "trunks.t.port = 0: expected a port"),
    (TRUNK + "max_channels = -1\n", 3, "trunks.t.max_channels = -1: expected 0 or more"),
    (TRUNK + 'match = ["a b"]\n', 1, "expected an address or network"),
    (TRUNK + 'user = "a;b"\n', 1, "expected a SIP user name"),
    ('[agents.a]\nname = "a\\nb"\n', 2, "agents.a.name: expected one line"),
    ('[queues.q]\nmusic = "a\\rb"\n', 2, "queues.q.music: expected one line"),
    (TRUNK + 'caller_number = "a"\n', 1, "trunks.t.caller_number: expected digits"),
    ('[agents.a]\npin = "1234"\n', 2, "agents.a.pin = (hidden): expected pin_hash instead"),
    ('[agents.a]\nphone = "p"\n', 2, "agents.a.phone = 'p': expected the id of a known phone"),
    ("[queues.q]\nring_seconds = -1\n", 2, "queues.q.ring_seconds = -1.0: expected 0 or more"),
    ("[queues.q]\nring_seconds = 0\n", 2, "queues.q.ring_seconds = 0.0: expected more than 0"),
    ('[queues.q]\nmembers = ["a"]\n', 2, "queues.q.members = 'a': expected the id of a known"),
    ('[agents.a]\n[queues.q]\nmembers = ["a", "a"]\n', 3, "agent 'a' is listed twice"),
    ('[queues.q]\nmembers = [{agnt = "a"}]\n', 2, "queues.q.members = [{'agnt': 'a'}]: expected"),
    ('[queues.q]\nstrategy = "fair"\n', 2, "expected one of longest_idle, ring_all"),
    ("[queues.q]\nwrap_up_seconds = nan\n", 2, "queues.q.wrap_up_seconds = nan: expected a number"),
    ("routes = 1\n", 1, "routes = 1: expected tables named [[routes]]"),
    ('[[routes]]\npattern = "1"\n', 1, "route '1': expected either tree or queue"),
    ('[[routes]]\npattern = "1Q"\ntree = "t"\n', 1, "pattern = '1Q': 'Q' is none of"),
    (
        '[[routes]]\npattern = "1.2"\ntree = "t"\n',
        1,
        "pattern = '1.2': . may stand only at the end",
    ),
    ('[[routes]]\npattern = "1"\nqueue = "q"\n', 1, "routes.0.queue = 'q': expected the id"),
    ('[[routes]]\ntree = "t"\n', 1, "[routes[1]] lacks pattern"),
    ('[[outbound]]\npattern = "0."\ntrunk = "t"\n', 1, "expected the id of a known trunk"),
    (TRUNK + '[[outbound]]\npattern = "0."\ntrunk = "t"\nprefix = "${X}"\n', 3, "digits"),
    ('[feature_codes]\nlogin = "login"\n', 1, "feature_codes.login = 'login': expected 1 to 8"),
    ('[feature_codes]\nlogin = "*12"\n', 1, "feature_codes.logout = '*12': login has the same"),
    ("[store]\nurl = 5\n", 2, "store.url = 5: expected a text"),
]


@pytest.mark.parametrize(("text", "line", "message"), WRONG)
def test_what_is_wrong_is_named(load, tmp_path, text, line, message):
    """File, line, key, value and what was expected."""
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert message in str(caught.value)
    assert caught.value.file == str(tmp_path / "callcore.toml")
    assert caught.value.line == line
    assert "\n" not in str(caught.value)


def test_secrets_stay_out_of_errors_and_repr(load):
    """A password in a refused file, or in loaded settings, is never printed."""
    with pytest.raises(ConfigError) as caught:
        load('[phones.p]\nsecret = ["s3cret"]\n')
    assert "s3cret" not in str(caught.value)
    settings = load(
        '[asterisk]\nari_password = "s3cret"\n[store]\nurl = "postgresql://u:s3cret@h/d"\n'
        '[phones.p]\nsecret = "s3cret"\n'
    )
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"CALLCORE_API_PROT": "1"}, 'did you mean "CALLCORE_API_PORT"'),
        ({"CALLCORE_API_PORT": "many"}, "CALLCORE_API_PORT = 'many': expected a whole number"),
    ],
)
def test_a_wrong_variable_is_named(load, env, message):
    """Errors of the environment name the variable."""
    with pytest.raises(ConfigError) as caught:
        load("", env)
    assert message in str(caught.value)
    assert str(caught.value).startswith("environment: ")


def test_password_file_is_read(load, tmp_path):
    """The password of an existing Asterisk can live in a file of its own."""
    (tmp_path / "ari").write_text("pw\n")
    settings = load('[asterisk]\nari_password_file = "ari"\n')
    assert settings.asterisk.ari_password == "pw"


FRAGMENTS = st.sampled_from(
    ["[api]", "[phones.p]", "[[routes]]", "port = ", "1", "pattern", " = ", '"1X."', "\n", "\n",
     "[queues.q]", "members", "[", "]", "{", "}", ",", "'", '"', '"""', "#", "nan", "-1", "a.b",
     "\x00", "é", "=", "true", "2026-01-01", "[[queues.q]]", "feature_codes", "agents"]
)  # fmt: skip


@given(st.lists(FRAGMENTS, max_size=12).map("".join))
def test_whatever_is_written_is_settings_or_one_error(text):
    """No text of a file leads to anything but settings or a ConfigError."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "callcore.toml"
        file.write_text(text, "utf-8")
        with contextlib.suppress(ConfigError):
            load_settings(file, {})


def test_a_big_site_loads_quickly(load):
    """2,000 agents in one queue, a member a line: well under the second between two looks."""
    agents = "".join(f"[agents.a{n}]\n" for n in range(2000))
    members = "".join(f'  {{ agent = "a{n}", penalty = 1 }},\n' for n in range(2000))
    start = time.process_time()
    settings = load(f"{agents}[queues.q]\nmembers = [\n{members}]\n")
    assert time.process_time() - start < 1.0
    assert len(settings.directory.queues["q"].members) == 2000
