"""Translates ARI events to callcore's events: pure, with the little state that this needs.

Asterisk tells the end of a channel up to three times (hang-up request, StasisEnd, destroyed) and
an answer in two steps (Dial, StasisStart); the contract of a back end wants each exactly once.
So the translator keeps one `Leg` per live channel and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import msgspec

from callcore.call.events import (
    BackendUp,
    BridgeFact,
    CallArrived,
    ChannelFact,
    DigitPressed,
    Event,
    HoldEnded,
    HoldStarted,
    HungUp,
    LegAnswered,
    LegFailed,
    LegRinging,
    PlaybackEnded,
    TransferAsked,
    VoicemailEnded,
)
from callcore.telephony import ari_models as ari
from callcore.telephony.causes import NORMAL_CLEARING, leg_failure
from callcore.types import ChannelId, Entry, PlaybackId, RecordingId

#: First Stasis argument of legs that callcore originates.
LEG = "leg"
#: The same of channels that Asterisk makes for a supervisor (snoop); nobody is told of them.
SNOOP = "snoop"
#: Start of the ids of playbacks that belong to another action: their end is not told.
QUIET = "quiet-"

_ENTRIES = {entry.value: entry for entry in Entry}
_RINGING = {"RINGING", "PROGRESS"}
_QUOTED_PAIR = re.compile(r"\\(.)")
#: Asterisk's own channel ids: ``1795174054.12``, behind the system's name if it has one.
_UNIQUEID = re.compile(r"\d{9,}\.\d+$")


class Leg(msgspec.Struct, kw_only=True, gc=False):
    """One channel in our hands."""

    id: ChannelId
    #: Phone or trunk.
    endpoint: str = ""
    #: We dialled it; else it arrived.
    dialled: bool = False
    #: In Stasis: arrived, or answered.
    live: bool = False
    ringing: bool = False
    #: Last status of Dial while it was not answered.
    dial_status: str = ""
    #: We asked for its end.
    asked: bool = False
    #: The far end asked for its end.
    peer_ended: bool = False
    cause: int = 0
    #: What it is doing in Asterisk is not known: found in a snapshot, or sending digits.
    unsure: bool = False
    #: Music or a ring-back tone runs on it; inside a bridge it would go on.
    music: bool = False
    tone: bool = False
    playbacks: tuple[PlaybackId, ...] = ()
    recording: RecordingId = ""

    @property
    def idle(self) -> bool:
        """Nothing runs in the channel that a request would have to wait for."""
        return not (self.playbacks or self.recording or self.unsure)


class Translator:
    """State + ARI event → events, in the order they are to be told."""

    def __init__(self, node: str) -> None:
        self.node = node
        self.legs: dict[ChannelId, Leg] = {}
        #: StasisStarts without our arguments (Local channels of a default REFER, foreign dialplan).
        self.strays = 0
        #: Channels at once of an endpoint when we dial; 0 or missing: no limit. Arrivals above it
        #: are told like all others: the rules refuse them, and they have their record.
        self.limits: dict[str, int] = {}
        self._handlers: dict[type[ari.AriEvent], Callable[[Any], tuple[Event, ...]]] = {
            ari.StasisStart: self._stasis_start,
            ari.StasisEnd: self._stasis_end,
            ari.ChannelDestroyed: self._destroyed,
            ari.ChannelHangupRequest: self._hangup_request,
            ari.ChannelDtmfReceived: self._digit,
            ari.ChannelHold: self._hold,
            ari.ChannelUnhold: self._unhold,
            ari.ChannelTransfer: self._transfer,
            ari.Dial: self._dial,
            ari.PlaybackFinished: self._playback,
            ari.RecordingFinished: self._recording,
            ari.RecordingFailed: self._recording,
        }

    def handle(self, event: ari.AnyAriEvent) -> tuple[Event, ...]:
        handler = self._handlers.get(event.__class__)
        return () if handler is None else handler(event)

    # --- what callcore does -------------------------------------------------------------------

    @property
    def ringing(self) -> tuple[ChannelId, ...]:
        """Legs that were dialled and not answered yet."""
        return tuple(leg.id for leg in self.legs.values() if not leg.live)

    def full(self, endpoint: str) -> bool:
        """One more channel would be above the endpoint's limit."""
        limit = self.limits.get(endpoint, 0)
        return limit > 0 and sum(leg.endpoint == endpoint for leg in self.legs.values()) >= limit

    def dialling(self, channel: ChannelId, endpoint: str = "") -> None:
        """A leg is about to be originated (its StasisStart may come before the reply)."""
        self.legs[channel] = Leg(id=channel, endpoint=endpoint, dialled=True)

    def dial_refused(self, channel: ChannelId, cause: int = 20) -> tuple[Event, ...]:
        """Not originated: no contact, unknown endpoint, the trunk is full, no link."""
        return self._end(channel, cause)

    def hanging_up(self, channel: ChannelId, cause: int) -> None:
        leg = self.legs.get(channel)
        if leg is not None and not leg.peer_ended:
            leg.asked = True
            leg.cause = cause

    def playing(self, channel: ChannelId, playback: PlaybackId) -> None:
        leg = self.legs.get(channel)
        if leg is not None:
            leg.playbacks = (*leg.playbacks, playback)

    def not_playing(self, channel: ChannelId, playback: PlaybackId) -> None:
        leg = self.legs.get(channel)
        if leg is not None:
            leg.playbacks = tuple(item for item in leg.playbacks if item != playback)

    def sounding(
        self, channel: ChannelId, *, music: bool | None = None, tone: bool | None = None
    ) -> None:
        leg = self.legs.get(channel)
        if leg is not None:
            leg.music = leg.music if music is None else music
            leg.tone = leg.tone if tone is None else tone

    def unsure(self, channel: ChannelId) -> None:
        """From here on a request for the channel may have to wait in Asterisk."""
        leg = self.legs.get(channel)
        if leg is not None:
            leg.unsure = True

    def recording(self, channel: ChannelId, recording: RecordingId) -> None:
        leg = self.legs.get(channel)
        if leg is not None:
            leg.recording = recording

    # --- what Asterisk says -------------------------------------------------------------------

    def _stasis_start(self, event: ari.StasisStart) -> tuple[Event, ...]:
        channel = event.channel
        leg = self.legs.get(channel.id)
        word = event.args[0] if event.args else ""
        if word == LEG or (leg is not None and leg.dialled):
            return self._answered(channel.id)
        entry = _ENTRIES.get(word)
        if word == SNOOP:
            return ()
        if entry is None:
            self.strays += 1
            return ()
        endpoint = endpoint_of(channel.name)
        # A channel the last snapshot showed, or one that left and came back, arrives anew.
        self.legs[channel.id] = Leg(id=channel.id, endpoint=endpoint, live=True)
        extra = _named(event.args[1:])
        return (
            CallArrived(
                channel=channel.id,
                node=self.node,
                entry=entry,
                endpoint=endpoint,
                caller_number=printable(channel.caller.number),
                caller_name=printable(_unescaped(channel.caller.name)),
                dialled=printable(extra.get("dialled") or channel.dialplan.exten),
                arrived_at=_seconds(extra.get("arrived", "")),
                answered=channel.state == "Up",
                former_call=printable(extra.get("call", "")),
            ),
        )

    def _answered(self, channel: ChannelId) -> tuple[Event, ...]:
        leg = self.legs.get(channel)
        if leg is None:
            leg = self.legs[channel] = Leg(id=channel, dialled=True, unsure=True)
        if leg.live:
            return ()
        leg.live = True
        return (LegAnswered(channel=channel),)

    def _stasis_end(self, event: ari.StasisEnd) -> tuple[Event, ...]:
        leg = self.legs.get(event.channel.id)
        # A channel that arrived is unsubscribed here: no ChannelDestroyed follows.
        return () if leg is None else self._end(leg.id, leg.cause)

    def _destroyed(self, event: ari.ChannelDestroyed) -> tuple[Event, ...]:
        return self._end(event.channel.id, event.cause)

    def _hangup_request(self, event: ari.ChannelHangupRequest) -> tuple[Event, ...]:
        leg = self.legs.get(event.channel.id)
        # A "soft" one comes from inside Asterisk (ours, a time-out), and its cause is no Q.850
        # cause. A BYE has none either; an INVITE cancelled by its sender has 127 for SIP 487.
        if leg is not None and not (leg.asked or event.soft):
            leg.peer_ended = True
            cancelled = event.tech_cause == 487
            leg.cause = NORMAL_CLEARING if cancelled or not event.cause else event.cause
        return ()

    def _end(self, channel: ChannelId, cause: int) -> tuple[Event, ...]:
        leg = self.legs.pop(channel, None)
        if leg is None:
            return ()
        cause = cause or leg.cause
        if leg.live:
            return (HungUp(channel=channel, cause=cause, by_peer=leg.peer_ended),)
        failure = leg_failure(cause, leg.dial_status, cancelled=leg.asked)
        return (LegFailed(channel=channel, failure=failure, cause=cause),)

    def _dial(self, event: ari.Dial) -> tuple[Event, ...]:
        leg = self.legs.get(event.peer.id)
        if leg is None or leg.live or not event.dialstatus:
            return ()
        if event.dialstatus in _RINGING:
            if leg.ringing:
                return ()
            leg.ringing = True
            return (LegRinging(channel=leg.id),)
        leg.dial_status = event.dialstatus
        return ()

    def _digit(self, event: ari.ChannelDtmfReceived) -> tuple[Event, ...]:
        if event.channel.id not in self.legs:
            return ()
        return (
            DigitPressed(
                channel=event.channel.id, digit=event.digit, duration_ms=event.duration_ms
            ),
        )

    def _hold(self, event: ari.ChannelHold) -> tuple[Event, ...]:
        return (HoldStarted(channel=event.channel.id),) if event.channel.id in self.legs else ()

    def _unhold(self, event: ari.ChannelUnhold) -> tuple[Event, ...]:
        return (HoldEnded(channel=event.channel.id),) if event.channel.id in self.legs else ()

    def _transfer(self, event: ari.ChannelTransfer) -> tuple[Event, ...]:
        source = event.referred_by.source_channel.id
        # With a state it reports the progress of a transfer that was asked for before.
        if event.state or source not in self.legs:
            return ()
        other = event.refer_to.destination_channel
        if other is not None and other.id:
            return (TransferAsked(channel=source, other=other.id),)
        target = event.refer_to.requested_destination.destination
        return (TransferAsked(channel=source, target=printable(target)),)

    def _playback(self, event: ari.PlaybackFinished) -> tuple[Event, ...]:
        kind, _, channel = event.playback.target_uri.partition(":")
        leg = self.legs.get(channel)
        if kind != "channel" or leg is None or event.playback.id.startswith(QUIET):
            return ()
        self.not_playing(channel, event.playback.id)
        if leg.peer_ended:
            return ()  # cut off by a hang-up, which is on its way and tells the rest
        ok = event.playback.state != "failed"
        return (PlaybackEnded(channel=channel, playback=event.playback.id, ok=ok),)

    def _recording(self, event: ari.RecordingFinished | ari.RecordingFailed) -> tuple[Event, ...]:
        recording = event.recording
        channel = recording.target_uri.partition(":")[2]
        leg = self.legs.get(channel)
        # What a former life began is not known by name.
        if leg is None or (leg.recording != recording.name and (leg.recording or not leg.unsure)):
            return ()
        leg.recording = ""
        silent = recording.talking_duration == 0
        return (
            VoicemailEnded(
                channel=channel,
                recording=recording.name,
                seconds=0.0 if silent else float(recording.duration),
                ok=event.__class__ is ari.RecordingFinished,
            ),
        )

    # --- after the link came back ---------------------------------------------------------------

    def forget(self) -> None:
        """The node died, and its channels with it."""
        self.legs.clear()

    def resync(
        self,
        channels: Iterable[ari.Channel],
        bridges: Iterable[ari.Bridge],
        ours: Iterable[ChannelId],
        phones: tuple[str, ...],
        starting: frozenset[ChannelId] = frozenset(),
    ) -> list[Event]:
        """Events that bring callcore to what the snapshot shows.

        First `BackendUp`, then the end of each channel that ended unseen (whoever compared the
        snapshot knows already) and the answer of each leg that answered unseen. Channels in
        `starting` have a StasisStart waiting behind the snapshot and are told by that alone.
        """
        by_id = {channel.id: channel for channel in channels}
        # A leg that rings is subscribed to, not in Stasis: Asterisk may have forgotten it.
        mine = frozenset((*ours, *self.legs))
        after = [
            event
            for known in list(self.legs)
            if known not in by_id
            for event in self._end(known, 0)
        ]
        facts: list[ChannelFact] = []
        for channel in by_id.values():
            if channel.id in starting:
                continue
            if channel.id in mine or _looks_dialled(channel):
                after.extend(self._adopt(channel))
            facts.append(_fact(channel, channel.id in mine))
        up = BackendUp(
            node=self.node,
            channels=tuple(facts),
            bridges=tuple(
                BridgeFact(bridge=b.id, channels=b.channels)
                for b in bridges
                if b.bridge_class == "stasis"
            ),
            reachable_phones=phones,
        )
        return [up, *after]

    def _adopt(self, channel: ari.Channel) -> tuple[Event, ...]:
        leg = self.legs.get(channel.id)
        if leg is None:
            live = channel.state in ("Up", "Ring")
            self.legs[channel.id] = Leg(id=channel.id, dialled=not live, live=live, unsure=True)
            return ()
        leg.unsure = True
        return self._answered(leg.id) if channel.state == "Up" and not leg.live else ()


