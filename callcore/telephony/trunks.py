"""What state trunks are in: registrations from AMI, reachability from ARI; looked at rarely.

Only what operators see: routing tries a trunk whatever it is said to be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping

import structlog

from callcore.directory import Trunk
from callcore.errors import BackendError
from callcore.telephony.ari_models import Endpoint
from callcore.types import TrunkId

log = structlog.get_logger(__name__)

LOOK_SECONDS = 10.0
#: What changed once changes again soon: a registration is answered, a ping comes back.
SOON_SECONDS = 1.0
SOON_LOOKS = 5
#: res_pjsip's words for a registration; whatever else it says is "unregistered".
_REGISTRATION = {"Registered": "registered", "Rejected": "rejected"}

Registrations = Callable[[], Awaitable[Mapping[str, str]]]
Endpoints = Callable[[str], Awaitable[tuple[Endpoint, ...]]]


class TrunkWatch:
    """Keeps ``states``: replaced as a whole whenever something changed."""

    def __init__(self, registrations: Registrations, endpoints: Endpoints) -> None:
        """`registrations()` is AMI's list of them by name, `endpoints(uri)` reads from ARI."""
        self._registrations = registrations
        self._endpoints = endpoints
        self._trunks: dict[TrunkId, Trunk] = {}
        self._wanted = asyncio.Event()
        self.states: Mapping[TrunkId, str] = {}

    def configure(self, trunks: Mapping[TrunkId, Trunk]) -> None:
        self._trunks = dict(trunks)
        self._wanted.set()

    def look_again(self, endpoint: str = "") -> None:
        """Something changed (at this endpoint)."""
        if not endpoint or endpoint in self._trunks:
            self._wanted.set()

    def forget(self) -> None:
        """Without a link nothing is known."""
        self.states = {}

    async def run(self) -> None:
        """Look now and then, and a few times in a row after a change; until cancelled."""
        looks = 0
        while True:
            try:
                async with asyncio.timeout(SOON_SECONDS if looks else LOOK_SECONDS):
                    await self._wanted.wait()
                looks = SOON_LOOKS
            except TimeoutError:
                looks = max(0, looks - 1)
            self._wanted.clear()
            await self._look()

    async def _look(self) -> None:
        if not self._trunks:
            self.states = {}
            return
        try:
            registered = await self._read_registrations()
            online = await self._read_endpoints()
        except BackendError as exc:
            log.debug("trunks_not_seen", reason=str(exc))
            return
        states = {
            name: trunk_state(trunk, registered.get(name, ""), online.get(name, ""))
            for name, trunk in self._trunks.items()
        }
        if states != self.states:
            for name in sorted(states):
                if states[name] != self.states.get(name, ""):
                    log.info("trunk_state", trunk=name, state=states[name])
            self.states = states

    async def _read_registrations(self) -> Mapping[str, str]:
        if any(trunk.register for trunk in self._trunks.values()):
            return await self._registrations()
        return {}

    async def _read_endpoints(self) -> dict[str, str]:
        if not any(trunk.qualify_seconds for trunk in self._trunks.values()):
            return {}
        found: Iterable[Endpoint] = await self._endpoints("endpoints/PJSIP")
        return {e.resource: e.state for e in found if e.resource in self._trunks}


def trunk_state(trunk: Trunk, registration: str, endpoint: str) -> str:
    """One word: what does not work comes before what does; empty: nothing is known."""
    if trunk.qualify_seconds and endpoint == "offline":
        return "unreachable"
    if trunk.register:
        return _REGISTRATION.get(registration, "unregistered")
    return "reachable" if trunk.qualify_seconds and endpoint == "online" else ""
