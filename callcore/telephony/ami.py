"""AMI over panoramisk: what ARI cannot do (MixMonitor, reload, redirect, contact states).

panoramisk reconnects by itself; this wrapper bounds every wait, turns answers into callcore's
errors, and never lets a secret into the log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import msgspec
from panoramisk import Manager

from callcore.errors import ActionRefused, BackendUnavailable

ACTION_TIMEOUT = 5.0
LOGIN_TIMEOUT = 5.0
#: What makes a value unfit for one line of AMI.
_CONTROL = dict.fromkeys((*range(32), 127))


class AmiSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where AMI is, and as whom to use it."""

    host: str
    port: int
    user: str
    password: str

    def __repr__(self) -> str:
        return f"AmiSettings(host={self.host!r}, port={self.port})"


class ContactChange(msgspec.Struct, frozen=True):
    """AMI's ContactStatus: a binding of an endpoint was made, removed, or answers (not)."""

    endpoint: str
    #: Created, Removed, Updated, Reachable, Unreachable, NonQualified, Unknown
    status: str


class Ami:
    """One AMI login, kept alive."""

    def __init__(
        self,
        settings: AmiSettings,
        on_contact: Callable[[ContactChange], None] | None = None,
    ) -> None:
        self._settings = settings
        #: Told of every binding that changes, and of every login; set before `connect`.
        self.on_contact = on_contact
        self.on_login: Callable[[], None] | None = None
        #: A registration at a provider was made, refused or lost; AMI does not say by which name.
        self.on_registry: Callable[[], None] | None = None
        self._manager: Any = None
        self._connecting: list[asyncio.Task[Any]] = []
        self._ready = asyncio.Event()
        self._refused = False

    # --- life -------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Start connecting and wait for the first login; goes on trying behind a failure."""
        if self._manager is None:
            self._start()
        try:
            async with asyncio.timeout(LOGIN_TIMEOUT):
                await self._ready.wait()
        except TimeoutError as exc:
            where = f"AMI at {self._settings.host}:{self._settings.port}"
            why = "user or password refused" if self._refused else "no login in time"
            raise BackendUnavailable(f"{where}: {why}") from exc

    def _start(self) -> None:
        # panoramisk's own log would print the login action with its secret.
        quiet = logging.getLogger("callcore.ami.panoramisk")
        quiet.setLevel(logging.CRITICAL + 1)
        listens = self.on_contact is not None
        self._manager = Manager(
            loop=asyncio.get_running_loop(),
            log=quiet,
            host=self._settings.host,
            port=self._settings.port,
            username=self._settings.user,
            secret=self._settings.password,
            events="system" if listens else "off",
            ping_delay=5,
            ping_interval=5,
            reconnect_timeout=1,
            on_connect=self._connected,
            on_login=self._logged_in,
            on_disconnect=self._disconnected,
        )
        if listens:
            self._manager.register_event("ContactStatus", self._contact)
            self._manager.register_event("Registry", self._registry)
        connect = self._manager.connect

        def keep() -> None:
            if self._manager is not None:
                under_way = [task for task in self._connecting if not task.done()]
                self._connecting = [*under_way, connect()]

        self._manager.connect = keep  # what panoramisk calls to connect again
        keep()

    def _connected(self, manager: Any) -> None:
        if self._manager is None:
            # Closed while panoramisk was waiting to connect again.
            manager.close()
        self._refused = True  # until the login is accepted

    def _logged_in(self, _: object) -> None:
        self._refused = False
        self._ready.set()
        if self.on_login is not None:
            self.on_login()

    def _disconnected(self, _: object, __: object) -> None:
        self._ready.clear()

    def _registry(self, _: object, message: Any) -> None:
        if self.on_registry is not None:
            self.on_registry()

    def _contact(self, _: object, message: Any) -> None:
        if self.on_contact is not None:
            endpoint = str(message.endpointname or message.aor or "")
            self.on_contact(ContactChange(endpoint, str(message.contactstatus or "")))

    @property
    def up(self) -> bool:
        return self._ready.is_set()

    async def close(self) -> None:
        manager, self._manager = self._manager, None
        self._ready.clear()
        if manager is not None:
            # Without this panoramisk would connect again.
            manager.connect = _stay_away
            for task in self._connecting:
                task.remove_done_callback(manager.connection_made)
                task.cancel()
            await asyncio.gather(*self._connecting, return_exceptions=True)
            manager.close()

    # --- actions ----------------------------------------------------------------------------

    async def action(self, name: str, **fields: str) -> list[dict[str, str]]:
        """Carry out one action; its answer and the events of a list, each as plain fields."""
        if self._manager is None or not self._ready.is_set():
            raise BackendUnavailable("no AMI link to Asterisk")
        message = {"Action": name, **{key: _one_line(value) for key, value in fields.items()}}
        try:
            async with asyncio.timeout(ACTION_TIMEOUT):
                answer = await self._manager.send_action(message)
        except TimeoutError as exc:
            self._drop()
            raise BackendUnavailable(f"AMI did not answer {name} in time") from exc
        except OSError as exc:
            raise BackendUnavailable(f"AMI link lost: {exc}") from exc
        parts = answer if isinstance(answer, list) else [answer]
        if not parts or not parts[0].success:
            text = str(parts[0].message if parts else "no answer")
            raise ActionRefused(f"AMI {name}: {text}", 404 if "No such channel" in text else 400)
        return [{str(k): str(v) for k, v in part.items()} for part in parts]

    def _drop(self) -> None:
        """A link that does not answer is dead: panoramisk connects again."""
        self._ready.clear()
        if self._manager is not None and self._manager.protocol is not None:
            self._manager.protocol.transport.abort()

    async def start_mixmonitor(self, channel: str, path: str) -> None:
        """Record a channel to `path`: option D writes two channels raw (says left, hears right).

        Right after a start, calls are there before the login is: it is waited for.
        """
        if self._manager is not None and not self._ready.is_set():
            await self.connect()
        await self.action("MixMonitor", Channel=channel, File=path, options="D")

    async def mute_mixmonitor(self, channel: str, on: bool) -> None:
        await self.action(
            "MixMonitorMute", Channel=channel, Direction="both", State="1" if on else "0"
        )

    async def stop_mixmonitor(self, channel: str) -> None:
        await self.action("StopMixMonitor", Channel=channel)

    async def reload(self, module: str) -> None:
        await self.action("Reload", Module=module)

    async def redirect(self, channel: str, context: str, exten: str = "s") -> None:
        """Bring a channel back from wherever the dialplan holds it."""
        await self.action("Redirect", Channel=channel, Context=context, Exten=exten, Priority="1")

    async def device_states(self) -> dict[str, str]:
        """``PJSIP/desk1`` → ``NOT_INUSE``, ``INUSE``, ``RINGING`` …"""
        return {
            part["Device"]: part.get("State", "")
            for part in await self.action("DeviceStateList")
            if "Device" in part
        }

    async def knows_endpoint(self, name: str) -> bool:
        """Whether PJSIP has this endpoint: a reload goes on after its answer."""
        try:
            await self.action("PJSIPShowEndpoint", Endpoint=name)
        except ActionRefused:
            return False
        return True

    async def registrations(self) -> dict[str, str]:
        """Name of an outbound registration → ``Registered``, ``Unregistered``, ``Rejected`` …"""
        try:
            parts = await self.action("PJSIPShowRegistrationsOutbound")
        except ActionRefused as exc:
            if "No " in str(exc):  # an error, for an empty list
                return {}
            raise
        return {
            part["ObjectName"]: part.get("Status", "")
            for part in parts
            if part.get("Event") == "OutboundRegistrationDetail"
        }

    async def core_status(self) -> dict[str, str]:
        return (await self.action("CoreStatus"))[0]


def _one_line(value: str) -> str:
    """A value cannot start a header of its own."""
    return value.translate(_CONTROL)


def _stay_away(*_: object, **__: object) -> None:
    """Stands in for `connect` of a manager that was closed."""
