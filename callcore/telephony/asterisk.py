"""The Asterisk back end: actions become ARI requests, ARI events become callcore's events."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from math import ceil
from typing import Any, Protocol

import structlog

from callcore.call import actions as act
from callcore.call.events import BackendDown, Event, PhoneBusy, PhoneReachability
from callcore.directory import Directory
from callcore.errors import ActionRefused, BackendError, BackendUnavailable
from callcore.telephony.ami import Ami, ContactChange
from callcore.telephony.ari import AriSettings, Body, Method, Snapshot, part
from callcore.telephony.ari_models import (
    AnyAriEvent,
    Channel,
    ChannelTransfer,
    Endpoint,
    StasisStart,
)
from callcore.telephony.asterisk_events import LEG, QUIET, SNOOP, Translator
from callcore.telephony.asterisk_link import AsteriskLink
from callcore.telephony.asterisk_requests import Planner, Progress, Request
from callcore.telephony.backend import Done, Tell
from callcore.telephony.devices import DeviceWatch
from callcore.telephony.phones import PhoneWatch
from callcore.telephony.referrals import Referrals
from callcore.telephony.trunks import TrunkWatch
from callcore.types import ChannelId, ListeningId, PhoneId

log = structlog.get_logger(__name__)

#: Contexts of `dialplans/extensions.conf`, and the one that hands callers over again.
OUR_CONTEXTS = "callcore-"
RESUME_CONTEXT = "callcore-resume"
#: A snoop channel that takes longer to come does not come.
SNOOP_SECONDS = 2.0

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
    """One Asterisk node behind ARI (calls) and AMI (recording, reload, contact states)."""

    def __init__(
        self,
        settings: AriSettings,
        media: MediaLibrary,
        *,
        node: str = "asterisk",
        ami: Ami | None = None,
        provisioner: Provisioner | None = None,
        seed: int | None = None,
    ) -> None:
        self.node = node
        self.ami = ami
        self.provisioner = provisioner
        self._settings = settings
        self._media = media
        self._translator = Translator(node)
        self._planner = Planner(self._translator)
        self._link = AsteriskLink(
            settings,
            on_up=self._came_up,
            on_event=self._heard,
            on_down=self._went_down,
            node=node,
            seed=seed,
        )
        self._phones = PhoneWatch(self._tell_phone, self._read_endpoints)
        #: States of trunks, for those who look.
        self.trunks = TrunkWatch(self._read_registrations, self._read_endpoints)
        self._devices = DeviceWatch(
            self._tell_busy,
            self._read_devices,
            lambda: [leg.endpoint for leg in self._translator.legs.values()],
        )
        #: Others use the phones as well: look for calls that are not ours.
        self.shared = False
        #: Snoop channels that were asked for and are not in our hands yet.
        self._snoops: dict[ListeningId, asyncio.Event] = {}
        self._referrals = Referrals()
        self._tell_one: Tell = _nobody
        self._task: asyncio.Task[None] | None = None
        #: Given to `provision`, and not yet with Asterisk.
        self._unapplied: Directory | None = None
        #: Small requests of the back end itself; carried out by `_housekeeping`.
        self._chores: asyncio.Queue[Callable[[], Awaitable[None]]] = asyncio.Queue()
        if ami is not None:
            ami.on_contact = self._contact_changed
            ami.on_login = self._ami_logged_in
            ami.on_registry = self.trunks.look_again
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

    # --- the Protocol -----------------------------------------------------------------------

    async def run(self, tell: Tell) -> None:
        self._tell_one = tell
        self._task = asyncio.create_task(self._run(), name=f"asterisk-{self.node}")
        try:
            await asyncio.wait([self._task])
        finally:
            self._tell_one = _nobody
        if not self._task.cancelled():
            self._task.result()

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

    async def provision(self, directory: Directory) -> None:
        self._phones.known = frozenset(directory.phones)
        self._devices.known = frozenset(directory.phones)
        self.trunks.configure(directory.trunks)
        self._translator.limits = {
            trunk.id: trunk.max_channels for trunk in directory.trunks.values()
        }
        self._unapplied = directory
        await self._apply()

    async def _apply(self) -> None:
        """Tell Asterisk what it does not know yet; tried again at every connect."""
        directory = self._unapplied
        if self.provisioner is None or directory is None:
            return
        await self.provisioner.apply(directory)
        if self._unapplied is directory:
            self._unapplied = None
        self._phones.look_again()
        self.trunks.look_again()

    def _contact_changed(self, change: ContactChange) -> None:
        self._phones.changed(change)
        self.trunks.look_again(change.endpoint)

    def _ami_logged_in(self) -> None:
        self._phones.look_again()
        self.trunks.look_again()
        self._chores.put_nowait(self._apply)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self.ami is not None:
            await self.ami.close()

    @property
    def replaced(self) -> bool:
        """Another controller took over: this one acts no more."""
        return self._link.replaced

    @property
    def unknown_events(self) -> dict[str, int]:
        """ARI messages that could not be decoded, by type."""
        return self._link.decoder.unknown

    async def request_now(self, method: Method, uri: str, body: Body | None = None) -> None:
        """A request of another part of callcore (provisioning), over HTTP."""
        await self._link.connection.request_blocking(method, uri, body)

    # --- what happens -----------------------------------------------------------------------

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            if self.ami is not None:
                group.create_task(self._open_ami(self.ami))
                group.create_task(self._phones.run())
                group.create_task(self.trunks.run())
                if self.shared:
                    group.create_task(self._devices.run())
            group.create_task(self._housekeeping())
            await self._link.run()
            # Replaced: stay, so that `run` goes on until it is closed.
            await asyncio.Event().wait()

    async def _open_ami(self, ami: Ami) -> None:
        try:
            await ami.connect()
        except BackendUnavailable as exc:
            # It goes on trying; recording and provisioning say what they miss.
            log.warning("ami_unavailable", node=self.node, reason=str(exc))

    def _tell(self, events: Iterable[Event]) -> None:
        for event in events:
            self._tell_one(event)

    def _tell_phone(self, phone: PhoneId, reachable: bool) -> None:
        self._tell((PhoneReachability(phone=phone, reachable=reachable),))

    def _tell_busy(self, phone: PhoneId, busy: bool) -> None:
        self._tell((PhoneBusy(phone=phone, busy=busy),))

    async def _read_devices(self) -> dict[str, str]:
        return await self._ami().device_states()

    async def _read_endpoints(self, uri: str) -> tuple[Endpoint, ...]:
        connection = self._link.connection
        return await connection.request_blocking("GET", uri, expect=tuple[Endpoint, ...]) or ()

    async def _read_registrations(self) -> dict[str, str]:
        return await self._ami().registrations()

    def _came_up(self, snapshot: Snapshot, starting: frozenset[ChannelId], restarted: bool) -> None:
        if restarted:
            # No channel survived.
            self._translator.forget()
            self._tell((BackendDown(node=self.node, reason="Asterisk restarted", dead=True),))
        self._tell(
            self._translator.resync(
                snapshot.channels,
                snapshot.bridges,
                snapshot.application.channel_ids,
                self._phones.snapshot(snapshot.endpoints),
                starting,
            )
        )
        for leg in self._translator.ringing:
            source = f"eventSource=channel:{part(leg)}"
            uri = f"applications/{part(self._settings.app)}/subscription?{source}"
            self._chores.put_nowait(partial(self._post, uri))
        self._chores.put_nowait(self._apply)
        for channel in in_fallback(snapshot):
            self._chores.put_nowait(partial(self._bring_back, channel))

    async def _bring_back(self, channel: Channel) -> None:
        """A caller whom the fallback queue holds returns, under the same id and number."""
        if self.ami is None:
            log.warning("fallback_caller_left", channel=channel.id, reason="no AMI")
            return
        await self.ami.connect()
        await self.ami.redirect(channel.id, RESUME_CONTEXT, channel.dialplan.exten)
        log.info("fallback_caller_back", channel=channel.id)

    def _went_down(self, reason: str) -> None:
        self.trunks.forget()
        self._devices.forget()
        self._tell((BackendDown(node=self.node, reason=reason),))

    def _heard(self, event: AnyAriEvent) -> None:
        if isinstance(event, StasisStart) and event.channel.id in self._snoops:
            self._snoops[event.channel.id].set()
        if isinstance(event, ChannelTransfer):
            self._referrals.see(event)
        for told in self._translator.handle(event):
            self._tell_one(told)
        self._referrals.look(self._translator.legs)

    async def _housekeeping(self) -> None:
        while True:
            chore = await self._chores.get()
            try:
                await chore()
            except (ActionRefused, BackendUnavailable) as exc:
                # A channel that ended meanwhile, mostly.
                log.debug("chore_failed", node=self.node, reason=str(exc))

    # --- channels ---------------------------------------------------------------------------

    async def _post(self, uri: str, body: Body | None = None) -> None:
        await self._link.connection.request("POST", uri, body)

    async def _delete(self, uri: str) -> None:
        await self._link.connection.request("DELETE", uri)

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
            await self._post("channels", self._originate(action))
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

    async def _start_music(self, action: act.StartMusic) -> None:
        await self._quieten(action.channel)
        await self._request(self._planner.music(action))

    async def _send_digits(self, action: act.SendDigits) -> None:
        await self._quieten(action.channel)
        self._translator.unsure(action.channel)
        await self._post(f"channels/{part(action.channel)}/dtmf", {"dtmf": action.digits})

    async def _record_voicemail(self, action: act.RecordVoicemail) -> None:
        await self._quieten(action.channel)
        self._translator.recording(action.channel, action.recording)
        try:
            if action.beep:
                # Ours: Asterisk's own may be missing, and then it records nothing. The recording
                # waits behind it.
                beep = f"channels/{part(action.channel)}/play/{QUIET}{part(action.recording)}"
                await self._post(beep, {"media": await self._media.resolve("beep")})
            await self._post(
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
        await self._post(uri, {"states": state})
        await self._referrals.answered(action.channel)

    # --- recording: for callcore/recording ----------------------------------------------------

    def _ami(self) -> Ami:
        if self.ami is None:
            raise BackendUnavailable("no AMI is configured")
        return self.ami

    async def start_mixmonitor(self, channel: ChannelId, path: str) -> None:
        """Two channels raw (says left, hears right, 16-bit 8 kHz) to `path`."""
        await self._ami().start_mixmonitor(channel, path)

    async def mute_mixmonitor(self, channel: ChannelId, on: bool) -> None:
        await self._ami().mute_mixmonitor(channel, on)

    async def stop_mixmonitor(self, channel: ChannelId) -> None:
        await self._ami().stop_mixmonitor(channel)

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
            await self._post("bridges", {"bridgeId": action.listening, "type": "mixing"})
            await self._post(
                f"channels/{part(action.to)}/snoop/{snoop}",
                {
                    "spy": "both",
                    "whisper": "out" if action.whisper else "none",
                    "app": self._settings.app,
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
        await self._post(f"bridges/{snoop}/addChannel", both)


def _nobody(event: Event) -> None:
    """Nobody listens: before `run`, and after it."""


def in_fallback(snapshot: Snapshot) -> list[Channel]:
    """Callers waiting in the dialplan's fallback; those who talk to an agent there stay."""
    ours = set(snapshot.application.channel_ids)
    talking = {channel for bridge in snapshot.bridges for channel in bridge.channels}
    return [
        channel
        for channel in snapshot.channels
        if channel.dialplan.context.startswith(OUR_CONTEXTS)
        and channel.dialplan.app_name in ("Queue", "MusicOnHold")
        and channel.state == "Up"
        and channel.id not in ours | talking
    ]


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
