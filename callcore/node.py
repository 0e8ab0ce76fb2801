"""Opens the telephony node the settings name: a managed Asterisk, one that is already there, or the
SIP stack in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import structlog

from callcore.config import AsteriskSettings, Settings
from callcore.recording.recorder import Collect
from callcore.recording.tap import MixMonitorTap, Tap
from callcore.site import read_prompt_texts
from callcore.telephony import managed
from callcore.telephony.ami import Ami, AmiSettings
from callcore.telephony.ari import AriSettings
from callcore.telephony.asterisk import AsteriskBackend
from callcore.telephony.backend import Backend
from callcore.telephony.canary import raw_directory
from callcore.telephony.layout import AsteriskPaths, ManagedSettings
from callcore.telephony.log_keeper import LogKeeper
from callcore.telephony.messages import MessageStore
from callcore.telephony.prompts import PromptLibrary
from callcore.telephony.provision import FileProvisioner, PushProvisioner
from callcore.telephony.supervisor import Supervisor
from callcore.types import PhoneId, TrunkId

log = structlog.get_logger(__name__)


@dataclass
class Node:
    """A back end with what belongs to it."""

    backend: Backend
    tap: Tap
    prompts: PromptLibrary
    #: Tells the node which phones its fallback queue rings.
    set_fallback: Callable[[tuple[PhoneId, ...]], Awaitable[None]]
    #: Where the node writes recordings in progress, and voicemail messages.
    raw: Path
    voicemail: Path
    #: Brings a message to `voicemail`, where the node writes it elsewhere.
    collect: Collect | None
    #: How the node's trunks are: registered, unreachable …
    trunk_states: Callable[[], Mapping[TrunkId, str]]
    #: Starts a managed Asterisk again when it died and rotates its logs, until cancelled; None: it
    #: is not ours.
    keep_running: Callable[[], Coroutine[None, None, None]] | None = None
    #: Calls a SIP stack in this process holds; None: there is none.
    sip_calls: Callable[[], int] | None = None
    #: The link beside the back end's, where there is one.
    ami: Ami | None = None

    async def close(self) -> None:
        await self.backend.close()
        if self.ami is not None:
            await self.ami.close()


async def open_node(settings: Settings) -> Node:
    """Start or adopt the managed Asterisk, or make ready to connect to the existing one.

    An existing Asterisk that is away is no error: the back end goes on trying and says so.
    """
    if settings.telephony.backend == "pjsip":
        return await _embedded(settings)
    if settings.asterisk.mode == "managed":
        return await _managed(settings)
    return _existing(settings)


async def _embedded(settings: Settings) -> Node:
    """No Asterisk at all: pjsua2 in this process."""
    from callcore.telephony.pjsip.backend import PjsipBackend
    from callcore.telephony.pjsip.settings import PjsipSettings, check_ports

    check_ports(settings.sip)
    wanted = PjsipSettings.of(settings)
    prompts = _prompts(settings)
    backend = PjsipBackend(wanted, prompts)
    await backend.start()
    raw = settings.paths.var / "recordings" / "raw"
    raw.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Node(
        backend=backend,
        tap=backend.tap,
        prompts=prompts,
        set_fallback=_no_fallback,
        raw=raw,
        voicemail=wanted.voicemail,
        collect=None,
        trunk_states=backend.trunk_states,
        sip_calls=backend.sip_calls,
    )


async def _managed(settings: Settings) -> Node:
    paths = AsteriskPaths.under(settings.paths.var)
    asterisk = await managed.start(paths, ManagedSettings.of(settings))
    for warning in asterisk.warnings:
        log.warning("asterisk_warning", text=warning)
    log.info("asterisk_running", pid=asterisk.pid, adopted=asterisk.adopted)
    reach = _reach(asterisk)
    prompts = _prompts(settings)
    backend, ami = _backend(settings, reach, prompts)
    provisioner = FileProvisioner(paths.etc, ami)
    backend.provisioner = provisioner
    return Node(
        backend=backend,
        ami=ami,
        tap=MixMonitorTap(ami),
        prompts=prompts,
        set_fallback=provisioner.set_fallback,
        raw=paths.monitor,
        voicemail=paths.spool / "recording",
        keep_running=lambda: _keep(paths, ManagedSettings.of(settings)),
        collect=None,
        trunk_states=lambda: backend.trunks.states,
    )


async def _keep(paths: AsteriskPaths, settings: ManagedSettings) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(Supervisor(paths, settings).run())
        tasks.create_task(LogKeeper(paths).run())


def _existing(settings: Settings) -> Node:
    asterisk = settings.asterisk
    reach = _reach(asterisk)
    prompts = _prompts(settings, seen_as=asterisk.remote_prompts)
    backend, ami = _backend(settings, reach, prompts)
    if asterisk.push:
        backend.provisioner = PushProvisioner(backend, settings.paths.var / "pushed.json")
    backend.shared = True
    raw = raw_directory(settings)
    raw.mkdir(parents=True, exist_ok=True)
    return Node(
        backend=backend,
        ami=ami,
        tap=MixMonitorTap(ami, asterisk.remote_recordings),
        prompts=prompts,
        set_fallback=_no_fallback,
        raw=raw,
        voicemail=raw,
        collect=MessageStore(_ari(settings, reach)).collect,
        trunk_states=lambda: backend.trunks.states,
    )


class _Reach(NamedTuple):
    """Where a node's ARI and AMI are, and as whom to use them."""

    ari_url: str
    ari_user: str
    ari_password: str
    ami: AmiSettings


def _reach(asterisk: managed.ManagedAsterisk | AsteriskSettings) -> _Reach:
    return _Reach(
        asterisk.ari_url,
        asterisk.ari_user,
        asterisk.ari_password,
        AmiSettings(
            host=asterisk.ami_host,
            port=asterisk.ami_port,
            user=asterisk.ami_user,
            password=asterisk.ami_password,
        ),
    )


def _backend(
    settings: Settings, reach: _Reach, prompts: PromptLibrary
) -> tuple[AsteriskBackend, Ami]:
    ami = Ami(reach.ami)
    ari = _ari(settings, reach)
    return AsteriskBackend(ari, prompts, node=settings.asterisk.node, ami=ami), ami


def _ari(settings: Settings, reach: _Reach) -> AriSettings:
    return AriSettings(
        url=reach.ari_url,
        user=reach.ari_user,
        password=reach.ari_password,
        app=settings.asterisk.app,
    )


async def _no_fallback(phones: tuple[PhoneId, ...]) -> None:
    """The queues.conf of an existing Asterisk is its owner's; without Asterisk there is none."""


def _prompts(settings: Settings, seen_as: str = "") -> PromptLibrary:
    return PromptLibrary(
        settings.paths.prompts,
        settings.paths.site,
        texts=read_prompt_texts(settings.paths.ivr),
        fallback_language="en",
        seen_as=seen_as,
    )
