"""Supervisors' channels that listen to another channel; on the stack's thread."""

from __future__ import annotations

from typing import NamedTuple

from callcore.telephony.pjsip.leg import Leg
from callcore.telephony.pjsip.mixer import Mixer
from callcore.types import ListeningId


class _Listening(NamedTuple):
    listener: Leg
    to: Leg


class Listenings:
    """Who listens to whom, by the ids of the rules; nobody listens twice."""

    def __init__(self, mixer: Mixer) -> None:
        self._mixer = mixer
        self._all: dict[ListeningId, _Listening] = {}

    def start(self, name: ListeningId, listener: Leg, to: Leg, *, whisper: bool) -> None:
        self.leave(listener)
        self._all[name] = _Listening(listener, to)
        self._mixer.link(to, listener)
        self._mixer.give_ear(to, listener)
        if whisper:
            self._mixer.link(listener, to)

    def stop(self, name: ListeningId) -> None:
        """Harmless where it is over."""
        listening = self._all.pop(name, None)
        if listening is not None:
            self._mixer.part(listening.listener, listening.to)
            self._mixer.take_ear(listening.to, listening.listener)

    def leave(self, listener: Leg) -> None:
        """It goes elsewhere."""
        for name, listening in list(self._all.items()):
            if listening.listener is listener:
                self.stop(name)

    def ended(self, leg: Leg) -> None:
        """It listens no more, and nobody listens to it."""
        for name, listening in list(self._all.items()):
            if leg in listening:
                self.stop(name)
