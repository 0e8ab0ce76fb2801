"""A back end in memory with a virtual clock: scripted callers and phones, no socket, no waiting.

It keeps the contract of `Backend` and refuses what Asterisk refuses. Drive it by
`advance(seconds)`, which returns what happened, or through `run()` and `execute()`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from itertools import count
from typing import Any

from callcore.call import actions as act
from callcore.call import events as ev
from callcore.call.events import Event
from callcore.directory import Directory
from callcore.errors import ActionRefused, BackendError, BackendUnavailable
from callcore.telephony.backend import Done, Tell
from callcore.telephony.causes import HANGUP_CAUSE, NORMAL_CLEARING, leg_failure
from callcore.telephony.simulated_peers import Caller, Channel, Peer, VirtualClock
from callcore.types import BridgeId, ChannelId, Entry, ListeningId, PhoneId, PlaybackId

USER_BUSY, NO_ANSWER, ABSENT, REJECTED = 17, 19, 20, 21


class SimulatedBackend:
    """A telephony node that exists in memory only."""

    def __init__(
        self,
        *,
        node: str = "simulated",
        start: float = 1_000_000_000.0,
        media_seconds: Callable[[str], float] = lambda media: 2.0,
    ) -> None:
        self.node = node
        self.clock = VirtualClock(start)
        self.media_seconds = media_seconds
        #: Phones by id, and outside numbers; a phone that is missing here is unreachable.
        self.phones: dict[PhoneId, Peer] = {}
        self.numbers: dict[str, Peer] = {}
        self.channels: dict[ChannelId, Channel] = {}
        self.bridges: dict[BridgeId, list[ChannelId]] = {}
        #: As in Asterisk they stay until they are stopped, whoever ends.
        self.listenings: dict[ListeningId, act.Listen] = {}
        #: Every action that was accepted, in order.
        self.performed: list[act.Action] = []
        self.linked = True
        self._ids = count(1)
        self._fresh: list[Event] = []
        #: Who listens; None: `advance` returns what happened, or nobody has come yet.
        self._listener: Tell | None = None
        self._started = False
        self._closed = asyncio.Event()
        #: Seconds of playbacks that wait behind another one.
        self._lengths: dict[PlaybackId, float] = {}
        #: Ended while there was no link.
        self._unseen: list[Event] = []
        self._methods: Mapping[type[act.Action], Callable[[Any], None]] = {
            act.Answer: self._answer,
            act.Hangup: self._hangup,
            act.Dial: self._dial,
            act.Play: self._play,
            act.StopPlay: self._stop_play,
            act.StartMusic: self._start_music,
            act.StopMusic: self._stop_music,
            act.StartRinging: self._start_ringing,
            act.StopRinging: self._stop_ringing,
            act.SendDigits: self._send_digits,
            act.RecordVoicemail: self._record_voicemail,
            act.AnswerTransfer: self._answer_transfer,
            act.CreateBridge: self._create_bridge,
            act.Join: self._join,
            act.Leave: self._leave,
            act.DestroyBridge: self._destroy_bridge,
            act.Listen: self._listen,
            act.StopListening: self._stop_listening,
        }

    # --- time -------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        return self.clock.now

    def advance(self, seconds: float = 0.0) -> list[Event]:
        """Let time pass; what happened since the last time, in order."""
        self._begin()
        self.clock.advance(seconds)
        fresh, self._fresh = self._fresh, []
        return fresh

    def _begin(self) -> None:
        if not self._started:
            self._started = True
            self._tell(self._snapshot())

    def _tell(self, *events: Event) -> None:
        self._fresh.extend(events)
        if self._listener is not None:
            for event in events:
                self._listener(event)

    def _happened(self, event: Event) -> None:
        """Something at the node: told if there is a link, else only ends are kept."""
        if self.linked:
            self._tell(event)
        elif isinstance(event, ev.LegFailed | ev.HungUp):
            self._unseen.append(event)

    # --- the Protocol -----------------------------------------------------------------------

    async def run(self, tell: Tell) -> None:
        self._listener = tell
        try:
            self._begin()
            await self._closed.wait()
        finally:
            self._listener = None

    def begin(self, action: act.Action, done: Done) -> bool:
        try:
            self.perform(action)
        except BackendError as exc:
            done(exc)
        else:
            done(None)
        return True

    async def execute(self, action: act.Action) -> None:
        self.perform(action)

    async def provision(self, directory: Directory) -> None:
        for phone in directory.phones:
            self.phones.setdefault(phone, Peer(unreachable=True))

    async def close(self) -> None:
        self._closed.set()

    def perform(self, action: act.Action) -> None:
        """`execute` without asyncio."""
        method = self._methods.get(action.__class__)
        if method is None:
            raise ActionRefused(f"{action.__class__.__name__} is not an action for telephony")
        if not self.linked and not isinstance(action, act.Dial):
            raise BackendUnavailable("no link to the simulated node")
        method(action)
        self.performed.append(action)

    # --- what the far ends do ---------------------------------------------------------------

    def call_in(
        self,
        dialled: str,
        caller: Caller | None = None,
        *,
        number: str = "",
        name: str = "",
        endpoint: str = "trunk",
        entry: Entry = Entry.TRUNK,
    ) -> ChannelId:
        """A call arrives."""
        self._begin()
        caller = caller or Caller()
        channel = Channel(
            id=f"{self.node}-{next(self._ids)}",
            endpoint=endpoint,
            entry=entry,
            arrived=True,
            arrived_at=self.now,
            caller_number=number,
            dialled=dialled,
            caller=caller,
        )
        self.channels[channel.id] = channel
        self._happened(
            ev.CallArrived(
                channel=channel.id, node=self.node, entry=entry, endpoint=endpoint,
                caller_number=number, caller_name=name, dialled=dialled,
            )
        )  # fmt: skip
        for after, digit in caller.digits:
            self.clock.after(after, partial(self.press, channel.id, digit))
        if caller.hang_up_after is not None:
            self.clock.after(caller.hang_up_after, partial(self.hang_up, channel.id))
        return channel.id

    def press(self, channel: ChannelId, digits: str) -> None:
        """The far end presses keys."""
        found = self.channels.get(channel)
        for digit in digits if found is not None and found.live else "":
            self._happened(ev.DigitPressed(channel=channel, digit=digit, duration_ms=100))

    def hang_up(self, channel: ChannelId, cause: int = NORMAL_CLEARING) -> None:
        """The far end hangs up (or, before its answer, refuses)."""
        if channel in self.channels:
            self._end(channel, cause, by_peer=True)

    def hold(self, channel: ChannelId) -> None:
        if channel in self.channels:
            self._happened(ev.HoldStarted(channel=channel))

    def resume(self, channel: ChannelId) -> None:
        if channel in self.channels:
            self._happened(ev.HoldEnded(channel=channel))

    def transfer(self, channel: ChannelId, target: str = "", other: ChannelId = "") -> None:
        """The phone sends REFER: blind to `target`, or attended with its `other` channel."""
        found = self.channels.get(channel)
        if found is not None:
            found.transfer_pending = True
            self._happened(ev.TransferAsked(channel=channel, target=target, other=other))

    def set_phone(self, phone: PhoneId, peer: Peer) -> None:
        """A phone changes its ways; told where it became (un)reachable."""
        before = self.phones.get(phone, Peer(unreachable=True)).unreachable
        self.phones[phone] = peer
        if before != peer.unreachable:
            self._happened(ev.PhoneReachability(phone=phone, reachable=not peer.unreachable))

    # --- faults -----------------------------------------------------------------------------

    def lose_link(self, reason: str = "link lost") -> None:
        """Calls go on, callcore hears nothing."""
        self._begin()
        self.linked = False
        self._tell(ev.BackendDown(node=self.node, reason=reason))

    def restore_link(self) -> None:
        """The snapshot first, then what ended unseen."""
        self.linked = True
        unseen, self._unseen = self._unseen, []
        self._tell(self._snapshot(), *unseen)

    def restart(self) -> None:
        """The node dies and comes back empty."""
        self._begin()
        self.channels.clear()
        self.bridges.clear()
        self.listenings.clear()
        self._unseen.clear()
        self.linked = True
        self._tell(ev.BackendDown(node=self.node, reason="restarted", dead=True), self._snapshot())

    def _snapshot(self) -> ev.BackendUp:
        return ev.BackendUp(
            node=self.node,
            channels=tuple(
                ev.ChannelFact(
                    channel=c.id, up=c.up, ours=True, entry=c.entry, endpoint=c.endpoint,
                    caller_number=c.caller_number, dialled=c.dialled, arrived_at=c.arrived_at,
                )
                for c in self.channels.values()
            )
            + tuple(ev.ChannelFact(channel=name, up=True, ours=True) for name in self.listenings),
            bridges=tuple(
                ev.BridgeFact(bridge=bridge, channels=tuple(inside))
                for bridge, inside in self.bridges.items()
            )
            + tuple(
                ev.BridgeFact(bridge=name, channels=(name, listen.channel))
                for name, listen in self.listenings.items()
            ),
            reachable_phones=tuple(p for p, peer in self.phones.items() if not peer.unreachable),
        )  # fmt: skip

    # --- actions on channels ----------------------------------------------------------------

    def _live(self, channel: ChannelId) -> Channel:
        found = self.channels.get(channel)
        if found is None:
            raise ActionRefused(f"channel {channel}: not found", 404)
        if not found.live:
            raise ActionRefused(f"channel {channel}: not in callcore's hands", 409)
        return found

    def _answer(self, action: act.Answer) -> None:
        channel = self._live(action.channel)
        self._quieten(channel)
        channel.up = True
        channel.tone = False

    def _hangup(self, action: act.Hangup) -> None:
        if self.listenings.pop(action.channel, None) is not None:
            return  # left over from a life before
        if action.channel not in self.channels:
            raise ActionRefused(f"channel {action.channel}: not found", 404)
        self._end(action.channel, HANGUP_CAUSE[action.reason], by_peer=False)

    def _end(self, channel: ChannelId, cause: int, *, by_peer: bool) -> None:
        found = self.channels.pop(channel)
        self._drop_playbacks(found)
        if found.recording:
            self._voicemail_ended(found, 0.0)
        if found.bridge:
            self.bridges[found.bridge].remove(channel)
        if found.live:
            self._happened(ev.HungUp(channel=channel, cause=cause, by_peer=by_peer))
        else:
            failure = leg_failure(cause, "", cancelled=not by_peer)
            self._happened(ev.LegFailed(channel=channel, failure=failure, cause=cause))

    def _dial(self, action: act.Dial) -> None:
        if action.channel in self.channels:
            raise ActionRefused(f"channel {action.channel} exists already", 409)
        kind, _, rest = action.endpoint.partition(":")
        name, _, number = rest.partition("/")
        known = self.phones.get(name) if kind == "phone" else self.numbers.get(number)
        peer = known or Peer(unreachable=True)
        channel = Channel(
            id=action.channel, endpoint=name, arrived=False, arrived_at=self.now, peer=peer,
            dialled=number, auto_answer=action.auto_answer,
        )  # fmt: skip
        engaged = kind == "phone" and any(c.endpoint == name for c in self.channels.values())
        self.channels[channel.id] = channel
        if peer.unreachable or not self.linked:
            # Told at once even without a link: it is the shell that knows.
            self.channels.pop(channel.id)
            failure = leg_failure(ABSENT, "", cancelled=False)
            self._tell(ev.LegFailed(channel=channel.id, failure=failure, cause=ABSENT))
        elif peer.busy or (engaged and not peer.call_waiting):
            self.clock.after(peer.ring_after, partial(self._refuse, channel.id, USER_BUSY))
        elif peer.rejects:
            self.clock.after(peer.ring_after, partial(self._refuse, channel.id, REJECTED))
        else:
            self._ring(channel, action.timeout)

    def _ring(self, channel: Channel, timeout: float) -> None:
        peer = channel.peer
        answer = 0.0 if channel.auto_answer and not peer.answer_after else peer.answer_after
        if answer is None or answer > peer.ring_after:
            self.clock.after(peer.ring_after, partial(self._rings, channel.id))
        if answer is not None and answer < timeout:
            self.clock.after(answer, partial(self._picked_up, channel.id))
        self.clock.after(timeout, partial(self._refuse, channel.id, NO_ANSWER))

    def _rings(self, channel: ChannelId) -> None:
        found = self.channels.get(channel)
        if found is not None and not found.up:
            found.ringing = True
            self._happened(ev.LegRinging(channel=channel))

    def _picked_up(self, channel: ChannelId) -> None:
        found = self.channels.get(channel)
        if found is None:
            return
        if not self.linked:
            # As in Asterisk: a leg answered while its application is away has nowhere to go.
            self._end(channel, NORMAL_CLEARING, by_peer=True)
            return
        found.up = True
        self._happened(ev.LegAnswered(channel=channel))
        for after, digit in found.peer.digits:
            self.clock.after(after, partial(self.press, channel, digit))
        if found.peer.hang_up_after is not None:
            self.clock.after(found.peer.hang_up_after, partial(self.hang_up, channel))

    def _refuse(self, channel: ChannelId, cause: int) -> None:
        found = self.channels.get(channel)
        if found is not None and not found.up:
            self._end(channel, cause, by_peer=True)

    # --- sounds -----------------------------------------------------------------------------

    def _play(self, action: act.Play) -> None:
        channel = self._live(action.channel)
        channel.playbacks.append(action.playback)
        length = sum(self.media_seconds(media) for media in action.media)
        if len(channel.playbacks) == 1:
            self.clock.after(length, partial(self._played, channel.id, action.playback))
        else:
            self._lengths[action.playback] = length

    def _played(self, channel: ChannelId, playback: PlaybackId) -> None:
        found = self.channels.get(channel)
        if found is None or playback not in found.playbacks:
            return
        found.playbacks.remove(playback)
        self._happened(ev.PlaybackEnded(channel=channel, playback=playback))
        if found.playbacks and found.playbacks[0] in self._lengths:
            following = found.playbacks[0]
            length = self._lengths.pop(following)
            self.clock.after(length, partial(self._played, channel, following))

    def _stop_play(self, action: act.StopPlay) -> None:
        self._lengths.pop(action.playback, None)
        self._played(action.channel, action.playback)

    def _quieten(self, channel: Channel) -> None:
        stopped, channel.playbacks = channel.playbacks, []
        for playback in stopped:
            self._lengths.pop(playback, None)
            self._happened(ev.PlaybackEnded(channel=channel.id, playback=playback))
        if channel.recording:
            self._voicemail_ended(channel, 0.0)

    def _drop_playbacks(self, channel: Channel) -> None:
        for playback in channel.playbacks:
            self._lengths.pop(playback, None)
        channel.playbacks.clear()

    def _start_music(self, action: act.StartMusic) -> None:
        channel = self._live(action.channel)
        self._quieten(channel)
        channel.music = action.music

    def _stop_music(self, action: act.StopMusic) -> None:
        self._live(action.channel).music = ""

    def _start_ringing(self, action: act.StartRinging) -> None:
        self._live(action.channel).tone = True

    def _stop_ringing(self, action: act.StopRinging) -> None:
        self._live(action.channel).tone = False

    def _send_digits(self, action: act.SendDigits) -> None:
        channel = self._live(action.channel)
        channel.sent_digits += action.digits

    def _record_voicemail(self, action: act.RecordVoicemail) -> None:
        channel = self._live(action.channel)
        self._quieten(channel)
        channel.recording = action.recording
        seconds = min(channel.caller.speaks_seconds, action.max_seconds)
        self.clock.after(seconds, partial(self._spoken, channel.id, action.recording, seconds))

    def _spoken(self, channel: ChannelId, recording: str, seconds: float) -> None:
        found = self.channels.get(channel)
        if found is not None and found.recording == recording:
            self._voicemail_ended(found, seconds)

    def _voicemail_ended(self, channel: Channel, seconds: float) -> None:
        recording, channel.recording = channel.recording, ""
        self._happened(ev.VoicemailEnded(channel=channel.id, recording=recording, seconds=seconds))

    def _answer_transfer(self, action: act.AnswerTransfer) -> None:
        channel = self._live(action.channel)
        if not channel.transfer_pending:
            raise ActionRefused(f"channel {channel.id}: no transfer was asked for", 409)
        channel.transfer_pending = False
        channel.transfer_answers.append(action.ok)
        if action.ok:
            # A phone whose transfer went through hangs up.
            self.clock.after(0.05, partial(self.hang_up, channel.id))

    # --- bridges ----------------------------------------------------------------------------

    def _create_bridge(self, action: act.CreateBridge) -> None:
        if action.bridge in self.bridges:
            raise ActionRefused(f"bridge {action.bridge} exists already", 500)
        self.bridges[action.bridge] = []

    def _inside(self, bridge: BridgeId) -> list[ChannelId]:
        if bridge not in self.bridges:
            raise ActionRefused(f"bridge {bridge}: not found", 404)
        return self.bridges[bridge]

    def _join(self, action: act.Join) -> None:
        inside = self._inside(action.bridge)
        for channel in [self._live(channel) for channel in action.channels]:
            self._quieten(channel)
            channel.music, channel.tone = "", False
            self._take_out(channel)
            channel.bridge = action.bridge
            inside.append(channel.id)

    def _take_out(self, channel: Channel) -> None:
        if channel.bridge:
            self.bridges[channel.bridge].remove(channel.id)
        channel.bridge = channel.listening = ""

    def _leave(self, action: act.Leave) -> None:
        inside = self._inside(action.bridge)
        channel = self._live(action.channel)
        if channel.id not in inside:
            raise ActionRefused(f"channel {channel.id} is not in bridge {action.bridge}", 409)
        inside.remove(channel.id)
        channel.bridge = ""

    def _destroy_bridge(self, action: act.DestroyBridge) -> None:
        for channel in self._inside(action.bridge):
            self.channels[channel].bridge = ""
        del self.bridges[action.bridge]

    # --- supervision ------------------------------------------------------------------------

    def _listen(self, action: act.Listen) -> None:
        for channel in (action.channel, action.to):
            self._live(channel)
        if action.listening in self.listenings:
            raise ActionRefused(f"{action.listening} exists already", 409)
        self.listenings[action.listening] = action
        listener = self.channels[action.channel]
        self._take_out(listener)
        listener.listening = action.listening

    def _stop_listening(self, action: act.StopListening) -> None:
        listen = self.listenings.pop(action.listening, None)
        listener = self.channels.get(listen.channel) if listen is not None else None
        if listener is not None and listener.listening == action.listening:
            listener.listening = ""

    def heard_by(self, channel: ChannelId) -> tuple[ChannelId, ...]:
        """Whose voices come to this channel now."""
        found = self.channels.get(channel)
        if found is None:
            return ()
        voices = dict.fromkeys(self.bridges.get(found.bridge, ()))
        for name, listen in self.listenings.items():
            listener = self.channels.get(listen.channel)
            if listener is None or listener.listening != name:
                continue
            if listen.to == channel and listen.whisper:
                voices[listen.channel] = None
            elif listen.channel == channel and listen.to in self.channels:
                voices |= dict.fromkeys((listen.to, *self.heard_by(listen.to)))
        voices.pop(channel, None)
        return tuple(voice for voice in voices if voice in self.channels)
