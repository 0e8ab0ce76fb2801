"""What a managed Asterisk is made of: its settings, its program and its directories."""

from __future__ import annotations

import ipaddress
import os
import re
from pathlib import Path

import msgspec

from callcore.config import Settings, SipSettings
from callcore.errors import ConfigError, SetupError

ROOT = Path(__file__).resolve().parents[2]
WORD = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class ManagedSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
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

    @classmethod
    def of(cls, settings: Settings) -> ManagedSettings:
        """From callcore.toml."""
        asterisk = settings.asterisk
        return cls(
            sip=settings.sip,
            app=asterisk.app,
            control_address=asterisk.managed_address,
            ari_port=asterisk.managed_ari_port,
            ami_port=asterisk.managed_ami_port,
            fallback_after_seconds=asterisk.fallback_after_seconds,
        )


def check_settings(settings: ManagedSettings) -> None:
    """Refuse what would render into a broken or injected configuration."""
    sip = settings.sip
    for name, address in (
        ("sip.bind", sip.bind),
        ("asterisk.managed_address", settings.control_address),
    ):
        check_address(f"{name}", address)
    if sip.external_address and not WORD.fullmatch(sip.external_address):
        raise ConfigError(f"sip.external_address: not a host: {sip.external_address!r}")
    for network in sip.local_networks:
        try:
            ipaddress.ip_network(network)
        except ValueError as exc:
            raise ConfigError(f"sip.local_networks: {exc}") from exc
    ports = {
        f: getattr(sip, f) for f in ("udp_port", "tcp_port", "tls_port", "rtp_start", "rtp_end")
    }
    ports |= {"ari_port": settings.ari_port, "ami_port": settings.ami_port}
    for name, port in ports.items():
        if not 0 <= port <= 65535:
            raise ConfigError(f"{name}: expected a port from 0 to 65535, not {port}")
    if sip.rtp_end - sip.rtp_start < 2:
        raise ConfigError("sip: rtp_end must be above rtp_start, four ports per call")
    if not (sip.udp_port or sip.tcp_port or sip.tls_port):
        raise ConfigError("sip: at least one of udp_port, tcp_port, tls_port is needed")
    if sip.tls_port and sip.tls_port == sip.tcp_port:
        raise ConfigError("sip: tls_port and tcp_port must differ")
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
    def console(self) -> Path:
        """What Asterisk says before and beside its own log."""
        return self.log / "console.log"

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
    def keys(self) -> Path:
        return self.base / "keys"

    @property
    def secrets(self) -> Path:
        return self.base / "secrets.json"

    @property
    def directories(self) -> tuple[Path, ...]:
        """Every directory that must exist before Asterisk starts."""
        return (
            self.base, self.etc, self.log, self.run, self.spool, self.monitor,
            self.spool / "recording", self.spool / "tmp",
            self.base / "lib", self.base / "db", self.keys,
        )  # fmt: skip
