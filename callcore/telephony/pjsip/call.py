"""pjsua2's call object, with callbacks that raise nothing into C++."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol

import structlog

from callcore.telephony.pjsip.leg import Leg

log = structlog.get_logger(__name__)

#: pjmedia/stream.h: the digit was told before.
DTMF_IS_UPDATE = 1


class CallOwner(Protocol):
    """Who hears of a call; all but `digit` on the stack's thread."""

    def state_changed(self, leg: Leg, state: int, status: int, reason: str) -> None: ...
    def media_changed(self, leg: Leg) -> None: ...
    def digit(self, leg: Leg, digit: str, duration_ms: int) -> None: ...
    def call_broke(self, leg: Leg) -> None: ...


def _guarded(callback: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    """What a callback raises would end the process: it is logged and ends that call."""

    @wraps(callback)
    def run(call: Any, prm: Any) -> None:
        leg, owner = call.leg, call.owner
        if leg is None:
            return
        try:
            callback(call, prm)
        except Exception:
            log.exception("call_callback_failed", channel=leg.channel)
            owner.call_broke(leg)

    return run


def call_class(pj: Any) -> Any:
    """The library's base class exists only once it is loaded."""

    class Call(pj.Call):  # type: ignore[misc]
        def __init__(self, account: Any, leg: Leg, owner: CallOwner, number: int = -1) -> None:
            super().__init__(account, number)
            self.leg: Leg | None = leg
            self.owner = owner

        @_guarded
        def onCallState(self, prm: Any) -> None:
            assert self.leg is not None
            info = self.getInfo()
            if not self.leg.call_id:
                self.leg.call_id = info.callIdString
            self.owner.state_changed(self.leg, info.state, info.lastStatusCode, info.lastReason)

        @_guarded
        def onCallMediaState(self, prm: Any) -> None:
            assert self.leg is not None
            self.owner.media_changed(self.leg)

        @_guarded
        def onDtmfEvent(self, prm: Any) -> None:
            # From a thread of the media, but for INFO.
            assert self.leg is not None
            by_event = prm.method == pj.PJSUA_DTMF_METHOD_RFC2833
            if not prm.flags & DTMF_IS_UPDATE and not (by_event and self.leg.keys_as_tones):
                self.owner.digit(self.leg, prm.digit, prm.duration)

    return Call
