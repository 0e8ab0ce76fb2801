"""The Asterisk back end: actions become ARI requests, ARI events become callcore's events."""

from __future__ import annotations

import asyncio
import random
import re
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from math import ceil
from typing import Any, Protocol

import structlog

from callcore.call import actions as act
from callcore.call.events import BackendDown, Event
from callcore.directory import Directory
from callcore.errors import ActionRefused, BackendUnavailable
from callcore.telephony.ari import AriConnection, AriSettings, Body, Snapshot, new_session, part
from callcore.telephony.ari_models import (
    AnyAriEvent,
    ApplicationReplaced,
    EventDecoder,
    StasisStart,
)
from callcore.telephony.asterisk_events import LEG, Translator
from callcore.telephony.causes import HANGUP_CAUSE, HANGUP_QUERY
from callcore.types import ChannelId

log = structlog.get_logger(__name__)

FIRST_RETRY = 0.1
LONGEST_RETRY = 3.0

_ENDPOINT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")
_NUMBER = re.compile(r"[0-9A-Za-z+*#_.-]{1,64}\Z")
_UNQUOTABLE = str.maketrans("", "", '"\\<>')


class MediaLibrary(Protocol):
    """Turns media references of actions into ARI media URIs."""

    async def resolve(self, media: str) -> str: ...


class Provisioner(Protocol):
    """Makes a directory known to Asterisk."""

    async def apply(self, directory: Directory) -> None: ...


