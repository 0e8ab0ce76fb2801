"""Settings, directories and secrets of a managed Asterisk, and the rendering of its configuration."""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
import string
from pathlib import Path

import msgspec

from callcore.errors import ConfigError, SetupError
from callcore.telephony.certificate import ensure_certificate
from callcore.telephony.modules import modules_conf

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = (ROOT / "asterisk-conf", ROOT / "dialplans")
#: Included files that other parts render; made empty so that Asterisk starts without them.
INCLUDED = ("pjsip_callcore.conf", "queues_callcore.conf")
FALLBACK_QUEUE = "callcore-fallback"
WORD = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class SipSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where SIP and RTP listen; a port of 0 leaves that transport out."""

    bind: str = "127.0.0.1"
    udp_port: int = 5060
    tcp_port: int = 5060
    tls_port: int = 0
    rtp_start: int = 10000
    rtp_end: int = 20000
    #: Address others see when this machine is behind NAT.
    external_address: str | None = None
    #: Networks that are not behind that NAT.
    local_networks: tuple[str, ...] = ()


class AsteriskSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one managed Asterisk is told."""

    sip: SipSettings = SipSettings()
    #: ARI and AMI listen here; ports unlike Asterisk's own defaults leave room for another one.
    control_address: str = "127.0.0.1"
    ari_port: int = 18088
    ami_port: int = 15038
    app: str = "callcore"
    #: How often a held caller is offered to callcore while it is away, and when the fallback comes.
    retry_seconds: float = 0.5
    fallback_after_seconds: int = 30

    def __post_init__(self) -> None:
        check_settings(self)


def check_settings(settings: AsteriskSettings) -> None:
    """Refuse what would render into a broken or injected configuration."""
    sip = settings.sip
    for name, address in (("sip.bind", sip.bind), ("control_address", settings.control_address)):
        check_address(f"asterisk.{name}", address)
    if sip.external_address is not None and not WORD.fullmatch(sip.external_address):
        raise ConfigError(f"asterisk.sip.external_address: not a host: {sip.external_address!r}")
    for network in sip.local_networks:
        try:
            ipaddress.ip_network(network)
        except ValueError as exc:
            raise ConfigError(f"asterisk.sip.local_networks: {exc}") from exc
    ports = {
        f: getattr(sip, f) for f in ("udp_port", "tcp_port", "tls_port", "rtp_start", "rtp_end")
    }
    ports |= {"ari_port": settings.ari_port, "ami_port": settings.ami_port}
    for name, port in ports.items():
        if not 0 <= port <= 65535:
            raise ConfigError(f"asterisk {name}: expected a port from 0 to 65535, not {port}")
    if sip.rtp_end - sip.rtp_start < 2:
        raise ConfigError("asterisk.sip: rtp_end must be above rtp_start, four ports per call")
    if not (sip.udp_port or sip.tcp_port or sip.tls_port):
        raise ConfigError("asterisk.sip: at least one of udp_port, tcp_port, tls_port is needed")
    if sip.tls_port and sip.tls_port == sip.tcp_port:
        raise ConfigError("asterisk.sip: tls_port and tcp_port must differ")
    if not WORD.fullmatch(settings.app):
        raise ConfigError(f"asterisk.app: letters, digits, - and _ only, not {settings.app!r}")


def check_address(name: str, address: str) -> None:
    try:
        ipaddress.ip_address(address)
    except ValueError as exc:
        raise ConfigError(f"{name}: expected an IP address, not {address!r}") from exc


class AsteriskProgram(msgspec.Struct, frozen=True, kw_only=True):
    """Which Asterisk runs, as set-up recorded it."""

    binary: Path
    module_dir: Path
    data_dir: Path
    version: str = ""
    kind: str = "path"
    #: The loader and libraries of an Asterisk that lives in a root of its own.
    loader: str = ""
    library_path: str = ""

    def command(self, *arguments: str) -> list[str]:
        """The command line that runs this Asterisk."""
        own = [self.loader, "--library-path", self.library_path] if self.loader else []
        return [*own, str(self.binary), *arguments]


