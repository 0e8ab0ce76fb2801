"""The Asterisk back end: ARI events become callcore's, phones, trunks and directory are watched;
`asterisk_actions` carries out the actions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Protocol

import structlog

from callcore.call import actions as act
from callcore.call.events import BackendDown, Event, PhoneBusy, PhoneReachability
from callcore.directory import Directory
from callcore.errors import ActionRefused, BackendUnavailable
from callcore.telephony.ami import Ami, ContactChange
from callcore.telephony.ari import AriSettings, Body, Method, Snapshot, part
from callcore.telephony.ari_models import (
    AnyAriEvent,
    Channel,
    Endpoint,
)
from callcore.telephony.asterisk_actions import AsteriskActions, MediaLibrary
from callcore.telephony.asterisk_events import Translator
from callcore.telephony.asterisk_link import AsteriskLink
from callcore.telephony.backend import Done, Tell
from callcore.telephony.devices import DeviceWatch
from callcore.telephony.phones import PhoneWatch
from callcore.telephony.trunks import TrunkWatch
from callcore.types import ChannelId, PhoneId

log = structlog.get_logger(__name__)

#: Contexts of `dialplans/extensions.conf`, and the one that hands callers over again.
OUR_CONTEXTS = "callcore-"
RESUME_CONTEXT = "callcore-resume"


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
        self._translator = Translator(node)
        self._link = AsteriskLink(
            settings,
            on_up=self._came_up,
            on_event=self._heard,
            on_down=self._went_down,
            node=node,
            seed=seed,
        )
        self._actions = AsteriskActions(
            self._link, self._translator, media, settings.app, self._tell
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
        return self._actions.begin(action, done)

    async def execute(self, action: act.Action) -> None:
        await self._actions.execute(action)

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
            self._chores.put_nowait(partial(self._actions.post, uri))
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
        self._actions.see(event)
        for told in self._translator.handle(event):
            self._tell_one(told)
        self._actions.look()

    async def _housekeeping(self) -> None:
        while True:
            chore = await self._chores.get()
            try:
                await chore()
            except (ActionRefused, BackendUnavailable) as exc:
                # A channel that ended meanwhile, mostly.
                log.debug("chore_failed", node=self.node, reason=str(exc))

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