class AsteriskBackend:
    """One Asterisk node behind ARI."""

    def __init__(
        self,
        settings: AriSettings,
        media: MediaLibrary,
        *,
        node: str = "asterisk",
        provisioner: Provisioner | None = None,
        seed: int | None = None,
    ) -> None:
        self.node = node
        self.decoder = EventDecoder()
        self._settings = settings
        self._media = media
        self._provisioner = provisioner
        self._random = random.Random(seed)
        self._translator = Translator(node)
        self._connection: AriConnection | None = None
        self._startup_time = ""
        #: Another controller took the application: never act again.
        self.replaced = False
        self._out: deque[Event] = deque()
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        #: ARI events that arrive while the snapshot is being read.
        self._held: list[AnyAriEvent] | None = None
        self._methods: dict[type[act.Action], Callable[[Any], Awaitable[None]]] = {
            act.Answer: self._answer,
            act.Hangup: self._hangup,
            act.Dial: self._dial,
            act.Play: self._play,
            act.StopPlay: self._stop_play,
            act.StartMusic: self._start_music,
            act.StopMusic: self._stop_music,
            act.StartRinging: self._start_ringing,
            act.StopRinging: self._stop_ringing,
            act.SendDigits: self._send_digits,
            act.RecordVoicemail: self._record_voicemail,
            act.AnswerTransfer: self._answer_transfer,
            act.CreateBridge: self._create_bridge,
            act.Join: self._join,
            act.Leave: self._leave,
            act.DestroyBridge: self._destroy_bridge,
        }

    # --- the Protocol -----------------------------------------------------------------------

    async def events(self) -> AsyncIterator[Event]:
        if self._task is None:
            self._task = asyncio.create_task(self._keep_connected(), name=f"ari-{self.node}")
            self._task.add_done_callback(lambda _: self._news.set())
        while True:
            while self._out:
                yield self._out.popleft()
            if self._task.done():
                if not self._task.cancelled():
                    self._task.result()
                return
            self._news.clear()
            await self._news.wait()

    async def execute(self, action: act.Action) -> None:
        method = self._methods.get(action.__class__)
        if method is None:
            raise ActionRefused(f"{action.__class__.__name__} is not an action for telephony")
        await method(action)

    async def provision(self, directory: Directory) -> None:
        if self._provisioner is not None:
            await self._provisioner.apply(directory)

    async def close(self) -> None:
        self._closed = True
        task = self._task
        if task is None:
            return
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self._news.set()

    # --- the link ---------------------------------------------------------------------------

    def _tell(self, events: tuple[Event, ...] | list[Event]) -> None:
        if events:
            self._out.extend(events)
            self._news.set()

    async def _keep_connected(self) -> None:
        """Connect, read until the link ends, tell it, connect again; for ever."""
        session = new_session(self._settings)
        delay = FIRST_RETRY
        try:
            while not self.replaced:
                try:
                    connection = await AriConnection.open(self._settings, session, self.decoder)
                except BackendUnavailable as exc:
                    log.warning("asterisk_unavailable", node=self.node, reason=str(exc))
                else:
                    if await self._live(connection):
                        delay = FIRST_RETRY
                if self.replaced:
                    break
                await asyncio.sleep(delay * self._random.uniform(0.5, 1.0))
                delay = min(delay * 2, LONGEST_RETRY)
            # Stay, so that `events()` goes on until it is closed.
            await asyncio.Event().wait()
        finally:
            await session.close()

    async def _live(self, connection: AriConnection) -> bool:
        """One life of the link; true when it came as far as `BackendUp`."""
        self._held = []
        reader = asyncio.create_task(connection.read(self._on_event))
        came_up = False
        reason = ""
        try:
            await connection.probe()
            self._came_up(connection, await connection.snapshot())
            came_up = True
            reason = await reader
        except (BackendUnavailable, ActionRefused) as exc:
            reason = str(exc)
        finally:
            self._connection = None
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
            await connection.close()
        if self.replaced:
            reason = "another controller took over this Asterisk; this one has stopped acting"
        log.warning("asterisk_link_lost", node=self.node, reason=reason)
        if came_up:
            self._tell((BackendDown(node=self.node, reason=reason),))
        return came_up

    def _came_up(self, connection: AriConnection, snapshot: Snapshot) -> None:
        if self._startup_time and self._startup_time != snapshot.startup_time:
            # Asterisk was restarted behind the lost link: no channel survived it.
            self._translator.forget()
            self._tell((BackendDown(node=self.node, reason="Asterisk restarted", dead=True),))
        self._startup_time = snapshot.startup_time
        held, self._held = self._held or [], None
        starting = frozenset(e.channel.id for e in held if isinstance(e, StasisStart))
        phones = tuple(
            e.resource
            for e in snapshot.endpoints
            if e.technology == "PJSIP" and e.state == "online"
        )
        self._connection = connection
        self._tell(
            self._translator.resync(
                snapshot.channels,
                snapshot.bridges,
                snapshot.application.channel_ids,
                phones,
                starting,
            )
        )
        log.info("asterisk_up", node=self.node, version=snapshot.version)
        for event in held:
            self._on_event(event)

    def _on_event(self, event: AnyAriEvent) -> None:
        if event.__class__ is ApplicationReplaced:
            self.replaced = True
            if self._connection is not None:
                self._connection.abandon("another controller took over")
            log.error("asterisk_application_replaced", node=self.node, app=self._settings.app)
        elif self._held is not None:
            self._held.append(event)
        else:
            told = self._translator.handle(event)
            if told:
                self._out.extend(told)
                self._news.set()

    def _link(self) -> AriConnection:
        if self._connection is None or self.replaced:
            raise BackendUnavailable("no link to Asterisk")
        return self._connection

    # --- channels ---------------------------------------------------------------------------

    async def _post(self, uri: str, body: Body | None = None) -> None:
        await self._link().request("POST", uri, body)

    async def _delete(self, uri: str) -> None:
        await self._link().request("DELETE", uri)

    async def _post_waiting(
        self, channels: tuple[ChannelId, ...], uri: str, body: Body | None = None
    ) -> None:
        """A request that blocks in Asterisk behind what the channels are doing.

        What they play is stopped first. Where nothing was going on it cannot block, and goes over
        the WebSocket; else over HTTP, where it delays nobody.
        """
        legs = self._translator.legs
        if all(channel in legs and legs[channel].idle for channel in channels):
            await self._link().request("POST", uri, body)
            return
        for channel in channels:
            await self._quieten(channel)
        await self._link().request_blocking("POST", uri, body)

    async def _quieten(self, channel: ChannelId) -> None:
        leg = self._translator.legs.get(channel)
        if leg is None:
            return
        for playback in leg.playbacks:
            await self._delete_if_there(f"playbacks/{part(playback)}")
        if leg.recording:
            await self._stop_if_there(leg.recording)

    async def _delete_if_there(self, uri: str) -> None:
        """It may have ended by itself while we were asking."""
        try:
            await self._delete(uri)
        except ActionRefused as exc:
            if exc.status != 404:
                raise

    async def _stop_if_there(self, recording: str) -> None:
        try:
            await self._post(f"recordings/live/{part(recording)}/stop")
        except ActionRefused as exc:
            if exc.status != 404:
                raise

    async def _answer(self, action: act.Answer) -> None:
        await self._post_waiting((action.channel,), f"channels/{part(action.channel)}/answer")

    async def _hangup(self, action: act.Hangup) -> None:
        self._translator.hanging_up(action.channel, HANGUP_CAUSE[action.reason])
        await self._delete(f"channels/{part(action.channel)}?{HANGUP_QUERY[action.reason]}")

    async def _dial(self, action: act.Dial) -> None:
        self._translator.dialling(action.channel)
        try:
            await self._post("channels", self._originate(action))
        except (ActionRefused, BackendUnavailable) as exc:
            log.info("dial_refused", channel=action.channel, reason=str(exc))
            self._tell(self._translator.dial_refused(action.channel))

    def _originate(self, action: act.Dial) -> Body:
        variables: Body = {"PJSIP_TRANSFER_HANDLING()": "ari-only"}
        if action.auto_answer:
            variables["PJSIP_HEADER(add,Alert-Info)"] = "<http://127.0.0.1>;info=alert-autoanswer"
            variables["PJSIP_HEADER(add,Call-Info)"] = "<sip:127.0.0.1>;answer-after=0"
        return {
            "endpoint": dial_string(action.endpoint),
            "channelId": action.channel,
            "app": self._settings.app,
            "appArgs": LEG,
            "callerId": caller_id(action.caller_name, action.caller_number),
            "timeout": max(1, ceil(action.timeout)),
            "variables": variables,
        }

    async def _play(self, action: act.Play) -> None:
        media = [await self._media.resolve(item) for item in action.media]
        self._translator.playing(action.channel, action.playback)
        try:
            await self._post(
                f"channels/{part(action.channel)}/play/{part(action.playback)}", {"media": [*media]}
            )
        except ActionRefused:
            self._translator.not_playing(action.channel, action.playback)
            raise

    async def _stop_play(self, action: act.StopPlay) -> None:
        await self._delete_if_there(f"playbacks/{part(action.playback)}")

    async def _start_music(self, action: act.StartMusic) -> None:
        await self._quieten(action.channel)
        await self._post(f"channels/{part(action.channel)}/moh", {"mohClass": action.music})

    async def _stop_music(self, action: act.StopMusic) -> None:
        await self._delete(f"channels/{part(action.channel)}/moh")

    async def _start_ringing(self, action: act.StartRinging) -> None:
        await self._post(f"channels/{part(action.channel)}/ring")

    async def _stop_ringing(self, action: act.StopRinging) -> None:
        await self._delete(f"channels/{part(action.channel)}/ring")

    async def _send_digits(self, action: act.SendDigits) -> None:
        await self._quieten(action.channel)
        await self._link().request_blocking(
            "POST", f"channels/{part(action.channel)}/dtmf", {"dtmf": action.digits}
        )

    async def _record_voicemail(self, action: act.RecordVoicemail) -> None:
        await self._quieten(action.channel)
        self._translator.recording(action.channel, action.recording)
        try:
            await self._post(
                f"channels/{part(action.channel)}/record",
                {
                    "name": action.recording,
                    "format": "wav",
                    "maxDurationSeconds": ceil(action.max_seconds),
                    "maxSilenceSeconds": ceil(action.silence_seconds),
                    "ifExists": "overwrite",
                    "beep": action.beep,
                    "terminateOn": action.end_key or "none",
                },
            )
        except ActionRefused:
            self._translator.recording(action.channel, "")
            raise

    async def _answer_transfer(self, action: act.AnswerTransfer) -> None:
        state = "channel_answered" if action.ok else "channel_declined"
        await self._link().request_blocking(
            "POST", f"channels/{part(action.channel)}/transfer_progress", {"states": state}
        )

    # --- bridges ----------------------------------------------------------------------------

    async def _create_bridge(self, action: act.CreateBridge) -> None:
        await self._post("bridges", {"bridgeId": action.bridge, "type": "mixing"})

    async def _join(self, action: act.Join) -> None:
        await self._post_waiting(
            action.channels,
            f"bridges/{part(action.bridge)}/addChannel",
            {"channel": [*action.channels]},
        )

    async def _leave(self, action: act.Leave) -> None:
        await self._post(
            f"bridges/{part(action.bridge)}/removeChannel", {"channel": [action.channel]}
        )

    async def _destroy_bridge(self, action: act.DestroyBridge) -> None:
        await self._delete(f"bridges/{part(action.bridge)}")


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
