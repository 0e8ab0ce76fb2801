"""Carries out actions on the stack's thread; refuses what Asterisk refuses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from callcore.call import actions as act
from callcore.call import events as ev
from callcore.errors import ActionRefused
from callcore.telephony.pjsip.exchange import Exchange
from callcore.telephony.pjsip.leg import Leg
from callcore.telephony.pjsip.listenings import Listenings
from callcore.telephony.pjsip.player import QUIET, Playback, Sounds
from callcore.telephony.pjsip.sounds import SoundCache, ringing
from callcore.telephony.pjsip.voicemail import LOOK_SECONDS, Voicemail
from callcore.types import BridgeId, ChannelId


class Actions:
    """One method per action."""

    def __init__(
        self, exchange: Exchange, sounds: SoundCache, prompts: Path, voicemail: Path
    ) -> None:
        self._exchange = exchange
        self._sounds = sounds
        self._prompts = prompts
        self._voicemail = voicemail
        self._tone = (ringing(),)
        self._bridges: dict[BridgeId, dict[ChannelId, Leg]] = {}
        self._listenings = Listenings(exchange.mixer)
        exchange.on_end.append(self._ended)
        exchange.on_digit.append(self._pressed)
        self.methods: Mapping[type[act.Action], Callable[[Any], None]] = {
            act.Answer: self._answer,
            act.Hangup: self._hangup,
            act.StopPlay: self._stop_play,
            act.StartMusic: self._start_music,
            act.StopMusic: self._stop_music,
            act.StartRinging: self._start_ringing,
            act.StopRinging: self._stop_ringing,
            act.SendDigits: self._send_digits,
            act.CreateBridge: self._create_bridge,
            act.Join: self._join,
            act.Leave: self._leave,
            act.DestroyBridge: self._destroy_bridge,
            act.Listen: self._listen,
            act.StopListening: lambda action: self._listenings.stop(action.listening),
        }

    @property
    def bridges(self) -> Mapping[BridgeId, tuple[ChannelId, ...]]:
        return {bridge: tuple(inside) for bridge, inside in self._bridges.items()}

    # --- channels -------------------------------------------------------------------------------

    def _answer(self, action: act.Answer) -> None:
        leg = self._exchange.live(action.channel)
        self._exchange.quieten(leg)
        if leg.player is not None:
            leg.player.set_tone(())
        if not leg.up:
            leg.up = True
            leg.call.answer(self._exchange.operation(200))

    def _hangup(self, action: act.Hangup) -> None:
        leg = self._exchange.legs.get(action.channel)
        if leg is None:
            raise ActionRefused(f"channel {action.channel}: not found", 404)
        self._exchange.hang_up(leg, action.reason)

    def _send_digits(self, action: act.SendDigits) -> None:
        leg = self._exchange.live(action.channel)
        self._exchange.quieten(leg)
        leg.call.dialDtmf(action.digits)

    # --- sounds ---------------------------------------------------------------------------------

    def play(self, action: act.Play, sounds: Sounds) -> None:
        leg = self._exchange.live(action.channel)
        self._exchange.player(leg).play(Playback(action.playback, sounds))

    def _stop_play(self, action: act.StopPlay) -> None:
        leg = self._exchange.legs.get(action.channel)
        if leg is None or leg.player is None:
            return
        if leg.player.stop(action.playback):
            self._exchange.on_playback(leg, action.playback)

    def _start_music(self, action: act.StartMusic) -> None:
        leg = self._exchange.live(action.channel)
        self._exchange.quieten(leg)
        self._end_voicemail(leg)
        music = self._music(action.music)
        self._exchange.player(leg).set_music((music,))

    def _music(self, name: str) -> bytes:
        folder = self._prompts / "music"
        found = folder / name
        if not found.is_dir() or found.parent != folder:
            found = folder / "default"
        return self._sounds.music(found)

    def _stop_music(self, action: act.StopMusic) -> None:
        leg = self._exchange.live(action.channel)
        if leg.player is not None:
            leg.player.set_music(())

    def _start_ringing(self, action: act.StartRinging) -> None:
        leg = self._exchange.live(action.channel)
        if leg.up or leg.early:
            self._exchange.player(leg).set_tone(self._tone)
        else:
            leg.call.answer(self._exchange.operation(180))

    def _stop_ringing(self, action: act.StopRinging) -> None:
        leg = self._exchange.live(action.channel)
        if leg.player is not None:
            leg.player.set_tone(())

    # --- voicemail ------------------------------------------------------------------------------

    def record(self, action: act.RecordVoicemail, beep: Sounds) -> None:
        leg = self._exchange.live(action.channel)
        self._exchange.quieten(leg)
        self._end_voicemail(leg)
        player = self._exchange.player(leg)
        player.set_music(())
        ports = self._exchange.stack.ports
        path = self._voicemail / f"{Path(action.recording).name}.wav"
        if beep:
            player.play(Playback(QUIET + action.recording, beep))
        leg.voicemail = Voicemail(action, path, self._exchange.mixer, leg, ports.Port(), ports.Tap)
        self._look_soon(leg, leg.voicemail)

    def _look_soon(self, leg: Leg, voicemail: Voicemail) -> None:
        self._exchange.stack.after(LOOK_SECONDS, partial(self._look, leg, voicemail))

    def _look(self, leg: Leg, voicemail: Voicemail) -> None:
        if leg.voicemail is not voicemail:
            return
        if voicemail.look():
            self._end_voicemail(leg)
        else:
            self._look_soon(leg, voicemail)

    def _pressed(self, leg: Leg, digit: str) -> None:
        if leg.voicemail is not None and leg.voicemail.ends_with(digit):
            self._end_voicemail(leg)

    def _end_voicemail(self, leg: Leg) -> None:
        voicemail, leg.voicemail = leg.voicemail, None
        if voicemail is None:
            return
        ok, seconds = True, 0.0
        try:
            seconds = voicemail.close()
        except OSError:
            ok = False
        self._exchange.tell(
            ev.VoicemailEnded(
                channel=leg.channel, recording=voicemail.recording, seconds=seconds, ok=ok
            )
        )

    # --- bridges --------------------------------------------------------------------------------

    def _create_bridge(self, action: act.CreateBridge) -> None:
        if action.bridge in self._bridges:
            raise ActionRefused(f"bridge {action.bridge} exists already", 500)
        self._bridges[action.bridge] = {}

    def _inside(self, bridge: BridgeId) -> dict[ChannelId, Leg]:
        if bridge not in self._bridges:
            raise ActionRefused(f"bridge {bridge}: not found", 404)
        return self._bridges[bridge]

    def _join(self, action: act.Join) -> None:
        inside = self._inside(action.bridge)
        for leg in [self._exchange.live(channel) for channel in action.channels]:
            self._exchange.quieten(leg)
            self._end_voicemail(leg)
            if leg.player is not None:
                leg.player.set_tone(())
                leg.player.set_music(())
            self._take_out(leg)
            self._listenings.leave(leg)
            leg.bridge = action.bridge
            for other in inside.values():
                self._exchange.mixer.join(leg, other)
            inside[leg.channel] = leg

    def _leave(self, action: act.Leave) -> None:
        self._inside(action.bridge)
        leg = self._exchange.live(action.channel)
        if leg.bridge == action.bridge:
            self._take_out(leg)

    def _take_out(self, leg: Leg) -> None:
        inside = self._bridges.get(leg.bridge, {})
        leg.bridge = ""
        if inside.pop(leg.channel, None) is not None:
            for other in inside.values():
                self._exchange.mixer.part(leg, other)

    def _destroy_bridge(self, action: act.DestroyBridge) -> None:
        for leg in list(self._inside(action.bridge).values()):
            self._take_out(leg)
        del self._bridges[action.bridge]

    # --- supervision ----------------------------------------------------------------------------

    def _listen(self, action: act.Listen) -> None:
        listener, to = self._exchange.live(action.channel), self._exchange.live(action.to)
        self._take_out(listener)
        self._listenings.start(action.listening, listener, to, whisper=action.whisper)

    # --- ends -----------------------------------------------------------------------------------

    def _ended(self, leg: Leg) -> None:
        self._listenings.ended(leg)
        self._end_voicemail(leg)
        self._take_out(leg)
