"""An Asterisk as its owner has it, docs/existing-asterisk.md followed, and callcore beside it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from callcore.lab.site import LabSite
from tests.acceptance.floor import Floor
from tests.acceptance.lab_asterisk import LabAsterisk
from tests.addresses import claim_block

PASTE = Path(__file__).parents[2] / "asterisk-conf" / "existing"
ARI_PASSWORD, AMI_PASSWORD = "ari-of-the-owner", "ami-of-the-owner"
OWN_SECRET = "owners-phone"
ARI_PORT, AMI_PORT, SIP_PORT = 8088, 5038, 5060

#: What the owner had before: a dialplan, a phone of their own, a queue.
THEIR_DIALPLAN = """
[general]
[from-internal]
exten => _[a-z0-9]!,1,Dial(PJSIP/${EXTEN},20)
"""
THEIR_PJSIP = """
[global]
type=global
[udp]
type=transport
protocol=udp
bind={host}:5060
[201]
type=endpoint
context=from-internal
disallow=all
allow=ulaw,alaw
auth=201
aors=201
[201]
type=auth
auth_type=userpass
username=201
password=owners-phone
[201]
type=aor
max_contacts=1
remove_existing=yes
[202](201)
"""

CONFIG = """
[asterisk]
mode = "existing"
ari_url = "http://{host}:8088"
ari_password_file = "secrets/ari"
ami_host = "{host}"
ami_password_file = "secrets/ami"
{asterisk}
[api]
bind = "{host}"
port = 8080
token_file = "{token}"
[log]
format = "json"
"""


class TheirAsterisk(LabAsterisk):
    """Loads what it finds, as a distribution's does; the files of asterisk-conf/existing are added
    to its own, with passwords, addresses and a shorter wait put in."""

    def __init__(self, directory: Path, host: str) -> None:
        super().__init__(directory, host)
        self.left_out: frozenset[str] = frozenset()
        #: Replacements the owner made in what was pasted.
        self.edits: dict[str, str] = {}

    def write(self) -> None:
        self._write_base()
        self._file("modules.conf", "[modules]\nautoload=yes\nnoload=chan_iax2.so\n")
        self._file("rtp.conf", "[general]\nrtpstart=24002\nrtpend=28000\n")
        self._file("logger.conf", "[general]\n[logfiles]\nfull=notice,warning,error\n")
        music = self.directory / "music"
        music.mkdir(exist_ok=True)
        self._file("musiconhold.conf", f"[default]\nmode=files\ndirectory={music}\n")
        for name in ("features.conf", "indications.conf", "codecs.conf", "cdr.conf"):
            self._file(name, "[general]\n")
        self._file("pjsip.conf", THEIR_PJSIP.format(host=self.host).replace("[202](201)\n", ""))
        own = {"extensions.conf": THEIR_DIALPLAN, "queues.conf": "[general]\n"}
        for pasted in sorted(PASTE.glob("*.conf")):
            text = "" if pasted.name in self.left_out else self._as_pasted(pasted)
            self._file(pasted.name, own.get(pasted.name, "") + text)

    def _as_pasted(self, file: Path) -> str:
        text = file.read_text().replace("CHANGE-ME-TOO", AMI_PASSWORD)
        text = text.replace("CHANGE-ME", ARI_PASSWORD)
        text = text.replace("bindaddr = 127.0.0.1", f"bindaddr = {self.host}")
        text = text.replace(">= 30]", ">= 2]").replace(";member = PJSIP/1001", "member = PJSIP/201")
        for before, after in self.edits.items():
            text = text.replace(before, after)
        return text


@dataclass
class ExistingSite(LabSite):
    """callcore beside an Asterisk that it does not manage."""

    asterisk_settings: str = ""
    theirs: TheirAsterisk | None = field(default=None)

    def write(self, config: str | None = None) -> None:
        if config is not None:
            self.config = config
        (self.directory / "ivr").mkdir(parents=True, exist_ok=True)
        for name, text in self.trees.items():
            (self.directory / "ivr" / f"{name}.yaml").write_text(text)
        secrets = self.directory / "secrets"
        secrets.mkdir(exist_ok=True)
        (secrets / "ari").write_text(ARI_PASSWORD + "\n")
        (secrets / "ami").write_text(AMI_PASSWORD + "\n")
        token = self.directory / "token"
        if not token.exists():
            token.write_text("t" * 40)
            token.chmod(0o600)
        base = CONFIG.format(host=self.address, token=token, asterisk=self.asterisk_settings)
        (self.directory / "callcore.toml").write_text(base + self.config)

    async def stop_asterisk(self) -> None:
        """It is not ours."""

    async def asterisk(self, command: str) -> str:
        assert self.theirs is not None
        return await asyncio.to_thread(self.theirs.command, command)


@contextlib.asynccontextmanager
async def beside(
    directory: Path, config: str, trees: Mapping[str, str], **options: str
) -> AsyncIterator[tuple[Floor, TheirAsterisk]]:
    """Their Asterisk runs; callcore is configured, and started by `floor.site.start()`."""
    for parent in (directory, directory.parent, directory.parent.parent):
        parent.chmod(0o755)
    with claim_block() as block:
        theirs = TheirAsterisk(directory / "theirs", block.host(1))
        theirs.directory.mkdir()
        site = ExistingSite(
            directory / "ours",
            block.number,
            config.replace("{number}", str(block.number)),
            trees=dict(trees),
            theirs=theirs,
            **options,  # type: ignore[arg-type]
        )
        site.write()
        try:
            await asyncio.to_thread(theirs.start)
            yield Floor(site), theirs
        finally:
            await site.close()
            await asyncio.to_thread(theirs.stop)


def listens(host: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0
