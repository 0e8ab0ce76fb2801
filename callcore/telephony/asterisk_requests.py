"""Actions that are a few requests which Asterisk carries out at once: what is to be sent; pure.

Such requests can leave without waiting for the reply to the one before: Asterisk serves a WebSocket
in order. An action that may block in Asterisk (something plays or records on the channel) has no
such plan; `asterisk.py` stops what is going on first, and waits over HTTP.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from callcore.call import actions as act
from callcore.errors import ActionRefused, BackendError, BackendUnavailable
from callcore.telephony.ari import Body, Method, part, problem_of
from callcore.telephony.ari_models import RESTResponse
from callcore.telephony.asterisk_events import Translator
from callcore.telephony.backend import Done
from callcore.telephony.causes import HANGUP_CAUSE, HANGUP_QUERY
from callcore.types import ChannelId

#: What was to be ended has ended by itself.
GONE = (404,)
NOT_IN_BRIDGE = (422,)
#: No such bridge, no such channel, or the one is not in the other.
NO_LONGER_THERE = (400, 404, 409, 422)


class Request(NamedTuple):
    """One request; refused with one of the `harmless` statuses it has still done its work."""

    method: Method
    uri: str
    body: Body | None = None
    harmless: tuple[int, ...] = ()


class Progress:
    """The replies to the requests of one action as they come in."""

    def __init__(self, requests: int, done: Done) -> None:
        self._left = requests
        self._done = done
        self._problem: BackendError | None = None

    def replied(self, request: Request, reply: RESTResponse | BackendUnavailable) -> None:
        problem = problem_of(request.method, request.uri, reply)
        harmless = isinstance(problem, ActionRefused) and problem.status in request.harmless
        if problem is not None and not harmless:
            self._problem = self._problem or problem
        self._left -= 1
        if not self._left:
            self._done(self._problem)


class Planner:
    """Turns actions into requests and notes in the translator what they do to a channel."""

    def __init__(self, translator: Translator) -> None:
        self._translator = translator
        self._plans: dict[type[act.Action], Callable[[Any], tuple[Request, ...] | None]] = {
            act.Answer: self._answer,
            act.Hangup: self._hangup,
            act.StartMusic: self._start_music,
            act.StopMusic: self._stop_music,
            act.StartRinging: self._start_ringing,
            act.StopRinging: self._stop_ringing,
            act.StopPlay: self._stop_play,
            act.CreateBridge: self._create_bridge,
            act.Join: self._join,
            act.Leave: self._leave,
            act.DestroyBridge: self._destroy_bridge,
            act.StopListening: self._stop_listening,
        }

    def plan(self, action: act.Action) -> tuple[Request, ...] | None:
        """What to send for this action now; None: it cannot be sent without waiting."""
        make = self._plans.get(action.__class__)
        return None if make is None else make(action)

    def idle(self, channels: tuple[ChannelId, ...]) -> bool:
        """Nothing runs in these channels that a request would have to wait for."""
        legs = self._translator.legs
        return all(channel in legs and legs[channel].idle for channel in channels)

    # --- channels ---------------------------------------------------------------------------

    def _answer(self, action: act.Answer) -> tuple[Request, ...] | None:
        if not self.idle((action.channel,)):
            return None
        self.answered(action.channel)
        return (Request("POST", f"channels/{part(action.channel)}/answer"),)

    def answered(self, channel: ChannelId) -> None:
        """180 before the answer is no tone after it."""
        self._translator.sounding(channel, tone=False)

    def _hangup(self, action: act.Hangup) -> tuple[Request, ...]:
        self._translator.hanging_up(action.channel, HANGUP_CAUSE[action.reason])
        uri = f"channels/{part(action.channel)}?{HANGUP_QUERY[action.reason]}"
        return (Request("DELETE", uri),)

    def _start_music(self, action: act.StartMusic) -> tuple[Request, ...] | None:
        leg = self._translator.legs.get(action.channel)
        if leg is not None and (leg.playbacks or leg.recording):
            return None
        return (self.music(action),)

    def music(self, action: act.StartMusic) -> Request:
        self._translator.sounding(action.channel, music=True)
        uri = f"channels/{part(action.channel)}/moh"
        return Request("POST", uri, {"mohClass": action.music})

    def _stop_music(self, action: act.StopMusic) -> tuple[Request, ...]:
        self._translator.sounding(action.channel, music=False)
        return (Request("DELETE", f"channels/{part(action.channel)}/moh"),)

    def _start_ringing(self, action: act.StartRinging) -> tuple[Request, ...]:
        self._translator.sounding(action.channel, tone=True)
        return (Request("POST", f"channels/{part(action.channel)}/ring"),)

    def _stop_ringing(self, action: act.StopRinging) -> tuple[Request, ...]:
        self._translator.sounding(action.channel, tone=False)
        return (Request("DELETE", f"channels/{part(action.channel)}/ring"),)

    def _stop_play(self, action: act.StopPlay) -> tuple[Request, ...]:
        return (Request("DELETE", f"playbacks/{part(action.playback)}", harmless=GONE),)

    # --- bridges ----------------------------------------------------------------------------

    def _create_bridge(self, action: act.CreateBridge) -> tuple[Request, ...]:
        # video_sfu keeps the clocked mixer (softmix) for two parties too: see recording/tap.py.
        # An ordinary bridge passes RTP on without looking: keys pressed in it are not told.
        kind = "mixing,video_sfu" if action.clocked else "mixing"
        return (Request("POST", "bridges", {"bridgeId": action.bridge, "type": kind}),)

    def _join(self, action: act.Join) -> tuple[Request, ...] | None:
        if not self.idle(action.channels):
            return None
        return (*self.stop_sounds(action.channels), self.join(action))

    def join(self, action: act.Join) -> Request:
        uri = f"bridges/{part(action.bridge)}/addChannel"
        body: Body = {"channel": [*action.channels]}
        if action.keeps_keys:
            body["absorbDTMF"] = True
        return Request("POST", uri, body)

    def stop_sounds(self, channels: tuple[ChannelId, ...]) -> tuple[Request, ...]:
        """What has to end before a join: in a bridge music and tones would go on, mixed in."""
        made = []
        for channel in channels:
            leg = self._translator.legs.get(channel)
            if leg is None:
                continue
            if leg.music or leg.unsure:
                made.append(Request("DELETE", f"channels/{part(channel)}/moh", harmless=GONE))
            if leg.tone:
                made.append(Request("DELETE", f"channels/{part(channel)}/ring", harmless=GONE))
            leg.music = leg.tone = False
        return tuple(made)

    def _leave(self, action: act.Leave) -> tuple[Request, ...] | None:
        return (self.leave(action),) if self.idle((action.channel,)) else None

    def leave(self, action: act.Leave) -> Request:
        uri = f"bridges/{part(action.bridge)}/removeChannel"
        return Request("POST", uri, {"channel": [action.channel]}, NOT_IN_BRIDGE)

    def _destroy_bridge(self, action: act.DestroyBridge) -> tuple[Request, ...]:
        return (Request("DELETE", f"bridges/{part(action.bridge)}"),)

    # --- supervision ------------------------------------------------------------------------

    def _stop_listening(self, action: act.StopListening) -> tuple[Request, ...]:
        name = part(action.listening)
        ends = (
            Request("DELETE", f"channels/{name}", harmless=GONE),
            Request("DELETE", f"bridges/{name}", harmless=GONE),
        )
        if not action.channel:
            return ends
        # First out of the bridge: whom its end throws out may be on the way to the next one.
        body: Body = {"channel": [action.channel]}
        return (
            Request("POST", f"bridges/{name}/removeChannel", body, NO_LONGER_THERE),
            *ends,
        )
