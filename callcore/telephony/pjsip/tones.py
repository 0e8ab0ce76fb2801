"""Keys pressed as tones in the sound, where the settings ask for that: pjsua hears none itself.

The tones are found by the audio path's detector (`native/dtmf.c`), in batches of a few frames.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from callcore.directory import Dtmf
from callcore.native import _audio
from callcore.telephony.pjsip.exchange import Exchange
from callcore.telephony.pjsip.leg import Leg
from callcore.telephony.pjsip.mixer import Node

RATE = 8000
LISTEN_SECONDS = 0.06
ROOM_MS = 1000
KEYS = "0123456789*#ABCD"


class _Listener(Node):
    """Hears one channel."""

    def __init__(self, exchange: Exchange) -> None:
        self.port = exchange.stack.ports.Port()
        super().__init__(self.port.slot)
        self.tap = exchange.stack.ports.Tap(self.port, None, ROOM_MS)
        self.detectors = _audio.Detectors(RATE, _audio.DETECT_DTMF)

    def heard(self) -> list[tuple[str, int]]:
        """Keys that were let go, and for how many milliseconds they were pressed."""
        samples = np.frombuffer(self.tap.take(), np.int16)
        return [
            (KEYS[code], round(seconds * 1000))
            for kind, code, _, seconds, _ in self.detectors.feed(samples)
            if kind == _audio.EVENT_TONE_DIGIT
        ]


class Tones:
    """Listens to the channels whose keys come as tones."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._listeners: dict[Leg, _Listener] = {}
        exchange.on_media.append(self._media_changed)
        exchange.on_end.append(self._ended)

    def _media_changed(self, leg: Leg) -> None:
        """The far end's description is known: does it press keys in the sound?"""
        wanted = self._wanted(leg)
        leg.keys_as_tones = wanted
        if wanted and leg not in self._listeners:
            listener = self._listeners[leg] = _Listener(self._exchange)
            self._exchange.mixer.link(leg, listener)
            self._listen_soon(leg)
        elif not wanted:
            self._ended(leg)

    def _wanted(self, leg: Leg) -> bool:
        directory = self._exchange.directory
        peer = directory.phones.get(leg.endpoint) or directory.trunks.get(leg.endpoint)
        if peer is None or leg.call is None:
            return False
        if peer.dtmf is Dtmf.INBAND:
            return True
        return peer.dtmf is Dtmf.AUTO and not self._offers_events(leg)

    def _offers_events(self, leg: Leg) -> bool:
        if not leg.call.hasMedia():
            return True
        return int(leg.call.getStreamInfo(0).audRxEventPt) > 0

    def _listen_soon(self, leg: Leg) -> None:
        self._exchange.stack.after(LISTEN_SECONDS, partial(self._listen, leg))

    def _listen(self, leg: Leg) -> None:
        listener = self._listeners.get(leg)
        if listener is None:
            return
        for key, milliseconds in listener.heard():
            self._exchange.pressed(leg, key, milliseconds)
        self._listen_soon(leg)

    def _ended(self, leg: Leg) -> None:
        listener = self._listeners.pop(leg, None)
        if listener is None:
            return
        listener.tap.close()
        self._exchange.mixer.remove(listener)
        listener.port.close()
