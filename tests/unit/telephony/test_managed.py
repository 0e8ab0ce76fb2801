"""The rendering of a managed Asterisk's configuration."""

from __future__ import annotations

import configparser
import re
import stat
from pathlib import Path

import pytest
from cryptography import x509

from callcore.config import SipSettings
from callcore.errors import ConfigError, SetupError
from callcore.telephony.layout import (
    ROOT,
    AsteriskPaths,
    AsteriskProgram,
    ManagedSettings,
    find_program,
)
from callcore.telephony.managed import without_console_notice
from callcore.telephony.modules import MODULES, REQUIRED, missing_modules, modules_conf
from callcore.telephony.preflight import check_paths, check_ports, check_program, first_closed
from callcore.telephony.render import (
    ConfigTemplate,
    Secrets,
    ensure_secrets,
    music_classes,
    render,
    write_configuration,
    write_private,
)

PASSWORDS = Secrets("callcore", "ari-password", "callcore", "ami-password")


@pytest.fixture
def paths(tmp_path: Path) -> AsteriskPaths:
    return AsteriskPaths.under(tmp_path / "var", tmp_path / "prompts")


@pytest.fixture
def program(tmp_path: Path) -> AsteriskProgram:
    return AsteriskProgram(
        binary=tmp_path / "asterisk", module_dir=tmp_path / "modules", data_dir=tmp_path / "data"
    )


def rendered(program, paths, **settings) -> dict[str, str]:
    return render(program, paths, ManagedSettings(**settings), PASSWORDS)


def section(text: str, name: str) -> dict[str, str]:
    """One section of an Asterisk file without repeated keys."""
    text = "\n".join(line for line in text.splitlines() if not line.startswith(("#", ";")))
    parser = configparser.ConfigParser(strict=False, delimiters=("=",), interpolation=None)
    parser.read_string(text.replace("=>", "="))
    return dict(parser[name])


def test_nothing_is_left_to_replace(program, paths):
    """Every placeholder of every template has a value."""
    for name, text in rendered(program, paths).items():
        assert "@{" not in text, name


def test_dialplan_keeps_its_own_variables(program, paths):
    """`${...}` belongs to Asterisk and comes out as it went in."""
    text = rendered(program, paths)["extensions.conf"]
    assert "Stasis(callcore,${CONTEXT:9}," in text
    assert "Wait(0.5)" in text


def test_nothing_of_the_caller_is_expanded(program, paths):
    """Caller id and dialled number are data: no dialplan argument is made from them."""
    text = rendered(program, paths)["extensions.conf"]
    used = set(re.findall(r"\$\{([A-Za-z_]+)", text))
    assert used == {"CALLCORE_ARRIVED", "CALLCORE_CALL", "CALLCORE_TRIED", "CONTEXT", "EPOCH",
                    "IF", "STASISSTATUS"}  # fmt: skip


def test_every_entry_has_its_context(program, paths):
    """Trunks, phones and callers brought back enter by contexts named after their entry."""
    text = rendered(program, paths)["extensions.conf"]
    contexts = set(re.findall(r"^\[(callcore-\w+)\]\(callcore-handover\)$", text, re.M))
    assert contexts == {"callcore-trunk", "callcore-phone", "callcore-resume"}


def test_control_listens_on_loopback_only(program, paths):
    """ARI and AMI are bound to the control address; SIP is bound as configured."""
    files = rendered(program, paths, sip=SipSettings(bind="0.0.0.0"))
    assert section(files["http.conf"], "general")["bindaddr"] == "127.0.0.1"
    assert section(files["http.conf"], "general")["bindport"] == "18088"
    assert section(files["manager.conf"], "general")["bindaddr"] == "127.0.0.1"
    assert section(files["manager.conf"], "general")["port"] == "15038"
    assert section(files["pjsip.conf"], "udp")["bind"] == "0.0.0.0:5060"


def test_ami_user_reads_no_calls(program, paths):
    """Events cost a millisecond a call: the AMI user gets none of calls, and no command line."""
    user = section(rendered(program, paths)["manager.conf"], "callcore")
    assert user["read"] in ("", "system")
    assert set(user["write"].split(",")) == {"system", "call", "reporting"}


def test_transports_follow_the_ports(program, paths):
    """A port of 0 leaves its transport out; TLS brings its certificate."""
    text = rendered(program, paths)["pjsip.conf"]
    assert "[udp]" in text
    assert "[tcp]" in text
    assert "[tls]" not in text
    sip = SipSettings(udp_port=0, tcp_port=0, tls_port=5061)
    text = rendered(program, paths, sip=sip)["pjsip.conf"]
    assert "[udp]" not in text
    assert section(text, "tls")["cert_file"] == str(paths.keys / "callcore.crt")


