"""What was added at run time: var/directory.json, changed under a lock and replaced atomically."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from callcore.directory import Agent, Directory, Member, Phone, Queue, Trunk
from callcore.directory_check import check_directory
from callcore.directory_faults import Places, fault
from callcore.errors import ConfigError, UnknownEntity
from callcore.types import AgentId, QueueId


class Additions(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The file's content."""

    phones: dict[str, Phone] = {}
    trunks: dict[str, Trunk] = {}
    agents: dict[str, Agent] = {}
    #: Members added to queues of callcore.toml.
    members: dict[QueueId, tuple[Member, ...]] = {}
    #: Secrets made for phones of callcore.toml that have none there ("phones.desk1" → secret).
    secrets: dict[str, str] = {}


class DirectoryFile:
    """One read of var/directory.json and the changes to it; `save` replaces the file."""

    def __init__(self, path: Path, additions: Additions) -> None:
        self.path = path
        self.additions = additions

    @classmethod
    def read(cls, path: Path) -> DirectoryFile:
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            return cls(path, Additions())
        except OSError as exc:
            raise ConfigError(f"cannot be read: {exc.strerror}", file=str(path)) from exc
        try:
            return cls(path, msgspec.json.decode(text, type=Additions))
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise ConfigError(f"damaged: {exc}", file=str(path)) from exc

    def save(self) -> None:
        content = msgspec.json.format(msgspec.json.encode(self.additions), indent=2)
        write_private(self.path, content + b"\n")

    def put(self, entity: Phone | Trunk | Agent) -> None:
        """Add an entity, or replace one that was added before."""
        self._table(entity)[entity.id] = entity

    def remove(self, section: str, name: str) -> None:
        table = getattr(self.additions, section)
        if name not in table:
            raise UnknownEntity(section.removesuffix("s"), name)
        del table[name]
        if section == "agents":
            for queue in list(self.additions.members):
                self._drop_member(queue, name)

    def put_member(self, queue: QueueId, agent: AgentId, penalty: int = 0) -> None:
        self._drop_member(queue, agent)
        others = self.additions.members.get(queue, ())
        self.additions.members[queue] = (*others, Member(agent=agent, penalty=penalty))

    def remove_member(self, queue: QueueId, agent: AgentId) -> None:
        if not self._drop_member(queue, agent):
            raise UnknownEntity(f"member added to queue {queue}", agent)

    def _drop_member(self, queue: QueueId, agent: AgentId) -> bool:
        before = self.additions.members.get(queue, ())
        after = tuple(m for m in before if m.agent != agent)
        if after:
            self.additions.members[queue] = after
        else:
            self.additions.members.pop(queue, None)
        return len(after) != len(before)

    def _table(self, entity: Phone | Trunk | Agent) -> dict[str, Any]:
        section = f"{type(entity).__name__.lower()}s"
        table: dict[str, Any] = getattr(self.additions, section)
        return table


def merge(configured: Directory, places: Places, file: DirectoryFile) -> tuple[Directory, Places]:
    """callcore.toml and the additions as one; an id in both is an error that names both places."""
    changes: dict[str, Any] = {}
    merged = dict(places)
    for section in ("phones", "trunks", "agents"):
        table = dict(getattr(configured, section))
        for name, entity in getattr(file.additions, section).items():
            key = f"{section}.{name}"
            if name in table:
                raise fault(str(file.path), f"{key}: {places.get(key, '')} has it already")
            if entity.id != name:
                raise fault(str(file.path), f"{key}: its id is {entity.id!r}")
            table[name] = entity
            merged[key] = str(file.path)
        changes[section] = table
    for section in ("phones", "trunks"):
        changes[section] = {n: _with_secret(e, file) for n, e in changes[section].items()}
    changes["queues"] = _merge_members(configured.queues, places, file)
    return msgspec.structs.replace(configured, **changes), merged


def _with_secret(entity: Phone | Trunk, file: DirectoryFile) -> Phone | Trunk:
    secret = file.additions.secrets.get(_secret_key(entity), "")
    if not secret or entity.secret:
        return entity
    return msgspec.structs.replace(entity, secret=secret)


def _merge_members(
    queues: dict[QueueId, Queue], places: Places, file: DirectoryFile
) -> dict[QueueId, Queue]:
    merged = dict(queues)
    for name, members in file.additions.members.items():
        if name not in merged:
            raise fault(str(file.path), f"members.{name}: expected the id of a known queue")
        there = [m.agent for m in merged[name].members]
        twice = [m.agent for m in members if m.agent in there]
        if twice:
            place = places.get(f"queues.{name}", "")
            raise fault(str(file.path), f"members.{name}.{twice[0]}: {place} has it already")
        together = (*merged[name].members, *members)
        merged[name] = msgspec.structs.replace(merged[name], members=together)
    return merged


@contextmanager
def editing(path: Path, configured: Directory, places: Places) -> Iterator[DirectoryFile]:
    """Read, change, check and save under a lock; nothing is saved when the result is wrong."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("a") as lock:
        keep_owner(lock.fileno(), path.parent)
        fcntl.flock(lock, fcntl.LOCK_EX)
        file = DirectoryFile.read(path)
        yield file
        check_directory(*merge(configured, places, file))
        file.save()


def complete_secrets(path: Path, configured: Directory, places: Places) -> list[str]:
    """Make secrets for configured phones that lack one; returns which ("phones.desk1")."""
    additions = DirectoryFile.read(path).additions.secrets
    lacking = [key for key in map(_secret_key, configured.phones.values()) if key not in additions]
    lacking = [k for k in lacking if _needs_secret(configured.phones[k.partition(".")[2]])]
    if lacking:
        with editing(path, configured, places) as file:
            for key in lacking:
                file.additions.secrets[key] = new_secret()
    return lacking


def _needs_secret(phone: Phone) -> bool:
    return not phone.secret and not phone.host


def _secret_key(entity: Phone | Trunk) -> str:
    return f"{type(entity).__name__.lower()}s.{entity.id}"


def new_secret() -> str:
    """A SIP password: 120 random bits in letters every phone's keypad has."""
    return secrets.token_hex(15)


def hash_pin(pin: str) -> str:
    """The argon2 hash of a PIN of 4 to 12 digits."""
    from argon2 import PasswordHasher

    check_pin(pin)
    return PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1).hash(pin)


def check_pin(pin: str) -> None:
    if not (pin.isascii() and pin.isdigit() and 4 <= len(pin) <= 12):
        raise ConfigError("PIN: expected 4 to 12 digits")


def write_private(path: Path, content: bytes) -> None:
    """Replace a file atomically, readable for its owner only, safe against a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        keep_owner(handle, path if path.exists() else path.parent)
        with os.fdopen(os.dup(handle), "wb") as file:
            file.write(content)
        os.fsync(handle)
    finally:
        os.close(handle)
    temporary.replace(path)


def keep_owner(handle: int, like: Path) -> None:
    """What root writes stays readable for the user the server runs as."""
    if os.geteuid() == 0:
        status = like.stat()
        os.fchown(handle, status.st_uid, status.st_gid)
