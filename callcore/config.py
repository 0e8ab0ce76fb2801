"""Settings from callcore.toml and the environment: read once, checked before anything starts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from callcore.directory import (
    Agent,
    Directory,
    FeatureCodes,
    Outbound,
    Phone,
    Queue,
    Route,
    Transfers,
    Trunk,
)
from callcore.directory_additions import DirectoryFile
from callcore.directory_check import check_directory, check_id
from callcore.directory_faults import Places
from callcore.directory_file import merge
from callcore.directory_queue import Kind
from callcore.directory_read import plain_value, read_entity
from callcore.errors import ConfigError
from callcore.toml_source import KeyPath, TomlSource, convert, read_struct

Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
PortOrOff = Annotated[int, msgspec.Meta(ge=0, le=65535, description="0: off")]
Seconds = Annotated[float, msgspec.Meta(ge=0)]
T = TypeVar("T", bound=msgspec.Struct)

LOOPBACK = ("127.", "::1", "localhost")


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """One table of callcore.toml whose keys can also come from the environment."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


class TelephonySettings(Section, frozen=True, kw_only=True):
    """What the calls run on."""

    #: ``asterisk``, or ``pjsip``: the SIP stack inside callcore, behind a PBX or provider
    #: (`make pjsua2` builds it).
    backend: Literal["asterisk", "pjsip"] = "asterisk"


class AsteriskSettings(Section, frozen=True, kw_only=True):
    """Which Asterisk. The user names, passwords and addresses are for ``existing`` only:
    a managed one gets random passwords on loopback, kept below var/asterisk."""

    #: callcore starts an Asterisk of its own, or connects to yours.
    mode: Literal["managed", "existing"] = "managed"
    #: Name of this node; part of every id in the records.
    node: str = "asterisk"
    #: The Stasis application the dialplan hands channels to.
    app: str = "callcore"
    #: Where ARI answers; this and the following for ``existing`` only.
    ari_url: str = "http://127.0.0.1:8088"
    #: The user of its ari.conf.
    ari_user: str = "callcore"
    #: Password of the ARI user; better in a file.
    ari_password: str = ""
    #: File with that password, relative to callcore.toml.
    ari_password_file: str = ""
    #: Where AMI answers.
    ami_host: str = "127.0.0.1"
    #: Its port.
    ami_port: Port = 5038
    #: The user of its manager.conf.
    ami_user: str = "callcore"
    #: Password of the AMI user; better in a file.
    ami_password: str = ""
    #: File with that password, relative to callcore.toml.
    ami_password_file: str = ""
    #: Where a managed Asterisk listens for callcore alone; keep it on loopback.
    managed_address: str = "127.0.0.1"
    #: Port of its ARI.
    managed_ari_port: Port = 18088
    #: Port of its AMI.
    managed_ami_port: Port = 15038
    #: callcore away for so long: held callers go to the fallback queue (managed).
    fallback_after_seconds: Annotated[int, msgspec.Meta(ge=1)] = 30
    #: var/prompts as that Asterisk sees it, when it runs on another host.
    remote_prompts: str = ""
    #: var/recordings/raw as that Asterisk sees it, when it runs on another host.
    remote_recordings: str = ""
    #: Add callcore's phones and trunks to an existing Asterisk; false: it has them already, with
    #: the same names.
    push: bool = True


class SipSettings(Section, frozen=True, kw_only=True):
    """Where a managed Asterisk, or callcore's own SIP stack, listens for phones and trunks. Port 0:
    that transport is off."""

    #: Address for SIP and RTP; that of your network card lets phones and trunks in.
    bind: str = "127.0.0.1"
    #: SIP over UDP; 0: off.
    udp_port: PortOrOff = 5060
    #: SIP over TCP; 0: off.
    tcp_port: PortOrOff = 5060
    #: SIP over TLS (usually 5061); 0: off.
    tls_port: PortOrOff = 0
    #: PEM file for TLS; empty: a self-signed certificate is made at the first start.
    tls_certificate: str = ""
    #: Its private key.
    tls_key: str = ""
    #: First UDP port of the sound.
    rtp_start: Port = 10000
    #: Last UDP port of the sound.
    rtp_end: Port = 20000
    #: Address phones and trunks outside reach us at, when we sit behind NAT.
    external_address: str = ""
    #: Networks that are on our side of the NAT.
    local_networks: tuple[str, ...] = ()


