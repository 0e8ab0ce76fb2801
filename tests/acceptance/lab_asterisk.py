"""A small Asterisk of the lab's own, with a hand-written dialplan, for tests of the lab itself."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from callcore.telephony.layout import find_program
from callcore.telephony.managed import without_console_notice
from tests.addresses import Block

PORT, TLS_PORT = 5060, 5061
PHONES = ("601", "602", "603")
PASSWORD = "lab-secret"

# Without bridge_native_rtp: in 22.10 one side of every sixth attended transfer right behind a hold
# stays silent with it.
MODULES = """
pbx_config app_dial app_echo app_read app_verbose app_playback app_stack app_senddtmf
app_playtones
chan_pjsip bridge_simple bridge_softmix bridge_builtin_features bridge_holding
codec_ulaw codec_alaw codec_g722 codec_resample codec_opus_open_source codec_a_mu
format_pcm format_wav format_sln
func_callerid func_channel func_hangupcause func_strings func_env func_pjsip_endpoint
res_pjproject res_pjsip res_pjsip_session res_pjsip_sdp_rtp res_pjsip_registrar
res_pjsip_authenticator_digest res_pjsip_endpoint_identifier_user
res_pjsip_endpoint_identifier_anonymous res_pjsip_endpoint_identifier_ip res_pjsip_dtmf_info
res_pjsip_caller_id res_pjsip_refer res_pjsip_rfc3326 res_pjsip_pubsub res_pjsip_nat
res_pjsip_header_funcs res_rtp_asterisk res_sorcery_config res_sorcery_memory res_sorcery_astdb
res_srtp res_timing_timerfd res_musiconhold res_format_attr_opus res_crypto
"""

DIALPLAN = """
[default]
exten => 600,1,Answer()
 same => n,Echo()
 same => n,Hangup()
exten => _60[1-9],1,Dial(PJSIP/${EXTEN},20,${LAB_DIAL_OPTIONS})
 same => n,Hangup(${HANGUPCAUSE})
exten => 620,1,Answer()
 same => n,Read(KEYS,,4,,1,8)
 same => n,Log(NOTICE,Digits: ${KEYS})
 same => n,Wait(5)
 same => n,Hangup()
exten => 630,1,Progress()
 same => n,Playtones(1000)
 same => n,Wait(20)
exten => 640,1,Set(__DIAL=${PJSIP_DIAL_CONTACTS(601)}&${PJSIP_DIAL_CONTACTS(602)})
 same => n,Dial(PJSIP/601&PJSIP/602,20,b(alert^s^1))
