"""The narrow door to telephony: a back end tells events and carries out actions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from callcore.call.actions import Action
from callcore.call.events import Event
from callcore.directory import Directory
from callcore.errors import BackendError

#: Called once when an action is done, with what went wrong.
Done = Callable[[BackendError | None], None]
#: Takes an event and handles it now, or behind the one it is handling.
Tell = Callable[[Event], None]


class Backend(Protocol):
    """One telephony node: Asterisk, pjsua2 or the simulated peer.

    The dispatcher offers the actions of one call to `begin` one after the other; what `begin` does
    not take waits until those before it are done and goes through `execute`. Actions of different
    calls run concurrently. The contract, tested on every implementation:

    - Events are told in the order things happened; the first is `BackendUp` with a snapshot, and
      another `BackendUp` follows every `BackendDown`.
    - Every `Dial` leads to exactly one `LegAnswered` or `LegFailed`; every channel that arrived or
      was answered to exactly one `HungUp`; every `Play` to exactly one `PlaybackEnded` unless its
      channel is gone; every `RecordVoicemail` to exactly one `VoicemailEnded`.
    - `execute` raises `ActionRefused` when the node said no, and `BackendUnavailable` when there
      is no link; the dispatcher turns both into `ActionFailed`.
    """

    node: str

    async def run(self, tell: Tell) -> None:
        """Tell every event as soon as it is known, until the back end is closed."""
        ...

    def begin(self, action: Action, done: Done) -> bool:
        """Send an action that needs no waiting on this side, in the order of the calls to `begin`.

        False, and nothing happened: it has to go through `execute`.
        """
        ...

    async def execute(self, action: Action) -> None:
        """Carry out one action; returns when the node has accepted it."""
        ...

    async def provision(self, directory: Directory) -> None:
        """Make phones and trunks of `directory` known to the node; idempotent."""
        ...

    async def close(self) -> None:
        """Let go of the node; calls there go on."""
        ...