class ApiSettings(Section, frozen=True, kw_only=True):
    #: Where the API listens; elsewhere than on loopback only with a `token_file`.
    bind: str = "127.0.0.1"
    #: TCP port of the API.
    port: Port = 8080
    #: File with the bearer token; empty: made at first run in var/api-token.
    token_file: str = ""


class StoreSettings(Section, frozen=True, kw_only=True):
    """Where the call records go."""

    #: ``postgresql+asyncpg://user@host/name``; empty: SQLite in var/callcore.db.
    url: str = ""
    #: Write var/log/queue_log as Asterisk's queues do, for QueueMetrics, Asternic and their like.
    queue_log: bool = False
    #: So many days of it are kept, one file each; 0: all.
    queue_log_days: Annotated[int, msgspec.Meta(ge=0)] = 31


class JournalSettings(Section, frozen=True, kw_only=True):
    #: Written at once, forced to disk at most this much later.
    sync_seconds: Seconds = 0.2
    #: How often the whole state is written, so that a start has little to replay.
    snapshot_seconds: Annotated[float, msgspec.Meta(ge=1)] = 60.0


class DistributorSettings(Section, frozen=True, kw_only=True):
    #: After every so many events all tables of the distributor are checked against its rules, and
    #: what contradicts them is logged and counted; 0: never. See docs/operator.md for the cost.
    check_invariants_every: Annotated[int, msgspec.Meta(ge=0)] = 0


class PathSettings(Section, frozen=True, kw_only=True):
    """Relative paths start where callcore.toml is."""

    #: Everything that is written.
    var: Path = Path("var")
    #: Your own sounds: ``file:`` in trees, and prompts/LANGUAGE/NAME.wav before the made ones.
    site: Path = Path()
    #: The trees, and their prompt texts in prompts/.
    ivr: Path = Path("ivr")
    #: The prompts that make setup speaks; ".": prompts below `var`.
    prompts: Path = Path()


class RecordingSettings(Section, frozen=True, kw_only=True):
    #: Lossless, or a fifth of the size.
    format: Literal["flac", "opus"] = "flac"


class LanguageSettings(Section, frozen=True, kw_only=True):
    #: Spoken where nobody chose another one.
    default: str = "en"