def _looks_dialled(channel: ari.Channel) -> bool:
    """Perhaps a leg of callcore's former life: it rings, and its id was not made by Asterisk."""
    return (
        channel.state in ("Down", "Dialing", "Ringing")
        and channel.name.startswith("PJSIP/")
        and not _UNIQUEID.search(channel.id)
    )


#: Contexts of `dialplans/extensions.conf`.
_DOORS = {"callcore-trunk": Entry.TRUNK, "callcore-phone": Entry.PHONE}


def _fact(channel: ari.Channel, ours: bool) -> ChannelFact:
    return ChannelFact(
        channel=channel.id,
        up=channel.state == "Up",
        ours=ours,
        entry=_DOORS.get(channel.dialplan.context),
        endpoint=endpoint_of(channel.name),
        caller_number=printable(channel.caller.number),
        caller_name=printable(_unescaped(channel.caller.name)),
        dialled=printable(channel.dialplan.exten),
        arrived_at=_moment(channel.creationtime),
    )


def endpoint_of(name: str) -> str:
    """``PJSIP/alice-0000001f`` → ``alice``; empty for other technologies."""
    technology, _, rest = name.partition("/")
    return rest.rpartition("-")[0] if technology == "PJSIP" else ""


def printable(value: str, limit: int = 80) -> str:
    """Text from the network, as data: no control characters, bounded."""
    if value.isascii() and value.isprintable() and len(value) <= limit:
        return value
    return "".join(c for c in value[: limit * 4] if c.isprintable())[:limit]


def _unescaped(name: str) -> str:
    """Asterisk passes the display name on with the quoting of RFC 3261, 25.1."""
    return _QUOTED_PAIR.sub(r"\1", name) if "\\" in name else name


def _named(args: tuple[str, ...]) -> dict[str, str]:
    """``arrived=1.5`` … in the Stasis arguments behind the entry."""
    return {key: value for key, _, value in (arg.partition("=") for arg in args) if value}


def _seconds(value: str) -> float | None:
    try:
        return float(value) if value else None
    except ValueError:
        return None


def _moment(value: str) -> float:
    try:
        return datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()
    except ValueError:
        return 0.0
