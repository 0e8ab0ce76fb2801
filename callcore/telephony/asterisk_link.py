"""Keeps the ARI link of one node up: connect, snapshot, read, tell its loss, connect again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import aiohttp
import structlog

from callcore.errors import ActionRefused, BackendUnavailable
from callcore.telephony.ari import AriConnection, AriSettings, Snapshot, new_session
from callcore.telephony.ari_models import (
    AnyAriEvent,
    ApplicationReplaced,
    EventDecoder,
    StasisStart,
)
from callcore.types import ChannelId

log = structlog.get_logger(__name__)

FIRST_RETRY = 0.1
LONGEST_RETRY = 3.0
TAKEN_OVER = "another controller took over this Asterisk; this one has stopped acting"


class AsteriskLink:
    """The link and its lives. What it hears goes to three callbacks, in order.

    `on_up(snapshot, starting, restarted)` opens a life: `starting` are channels whose StasisStart
    follows, `restarted` says that Asterisk is another process than before. `on_event` follows for
    each event, `on_down(reason)` closes it.
    """

    def __init__(
        self,
        settings: AriSettings,
        *,
        on_up: Callable[[Snapshot, frozenset[ChannelId], bool], None],
        on_event: Callable[[AnyAriEvent], None],
        on_down: Callable[[str], None],
        node: str,
        seed: int | None = None,
    ) -> None:
        self._settings = settings
        self._on_up = on_up
        self._on_event = on_event
        self._on_down = on_down
        self._node = node
        self._random = random.Random(seed)
        self._connection: AriConnection | None = None
        self._startup_time = ""
        #: Events that arrive while the snapshot is being read.
        self._held: list[AnyAriEvent] | None = None
        self.decoder = EventDecoder()
        #: Another controller took the application: never act again.
        self.replaced = False

    @property
    def connection(self) -> AriConnection:
        if self._connection is None or self.replaced:
            raise BackendUnavailable(TAKEN_OVER if self.replaced else "no link to Asterisk")
        return self._connection

    @property
    def takes_requests(self) -> bool:
        """There is a link, and its WebSocket takes requests."""
        connection = self._connection
        return connection is not None and not self.replaced and connection.rest_over_socket

    async def run(self) -> None:
        """Until cancelled."""
        session = new_session(self._settings)
        delay = FIRST_RETRY
        last_reason = ""
        try:
            while not self.replaced:
                try:
                    reason = await self._live(session)
                    delay = FIRST_RETRY
                except (BackendUnavailable, ActionRefused) as exc:
                    reason = str(exc)
                    if reason != last_reason:
                        log.warning("asterisk_unavailable", node=self._node, reason=reason)
                last_reason = reason
                await asyncio.sleep(delay * self._random.uniform(0.5, 1.0))
                delay = min(delay * 2, LONGEST_RETRY)
        finally:
            await close_session(session)

    async def _live(self, session: aiohttp.ClientSession) -> str:
        """One life of the link; raises when it did not come as far as `on_up`."""
        self._held = []
        connection = await AriConnection.open(self._settings, session, self.decoder, self._heard)
        try:
            await connection.probe()
            self._came_up(connection, await connection.snapshot())
            reason = await connection.ended()
        finally:
            was_up, self._connection = self._connection is not None, None
            self._held = None
            await connection.close()
        reason = TAKEN_OVER if self.replaced else reason
        if was_up:
            log.warning("asterisk_link_lost", node=self._node, reason=reason)
            self._on_down(reason)
        return reason

    def _came_up(self, connection: AriConnection, snapshot: Snapshot) -> None:
        restarted = self._startup_time not in ("", snapshot.startup_time)
        self._startup_time = snapshot.startup_time
        held, self._held = self._held or [], None
        self._connection = connection
        log.info("asterisk_up", node=self._node, version=snapshot.version, restarted=restarted)
        starting = frozenset(e.channel.id for e in held if isinstance(e, StasisStart))
        self._on_up(snapshot, starting, restarted)
        for event in held:
            self._heard(event)

    def _heard(self, event: AnyAriEvent) -> None:
        if event.__class__ is ApplicationReplaced:
            self.replaced = True
            log.error("asterisk_application_replaced", node=self._node, app=self._settings.app)
            if self._connection is not None:
                self._connection.abandon(TAKEN_OVER)
        elif self.replaced:
            return
        elif self._held is not None:
            self._held.append(event)
        else:
            self._on_event(event)


async def close_session(session: aiohttp.ClientSession) -> None:
    """Close the pool; aiohttp needs one more turn of the loop to end its transports."""
    await session.close()
    await asyncio.sleep(0)