def test_own_certificate_is_used(program, paths):
    """A configured certificate replaces the self-signed one."""
    sip = SipSettings(tls_port=5061, tls_certificate="/etc/ssl/a.pem", tls_key="/etc/ssl/a.key")
    tls = section(rendered(program, paths, sip=sip)["pjsip.conf"], "tls")
    assert (tls["cert_file"], tls["priv_key_file"]) == ("/etc/ssl/a.pem", "/etc/ssl/a.key")


def test_nat_settings_reach_every_transport(program, paths):
    """Behind NAT each transport tells the outside address, except to local networks."""
    sip = SipSettings(external_address="203.0.113.7", local_networks=("10.0.0.0/8",))
    text = rendered(program, paths, sip=sip)["pjsip.conf"]
    for transport in ("udp", "tcp"):
        values = section(text, transport)
        assert values["external_media_address"] == "203.0.113.7"
        assert values["external_signaling_address"] == "203.0.113.7"
        assert values["local_net"] == "10.0.0.0/8"


def test_ipv6_is_bracketed(program, paths):
    """An IPv6 bind address is written the way Asterisk reads it."""
    text = rendered(program, paths, sip=SipSettings(bind="::1"))["pjsip.conf"]
    assert section(text, "udp")["bind"] == "[::1]:5060"


@pytest.mark.parametrize(
    "settings",
    [
        {"sip": SipSettings(bind="example")},
        {"sip": SipSettings(bind="127.0.0.1\n[evil]")},
        {"sip": SipSettings(external_address="a\nb")},
        {"sip": SipSettings(local_networks=("10.0.0.0/99",))},
        {"sip": SipSettings(udp_port=0, tcp_port=0)},
        {"sip": SipSettings(tls_port=5060)},
        {"sip": SipSettings(rtp_start=20000, rtp_end=10000)},
        {"control_address": "0.0.0.0;x"},
        {"ari_port": 70000},
        {"app": "a,b"},
        {"app": "x)\nexten"},
    ],
)
def test_unusable_settings_are_refused(settings):
    """What would break or inject into the configuration never gets there."""
    with pytest.raises(ConfigError):
        ManagedSettings(**settings)


def test_only_present_modules_are_loaded(tmp_path):
    """A module that this Asterisk lacks is left out; the required ones are demanded."""
    for name in (*REQUIRED, "codec_ulaw"):
        (tmp_path / f"{name}.so").touch()
    text = modules_conf(tmp_path)
    loaded = re.findall(r"^(load|require) = (\w+)\.so$", text, re.M)
    assert {name for _, name in loaded} == {*REQUIRED, "codec_ulaw"}
    assert {name for how, name in loaded if how == "require"} == set(REQUIRED)
    assert "autoload = no" in text
    assert missing_modules(tmp_path) == []
    (tmp_path / "res_stasis.so").unlink()
    assert missing_modules(tmp_path) == ["res_stasis"]


def test_missing_module_is_named(tmp_path):
    """An Asterisk without its SIP modules is refused by their name."""
    program = AsteriskProgram(binary=tmp_path, module_dir=tmp_path, data_dir=tmp_path)
    with pytest.raises(SetupError, match="lacks the modules res_pjsip, "):
        check_program(program)


def test_modules_are_listed_once():
    """No module appears under two purposes, and the required ones are among them."""
    names = [name for group in MODULES.values() for name in group]
    assert len(names) == len(set(names))
    assert set(REQUIRED) <= set(names)


def test_music_has_a_class_per_directory(tmp_path):
    """Each directory of music is a class; `default` is always there."""
    assert "[default]" in music_classes(tmp_path / "none")
    (tmp_path / "jazz").mkdir()
    (tmp_path / "bad name").mkdir()
    text = music_classes(tmp_path)
    assert re.findall(r"^\[(.*)\]$", text, re.M) == ["default", "jazz"]


def test_passwords_are_made_once_and_kept(tmp_path):
    """The first run makes random passwords, later ones read them; only the owner may."""
    file = tmp_path / "secrets.json"
    first = ensure_secrets(file)
    assert ensure_secrets(file) == first
    assert len(first.ari_password) >= 24
    assert first.ari_password != first.ami_password
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert first.ari_password not in repr(first)


def test_damaged_passwords_are_named(tmp_path):
    """A damaged file is named, with the way out."""
    (tmp_path / "secrets.json").write_text("{")
    with pytest.raises(SetupError, match=r"secrets\.json is damaged: remove it"):
        ensure_secrets(tmp_path / "secrets.json")


def test_configuration_is_private(program, paths):
    """Files are 0600 and directories 0700, whatever the umask."""
    written = write_configuration(program, paths, ManagedSettings(sip=SipSettings(tls_port=5061)))
    assert "pjsip.conf" in written.changed
    for path in paths.base.rglob("*"):
        expected = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == expected, path
    names = {path.name for path in paths.etc.iterdir()}
    assert {"pjsip_callcore.conf", "queues_callcore.conf", "extensions.conf"} <= names


