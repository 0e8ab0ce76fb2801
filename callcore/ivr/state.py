"""Where one caller is in a tree: plain values, kept with the call and in snapshots.

Sound, digits and look-ups are answered later, so the state says what it waits for; an answer to
something it does not wait for is ignored.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from callcore.types import NodeId, TreeId


class Facts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of a caller who enters a tree."""

    caller_number: str = ""
    caller_name: str = ""
    dialled: str = ""
    #: Spoken where neither tree nor node says otherwise.
    language: str = "en"
    variables: dict[str, str] = {}
    #: The channel is up already: no `PickUp` is needed.
    answered: bool = False


class Wait(StrEnum):
    """What a run waits for."""

    PLAYBACK = "playback"
    DIGITS = "digits"
    LOOK_UP = "look_up"
    MESSAGE = "message"
    QUEUE = "queue"
    TRANSFER = "transfer"
    ENDED = "ended"


class RunState(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One caller's walk. Variables may hold secret digits: show `public_variables` only."""

    tree: TreeId = ""
    version: str = ""
    node: NodeId = ""
    language: str = "en"
    variables: dict[str, str] = {}
    #: Names of variables that hold secret digits.
    secrets: list[str] = []
    wait: Wait = Wait.ENDED
    #: When `timer` is due; None: nothing but an answer goes on.
    deadline: float | None = None
    picked_up: bool = False
    #: Tries at this menu or gather after the first.
    tries: int = 0
    #: Digits of the entry in progress, and those typed ahead of the next one.
    digits: str = ""
    ahead: str = ""
    #: A terminator pressed after a full entry is dropped until then.
    dropped_key: str = ""
    dropped_until: float = 0.0
    #: Nodes entered since the caller last heard or did something; surprises in the whole run.
    steps: int = 0
    surprises: int = 0

    @property
    def ended(self) -> bool:
        return self.wait is Wait.ENDED

    def public_variables(self) -> dict[str, str]:
        """Variables as they may be logged and recorded: secrets masked."""
        return {
            name: "****" if name in self.secrets else value
            for name, value in self.variables.items()
        }

    def __repr__(self) -> str:
        return (
            f"RunState(tree={self.tree!r}, node={self.node!r}, wait={self.wait.value!r}, "
            f"deadline={self.deadline})"
        )