exten => 650,1,Answer()
 same => n,SendDTMF(42#,,120)
 same => n,Wait(10)
exten => 660,1,Answer()
 same => n,Dial(PJSIP/602,20)
exten => 670,1,Busy(1)
exten => 680,1,NoOp(never answers)
 same => n,Wait(60)
exten => 690,1,Answer()
 same => n,Playtones(1000)
 same => n,Wait(60)

[alert]
exten => s,1,Set(PJSIP_HEADER(add,Alert-Info)=<http://localhost>\\;info=alert-autoanswer)
 same => n,Return()
"""

ENDPOINT = """
[{name}]
type=endpoint
context=default
disallow=all
allow={codecs}
auth={name}
aors={name}
direct_media=no
dtmf_mode={dtmf}
rewrite_contact=yes
rtp_symmetric=yes
send_pai=yes
media_encryption={encryption}
language=en
[{name}]
type=auth
auth_type=digest
username={name}
password={password}
[{name}]
type=aor
max_contacts=1
remove_existing=yes
"""

TRANSPORTS = """
[global]
type=global
user_agent=lab-asterisk
[udp]
type=transport
protocol=udp
bind={host}:{port}
[tcp]
type=transport
protocol=tcp
bind={host}:{port}
[anonymous]
type=endpoint
context=default
disallow=all
allow=ulaw,alaw
direct_media=no
"""

TLS_TRANSPORT = """
[tls]
type=transport
protocol=tls
bind={host}:{port}
cert_file={directory}/cert.pem
priv_key_file={directory}/key.pem
method=tlsv1_2
"""


class LabAsterisk:
    """Starts in a directory of its own; ``command`` is one CLI command."""

    def __init__(self, directory: Path, host: str) -> None:
        self.directory = directory
        self.host = host
        self.block = Block.around(host)
        self.phone_host, self.caller_host = self.block.host(2), self.block.host(3)
        self.address = (self.host, PORT)
        self.tls_address = (self.host, TLS_PORT)
        self._program = find_program()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.write()
        with (self.directory / "console.log").open("wb") as console:
            self._process = subprocess.Popen(
                self._start_command(),
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
        deadline = time.monotonic() + 30
        while "fully booted" not in self.command("core waitfullybooted"):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.directory / "console.log").read_text()[-2000:])
            time.sleep(0.1)

    def _start_command(self) -> list[str]:
        return self._program.command("-f", "-C", str(self.directory / "asterisk.conf"))

    def stop(self) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self.command("core stop now")  # a signal during the start is not heard
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def command(self, text: str) -> str:
        """One command of Asterisk's console."""
        config = str(self.directory / "asterisk.conf")
        arguments = self._program.command("-C", config, "-rx", text)
        result = subprocess.run(arguments, capture_output=True, timeout=20)
        return without_console_notice((result.stdout + result.stderr).decode(errors="replace"))

    def log(self) -> str:
        """What it logged."""
        return (self.directory / "log" / "full").read_text(errors="replace")

    def channels(self) -> int:
        """How many channels are up."""
        found = re.search(r"(\d+) active channel", self.command("core show channels count"))
        return int(found.group(1)) if found else -1

    def _write_base(self) -> None:
        here = self.directory
        for name in ("run", "log", "spool/recording", "db", "keys", "data"):
            (here / name).mkdir(parents=True, exist_ok=True)
        # Asterisk's built-in documents are needed, its database must be ours.
        documents = self._program.data_dir / "documentation"
        if not (here / "data/documentation").exists():
            shutil.copytree(documents, here / "data/documentation", symlinks=True)
        modules = self._program.module_dir
        directories = {
            "astetcdir": here, "astmoddir": modules, "astvarlibdir": here / "data",
            "astdbdir": here / "db", "astkeydir": here / "keys", "astdatadir": here / "data",
            "astspooldir": here / "spool", "astrundir": here / "run", "astlogdir": here / "log",
        }  # fmt: skip
        lines = [f"{key} => {value}" for key, value in directories.items()]
        self._file("asterisk.conf", "[directories]\n" + "\n".join(lines) + "\n[options]\n")

    def write(self) -> None:
        here = self.directory
        self._write_base()
        loads = "\n".join(f"load={name}.so" for name in MODULES.split())
        self._file("modules.conf", "[modules]\nautoload=no\n" + loads + "\n")
        self._file("extensions.conf", DIALPLAN)
        self._file("rtp.conf", "[general]\nrtpstart=16000\nrtpend=17998\n")
        self._file(
            "logger.conf", "[general]\n[logfiles]\nfull=notice,warning,error,verbose,debug\n"
        )
        self._file("musiconhold.conf", "[default]\nmode=files\ndirectory=/nonexistent\n")
        for name in ("sorcery.conf", "features.conf", "indications.conf", "codecs.conf"):
            self._file(name, "[general]\n")
        self._file("cdr.conf", "[general]\nenable=no\n")
        pjsip = TRANSPORTS.format(host=self.host, port=PORT)
        pjsip += "".join(
            ENDPOINT.format(name=name, password=PASSWORD, codecs="ulaw,alaw,g722,opus",
                            dtmf="auto", encryption="no")
            for name in PHONES
        )  # fmt: skip
        pjsip += ENDPOINT.format(name="604", password=PASSWORD, codecs="ulaw,alaw",
                                 dtmf="inband", encryption="no")  # fmt: skip
        pjsip += ENDPOINT.format(name="605", password=PASSWORD, codecs="opus,g722,ulaw",
                                 dtmf="rfc4733", encryption="sdes")  # fmt: skip
        if self._certificate():
            pjsip += TLS_TRANSPORT.format(host=self.host, port=TLS_PORT, directory=here)
        self._file("pjsip.conf", pjsip)

    def _certificate(self) -> bool:
        if shutil.which("openssl") is None:
            return False
        arguments = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30"]
        arguments += ["-subj", "/CN=lab", "-keyout", str(self.directory / "key.pem")]
        arguments += ["-out", str(self.directory / "cert.pem")]
        return subprocess.run(arguments, capture_output=True, timeout=30).returncode == 0

    def _file(self, name: str, text: str) -> None:
        (self.directory / name).write_text(text)


@pytest.fixture(scope="module")
def lab_asterisk(tmp_path_factory: pytest.TempPathFactory, block: Block) -> Iterator[LabAsterisk]:
    """One Asterisk for the tests of a module."""
    asterisk = LabAsterisk(tmp_path_factory.mktemp("lab-asterisk"), block.host(1))
    asterisk.start()
    yield asterisk
    asterisk.stop()
