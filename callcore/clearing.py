"""Clearing of legs: a phone is rung for the next call only when the former leg has left it.

Asterisk clears a leg in its own time, and the INVITE of another call to the same phone may overtake
its CANCEL. A phone with one line refuses that INVITE as busy, and its agent would count as one who
does not answer. The rules need not know: they free an agent and offer the next contact at once, and
the `Dial` waits here for the milliseconds that are missing.

Before a phone has sent a provisional response its INVITE cannot be cancelled (RFC 3261, section
9.1): Asterisk drops the leg at once and sends the CANCEL later, so its word of the end would come
too early. Such a leg is cleared when its phone rings. Nothing waits for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from callcore.call.actions import Dial, Hangup
from callcore.call.events import BackendDown, Event, HungUp, LegAnswered, LegFailed, LegRinging
from callcore.types import ChannelId, LegFailure

#: For the first response of a phone whose leg is to be cleared; it rings within a round trip.
RESPONSE_SECONDS = 0.5
#: For the end of a leg that is being cleared; told within milliseconds, unless the word is lost.
CLEARING_SECONDS = 1.0

_PHONE = "phone:"


class Later(Protocol):
    """`loop.call_later`."""

    def __call__(
        self, delay: float, callback: Callable[[ChannelId], None], channel: ChannelId, /
    ) -> object: ...


class Clearing:
    """Legs at phones, from their INVITE to their end, and what has to wait for one."""

    def __init__(
        self,
        send: Callable[[Dial | Hangup], None],
        post: Callable[[Event], None],
        later: Later,
    ) -> None:
        self._send = send
        self._post = post
        self._later = later
        #: Where each leg rings, or talks.
        self._phones: dict[ChannelId, str] = {}
        #: Legs whose phone has not answered anything yet, with the `Hangup` that waits for it.
        self._unheard: dict[ChannelId, Hangup | None] = {}
        #: Legs that leave each phone, and the calls that are next there.
        self._leaving: dict[str, dict[ChannelId, None]] = {}
        self._next: dict[str, list[Dial]] = {}

    # --- what is to be done -------------------------------------------------------------------

    def dial(self, action: Dial) -> None:
        """Ring a phone, after the legs that are leaving it."""
        if action.endpoint in self._leaving:
            self._next.setdefault(action.endpoint, []).append(action)
        else:
            self._ring(action)

    def _ring(self, action: Dial) -> None:
        if action.endpoint.startswith(_PHONE):
            self._phones[action.channel] = action.endpoint
            self._unheard[action.channel] = None
        self._send(action)

    def hang_up(self, action: Hangup) -> None:
        """Clear a leg: when its phone has been heard, or at once where it was not yet rung."""
        channel = action.channel
        if self._not_yet_rung(channel):
            self._post(LegFailed(channel=channel, failure=LegFailure.CANCELLED))
            return
        phone = self._phones.get(channel)
        if phone is not None:
            self._leaving.setdefault(phone, {})[channel] = None
        if channel in self._unheard:
            self._unheard[channel] = action
            self._later(RESPONSE_SECONDS, self._heard, channel)
        else:
            self._clear(action)

    def _not_yet_rung(self, channel: ChannelId) -> bool:
        for waiting in self._next.values():
            for dial in waiting:
                if dial.channel == channel:
                    waiting.remove(dial)
                    return True
        return False

    def _clear(self, action: Hangup) -> None:
        if action.channel in self._phones:
            self._later(CLEARING_SECONDS, self._gone, action.channel)
        self._send(action)

    # --- what happens -------------------------------------------------------------------------

    def see(self, event: Event) -> None:
        """Every event passes here before the rules act on it."""
        match event:
            case LegRinging() | LegAnswered():
                self._heard(event.channel)
            case LegFailed() | HungUp():
                self._gone(event.channel)
            case BackendDown():
                for channel in list(self._phones):
                    self._gone(channel)

    def _heard(self, channel: ChannelId) -> None:
        waiting = self._unheard.pop(channel, None)
        if waiting is not None:
            self._clear(waiting)

    def _gone(self, channel: ChannelId) -> None:
        self._unheard.pop(channel, None)
        phone = self._phones.pop(channel, None)
        leaving = self._leaving.get(phone) if phone is not None else None
        if phone is None or leaving is None:
            return
        leaving.pop(channel, None)
        if not leaving:
            del self._leaving[phone]
            for dial in self._next.pop(phone, ()):
                self._ring(dial)
