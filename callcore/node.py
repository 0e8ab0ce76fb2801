"""Opens the telephony node the settings name: a managed Asterisk, or one that is already there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import structlog

from callcore.config import Settings
from callcore.recording.tap import MixMonitorTap, Tap
from callcore.site import read_prompt_texts
from callcore.telephony import managed
from callcore.telephony.ami import Ami, AmiSettings
from callcore.telephony.ari import AriSettings
from callcore.telephony.asterisk import AsteriskBackend
from callcore.telephony.backend import Backend
from callcore.telephony.layout import AsteriskPaths, ManagedSettings
from callcore.telephony.prompts import PromptLibrary
from callcore.telephony.provision import FileProvisioner, PushProvisioner

log = structlog.get_logger(__name__)


@dataclass
class Node:
    """A back end with what belongs to it."""

    backend: Backend
    ami: Ami
    tap: Tap
    #: Where the node writes recordings in progress, and voicemail messages.
    raw: Path
    voicemail: Path

    async def close(self) -> None:
        await self.backend.close()
        await self.ami.close()


async def open_node(settings: Settings) -> Node:
    """Start or adopt the managed Asterisk, or make ready to connect to the existing one.

    An existing Asterisk that is away is no error: the back end goes on trying and says so.
    """
    if settings.asterisk.mode == "managed":
        return await _managed(settings)
    return _existing(settings)


async def _managed(settings: Settings) -> Node:
    paths = AsteriskPaths.under(settings.paths.var)
    asterisk = await managed.start(paths, ManagedSettings.of(settings))
    for warning in asterisk.warnings:
        log.warning("asterisk_warning", text=warning)
    log.info("asterisk_running", pid=asterisk.pid, adopted=asterisk.adopted)
    ami = Ami(
        AmiSettings(
            host=asterisk.ami_host,
            port=asterisk.ami_port,
            user=asterisk.ami_user,
            password=asterisk.ami_password,
        )
    )
    backend = AsteriskBackend(
        AriSettings(
            url=asterisk.ari_url,
            user=asterisk.ari_user,
            password=asterisk.ari_password,
            app=settings.asterisk.app,
        ),
        _prompts(settings),
        node=settings.asterisk.node,
        ami=ami,
        provisioner=FileProvisioner(paths.etc, ami),
    )
    return Node(backend, ami, MixMonitorTap(ami), paths.monitor, paths.spool / "recording")


def _existing(settings: Settings) -> Node:
    asterisk = settings.asterisk
    ami = Ami(
        AmiSettings(
            host=asterisk.ami_host,
            port=asterisk.ami_port,
            user=asterisk.ami_user,
            password=asterisk.ami_password,
        )
    )
    backend = AsteriskBackend(
        AriSettings(
            url=asterisk.ari_url,
            user=asterisk.ari_user,
            password=asterisk.ari_password,
            app=asterisk.app,
        ),
        _prompts(settings, seen_as=asterisk.remote_prompts),
        node=asterisk.node,
        ami=ami,
    )
    backend.provisioner = PushProvisioner(backend, settings.paths.var / "pushed.json")
    raw = settings.paths.var / "recordings" / "raw"
    return Node(backend, ami, MixMonitorTap(ami, asterisk.remote_recordings), raw, raw)


def _prompts(settings: Settings, seen_as: str = "") -> PromptLibrary:
    return PromptLibrary(
        settings.paths.prompts,
        settings.paths.site,
        texts=read_prompt_texts(settings.paths.ivr),
        fallback_language="en",
        seen_as=seen_as,
    )
