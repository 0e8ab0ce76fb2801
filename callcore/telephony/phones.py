"""Which phones can be reached: AMI says that something changed, ARI says what is true.

AMI's ContactStatus costs nothing per call (a subscription to ARI endpoints would repeat every
channel event). A phone that comes is believed at once; one that goes is asked for first, since a
re-registration looks like "removed, created", and a phone may have another binding.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import structlog

from callcore.errors import BackendError
from callcore.telephony.ami import ContactChange
from callcore.telephony.ari_models import Endpoint
from callcore.types import PhoneId

log = structlog.get_logger(__name__)

#: Asterisk folds contact states into the endpoint's state a moment after the event.
SETTLE = 0.2
EVERY = "*"
_GONE = ("Removed", "Unreachable", "Unknown")


class PhoneWatch:
    """Keeps the set of reachable phones and tells changes."""

    def __init__(
        self,
        tell: Callable[[PhoneId, bool], None],
        ask: Callable[[str], Awaitable[tuple[Endpoint, ...]]],
    ) -> None:
        """`ask(uri)` reads endpoints from ARI."""
        self._tell = tell
        self._ask = ask
        self._asked: asyncio.Queue[PhoneId] = asyncio.Queue()
        self.reachable: dict[PhoneId, bool] = {}
        #: Since the look that is under way began: it may not see them yet.
        self._came: set[PhoneId] = set()
        #: Phones of the directory; empty: every PJSIP endpoint.
        self.known: frozenset[PhoneId] = frozenset()

    def snapshot(self, endpoints: Iterable[Endpoint]) -> tuple[PhoneId, ...]:
        """The phones reachable now; what is told later are changes against this."""
        self.reachable = {e.resource: e.state == "online" for e in endpoints if self._is_phone(e)}
        self.look_again()  # a phone that came while it was read is not in it
        return tuple(sorted(phone for phone, there in self.reachable.items() if there))

    def _is_phone(self, endpoint: Endpoint) -> bool:
        return endpoint.technology == "PJSIP" and (
            not self.known or endpoint.resource in self.known
        )

    def changed(self, change: ContactChange) -> None:
        if self.known and change.endpoint not in self.known:
            return
        if change.status in _GONE:
            self._came.discard(change.endpoint)
            self._asked.put_nowait(change.endpoint)
        elif change.endpoint:
            if change.status == "Created" or not self.reachable.get(change.endpoint, False):
                self._came.add(change.endpoint)
                self._asked.put_nowait(change.endpoint)
            self._note(change.endpoint, True)

    def look_again(self) -> None:
        """Changes may have been missed."""
        self._asked.put_nowait(EVERY)

    def _note(self, phone: PhoneId, there: bool) -> None:
        if self.reachable.get(phone, False) != there:
            self.reachable[phone] = there
            self._tell(phone, there)

    async def run(self) -> None:
        """Verify what may be gone, until cancelled."""
        while True:
            phones = [await self._asked.get()]
            self._came.clear()
            await asyncio.sleep(SETTLE)
            while not self._asked.empty():
                phones.append(self._asked.get_nowait())
            try:
                await self._verify(dict.fromkeys(phones))
            except BackendError as exc:
                # Without a link nothing is known; the snapshot of the next connect tells.
                log.debug("phones_not_verified", reason=str(exc))

    async def _verify(self, phones: Iterable[PhoneId]) -> None:
        wanted = set(phones)
        for endpoint in await self._ask("endpoints/PJSIP"):
            there = endpoint.state == "online"
            if not there and endpoint.resource in self._came:
                continue
            if self._is_phone(endpoint) and (EVERY in wanted or endpoint.resource in wanted):
                self._note(endpoint.resource, there)
