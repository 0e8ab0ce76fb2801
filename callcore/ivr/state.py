"""Where one caller is in a tree: plain values, kept with the call and in snapshots.

Sound, digits and look-ups are answered later, so the state says what it waits for; an answer to
something it does not wait for is ignored.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from callcore.types import NodeId, TreeId

#: Stands for secret digits wherever variables are shown.
MASK = "****"


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


class RunState(msgspec.Struct, kw_only=True, omit_defaults=True, dict=True):
    """One caller's walk.

    Secret digits are in no field, so that they reach neither snapshot nor journal nor log: they
    are kept beside the fields, and a run that was saved and read back has lost them. A look-up
    then gets the mask, which no service takes for a PIN.
    """

    tree: TreeId = ""
    version: str = ""
    node: NodeId = ""
    language: str = "en"
    variables: dict[str, str] = {}
    #: Names of variables whose digits are secret; in `variables` they are masked.
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

    def known(self) -> dict[str, str]:
        """Variables with their true values; secret digits that were lost stay masked."""
        return {**self.variables, **self._held} if self.secrets else self.variables

    def public_variables(self) -> dict[str, str]:
        """Variables as they may be logged and recorded: secrets masked."""
        return dict(self.variables)

    def keep(self, name: str, value: str) -> None:
        """Set a variable that is no secret."""
        self.variables[name] = value
        self.secrets = [other for other in self.secrets if other != name]
        self._held.pop(name, None)

    def keep_secret(self, name: str) -> None:
        """The secret digits typed become the value of a variable."""
        typed = self.typed()
        self.keep(name, MASK)
        self.secrets.append(name)
        if typed is not None:
            self._held[name] = typed

    def typed(self) -> str | None:
        """The true digits of the secret entry in progress; None: lost."""
        typed: str = self.__dict__.get("digits_typed", "")
        return typed if len(typed) == len(self.digits) else None

    def type_secret(self, key: str, letter: str) -> None:
        """One more key of a secret entry, and the letter that stands for it."""
        typed = self.typed()
        self.digits += letter
        if typed is not None and key != letter:
            self.__dict__["digits_typed"] = typed + key

    def clear_entry(self) -> None:
        self.digits = ""
        self.__dict__.pop("digits_typed", None)

    @property
    def _held(self) -> dict[str, str]:
        held: dict[str, str] = self.__dict__.setdefault("digits_held", {})
        return held

    def __repr__(self) -> str:
        return (
            f"RunState(tree={self.tree!r}, node={self.node!r}, wait={self.wait.value!r}, "
            f"deadline={self.deadline})"
        )