class LogSettings(Section, frozen=True, kw_only=True):
    #: ``auto``: console lines on a terminal, JSON otherwise.
    format: Literal["auto", "json", "console"] = "auto"
    #: The least important line that is written.
    level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a person has configured, checked. Paths are absolute."""

    file: str
    telephony: TelephonySettings
    asterisk: AsteriskSettings
    sip: SipSettings
    api: ApiSettings
    store: StoreSettings
    journal: JournalSettings
    distributor: DistributorSettings
    paths: PathSettings
    recording: RecordingSettings
    language: LanguageSettings
    log: LogSettings
    #: callcore.toml and var/directory.json together.
    directory: Directory
    #: Where each entity was written ("phones.desk1" → "callcore.toml:12").
    places: Places
    #: callcore.toml alone.
    configured: Directory
    configured_places: Places

    @property
    def directory_file(self) -> Path:
        return self.paths.var / "directory.json"

    @property
    def token_file(self) -> Path:
        return Path(self.api.token_file) if self.api.token_file else self.paths.var / "api-token"


SECTIONS: dict[str, type[Section]] = {
    "telephony": TelephonySettings,
    "asterisk": AsteriskSettings,
    "sip": SipSettings,
    "api": ApiSettings,
    "store": StoreSettings,
    "journal": JournalSettings,
    "distributor": DistributorSettings,
    "paths": PathSettings,
    "recording": RecordingSettings,
    "language": LanguageSettings,
    "log": LogSettings,
}
ENTITIES = ("phones", "trunks", "agents", "queues", "kinds", "statuses", "pause_reasons")
TOP_LEVEL = (*SECTIONS, *ENTITIES, "routes", "outbound", "feature_codes", "transfers")


def find_settings_file(env: Mapping[str, str]) -> Path:
    """callcore.toml of this directory, or what CALLCORE_CONFIG names."""
    return Path(env.get("CALLCORE_CONFIG") or "callcore.toml")


def load_settings(path: Path, env: Mapping[str, str] | None = None) -> Settings:
    """Read and check everything; a `ConfigError` names file, line, key and what was expected.

    A missing callcore.toml is an empty one: every setting has a default. Run-time additions of
    ``var/directory.json`` are merged in.
    """
    settings = load_file_only(path, os.environ if env is None else env)
    additions = DirectoryFile.read(settings.directory_file)
    directory, places = merge(settings.directory, settings.places, additions)
    check_directory(directory, places)
    return msgspec.structs.replace(settings, directory=directory, places=places)


def configured_var(path: Path, env: Mapping[str, str]) -> Path:
    """`paths.var` of a file with an error; the default where the file cannot be read at all."""
    try:
        source = TomlSource.read(path)
    except ConfigError:
        source = TomlSource(str(path), "")
    try:
        paths: PathSettings = _section(source, "paths", PathSettings, env)
    except ConfigError:
        paths = PathSettings()
    return path.absolute().parent / paths.var


def load_file_only(path: Path, env: Mapping[str, str]) -> Settings:
    """Like `load_settings`, without run-time additions and references between entities."""
    source = TomlSource.read(path) if path.exists() else TomlSource(str(path), "")
    for key in source.table:
        if key not in TOP_LEVEL:
            raise source.unknown((key,), TOP_LEVEL)
    given = {name: _section(source, name, kind, env) for name, kind in SECTIONS.items()}
    sections: dict[str, Any] = _resolve(source, path.absolute().parent, given)
    directory, places = _directory(source, sections["language"])
    return Settings(
        file=str(path),
        directory=directory,
        places=places,
        configured=directory,
        configured_places=places,
        **sections,
    )


def _section(source: TomlSource, name: str, kind: type[T], env: Mapping[str, str]) -> T:
    section = read_struct(source, (name,), source.table.get(name, {}), kind)
    prefix = f"CALLCORE_{name.upper()}_"
    fields = {f.name: f.type for f in msgspec.structs.fields(kind)}
    from_env = TomlSource("environment", "")
    changes: dict[str, object] = {}
    for variable in sorted(v for v in env if v.startswith(prefix)):
        key = variable.removeprefix(prefix).lower()
        if key not in fields:
            raise from_env.unknown((variable,), (prefix + f.upper() for f in fields))
        value = plain_value(env[variable], fields[key])
        changes[key] = convert(from_env, (variable,), value, fields[key])
    return msgspec.structs.replace(section, **changes)


def _resolve(source: TomlSource, base: Path, given: dict[str, Any]) -> dict[str, Any]:
    """Absolute paths, password files read, and what only makes sense together checked."""
    paths = given["paths"]
    var = base / paths.var
    given["paths"] = PathSettings(
        var=var,
        site=(base / paths.site).resolve(),
        ivr=base / paths.ivr,
        prompts=var / "prompts" if paths.prompts == Path() else base / paths.prompts,
    )
    if not given["store"].url:
        url = f"sqlite+aiosqlite:///{var / 'callcore.db'}"
        given["store"] = msgspec.structs.replace(given["store"], url=url)
    given["asterisk"] = _with_passwords(source, base, given["asterisk"])
    _check_sip(source, given["sip"])
    _check_api(source, given["api"])
    if given["api"].token_file:
        token_file = str(base / given["api"].token_file)
        given["api"] = msgspec.structs.replace(given["api"], token_file=token_file)
    return given


def _with_passwords(source: TomlSource, base: Path, asterisk: AsteriskSettings) -> AsteriskSettings:
    changes = {}
    for which in ("ari", "ami"):
        key = f"{which}_password"
        name = getattr(asterisk, f"{key}_file")
        if name:
            changes[key] = _read_secret(source, ("asterisk", f"{key}_file"), base / name)
        elif asterisk.mode == "existing" and not getattr(asterisk, key):
            expected = f"a password, or {key}_file, as mode is existing"
            raise source.error(("asterisk", key), "", expected)
    if asterisk.mode == "existing" and not asterisk.ari_url.startswith(("http://", "https://")):
        raise source.error(("asterisk", "ari_url"), asterisk.ari_url, "an http:// or https:// URL")
    return msgspec.structs.replace(asterisk, **changes)


def _read_secret(source: TomlSource, path: KeyPath, file: Path) -> str:
    try:
        secret = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(
            f"{path[0]}.{path[1]}: cannot read {file}: {exc}",
            file=source.file,
            line=source.line(path),
        ) from exc
    if not secret:
        raise source.error(path, str(file), "a file with the password in its first line")
    return secret


def _check_sip(source: TomlSource, sip: SipSettings) -> None:
    if sip.rtp_end <= sip.rtp_start:
        raise source.error(("sip", "rtp_end"), sip.rtp_end, f"a port above {sip.rtp_start}")
    if not (sip.udp_port or sip.tcp_port or sip.tls_port):
        raise source.error(("sip", "udp_port"), 0, "at least one transport with a port")
    if bool(sip.tls_certificate) != bool(sip.tls_key):
        raise source.error(
            ("sip", "tls_certificate"), "", "tls_certificate and tls_key, or neither"
        )


def _check_api(source: TomlSource, api: ApiSettings) -> None:
    if not is_loopback(api.bind) and not api.token_file:
        expected = "token_file to be set when the API is not on loopback"
        raise source.error(("api", "bind"), api.bind, expected)


def is_loopback(address: str) -> bool:
    return address.startswith(LOOPBACK)


def _directory(source: TomlSource, language: LanguageSettings) -> tuple[Directory, Places]:
    places: Places = {}
    tables: dict[str, Any] = {}
    kinds: dict[str, type[Any]] = {
        "phones": Phone, "trunks": Trunk, "agents": Agent, "queues": Queue,
    }  # fmt: skip
    for section, kind in kinds.items():
        entities = source.table.get(section, {})
        if not isinstance(entities, dict):
            raise source.error((section,), entities, f"tables named [{section}.ID]")
        tables[section] = {}
        for name, table in entities.items():
            path = (section, name)
            check_id(name, source.place(path), f"{section}.{name}")
            tables[section][name] = read_entity(source, path, table, kind)
            places.update(_places_of(source, path, table))
    places["feature_codes"] = source.place(("feature_codes",))
    places["pause_reasons"] = source.place(("pause_reasons",))
    places["statuses"] = source.place(("statuses",))
    directory = Directory(
        **tables,
        kinds=_kinds(source, places),
        statuses=_statuses(source),
        pause_reasons=convert(
            source, ("pause_reasons",), source.table.get("pause_reasons", []), tuple[str, ...]
        ),
        routes=_list_of(source, "routes", Route, places),
        outbound=_list_of(source, "outbound", Outbound, places),
        feature_codes=read_struct(
            source, ("feature_codes",), source.table.get("feature_codes", {}), FeatureCodes
        ),
        transfers=read_struct(source, ("transfers",), source.table.get("transfers", {}), Transfers),
        language=language.default,
    )
    return directory, places


def _places_of(source: TomlSource, path: KeyPath, table: dict[str, Any]) -> Places:
    """Of a table, of its keys, and of what a list of tables holds."""
    key = f"{path[0]}.{path[1]}"
    places = {key: source.place(path)}
    for name, value in table.items():
        if isinstance(value, list) and value and source.line((*path, name)) == source.line(path):
            places |= {
                f"{key}.{name}[{index + 1}]": source.place((*path, name, index))
                for index in range(len(value))
            }
        places[f"{key}.{name}"] = source.place((*path, name))
    return places


def _kinds(source: TomlSource, places: Places) -> dict[str, Kind]:
    given = source.table.get("kinds", {})
    if not isinstance(given, dict):
        raise source.error(("kinds",), given, "tables named [kinds.NAME]")
    places.update({f"kinds.{name}": source.place(("kinds", name)) for name in given})
    return {name: read_struct(source, ("kinds", name), t, Kind) for name, t in given.items()}


def _statuses(source: TomlSource) -> dict[str, tuple[str, ...]]:
    given = source.table.get("statuses", {})
    statuses: dict[str, tuple[str, ...]] = convert(
        source, ("statuses",), given, dict[str, tuple[str, ...]]
    )
    return statuses


def _list_of(source: TomlSource, name: str, kind: type[T], places: Places) -> tuple[T, ...]:
    tables = source.table.get(name, [])
    if not isinstance(tables, list):
        raise source.error((name,), tables, f"tables named [[{name}]]")
    for index in range(len(tables)):
        places[f"{name}.{index}"] = source.place((name, index))
    return tuple(read_struct(source, (name, i), t, kind) for i, t in enumerate(tables))
