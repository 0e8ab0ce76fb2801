"""Actions on Asterisk: plain requests are sent as they come (`asterisk_requests`), the others take
several steps, wait for something, or go where their waiting delays nobody."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from math import ceil
from typing import Any, Protocol

import structlog

from callcore.call import actions as act
from callcore.call.events import Event
from callcore.errors import ActionRefused, BackendError, BackendUnavailable
from callcore.telephony.ari import Body, part
from callcore.telephony.ari_models import AnyAriEvent, ChannelTransfer, StasisStart
from callcore.telephony.asterisk_events import LEG, QUIET, SNOOP, Translator
from callcore.telephony.asterisk_link import AsteriskLink
from callcore.telephony.asterisk_requests import GONE, Planner, Progress, Request
from callcore.telephony.backend import Done
from callcore.telephony.referrals import Referrals
from callcore.types import ChannelId, ListeningId

log = structlog.get_logger(__name__)

#: A snoop channel that takes longer to come does not come.
SNOOP_SECONDS = 2.0

_ENDPOINT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")
_NUMBER = re.compile(r"[0-9A-Za-z+*#_.-]{1,64}\Z")
_UNQUOTABLE = str.maketrans("", "", '"\\<>')


class MediaLibrary(Protocol):
    """Turns media references of actions into ARI media URIs."""

    async def resolve(self, media: str) -> str: ...


class AsteriskActions:
    """Carries out actions on one node; `tell` hears what an action itself brings about."""

    def __init__(
        self,
        link: AsteriskLink,
        translator: Translator,
        media: MediaLibrary,
        app: str,
        tell: Callable[[Iterable[Event]], None],
    ) -> None:
        self._link = link
        self._translator = translator
        self._planner = Planner(translator)
        self._media = media
        self._app = app
        self._tell = tell
        #: Snoop channels that were asked for and are not in our hands yet.
        self._snoops: dict[ListeningId, asyncio.Event] = {}
        self._referrals = Referrals()
        self._methods: dict[type[act.Action], Callable[[Any], Awaitable[None]]] = {
            act.Answer: self._answer,
            act.Dial: self._dial,
            act.Play: self._play,
            act.StartMusic: self._start_music,
            act.SendDigits: self._send_digits,
            act.RecordVoicemail: self._record_voicemail,
            act.AnswerTransfer: self._answer_transfer,
            act.Join: self._join,
            act.Leave: self._leave,
            act.Listen: self._listen,
        }

    def see(self, event: AnyAriEvent) -> None:
        """What actions wait for may be in it; call it before the event is translated."""
        if isinstance(event, StasisStart) and event.channel.id in self._snoops:
            self._snoops[event.channel.id].set()
        if isinstance(event, ChannelTransfer):
            self._referrals.see(event)

    def look(self) -> None:
        """The same afterwards: at what became of the legs."""
        self._referrals.look(self._translator.legs)

    def begin(self, action: act.Action, done: Done) -> bool:
        if not self._link.takes_requests:
            return False
        if isinstance(action, act.Dial):
            return self._begin_dial(action, done)
        requests = self._planner.plan(action)
        if requests is None:
            return False
        self._send(requests, done)
        return True

    def _send(self, requests: tuple[Request, ...], done: Done) -> None:
        """All at once; `done` hears the first thing that went wrong, after the last reply."""
        progress = Progress(len(requests), done)
        connection = self._link.connection
        for request in requests:
            told = partial(progress.replied, request)
            connection.send(request.method, request.uri, request.body, told)

    async def execute(self, action: act.Action) -> None:
        requests = self._planner.plan(action)
        if requests is not None:
            for request in requests:
                await self._request(request)
            return
        method = self._methods.get(action.__class__)
        if method is None:
            raise ActionRefused(f"{action.__class__.__name__} is not an action for telephony")
        await method(action)

    # --- channels ---------------------------------------------------------------------------

    async def post(self, uri: str, body: Body | None = None) -> None:
        await self._link.connection.request("POST", uri, body)

    async def _request(self, request: Request) -> None:
        try:
            await self._link.connection.request(request.method, request.uri, request.body)
        except ActionRefused as exc:
            if exc.status not in request.harmless:
                raise

    async def _post_waiting(
        self, channels: tuple[ChannelId, ...], uri: str, body: Body | None = None
    ) -> None:
        """A request that blocks in Asterisk behind what the channels are doing.

        What they play is stopped first; it goes over HTTP, where it delays nobody.
        """
        for channel in channels:
            await self._quieten(channel)
        await self._link.connection.request_blocking("POST", uri, body)

    async def _quieten(self, channel: ChannelId) -> None:
        leg = self._translator.legs.get(channel)
        if leg is None:
            return
        # Either may have ended by itself while we were asking.
        for playback in leg.playbacks:
            await self._request(Request("DELETE", f"playbacks/{part(playback)}", harmless=GONE))
        if leg.recording:
            uri = f"recordings/live/{part(leg.recording)}/stop"
            await self._request(Request("POST", uri, harmless=GONE))

    async def _answer(self, action: act.Answer) -> None:
        await self._post_waiting((action.channel,), f"channels/{part(action.channel)}/answer")
        self._planner.answered(action.channel)

    def _begin_dial(self, action: act.Dial, done: Done) -> bool:
        """False where there is something to refuse: `_dial` does it."""
        name = action.endpoint.partition(":")[2].partition("/")[0]
        if self._translator.full(name):
            return False
        try:
            body = self._originate(action)
        except ActionRefused:
            return False
        self._translator.dialling(action.channel, name)

        def replied(problem: BackendError | None) -> None:
            if problem is not None:
                self._dial_refused(action, problem)
            done(None)

        self._send((Request("POST", "channels", body),), replied)
        return True

    async def _dial(self, action: act.Dial) -> None:
        name = action.endpoint.partition(":")[2].partition("/")[0]
        full = self._translator.full(name)
        self._translator.dialling(action.channel, name)
        try:
            if full:
                raise ActionRefused(f"trunk {name} is full", 503)
            await self.post("channels", self._originate(action))
        except (ActionRefused, BackendUnavailable) as exc:
            self._dial_refused(action, exc, cause=34 if full else 20)

    def _dial_refused(self, action: act.Dial, problem: BackendError, cause: int = 20) -> None:
        log.debug("dial_refused", channel=action.channel, reason=str(problem))
        self._tell(self._translator.dial_refused(action.channel, cause))

    def _originate(self, action: act.Dial) -> Body:
        variables: Body = {"PJSIP_TRANSFER_HANDLING()": "ari-only"}
        if action.auto_answer:
            variables["PJSIP_HEADER(add,Alert-Info)"] = "<http://127.0.0.1>;info=alert-autoanswer"
            variables["PJSIP_HEADER(add,Call-Info)"] = "<sip:127.0.0.1>;answer-after=0"
        return {
            "endpoint": dial_string(action.endpoint),
            "channelId": action.channel,
            "app": self._app,
            "appArgs": LEG,
            "callerId": caller_id(action.caller_name, action.caller_number),
            "timeout": max(1, ceil(action.timeout)),
            "variables": variables,
        }

    async def _play(self, action: act.Play) -> None:
        media = [await self._media.resolve(item) for item in action.media]
        self._translator.playing(action.channel, action.playback)
        try:
            await self.post(
                f"channels/{part(action.channel)}/play/{part(action.playback)}", {"media": [*media]}
            )
        except ActionRefused:
            self._translator.not_playing(action.channel, action.playback)
            raise

    async def _start_music(self, action: act.StartMusic) -> None:
        await self._quieten(action.channel)
        await self._request(self._planner.music(action))

    async def _send_digits(self, action: act.SendDigits) -> None:
        await self._quieten(action.channel)
        self._translator.unsure(action.channel)
        await self.post(f"channels/{part(action.channel)}/dtmf", {"dtmf": action.digits})

    async def _record_voicemail(self, action: act.RecordVoicemail) -> None:
        await self._quieten(action.channel)
        self._translator.recording(action.channel, action.recording)
        try:
            if action.beep:
                # Ours: Asterisk's own may be missing, and then it records nothing. The recording
                # waits behind it.
                beep = f"channels/{part(action.channel)}/play/{QUIET}{part(action.recording)}"
                await self.post(beep, {"media": await self._media.resolve("beep")})
            await self.post(
                f"channels/{part(action.channel)}/record",
                {
                    "name": action.recording,
                    "format": "wav",
                    "maxDurationSeconds": ceil(action.max_seconds),
                    "maxSilenceSeconds": ceil(action.silence_seconds),
                    "ifExists": "overwrite",
                    "beep": False,
                    "terminateOn": action.end_key or "none",
                },
            )
        except ActionRefused:
            self._translator.recording(action.channel, "")
            raise

    async def _answer_transfer(self, action: act.AnswerTransfer) -> None:
        state = "channel_answered" if action.ok else "channel_declined"
        uri = f"channels/{part(action.channel)}/transfer_progress"
        await self._referrals.answerable(action.channel, ok=action.ok)
        await self.post(uri, {"states": state})
        await self._referrals.answered(action.channel)

    # --- bridges ----------------------------------------------------------------------------

    async def _join(self, action: act.Join) -> None:
        for request in self._planner.stop_sounds(action.channels):
            await self._request(request)
        await self._post_waiting(action.channels, *self._planner.join(action)[1:3])

    async def _leave(self, action: act.Leave) -> None:
        request = self._planner.leave(action)
        try:
            await self._post_waiting((action.channel,), request.uri, request.body)
        except ActionRefused as exc:
            if exc.status not in request.harmless:
                raise

    # --- supervision ------------------------------------------------------------------------

    async def _listen(self, action: act.Listen) -> None:
        """A snoop channel on the one listened to, in a bridge with the one who listens."""
        snoop = part(action.listening)
        here = self._snoops[action.listening] = asyncio.Event()
        try:
            await self.post("bridges", {"bridgeId": action.listening, "type": "mixing"})
            await self.post(
                f"channels/{part(action.to)}/snoop/{snoop}",
                {
                    "spy": "both",
                    "whisper": "out" if action.whisper else "none",
                    "app": self._app,
                    "appArgs": SNOOP,
                },
            )
            # Before it is in Stasis no bridge takes it.
            async with asyncio.timeout(SNOOP_SECONDS):
                await here.wait()
        except TimeoutError:
            raise ActionRefused(f"no snoop channel on {action.to}") from None
        finally:
            del self._snoops[action.listening]
        both: Body = {"channel": [action.listening, action.channel], "absorbDTMF": True}
        await self.post(f"bridges/{snoop}/addChannel", both)


def dial_string(endpoint: str) -> str:
    """``phone:ID`` or ``trunk:ID/NUMBER`` as Asterisk dials it; anything else is refused."""
    kind, _, rest = endpoint.partition(":")
    name, _, number = rest.partition("/")
    if not _ENDPOINT.match(name):
        raise ActionRefused(f"{name[:40]!r} cannot be the name of a phone or trunk", 400)
    if kind == "phone" and not number:
        return f"PJSIP/{name}"
    if kind == "trunk" and _NUMBER.match(number):
        return f"PJSIP/{number}@{name}"
    raise ActionRefused(f"cannot dial {endpoint[:80]!r}", 400)


def caller_id(name: str, number: str, limit: int = 80) -> str:
    """Caller name and number as one field; a hostile one stays data."""
    clean_number = "".join(c for c in number[: limit * 4] if c.isalnum() or c in "+*#._-")[:limit]
    printable = "".join(c for c in name[: limit * 4] if c.isprintable())
    clean_name = printable.translate(_UNQUOTABLE).strip()[:limit]
    return f'"{clean_name}" <{clean_number}>'
