"""What was added and changed at run time, and its file: var/directory.json.

callcore.toml stays the base. Phones, trunks, agents, queues and members added here stand beside
those of callcore.toml; settings changed here stand before its own until they are reset.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from callcore.directory import Agent, Member, Phone, Queue, Trunk
from callcore.directory_read import changed_entity
from callcore.errors import ConfigError, UnknownEntity
from callcore.toml_source import TomlSource
from callcore.types import AgentId, QueueId


class Additions(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The file's content."""

    phones: dict[str, Phone] = {}
    trunks: dict[str, Trunk] = {}
    agents: dict[str, Agent] = {}
    #: Queues added, as tables of callcore.toml.
    queues: dict[QueueId, dict[str, Any]] = {}
    #: Keys set instead of those of callcore.toml.
    agent_settings: dict[AgentId, dict[str, Any]] = {}
    queue_settings: dict[QueueId, dict[str, Any]] = {}
    #: Members added to queues, or with another place than in callcore.toml.
    members: dict[QueueId, tuple[Member, ...]] = {}
    #: Members of callcore.toml who do not serve the queue now.
    removed_members: dict[QueueId, tuple[AgentId, ...]] = {}
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
        if section == "queues":
            self.additions.members.pop(name, None)
            self.additions.removed_members.pop(name, None)

    # --- queues ----------------------------------------------------------------------------

    def add_queue(self, queue: QueueId, table: dict[str, Any]) -> None:
        self.additions.queues[queue] = table

    def set_queue(self, queue: QueueId, changes: Mapping[str, Any]) -> None:
        """Other values for keys of a queue; one that was added here gets them as its own."""
        table = self.additions.queues.get(queue)
        if table is None:
            table = self.additions.queue_settings.setdefault(queue, {})
        table.update(changes)

    def reset_queue(self, queue: QueueId, keys: Sequence[str] = ()) -> None:
        """Back to callcore.toml: these keys, or all of them and the members."""
        if not keys or "members" in keys:
            self.additions.members.pop(queue, None)
            self.additions.removed_members.pop(queue, None)
        _drop_keys(self.additions.queue_settings, queue, keys)

    def put_member(
        self, queue: QueueId, agent: AgentId, penalty: int = 0, position: int = 0
    ) -> None:
        """Add a member, or give one another place."""
        self._drop_member(queue, agent)
        _without(self.additions.removed_members, queue, agent)
        others = self.additions.members.get(queue, ())
        new = Member(agent=agent, penalty=penalty, position=position)
        self.additions.members[queue] = (*others, new)

    def remove_member(self, queue: QueueId, agent: AgentId, base: Queue | None = None) -> None:
        """Take a member out, whether added here or in `base`, the queue in callcore.toml."""
        dropped = self._drop_member(queue, agent)
        if base is not None and agent in (member.agent for member in base.members):
            _without(self.additions.removed_members, queue, agent)
            others = self.additions.removed_members.get(queue, ())
            self.additions.removed_members[queue] = (*others, agent)
        elif not dropped:
            raise UnknownEntity(f"member of queue {queue}", agent)

    def _drop_member(self, queue: QueueId, agent: AgentId) -> bool:
        before = self.additions.members.get(queue, ())
        after = tuple(m for m in before if m.agent != agent)
        if after:
            self.additions.members[queue] = after
        else:
            self.additions.members.pop(queue, None)
        return len(after) != len(before)

    # --- agents ----------------------------------------------------------------------------

    def set_agent(self, agent: AgentId, changes: Mapping[str, Any]) -> None:
        """Other values for keys of an agent; one that was added here gets them as its own."""
        added = self.additions.agents.get(agent)
        if added is None:
            self.additions.agent_settings.setdefault(agent, {}).update(changes)
        else:
            source, path = TomlSource(str(self.path), ""), ("agents", agent)
            self.additions.agents[agent] = changed_entity(source, path, dict(changes), added)

    def reset_agent(self, agent: AgentId, keys: Sequence[str] = ()) -> None:
        """Back to callcore.toml: these keys, or all of them."""
        _drop_keys(self.additions.agent_settings, agent, keys)

    def _table(self, entity: Phone | Trunk | Agent) -> dict[str, Any]:
        section = f"{type(entity).__name__.lower()}s"
        table: dict[str, Any] = getattr(self.additions, section)
        return table


def _drop_keys(tables: dict[str, dict[str, Any]], name: str, keys: Sequence[str]) -> None:
    table = tables.get(name, {})
    for key in keys or list(table):
        table.pop(key, None)
    if not table:
        tables.pop(name, None)


def _without(lists: dict[QueueId, tuple[AgentId, ...]], queue: QueueId, agent: AgentId) -> None:
    left = tuple(name for name in lists.get(queue, ()) if name != agent)
    if left:
        lists[queue] = left
    else:
        lists.pop(queue, None)


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
