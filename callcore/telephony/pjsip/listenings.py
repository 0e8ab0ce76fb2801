"""Supervisors' channels that listen to another channel; on the stack's thread."""

from __future__ import annotations

from typing import NamedTuple

from callcore.call import actions as act
from callcore.telephony.pjsip.exchange import Exchange
from callcore.telephony.pjsip.leg import Leg
from callcore.types import ListeningId


class _Listening(NamedTuple):
    listener: Leg
    to: Leg


class Listenings:
    """Who listens to whom, by the ids of the rules."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._all: dict[ListeningId, _Listening] = {}
        exchange.on_end.append(self._ended)

    def listen(self, action: act.Listen) -> None:
        listener = self._exchange.live(action.channel)
        to = self._exchange.live(action.to)
        mixer = self._exchange.mixer
        self._all[action.listening] = _Listening(listener, to)
        mixer.link(to, listener)
        mixer.give_ear(to, listener)
        if action.whisper:
            mixer.link(listener, to)

    def stop(self, action: act.StopListening) -> None:
        self._stop(action.listening)

    def _stop(self, name: ListeningId) -> None:
        listening = self._all.pop(name, None)
        if listening is not None:
            mixer = self._exchange.mixer
            mixer.part(listening.listener, listening.to)
            mixer.take_ear(listening.to, listening.listener)

    def _ended(self, leg: Leg) -> None:
        for name, listening in list(self._all.items()):
            if leg in listening:
                self._stop(name)