def find_program(record: Path | None = None) -> AsteriskProgram:
    """The Asterisk that `make setup` recorded."""
    record = record or Path(os.environ.get("CALLCORE_ASTERISK_ENV", ROOT / ".setup/asterisk.env"))
    try:
        lines = record.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as exc:
        raise SetupError(f"no Asterisk was set up ({record} is missing): run make setup") from exc
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    try:
        program = AsteriskProgram(
            binary=Path(values["BINARY"]),
            module_dir=Path(values["MODULE_DIR"]),
            data_dir=Path(values["DATA_DIR"]),
            version=values.get("VERSION", ""),
            kind=values.get("KIND", "path"),
            loader=values.get("LOADER", ""),
            library_path=values.get("LIBRARY_PATH", ""),
        )
    except KeyError as exc:
        raise SetupError(f"{record} lacks {exc}: remove it and run make setup") from exc
    if not program.binary.exists():
        raise SetupError(f"{program.binary} is gone: run make setup again")
    return program


class AsteriskPaths(msgspec.Struct, frozen=True):
    """Where one managed Asterisk keeps its things; all of it under `var`."""

    var: Path
    #: Prompts and music; those of the project unless `var` has its own.
    prompts: Path

    @classmethod
    def under(cls, var: Path, prompts: Path | None = None) -> AsteriskPaths:
        """The directories under `var`, as absolute paths: Asterisk has no working directory."""
        var = var.absolute()
        if prompts is None:
            prompts = var / "prompts" if (var / "prompts").is_dir() else ROOT / "var" / "prompts"
        return cls(var, prompts.absolute())

    @property
    def base(self) -> Path:
        return self.var / "asterisk"

    @property
    def etc(self) -> Path:
        return self.base / "etc"

    @property
    def config(self) -> Path:
        return self.etc / "asterisk.conf"

    @property
    def log(self) -> Path:
        return self.base / "log"

    @property
    def messages(self) -> Path:
        return self.log / "messages.log"

    @property
    def run(self) -> Path:
        return self.base / "run"

    @property
    def control_socket(self) -> Path:
        return self.run / "asterisk.ctl"

    @property
    def pid_file(self) -> Path:
        return self.run / "asterisk.pid"

    @property
    def spool(self) -> Path:
        return self.base / "spool"

    @property
    def monitor(self) -> Path:
        """MixMonitor files in the making; Asterisk may write here whoever it runs as."""
        return self.spool / "monitor"

    @property
    def secrets(self) -> Path:
        return self.base / "secrets.json"

    @property
    def directories(self) -> tuple[Path, ...]:
        """Every directory that must exist before Asterisk starts."""
        return (
            self.base, self.etc, self.log, self.run, self.spool, self.monitor,
            self.spool / "recording", self.spool / "tmp",
            self.base / "lib", self.base / "db", self.base / "keys",
        )  # fmt: skip


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


class ConfigTemplate(string.Template):
    """`@{name}` is replaced: the dialplan keeps `${...}` for itself."""

    delimiter = "@"
    pattern = r"""
        @(?:(?P<escaped>(?!))|(?P<named>(?!))|\{(?P<braced>[a-z_]+)\}|(?P<invalid>(?!)))
    """


def render(
    program: AsteriskProgram, paths: AsteriskPaths, settings: AsteriskSettings, passwords: Secrets
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
    program: AsteriskProgram, paths: AsteriskPaths, settings: AsteriskSettings, passwords: Secrets
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
    if sip.external_address is not None:
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
                f"cert_file = {paths.base / 'keys' / 'callcore.crt'}",
                f"priv_key_file = {paths.base / 'keys' / 'callcore.key'}",
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


def write_configuration(
    program: AsteriskProgram, paths: AsteriskPaths, settings: AsteriskSettings
) -> Secrets:
    """Make the directories and write what changed; included files of others are left alone."""
    for directory in paths.directories:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    passwords = ensure_secrets(paths.secrets)
    if settings.sip.tls_port:
        ensure_certificate(paths.base / "keys", settings.sip.external_address or settings.sip.bind)
    for name, text in render(program, paths, settings, passwords).items():
        write_private(paths.etc / name, text)
    for name in INCLUDED:
        if not (paths.etc / name).exists():
            write_private(paths.etc / name, "")
    return passwords
