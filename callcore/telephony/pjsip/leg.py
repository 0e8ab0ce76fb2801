"""One channel: a call of pjsua2, and what callcore has to know about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from callcore.telephony.pjsip.mixer import Node
from callcore.types import BridgeId, ChannelId, Entry, HangupReason, TrunkId

if TYPE_CHECKING:
    from callcore.telephony.pjsip.player import Player
    from callcore.telephony.pjsip.stack import Timer
    from callcore.telephony.pjsip.voicemail import Voicemail


class Leg(Node):
    """A node of the mixer as well: what it says and hears."""

    def __init__(self, channel: ChannelId, endpoint: str, *, dialled: bool) -> None:
        super().__init__()
        self.channel = channel
        #: Phone or trunk.
        self.endpoint = endpoint
        #: We dialled it; else it arrived.
        self.dialled = dialled
        self.entry: Entry | None = None
        #: pjsua2's object; None once the call is over.
        self.call: Any = None
        self.call_id = ""
        #: In callcore's hands: arrived, or answered.
        self.live = not dialled
        #: Answered.
        self.up = False
        #: Sound goes both ways before the answer (183).
        self.early = False
        self.ringing = False
        self.held = False
        #: Its end was told; the call may take a moment longer.
        self.ended = False
        #: Why it is to end, told when pjsua lets it.
        self.reason: HangupReason | None = None
        self.bridge: BridgeId = ""
        self.player: Player | None = None
        #: Of what it was given to play last.
        self.serial = 0
        self.voicemail: Voicemail | None = None
        self.timer: Timer | None = None
        #: Its keys are heard in the sound: telephone-events would tell them twice.
        self.keys_as_tones = False
        #: A REFER waits for its answer.
        self.referred = False
        #: It failed after a provisional answer: the far end knew of the call.
        self.progressed = False
        #: Trunks it was tried over.
        self.tried: tuple[TrunkId, ...] = ()

    def __repr__(self) -> str:
        return f"Leg({self.channel!r})"
