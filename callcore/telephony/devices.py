"""Which phones are on calls that are not ours: asked from time to time, where others use them too.

With a managed Asterisk every call passes through callcore, and nothing is asked. The device states
are AMI's; an event per change would cost more than a list every few seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping

import structlog

from callcore.errors import BackendError
from callcore.types import PhoneId

log = structlog.get_logger(__name__)

LOOK_SECONDS = 3.0
#: A state may be that of a call of ours just ended: it has to hold so long.
CONFIRM_SECONDS = 0.3
_BUSY = ("INUSE", "BUSY", "RINGING", "RINGINUSE", "ONHOLD")
_FREE = ("NOT_INUSE",)


class DeviceWatch:
    """Tells phones that are busy elsewhere, and when they are free again."""

    def __init__(
        self,
        tell: Callable[[PhoneId, bool], None],
        states: Callable[[], Awaitable[Mapping[str, str]]],
        ours: Callable[[], Iterable[PhoneId]],
    ) -> None:
        """`states()` is AMI's list by device, `ours()` are the phones with a call of callcore."""
        self._tell = tell
        self._states = states
        self._ours = ours
        self.known: frozenset[PhoneId] = frozenset()
        #: What was told last; a phone with a call of ours is told anew when that has ended.
        self._told: dict[PhoneId, bool] = {}

    def forget(self) -> None:
        """A new life of the link: everything is told again."""
        self._told.clear()

    async def run(self) -> None:
        while True:
            try:
                await self._look()
            except BackendError as exc:
                # Without a link nothing is known; the next look tells.
                log.debug("devices_not_seen", reason=str(exc))
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self) -> None:
        seen = await self._changes()
        if any(seen.values()):
            await asyncio.sleep(CONFIRM_SECONDS)
            again = await self._changes()
            seen = {phone: busy for phone, busy in seen.items() if again.get(phone) is busy}
        for phone in sorted(seen):
            self._told[phone] = seen[phone]
            self._tell(phone, seen[phone])

    async def _changes(self) -> dict[PhoneId, bool]:
        """Phones whose state is another than was told."""
        ours = set(self._ours())
        states = await self._states()
        ours.update(self._ours())
        changes: dict[PhoneId, bool] = {}
        for device, state in states.items():
            phone = device.removeprefix("PJSIP/")
            if phone == device or phone not in self.known:
                continue
            if phone in ours:
                if state in _BUSY:
                    self._told.pop(phone, None)
            elif state in _BUSY or state in _FREE:
                busy = state in _BUSY
                if self._told.get(phone) is not busy:
                    changes[phone] = busy
        return changes
