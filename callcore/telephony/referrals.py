"""When Asterisk may be told what came of a REFER: too soon, and it crashes.

With PJSIP_TRANSFER_HANDLING "ari-only" Asterisk (22.10.1; the same in 22.11.0-rc1) tells the
controller of a REFER before it has noted the REFER itself, and looks up an answer that overtakes it
where nothing is. And once it has told the phone, it looks at the channel of the phone's other call
without holding it: if that one is being hung up, it writes into freed memory (res_pjsip_refer.c,
`refer_incoming_ari_request` and `ari_notify`). So an answer waits a moment, and a good one until
the phone's other call has ended, as it does where a phone is replaced (RFC 5589, section 7.1).
"""

from __future__ import annotations

import asyncio
from collections.abc import Container
from dataclasses import dataclass, field

from callcore.telephony.ari_models import ChannelTransfer
from callcore.types import ChannelId

#: Asterisk's thread has long done what it does next, were it not for a busy machine.
NOTING_SECONDS = 0.02
#: For the end of the other call, and for Asterisk's word that the phone was told; milliseconds.
SETTLING_SECONDS = 0.5


@dataclass(eq=False)
class Referral:
    """A REFER that waits for its answer."""

    #: Channel of the phone's other call; empty: a blind transfer.
    other: ChannelId
    noted_at: float
    #: The other call has ended.
    alone: asyncio.Event = field(default_factory=asyncio.Event)
    #: The phone was told.
    told: asyncio.Event = field(default_factory=asyncio.Event)


class Referrals:
    """By the channel that asked."""

    def __init__(self) -> None:
        self._open: dict[ChannelId, Referral] = {}

    def see(self, event: ChannelTransfer) -> None:
        """A REFER came, or (with a state) its phone was told what came of it."""
        channel = event.referred_by.source_channel.id
        if not event.state:
            other = event.refer_to.destination_channel
            noted_at = asyncio.get_running_loop().time() + NOTING_SECONDS
            self._open[channel] = Referral(other.id if other is not None else "", noted_at)
        elif channel in self._open:
            self._open[channel].told.set()

    def look(self, live: Container[ChannelId]) -> None:
        """Channels may have ended."""
        for channel, referral in list(self._open.items()):
            if referral.other not in live:
                referral.alone.set()
            if channel not in live:
                referral.told.set()
                del self._open[channel]

    async def answerable(self, channel: ChannelId, *, ok: bool) -> None:
        """Wait until the REFER of this channel may be answered."""
        referral = self._open.get(channel)
        if referral is None:
            return
        left = referral.noted_at - asyncio.get_running_loop().time()
        await asyncio.sleep(max(0.0, left))
        if ok and referral.other:
            await _within(SETTLING_SECONDS, referral.alone)

    async def answered(self, channel: ChannelId) -> None:
        """Wait until the phone was told: before that its channel must not be hung up."""
        referral = self._open.get(channel)
        if referral is not None:
            await _within(SETTLING_SECONDS, referral.told)
            self._open.pop(channel, None)


async def _within(seconds: float, event: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return  # what was to come is lost: go on without it