def test_second_writing_changes_nothing(program, paths):
    """Rendering again says that nothing changed, and leaves the files of others alone."""
    write_configuration(program, paths, ManagedSettings())
    write_private(paths.etc / "pjsip_callcore.conf", "[phone]\n")
    assert write_configuration(program, paths, ManagedSettings()).changed == ()
    assert (paths.etc / "pjsip_callcore.conf").read_text() == "[phone]\n"
    changed = write_configuration(program, paths, ManagedSettings(ari_port=18099)).changed
    assert changed == ("http.conf",)


def test_certificate_names_the_address(program, paths):
    """The self-signed certificate is for the address phones connect to."""
    write_configuration(program, paths, ManagedSettings(sip=SipSettings(tls_port=5061)))
    certificate = x509.load_pem_x509_certificate((paths.keys / "callcore.crt").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


def test_program_comes_from_set_up(tmp_path):
    """The record of set-up says what runs, with the loader of a root where there is one."""
    binary = tmp_path / "asterisk"
    binary.touch()
    record = tmp_path / "asterisk.env"
    record.write_text(
        f"KIND=root\nBINARY={binary}\nLOADER=/r/ld.so\nLIBRARY_PATH=/r/lib\n"
        "MODULE_DIR=/r/modules\nDATA_DIR=/r/share\n"
    )
    found = find_program(record)
    assert found.command("-V") == ["/r/ld.so", "--library-path", "/r/lib", str(binary), "-V"]
    record.write_text(f"BINARY={binary}\nMODULE_DIR=/m\nDATA_DIR=/d\nLOADER=\n")
    assert find_program(record).command("-V") == [str(binary), "-V"]


@pytest.mark.parametrize(
    ("text", "told"),
    [(None, "run make setup"), ("BINARY=/x\n", "lacks"),
     ("BINARY=/gone\nMODULE_DIR=/m\nDATA_DIR=/d\n", "/gone is gone: run make setup")],
)  # fmt: skip
def test_missing_program_says_what_to_do(tmp_path, text, told):
    """Without a usable record the error says what to run."""
    record = tmp_path / "asterisk.env"
    if text is not None:
        record.write_text(text)
    with pytest.raises(SetupError, match=told):
        find_program(record)


def test_long_path_is_refused(tmp_path):
    """A control socket has room for 107 bytes: a longer path is refused with a reason."""
    with pytest.raises(SetupError, match="too long for a socket"):
        check_paths(AsteriskPaths.under(tmp_path / ("x" * 100)))


def test_blank_in_path_is_refused(tmp_path):
    """Asterisk's files cannot hold a path with a blank."""
    with pytest.raises(SetupError, match="blanks"):
        check_paths(AsteriskPaths.under(Path("/v/a b")))


def test_occupied_port_is_named(block):
    """The error names port, protocol, address, the setting, and how to find who uses it."""
    import socket

    host, port = block.host(2), 5060
    settings = ManagedSettings(
        sip=SipSettings(bind=host, udp_port=port, tcp_port=0), ari_port=0, ami_port=0
    )
    check_ports(settings)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((host, port))
        with pytest.raises(SetupError, match=rf"port {port}/udp on {host} .*sip\.udp_port"):
            check_ports(settings)


def test_closed_directory_is_found(tmp_path):
    """The directory that a user may not pass is named."""
    import pwd

    nobody = pwd.getpwnam("nobody")
    tmp_path.chmod(0o700)
    inner = tmp_path / "var"
    inner.mkdir(mode=0o755)
    closed = first_closed(inner, nobody)
    assert closed is not None
    assert closed in (tmp_path, *tmp_path.parents)


def test_template_replaces_only_known_names():
    """`@{name}` is replaced, e-mail addresses and `${name}` are not."""
    assert ConfigTemplate("a@b ${x} @{y}").substitute(y="1") == "a@b ${x} 1"
    with pytest.raises(KeyError):
        ConfigTemplate("@{unknown}").substitute()


def test_snippet_for_an_existing_asterisk_is_the_same_dialplan(program, paths):
    """What people paste into their own Asterisk is what the managed one runs."""

    def statements(text: str) -> list[str]:
        text = text[text.index("[callcore-handover]") :]
        lines = (line.strip() for line in text.splitlines())
        return [line for line in lines if line and not line.startswith((";", "#"))]

    pasted = (ROOT / "asterisk-conf" / "existing" / "extensions.conf").read_text()
    assert statements(pasted) == statements(rendered(program, paths)["extensions.conf"])


def test_the_console_answers_the_question_only():
    """Its notice about network cards (a machine with loopback only) is not taken for an answer."""
    notice = "No ethernet interface found for seeding global EID. You will have to set it manually."
    answer = "Bridge-ID  Name  Chans Type  Technology  Duration\n"
    assert without_console_notice(f"{notice}\n{answer}") == answer
