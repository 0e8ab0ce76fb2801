"""What a running tree asks for, and the answers it waits for.

The runner never sees a channel: `call/switch.py` turns these into channel actions and feeds back
`DigitPressed`, `PlaybackEnded`, `LookUpAnswered` and `VoicemailEnded` as calls on the runner.
"""

from __future__ import annotations

import msgspec

from callcore.types import AgentId, QueueId


class IvrAction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag=True):
    """Base of what a tree asks for."""


class PickUp(IvrAction, frozen=True, kw_only=True):
    """Answer the channel; comes at most once, before the first sound."""


class Say(IvrAction, frozen=True, kw_only=True):
    """Play media one after the other; answered by `playback_ended`."""

    media: tuple[str, ...]


class Hush(IvrAction, frozen=True, kw_only=True):
    """Stop what is being said (barge-in); no `playback_ended` is expected for it any more."""


class Ask(IvrAction, frozen=True, kw_only=True):
    """HTTP look-up; answered by `look_up_answered`."""

    url: str
    query: dict[str, str] = {}
    timeout: float = 2.0
    #: The query carries digits the caller typed in secret: keep it out of logs and records.
    secret: bool = False

    def __repr__(self) -> str:
        query = "…" if self.secret else repr(self.query)
        return f"Ask(url={self.url!r}, query={query}, timeout={self.timeout})"


class TakeMessage(IvrAction, frozen=True, kw_only=True):
    """Record a message; answered by `message_ended`."""

    mailbox: str = ""
    max_seconds: float = 120.0
    silence_seconds: float = 5.0
    end_key: str = "#"
    beep: bool = True


class EnterQueue(IvrAction, frozen=True, kw_only=True):
    """Give the caller to a queue; `overflowed` resumes the tree when the queue gives up."""

    queue: QueueId
    priority: int = 0
    skills: dict[str, int] = {}
    #: A boolean rule about the agent (see `acd/rule.py`).
    rule: str = ""
    #: What the caller speaks.
    language: str = ""
    #: The agent the caller wants, and for how long before anyone else.
    agent: AgentId = ""
    agent_seconds: float = 0.0
    #: What the caller is worth, from 0 to 1, and the site they belong to.
    value: float = 0.0
    site: str = ""


class TransferTo(IvrAction, frozen=True, kw_only=True):
    """Connect to a number (``number:…``) or agent (``agent:…``); `transfer_failed` resumes."""

    target: str
    ring_seconds: float = 30.0


class End(IvrAction, frozen=True, kw_only=True):
    """Hang up; `reason` is a `HangupReason`."""

    reason: str = "normal"


class Note(IvrAction, frozen=True, kw_only=True):
    """Something unexpected happened in the tree; for the call's event list."""

    text: str


AnyIvrAction = PickUp | Say | Hush | Ask | TakeMessage | EnterQueue | TransferTo | End | Note
