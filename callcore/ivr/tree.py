"""A checked IVR tree as data, and the shelf of trees by version that calls walk.

A call keeps the version it entered, so the shelf holds old versions until no call needs them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated

import msgspec

from callcore.ivr.calendar import Hours
from callcore.ivr.fields import Kind
from callcore.ivr.nodes import (
    AnyStep,
    Defines,
    Hangup,
    Language,
    NodeRef,
    PromptPart,
    Record,
    TextPart,
)
from callcore.types import NodeId, TreeId

#: Variables every run has; trees read them but do not declare them.
BUILT_IN = (
    "caller_number",
    "caller_name",
    "dialled",
    "language",
    "overflow_reason",
    "transfer_reason",
    "recording",
    "lookup_error",
)


class Tree(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Nodes by name; `version` is a hash of the text it was read from."""

    id: Annotated[TreeId, Kind.NAME]
    version: str = ""
    start: NodeRef = ""
    #: Where run-time surprises go; without it the call ends.
    on_error: NodeRef = ""
    language: Language = ""
    #: Variables with their first values.
    variables: dict[Defines, str] = {}
    hours: dict[Annotated[str, Kind.NAME], Hours] = {}
    nodes: dict[Annotated[NodeId, Kind.NAME], AnyStep] = {}


class Trees(msgspec.Struct):
    """All trees a call may be in: the current ones, and older versions still walked."""

    current: dict[TreeId, str] = {}
    versions: dict[TreeId, dict[str, Tree]] = {}

    def replace(self, trees: Mapping[TreeId, Tree]) -> None:
        """Make these the current ones; older versions stay until `prune`."""
        self.current = {tree.id: tree.version for tree in trees.values()}
        for tree in trees.values():
            self.versions.setdefault(tree.id, {})[tree.version] = tree

    def prune(self, in_use: Iterable[tuple[TreeId, str]]) -> None:
        """Forget versions that are neither current nor in use by a call."""
        keep = {*in_use, *self.current.items()}
        kept = {
            id: {v: tree for v, tree in versions.items() if (id, v) in keep}
            for id, versions in self.versions.items()
        }
        self.versions = {id: versions for id, versions in kept.items() if versions}

    def latest(self, id: TreeId) -> Tree | None:
        return self.get(id, self.current.get(id, ""))

    def get(self, id: TreeId, version: str) -> Tree | None:
        return self.versions.get(id, {}).get(version) or _built_in(id)


#: Before a mailbox: the tree of callcore's own in which callers leave a message there.
VOICEMAIL = "voicemail:"


def _built_in(id: TreeId) -> Tree | None:
    """Trees that nobody wrote; no file can have such a name."""
    kind, colon, mailbox = id.partition(":")
    if kind + colon != VOICEMAIL:
        return None
    message = Record(
        play=(PromptPart(prompt="leave-message"),), mailbox=mailbox, next="saved", failed="goodbye"
    )
    nodes: dict[NodeId, AnyStep] = {
        "message": message,
        "saved": Hangup(play=(PromptPart(prompt="message-saved"),)),
        "goodbye": Hangup(play=(PromptPart(prompt="goodbye"),)),
    }
    return Tree(id=id, start="message", nodes=nodes)


def texts_in(tree: Tree) -> Iterator[tuple[TextPart, Language]]:
    """Every text a tree speaks, with the language that part or step names (empty: the caller's)."""
    for step in tree.nodes.values():
        for name in step.__struct_fields__:
            value = getattr(step, name)
            for part in value if isinstance(value, tuple) else ():
                if isinstance(part, TextPart):
                    yield part, part.language or step.language
