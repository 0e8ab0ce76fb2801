"""What the rules of a call work with: the state, the time, and a place to put actions."""

from __future__ import annotations

from collections import deque

from callcore.acd.distributor import Distributor
from callcore.acd.events import AnyAcdEvent
from callcore.call.actions import (
    Answer,
    AnyAction,
    CreateBridge,
    DestroyBridge,
    Hangup,
    Leave,
    Play,
    StartMusic,
    StopMusic,
    StopPlay,
    WriteEvent,
)
from callcore.call.model import Call, Leg, LegState, PlayFor, Playing, Role, SwitchState
from callcore.call.record import CallEvent, Segment, SegmentKind
from callcore.call.state import Move, advance
from callcore.directory import RecordFrom
from callcore.types import AgentId, CallId, ChannelId, HangupReason, PlaybackId


class Context:
    """Handed to every rule; `do` collects actions, `tell` queues an event for the distributor.

    Distributor events wait until the rule that told them has finished, so that no rule runs
    inside another one.
    """

    def __init__(self, state: SwitchState, distributor: Distributor) -> None:
        self.state = state
        self.distributor = distributor
        self.now = 0.0
        self.actions: list[AnyAction] = []
        self.to_distributor: deque[AnyAcdEvent] = deque()
        #: Which live call a channel belongs to; rebuilt from the state.
        self.by_channel: dict[ChannelId, CallId] = {
            channel: call.id for call in state.calls.values() for channel in call.legs
        }
        self.phones_to_check: dict[AgentId, None] = {}
        #: Calls whose `deadline` may have changed since the timers were last looked at.
        self.touched: set[CallId] = set()

    # --- finding ---------------------------------------------------------------------------

    def call_of(self, channel: ChannelId) -> Call | None:
        call = self.by_channel.get(channel)
        return self.state.calls.get(call) if call is not None else None

    # --- doing -----------------------------------------------------------------------------

    def new_id(self, kind: str) -> str:
        """Ids sort by age and never repeat: the prefix is new for every life of callcore."""
        self.state.last_id += 1
        return f"{kind}{self.state.prefix}-{self.state.last_id}"

    def do(self, action: AnyAction) -> None:
        self.actions.append(action)

    def check_phone(self, agent: AgentId) -> None:
        """When the rule has finished, see whether the agent's phone is busy and tell."""
        if agent:
            self.phones_to_check[agent] = None

    def _check_phone_of(self, leg: Leg) -> None:
        """A leg the distributor offered makes nobody busy in this sense; looking costs a scan."""
        if leg.role is Role.PARTY:
            self.check_phone(leg.agent)

    def tell(self, event: AnyAcdEvent) -> None:
        self.to_distributor.append(event)

    def note(self, call: Call, name: str, **details: str | int | float | bool | None) -> None:
        """One line of the call's event list."""
        call.sequence += 1
        event = CallEvent(
            call=call.id, sequence=call.sequence, at=self.now, name=name, details=details
        )
        self.do(WriteEvent(call=call.id, event=event))

    def move(self, call: Call, move: Move) -> None:
        call.state = advance(call.state, move)
        self.touched.add(call.id)

    # --- segments --------------------------------------------------------------------------

    def begin(self, call: Call, kind: SegmentKind, **what: str) -> None:
        call.segments.append(Segment(kind=kind, start=self.now, **what))  # type: ignore[arg-type]

    def close(
        self, call: Call, kind: SegmentKind, result: str, agent: AgentId | None = None
    ) -> None:
        """End the open segment of this kind (of this agent, where one is given)."""
        for segment in reversed(call.segments):
            if segment.kind is kind and segment.end is None and agent in (None, segment.agent):
                segment.end = self.now
                segment.result = result
                return

    def close_all(self, call: Call, result: str) -> None:
        for segment in call.segments:
            if segment.end is None and segment.kind is not SegmentKind.WRAP_UP:
                segment.end = self.now
                segment.result = result

    # --- legs and sounds -------------------------------------------------------------------

    def add_leg(self, call: Call, leg: Leg) -> None:
        call.legs[leg.channel] = leg
        self.by_channel[leg.channel] = call.id
        self._check_phone_of(leg)

    def drop_leg(self, call: Call, channel: ChannelId) -> None:
        leg = call.legs.pop(channel, None)
        if leg is not None:
            self._check_phone_of(leg)
        if self.by_channel.get(channel) == call.id:
            del self.by_channel[channel]

    def hang_up(self, call: Call, leg: Leg, reason: HangupReason = HangupReason.NORMAL) -> None:
        """End a leg once; a nailed-up line goes back to its session instead."""
        if leg.state is LegState.ENDING:
            return
        if leg.line_call:
            self._return_line(call, leg)
            return
        self._check_phone_of(leg)
        leg.state = LegState.ENDING
        self.do(Hangup(call=call.id, channel=leg.channel, reason=reason))

    def _return_line(self, call: Call, leg: Leg) -> None:
        if call.bridge and leg.state is LegState.UP:
            self.do(Leave(call=call.id, bridge=call.bridge, channel=leg.channel))
        self.stop_playing(call, PlayFor.AGENT_ANNOUNCEMENT, leg.channel)
        self.drop_leg(call, leg.channel)
        line = self.state.calls.get(leg.line_call)
        if line is None:
            return
        self.by_channel[leg.channel] = line.id
        session = self.state.sessions.get(leg.agent)
        own = line.legs.get(leg.channel)
        if own is not None and (session is None or session.line != leg.channel):
            self.hang_up(line, own)  # its agent logged out meanwhile

    def play(
        self, call: Call, channel: ChannelId, purpose: PlayFor, media: tuple[str, ...]
    ) -> PlaybackId:
        playback = self.new_id("p")
        call.playing[playback] = Playing(playback=playback, channel=channel, purpose=purpose)
        self.do(Play(call=call.id, channel=channel, playback=playback, media=media))
        return playback

    def stop_playing(self, call: Call, purpose: PlayFor, channel: ChannelId = "") -> None:
        for playing in list(call.playing.values()):
            if playing.purpose is purpose and channel in ("", playing.channel):
                del call.playing[playing.playback]
                self.do(StopPlay(call=call.id, channel=playing.channel, playback=playing.playback))

    def answer(self, call: Call) -> None:
        """Pick up for the caller, once."""
        if not call.answered:
            call.answered = True
            self.do(Answer(call=call.id, channel=call.channel))

    def queue_music_on(self, call: Call) -> None:
        """The music of the queue the call is in, or was in last."""
        queue = self.state.directory.queues.get(call.queue)
        self.music_on(call, queue.music if queue is not None else "default")

    def music_on(self, call: Call, music: str = "default") -> None:
        if not call.music and call.channel:  # a callback has none until the customer is called
            call.music = True
            self.do(StartMusic(call=call.id, channel=call.channel, music=music))

    def music_off(self, call: Call) -> None:
        if call.music:
            call.music = False
            self.do(StopMusic(call=call.id, channel=call.channel))

    def open_bridge(self, call: Call) -> None:
        if not call.bridge:
            call.bridge = self.new_id("b")
            self.do(CreateBridge(call=call.id, bridge=call.bridge, clocked=self.is_recorded(call)))

    def is_recorded(self, call: Call) -> bool:
        """The call is recorded, or will be when it is bridged."""
        queue = self.state.directory.queues.get(call.queue)
        wanted = queue is not None and queue.record is not RecordFrom.OFF
        return wanted or bool(call.recording)

    def close_bridge(self, call: Call) -> None:
        if call.bridge:
            self.do(DestroyBridge(call=call.id, bridge=call.bridge))
            call.bridge = ""

    def caller_leg(self, call: Call) -> Leg | None:
        leg = call.legs.get(call.channel)
        return leg if leg is not None and leg.role is Role.CALLER else None
