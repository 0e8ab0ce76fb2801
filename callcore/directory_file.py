"""callcore.toml and var/directory.json as one directory, and changes to the latter under a lock."""

from __future__ import annotations

import fcntl
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from callcore.directory import Directory, Member, Phone, Queue, Trunk
from callcore.directory_additions import DirectoryFile, keep_owner
from callcore.directory_check import check_directory
from callcore.directory_faults import Places, fault
from callcore.directory_read import changed_entity, read_entity
from callcore.errors import ConfigError
from callcore.toml_source import TomlSource

Account = TypeVar("Account", Phone, Trunk)


def merge(configured: Directory, places: Places, file: DirectoryFile) -> tuple[Directory, Places]:
    """callcore.toml and the additions as one; an id in both is an error that names both places."""
    merging = _Merging(configured, places, file)
    phones, trunks = merging.added("phones"), merging.added("trunks")
    changes = {
        "phones": {name: _with_secret(phone, file) for name, phone in phones.items()},
        "trunks": {name: _with_secret(trunk, file) for name, trunk in trunks.items()},
        "agents": merging.changed(merging.added("agents"), "agent_settings"),
        "queues": merging.with_members(merging.changed(merging.queues(), "queue_settings")),
    }
    return msgspec.structs.replace(configured, **changes), merging.places


class _Merging:
    """One pass over the additions; `places` gains those of what is added or changed."""

    def __init__(self, configured: Directory, places: Places, file: DirectoryFile) -> None:
        self._configured = configured
        self._file = file
        self._source = TomlSource(str(file.path), "")
        self.places = dict(places)

    def added(self, section: str) -> dict[str, Any]:
        table = dict(getattr(self._configured, section))
        for name, entity in getattr(self._file.additions, section).items():
            key = self._new(section, name)
            if entity.id != name:
                raise fault(str(self._file.path), f"{key}: its id is {entity.id!r}")
            table[name] = entity
        return table

    def queues(self) -> dict[str, Any]:
        queues: dict[str, Any] = dict(self._configured.queues)
        for name, table in self._file.additions.queues.items():
            self._new("queues", name)
            queues[name] = read_entity(self._source, ("queues", name), table, Queue)
        return queues

    def _new(self, section: str, name: str) -> str:
        key = f"{section}.{name}"
        if name in getattr(self._configured, section):
            there = self.places.get(key, "")
            raise fault(str(self._file.path), f"{key}: {there} has it already")
        self._here(key)
        return key

    def changed(self, table: dict[str, Any], settings: str) -> dict[str, Any]:
        """What is changed of callcore.toml's own; a fault may lie in either file."""
        section = settings.replace("_settings", "s")
        for name, changes in getattr(self._file.additions, settings).items():
            if name not in getattr(self._configured, section):
                command = f"callcore {section[:-1]} reset {name}"
                message = f"{settings}.{name}: callcore.toml has it no longer: {command}"
                raise fault(str(self._file.path), message)
            table[name] = changed_entity(self._source, (section, name), changes, table[name])
            for key in changes:
                self._here(f"{section}.{name}.{key}")
        return table

    def _here(self, key: str) -> None:
        self.places[key] = str(self._file.path)

    def with_members(self, queues: dict[str, Any]) -> dict[str, Any]:
        for name, members in self._file.additions.members.items():
            if name not in queues:
                command = f"callcore queue reset {name}"
                message = f"members.{name}: expected the id of a known queue (or: {command})"
                raise fault(str(self._file.path), message)
            queues[name] = _with_members(queues[name], members)
            self._here(f"queues.{name}.members")
        for name, gone in self._file.additions.removed_members.items():
            if name in queues:
                left = tuple(m for m in queues[name].members if m.agent not in gone)
                queues[name] = msgspec.structs.replace(queues[name], members=left)
        return queues


def _with_members(queue: Queue, members: tuple[Member, ...]) -> Queue:
    """Those who are members already keep their place in the list."""
    new = {member.agent: member for member in members}
    together = [new.pop(member.agent, member) for member in queue.members]
    return msgspec.structs.replace(queue, members=(*together, *new.values()))


def _with_secret(entity: Phone | Trunk, file: DirectoryFile) -> Phone | Trunk:
    secret = file.additions.secrets.get(_secret_key(entity), "")
    if not secret or entity.secret:
        return entity
    return msgspec.structs.replace(entity, secret=secret)


@contextmanager
def editing(
    path: Path,
    configured: Directory,
    places: Places,
    check: Callable[[Directory, Places], None] = check_directory,
) -> Iterator[DirectoryFile]:
    """Read, change, check and save under a lock; nothing is saved when the result is wrong."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("a") as lock:
        keep_owner(lock.fileno(), path.parent)
        fcntl.flock(lock, fcntl.LOCK_EX)
        file = DirectoryFile.read(path)
        yield file
        check(*merge(configured, places, file))
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


def _needs_secret(entity: Phone | Trunk) -> bool:
    """A phone registers unless it has an address; a trunk has a user where it wants a password."""
    needs = not entity.host if isinstance(entity, Phone) else bool(entity.user)
    return needs and not entity.secret


def with_secret(entity: Account) -> tuple[Account, str]:
    """The same with a secret made now where it needs one, and that secret, or ``""``."""
    made = new_secret() if _needs_secret(entity) else ""
    return (msgspec.structs.replace(entity, secret=made) if made else entity), made


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
