"""What happens on the stack's thread: calls come and end, actions are carried out.

The events it tells are those of the Asterisk back end. An end is told when callcore or the far end
wants it: a far end that is gone answers no BYE, and pjsua would keep the call for 32 s more.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import partial
from itertools import count
from typing import Any

import structlog

from callcore.call import events as ev
from callcore.directory import Directory, Phone, Transport, Trunk
from callcore.errors import ActionRefused
from callcore.telephony.causes import HANGUP_CAUSE, NORMAL_CLEARING, leg_failure
from callcore.telephony.pjsip.accounts import Accounts, way_of
from callcore.telephony.pjsip.call import call_class
from callcore.telephony.pjsip.causes import REFUSAL, cause_of, reason_header
from callcore.telephony.pjsip.headers import address, caller, parse
from callcore.telephony.pjsip.leg import Leg
from callcore.telephony.pjsip.mixer import NO_SLOT, Mixer
from callcore.telephony.pjsip.peers import Peer, Peers
from callcore.telephony.pjsip.player import QUIET, Player
from callcore.telephony.pjsip.stack import Stack, reason_of
from callcore.types import ChannelId, Entry, HangupReason

log = structlog.get_logger(__name__)

FORBIDDEN = 403
#: After 491, in seconds: who chose the Call-ID waits longer (RFC 3261, 14.1).
GLARE_CALLER, GLARE_CALLED = (2.1, 4.0), (0.0, 2.0)


class Exchange:
    """All live channels. Everything here runs on the stack's thread."""

    def __init__(
        self, stack: Stack, node: str, prefix: str, tell: Callable[[ev.Event], None]
    ) -> None:
        """`prefix` makes the ids of channels unique between lives of this node."""
        self.stack = stack
        self.node = node
        self.tell = tell
        self.legs: dict[ChannelId, Leg] = {}
        self.by_call_id: dict[str, Leg] = {}
        self.mixer = Mixer(self._connect, stack.ports.disconnect)
        self.accounts = Accounts(stack, self._arrived, lambda prm: self.on_answer(prm))
        self.peers = Peers(Directory(), {})
        self.directory = Directory()
        #: Hears of answers to requests outside calls.
        self.on_answer: Callable[[Any], None] = lambda prm: None
        #: Asked before a leg that failed is told so; true: another attempt is under way.
        self.on_failed: Callable[[Leg, int], bool] = lambda leg, status: False
        #: Told before the end of a channel.
        self.on_end: list[Callable[[Leg], None]] = []
        #: Told when sound has been negotiated.
        self.on_media: list[Callable[[Leg], None]] = []
        self.on_digit: list[Callable[[Leg, str], None]] = []
        self.on_stop: list[Callable[[], None]] = []
        self._prefix = prefix
        self._ids = count(1)
        self._serials = count(1)
        self._players: dict[int, Leg] = {}
        #: Numbers pjsua gave to calls that are not over.
        self._numbers: dict[int, Leg] = {}
        #: Calls whose end was told, until pjsua lets them go.
        self.ending: dict[int, Leg] = {}
        self._call_class = call_class(stack.pj)
        stack.on_played = self._played
        stack.on_glare = self._refresh_later
        stack.number_in_use = self._numbers.__contains__
        stack.select_account = self._select_account
        stack.on_stop = self._stop

    # --- calls that come -----------------------------------------------------------------------

    def _select_account(self, account: int, source: str, transport: str, message: str) -> int:
        """The account whose ways the answer has: Contact, encryption, codecs, session timers."""
        peer = self.peers.who(source, address(parse(message).first("from")).user)
        if peer is None or transport not in tuple(Transport):
            return account
        came_by = Transport(transport)
        known: Mapping[str, Phone | Trunk] = (
            self.directory.trunks if peer.entry is Entry.TRUNK else self.directory.phones
        )
        if peer.entry is Entry.TRUNK and known[peer.name].transport is came_by:
            return int(self.accounts.of_trunk(peer.name).getId())
        return int(self.accounts.shared(came_by, way_of(known[peer.name])).getId())

    def _arrived(self, account: Any, prm: Any) -> None:
        request = parse(prm.rdata.wholeMsg)
        who = caller(request)
        peer = self.peers.who(prm.rdata.srcAddress, address(request.first("from")).user)
        leg = Leg(f"{self._prefix}-{next(self._ids)}", peer.name if peer else "", dialled=False)
        leg.call = self._call_class(account, leg, self, prm.callId)
        leg.call_id = request.first("call-id")
        self._numbers[prm.callId] = leg
        if peer is None:
            log.warning("stranger_refused", source=prm.rdata.srcAddress, number=who.user)
            leg.ended = True
            self.give_up(leg, FORBIDDEN)
            return
        leg.entry = peer.entry
        self._add(leg)
        self.tell(
            ev.CallArrived(
                channel=leg.channel, node=self.node, entry=peer.entry, endpoint=peer.name,
                caller_number=who.user, caller_name=who.display,
                dialled=self._dialled(peer, request.uri, request.first("to")),
            )
        )  # fmt: skip

    def _dialled(self, peer: Peer, uri: str, to: str) -> str:
        """The request's user; a provider calls a registration by its user, and says in To whom."""
        user = address(uri).user
        trunk = self.directory.trunks.get(peer.name) if peer.entry is Entry.TRUNK else None
        if trunk is not None and trunk.register and user == trunk.user:
            return address(to).user or user
        return user

    # --- calls that go -------------------------------------------------------------------------

    def call_out(self, leg: Leg, account: Any, uri: str, option: Any) -> None:
        """Send the INVITE; pjsua2's Error when it cannot leave."""
        prm = self.operation()
        prm.txOption = option
        leg.call = self._call_class(account, leg, self)
        self._add(leg)
        try:
            leg.call.makeCall(uri, prm)
        except self.stack.pj.Error:
            self.release(leg)
            raise
        self._numbers[leg.call.getId()] = leg

    def operation(self, status: int = 0) -> Any:
        """Parameters of an operation on a call: sound, no video."""
        prm = self.stack.pj.CallOpParam(True)
        prm.opt.audioCount = 1
        prm.opt.videoCount = 0
        prm.opt.textCount = 0
        if status:
            prm.statusCode = status
        return prm

    def _add(self, leg: Leg) -> None:
        self.legs[leg.channel] = leg
        if leg.call_id:
            self.by_call_id[leg.call_id] = leg

    # --- what pjsua says ------------------------------------------------------------------------

    def state_changed(self, leg: Leg, state: int, status: int, reason: str) -> None:
        pj = self.stack.pj
        self.by_call_id.setdefault(leg.call_id, leg)
        if state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self._disconnected(leg, status)
        elif leg.ended:
            # It was answered while our CANCEL was on its way.
            if state == pj.PJSIP_INV_STATE_CONFIRMED:
                self.give_up(leg)
        elif not leg.dialled:
            return
        elif state == pj.PJSIP_INV_STATE_EARLY:
            if not leg.ringing:
                leg.ringing = True
                self.tell(ev.LegRinging(channel=leg.channel))
        elif state == pj.PJSIP_INV_STATE_CONFIRMED and not leg.live:
            leg.live = leg.up = True
            self._cancel_timer(leg)
            self.tell(ev.LegAnswered(channel=leg.channel))

    def _disconnected(self, leg: Leg, status: int) -> None:
        leg.slot = NO_SLOT  # it left the bridge, and its connections with it
        if not leg.ended:
            leg.progressed = leg.dialled and self.stack.ports.provisional(leg.call.getId())
            if leg.dialled and not leg.live and self.on_failed(leg, status):
                return
            # An INVITE its sender took back ends as a hang-up does.
            cause = cause_of(status) if leg.dialled and not leg.live else NORMAL_CLEARING
            self.end(leg, cause, by_peer=True)
        self.forget(leg)

    def _refresh_later(self, number: int) -> None:
        """Our session refresh met an offer of the far end: again, each side after another time."""
        leg = self._numbers.get(number)
        if leg is not None:
            low, high = GLARE_CALLER if leg.dialled else GLARE_CALLED
            self.stack.after(random.uniform(low, high), partial(self._refresh, leg))

    def _refresh(self, leg: Leg) -> None:
        if leg.call is None or leg.ended:
            return
        try:
            leg.call.reinvite(self.operation())
        except self.stack.pj.Error as exc:  # an offer of the far end is open: it refreshes as well
            log.debug("refresh_refused", channel=leg.channel, reason=reason_of(exc))

    def media_changed(self, leg: Leg) -> None:
        """Negotiated (again): another slot, and perhaps a hold."""
        if leg.call is None or leg.ended:
            return
        self.mixer.moved(leg, self.stack.ports.slot_of_call(leg.call.getId()))
        for hears in self.on_media:
            hears(leg)
        info = leg.call.getInfo()  # held in a name: its media lie inside it
        held = any(m.status == self.stack.pj.PJSUA_CALL_MEDIA_REMOTE_HOLD for m in info.media)
        if held != leg.held and leg.up:
            leg.held = held
            kind = ev.HoldStarted if held else ev.HoldEnded
            self.tell(kind(channel=leg.channel))

    def digit(self, leg: Leg, digit: str, duration_ms: int) -> None:
        # pjmedia tells RFC 4733 from a thread of its own.
        self.stack.submit(partial(self.pressed, leg, digit, duration_ms))

    def pressed(self, leg: Leg, digit: str, duration_ms: int) -> None:
        if leg.ended:
            return
        self.tell(ev.DigitPressed(channel=leg.channel, digit=digit, duration_ms=duration_ms))
        for hears in self.on_digit:
            hears(leg, digit)

    def call_broke(self, leg: Leg) -> None:
        self.stack.submit(partial(self.hang_up, leg, HangupReason.CONGESTION))

    # --- ends -----------------------------------------------------------------------------------

    def hang_up(self, leg: Leg, reason: HangupReason) -> None:
        """We end it: told at once, with the cause that says why."""
        if leg.ended:
            return
        leg.reason = reason
        self.end(leg, HANGUP_CAUSE[reason], by_peer=False)
        self.give_up(leg, 0 if leg.dialled or leg.up else REFUSAL[reason])

    def end(self, leg: Leg, cause: int, *, by_peer: bool) -> None:
        """Tell the end of a channel, once."""
        if leg.ended:
            return
        leg.ended = True
        self._cancel_timer(leg)
        for ends in self.on_end:
            ends(leg)
        if leg.player is not None:
            leg.player.close()
            leg.player = None
        self._players.pop(leg.serial, None)
        self.mixer.remove(leg)
        self.legs.pop(leg.channel, None)
        if leg.live:
            self.tell(ev.HungUp(channel=leg.channel, cause=cause, by_peer=by_peer))
        else:
            failure = leg_failure(cause, "", cancelled=not by_peer)
            self.tell(ev.LegFailed(channel=leg.channel, failure=failure, cause=cause))

    def give_up(self, leg: Leg, status: int = 0) -> None:
        """Say so to the far end: BYE, CANCEL or a refusal."""
        if leg.call is None:
            return
        self.ending[id(leg)] = leg
        prm = self.operation(status)
        if leg.reason is not None and not status:
            header = self.stack.pj.SipHeader()
            header.hName, header.hValue = "Reason", reason_header(leg.reason)
            prm.txOption.headers.append(header)
        try:
            leg.call.hangup(prm)
        except self.stack.pj.Error as exc:
            log.debug("hangup_failed", channel=leg.channel, reason=reason_of(exc))

    def forget(self, leg: Leg) -> None:
        """pjsua let the call go: delete its object."""
        self.ending.pop(id(leg), None)
        self.legs.pop(leg.channel, None)
        self.release(leg)

    def release(self, leg: Leg) -> None:
        """Let go of its call only: another one may follow."""
        if self.by_call_id.get(leg.call_id) is leg:
            del self.by_call_id[leg.call_id]
        call, leg.call = leg.call, None
        leg.call_id = ""
        leg.slot = NO_SLOT
        if call is None:
            return
        call.leg = None
        if self._numbers.get(call.getId()) is leg:
            del self._numbers[call.getId()]
        self.stack.bury(call)

    def _cancel_timer(self, leg: Leg) -> None:
        if leg.timer is not None:
            leg.timer.cancel()
            leg.timer = None

    def _stop(self) -> Callable[[], bool]:
        for stops in self.on_stop:
            stops()
        for leg in list(self.legs.values()):
            self.hang_up(leg, HangupReason.NORMAL)
        self.accounts.close()
        return lambda: bool(self.ending)

    # --- sound ----------------------------------------------------------------------------------

    def live(self, channel: ChannelId) -> Leg:
        """A channel that can be acted on; `ActionRefused` for one that is gone or still rings."""
        leg = self.legs.get(channel)
        if leg is None:
            raise ActionRefused(f"channel {channel}: not found", 404)
        if not leg.live:
            raise ActionRefused(f"channel {channel}: not in callcore's hands", 409)
        return leg

    def player(self, leg: Leg) -> Player:
        """What this channel hears of us; before the answer it needs 183 to be heard."""
        if leg.player is None:
            serial = partial(self._serial, leg)
            leg.player = Player(self.stack.ports.Port(), self.mixer, leg, serial)
        if not leg.up and not leg.early:
            leg.early = True
            leg.call.answer(self.operation(183))
        return leg.player

    def _serial(self, leg: Leg) -> int:
        """The number of what is played from now on; its end finds the channel by it."""
        self._players.pop(leg.serial, None)
        leg.serial = next(self._serials)
        self._players[leg.serial] = leg
        return leg.serial

    def _played(self, serial: int) -> None:
        leg = self._players.pop(serial, None)
        if leg is None or leg.player is None or leg.ended:
            return
        playback = leg.player.played(serial)
        if playback:
            self.on_playback(leg, playback)

    def on_playback(self, leg: Leg, playback: str) -> None:
        """A playback came to its end, or was stopped."""
        if not playback.startswith(QUIET):
            self.tell(ev.PlaybackEnded(channel=leg.channel, playback=playback))

    def quieten(self, leg: Leg) -> None:
        """Stop announcements; each is told as ended."""
        if leg.player is None:
            return
        for playback in leg.player.quieten():
            self.on_playback(leg, playback)

    def _connect(self, source: int, sink: int) -> None:
        try:
            self.stack.ports.connect(source, sink)
        except OSError as exc:
            log.warning("not_connected", source=source, sink=sink, reason=str(exc))
