"""Renders the configuration of a managed Asterisk, with passwords made at the first run."""

from __future__ import annotations

import os
import secrets
import string
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from callcore.config import SipSettings
from callcore.errors import SetupError
from callcore.telephony.layout import (
    ROOT,
    WORD,
    AsteriskPaths,
    AsteriskProgram,
    ManagedSettings,
)
from callcore.telephony.modules import modules_conf

TEMPLATES = (ROOT / "asterisk-conf", ROOT / "dialplans")
#: Included files that other parts render; made empty so that Asterisk starts without them.
INCLUDED = ("pjsip_callcore.conf", "queues_callcore.conf")
FALLBACK_QUEUE = "callcore-fallback"
CERTIFICATE, KEY = "callcore.crt", "callcore.key"


class Secrets(msgspec.Struct, frozen=True):
    """Passwords made at the first run."""

    ari_user: str
    ari_password: str
    ami_user: str
    ami_password: str

    @classmethod
    def random(cls) -> Secrets:
        return cls("callcore", secrets.token_urlsafe(24), "callcore", secrets.token_urlsafe(24))

    def __repr__(self) -> str:
        return "Secrets(…)"


def ensure_secrets(path: Path) -> Secrets:
    """Read the passwords, or make them."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Secrets)
    except FileNotFoundError:
        made = Secrets.random()
        write_private(path, msgspec.json.encode(made).decode())
        return made
    except msgspec.DecodeError as exc:
        raise SetupError(f"{path} is damaged: remove it, new passwords are made ({exc})") from exc


def write_private(path: Path, text: str) -> bool:
    """Replace a file in one step, readable by its owner only; false when nothing changed.

    The file gets the owner of its directory: callcore may run as root and Asterisk as its own user.
    """
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    waiting = path.with_name(f".{path.name}.new")
    waiting.unlink(missing_ok=True)
    descriptor = os.open(waiting, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    owner = path.parent.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        os.chown(waiting, owner.st_uid, owner.st_gid)
    waiting.replace(path)
    return True


def ensure_certificate(folder: Path, host: str) -> None:
    """Have a self-signed certificate and its key in `folder`."""
    certificate, key = folder / CERTIFICATE, folder / KEY
    if certificate.exists() and key.exists():
        return
    from callcore.telephony.certificate import make_certificate  # cryptography: 20 ms

    make_certificate(certificate, key, host)


class ConfigTemplate(string.Template):
    """`@{name}` is replaced: the dialplan keeps `${...}` for itself."""

    delimiter = "@"
    pattern: ClassVar[Any] = r"""
        @(?:(?P<escaped>(?!))|(?P<named>(?!))|\{(?P<braced>[a-z_]+)\}|(?P<invalid>(?!)))
    """


def render(
    program: AsteriskProgram, paths: AsteriskPaths, settings: ManagedSettings, passwords: Secrets
) -> dict[str, str]:
    """File name → text of the whole configuration."""
    values = template_values(program, paths, settings, passwords)
    files = {
        source.name: ConfigTemplate(source.read_text(encoding="utf-8")).substitute(values)
        for directory in TEMPLATES
        for source in sorted(directory.glob("*.conf"))
    }
    files["modules.conf"] = modules_conf(program.module_dir)
    return files


def template_values(
    program: AsteriskProgram, paths: AsteriskPaths, settings: ManagedSettings, passwords: Secrets
) -> dict[str, str]:
    return {
        "etc": str(paths.etc),
        "log": str(paths.log),
        "run": str(paths.run),
        "spool": str(paths.spool),
        "lib": str(paths.base / "lib"),
        "db": str(paths.base / "db"),
        "keys": str(paths.base),
        "module_dir": str(program.module_dir),
        "data_dir": str(program.data_dir),
        "binary_dir": str(program.binary.parent),
        "ari_address": settings.control_address,
        "ari_port": str(settings.ari_port),
        "ami_address": settings.control_address,
        "ami_port": str(settings.ami_port),
        "ari_user": passwords.ari_user,
        "ari_password": passwords.ari_password,
        "ami_user": passwords.ami_user,
        "ami_password": passwords.ami_password,
        "rtp_start": str(settings.sip.rtp_start),
        "rtp_end": str(settings.sip.rtp_end),
        "app": settings.app,
        "retry_seconds": str(settings.retry_seconds),
        "fallback_after": str(settings.fallback_after_seconds),
        "fallback_queue": FALLBACK_QUEUE,
        "transports": transports(settings.sip, paths),
        "music_classes": music_classes(paths.prompts / "music"),
    }


def transports(sip: SipSettings, paths: AsteriskPaths) -> str:
    """The transports in use, named udp, tcp and tls."""
    host = f"[{sip.bind}]" if ":" in sip.bind else sip.bind
    common = ["type = transport", "allow_reload = no", "tos = cs3"]
    if sip.external_address:
        common += [f"external_signaling_address = {sip.external_address}"]
        common += [f"external_media_address = {sip.external_address}"]
    common += [f"local_net = {network}" for network in sip.local_networks]
    blocks = []
    for protocol, port in (("udp", sip.udp_port), ("tcp", sip.tcp_port), ("tls", sip.tls_port)):
        if not port:
            continue
        lines = [f"[{protocol}]", *common, f"protocol = {protocol}", f"bind = {host}:{port}"]
        if protocol == "tls":
            lines += [
                f"cert_file = {sip.tls_certificate or paths.keys / CERTIFICATE}",
                f"priv_key_file = {sip.tls_key or paths.keys / KEY}",
                "method = tlsv1_2",
            ]
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


def music_classes(music: Path) -> str:
    """One class of music on hold per directory; `default` is always there."""
    names = {entry.name for entry in music.iterdir() if entry.is_dir()} if music.is_dir() else set()
    names = {name for name in names if WORD.fullmatch(name)} | {"default"}
    return "\n".join(
        f"[{name}]\nmode = files\ndirectory = {music / name}\nsort = alpha\n"
        for name in sorted(names - {"general"})
    )


class Written(msgspec.Struct, frozen=True):
    """What writing the configuration did."""

    passwords: Secrets
    #: Files whose content is not what it was; a running Asterisk does not have it yet.
    changed: tuple[str, ...]


def write_configuration(
    program: AsteriskProgram, paths: AsteriskPaths, settings: ManagedSettings
) -> Written:
    """Make the directories and write what changed; included files of others are left alone."""
    for directory in paths.directories:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    passwords = ensure_secrets(paths.secrets)
    sip = settings.sip
    if sip.tls_port and not sip.tls_certificate:
        ensure_certificate(paths.keys, sip.external_address or sip.bind)
    files = render(program, paths, settings, passwords)
    changed = [name for name, text in files.items() if write_private(paths.etc / name, text)]
    for name in INCLUDED:
        if not (paths.etc / name).exists():
            write_private(paths.etc / name, "")
    return Written(passwords, tuple(changed))
