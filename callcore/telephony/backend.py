"""The narrow door to telephony: a back end tells events and carries out actions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from callcore.call.actions import Action
from callcore.call.events import Event
from callcore.directory import Directory


class Backend(Protocol):
    """One telephony node: Asterisk, pjsua2 or the simulated peer.

    The dispatcher awaits `execute` for the actions of one call one after the other and runs those
    of different calls concurrently. The contract, tested on every implementation:

    - `events()` yields in the order things happened; the first is `BackendUp` with a snapshot, and
      another `BackendUp` follows every `BackendDown`.
    - Every `Dial` leads to exactly one `LegAnswered` or `LegFailed`; every channel that arrived or
      was answered to exactly one `HungUp`; every `Play` to exactly one `PlaybackEnded` unless its
      channel is gone; every `RecordVoicemail` to exactly one `VoicemailEnded`.
    - `execute` raises `ActionRefused` when the node said no, and `BackendUnavailable` when there
      is no link; the dispatcher turns both into `ActionFailed`.
    """

    node: str

    def events(self) -> AsyncIterator[Event]:
        """All events, for ever; ends when the back end was closed."""
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
