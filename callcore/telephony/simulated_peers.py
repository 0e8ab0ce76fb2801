"""The far ends of the simulated back end: how a scripted phone or caller behaves."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

import msgspec

from callcore.types import BridgeId, ChannelId, Entry, ListeningId, PlaybackId, RecordingId


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """What a phone or an outside number does when it is called. Seconds since the call began.

    Without `answer_after` it rings until someone gives up.
    """

    answer_after: float | None = None
    busy: bool = False
    rejects: bool = False
    #: No binding: Asterisk refuses to dial it.
    unreachable: bool = False
    ring_after: float = 0.05
    #: After the answer.
    hang_up_after: float | None = None
    #: Keys pressed, each so many seconds after the answer.
    digits: tuple[tuple[float, str], ...] = ()
    #: Takes a second call while it has one (call waiting).
    call_waiting: bool = False


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller does. Seconds since the call arrived."""

    hang_up_after: float | None = None
    digits: tuple[tuple[float, str], ...] = ()
    #: How long they speak into a voicemail before pressing its end key.
    speaks_seconds: float = 3.0


class Channel(msgspec.Struct, kw_only=True):
    """One simulated channel, as a test may inspect it."""

    id: ChannelId
    endpoint: str
    entry: Entry | None = None
    arrived: bool
    arrived_at: float
    caller_number: str = ""
    dialled: str = ""
    peer: Peer = Peer()
    caller: Caller = Caller()
    up: bool = False
    ringing: bool = False
    auto_answer: bool = False
    music: str = ""
    tone: bool = False
    bridge: BridgeId = ""
    listening: ListeningId = ""
    #: Playing now, then waiting: id and when the first one ends.
    playbacks: list[PlaybackId] = []
    recording: RecordingId = ""
    #: Digits callcore sent.
    sent_digits: str = ""
    #: A REFER waits for its answer; then what it was told.
    transfer_pending: bool = False
    transfer_answers: list[bool] = []

    @property
    def live(self) -> bool:
        """In callcore's hands: arrived, or answered."""
        return self.arrived or self.up


class VirtualClock:
    """Time that moves when told, and what is due in it, in order."""

    def __init__(self, start: float) -> None:
        self.now = start
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def after(self, seconds: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._due, (self.now + seconds, next(self._order), what))

    def next_due(self) -> float | None:
        return self._due[0][0] if self._due else None

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while self._due and self._due[0][0] <= end:
            self.now, _, what = heapq.heappop(self._due)
            what()
        self.now = end
