"""A dead name server holds up the SIP stack inside callcore for a second or two, no more."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from callcore.lab.phone import Phone
from tests.addresses import claim_block
from tests.load import slack

from .embedded import conversation, hear_each_other, open_embedded
from .floor import Floor

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root makes mount namespaces"),
]

LONGEST = 2.0
IN_ITS_PLACE = """mount --bind "$0" /etc/resolv.conf && exec "$@\""""


class Named(Phone):
    """Wants to be reached by a name that nobody can look up."""

    @property
    def contact(self) -> str:
        return f"<sip:{self.user}@slow.example.net:{self.local[1]}>"


@pytest.fixture
async def floor(tmp_path: Path) -> AsyncIterator[Floor]:
    """The process alone sees the name server, which never answers."""
    with claim_block() as block, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind((block.host(53), 53))
        resolver = tmp_path / "resolv.conf"
        resolver.write_text(f"nameserver {block.host(53)}\n")
        wrapper = ("unshare", "-m", "sh", "-c", IN_ITS_PLACE, str(resolver))
        async with open_embedded(tmp_path, wrapper=wrapper) as floor:
            yield floor


async def test_a_contact_nobody_can_look_up_delays_the_others_little(floor: Floor) -> None:
    caller, desk = await conversation(floor)
    bad = Named("77", server=floor.site.sip, host=floor.site.caller_address)
    await bad.open()
    call = await bad.dial("602")
    await call.answered
    rows = (await floor.site.get("calls"))["calls"]
    row = next(r for r in rows if r["caller"] == "77")
    hanging_up = asyncio.create_task(floor.site.post(f"calls/{row['id']}/hangup"))
    await asyncio.sleep(0.1)  # the BYE's look-up is under way
    began = time.monotonic()
    await (await floor.dial("602")).answered
    assert time.monotonic() - began < LONGEST + 0.5 * slack()  # waiting takes no processor
    await hanging_up
    await hear_each_other(caller, desk)
    await bad.drop_socket()
