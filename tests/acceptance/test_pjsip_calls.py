"""`callcore serve --backend pjsip` with phones others wrote, behind a provider, and its end."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from callcore.lab import audio, sipp
from callcore.lab.baresip import Baresip, BaresipAccount
from callcore.lab.phone import Phone
from callcore.lab.sip import response_to
from callcore.lab.site import PATIENCE
from callcore.lab.transactions import ServerTransaction

from .embedded import (
    CALLER_HZ,
    DESK_HZ,
    PORTS,
    conversation,
    hear_each_other,
    next_call_is_fine,
    no_call_is_left,
    open_embedded,
    sip_calls,
)
from .floor import Floor

pytestmark = pytest.mark.acceptance


# --- phones others wrote ------------------------------------------------------------------------


async def test_sipp_calls_sipp(tmp_path: Path) -> None:
    """Thirty callers and two phones of SIPp, with sound, three a second: all served."""
    async with open_embedded(tmp_path, phones=("p2",)) as floor:
        site = floor.site
        speech = sipp.write_ulaw(tmp_path / "speech.ulaw", audio.tone(CALLER_HZ, 2.0))
        phones = sipp.answering_phones(
            tmp_path / "phones", local=(site.phone_address, PORTS["p1"]), remote=site.sip,
            answer_ms=50, talk_ms=200, speech=speech,
        )  # fmt: skip
        async with phones:
            await floor.login("ann")
            calling = sipp.callers(
                tmp_path / "callers", "601", local=(site.caller_address, 5070), remote=site.sip,
                calls=30, rate=3, speech=speech,
            )  # fmt: skip
            async with calling:
                result = await calling.wait(60 * PATIENCE)
            assert result.ok, result.errors
            assert result.successful == 30
        assert await sip_calls(floor) == 0
        rows = (await site.get("calls/ended?limit=100"))["calls"]
        assert [row["outcome"] for row in rows] == ["answered"] * 30


async def test_baresip_calls_baresip(tmp_path: Path) -> None:
    """Answer, sound both ways, hold, resume, hang up, with a recording of both sides."""
    async with open_embedded(tmp_path, phones=("p2",)) as floor:
        site = floor.site
        agent = baresip(floor, "p1", site.phone_address, PORTS["p1"], DESK_HZ)
        customer = baresip(floor, "49301", site.caller_address, 5070, CALLER_HZ)
        async with agent, customer:
            await floor.login("ann")
            await customer.dial("602")
            await agent.wait_for("CALL_INCOMING")
            await agent.answer()
            await site.agent_is("ann", "talking")
            await asyncio.sleep(1.5)  # sound that is heard and recorded
            await agent.hold()
            await site.agent_is("ann", "on_hold")
            await agent.resume()
            await site.agent_is("ann", "talking")
            await asyncio.sleep(1.0)
            await customer.hang_up()
            await agent.wait_for("CALL_CLOSED")
            row = await site.ended_call(caller_number="49301")
            assert row["outcome"] == "answered"
            assert row["hold_seconds"] > 0
            left, right = audio.read_channels((await site.recording_of(row["call"]))["file"])
        assert audio.tone_intervals(agent.heard(), CALLER_HZ, threshold=1000, shortest=0.8)
        assert audio.tone_intervals(customer.heard(), DESK_HZ, threshold=1000, shortest=0.8)
        assert audio.tone_intervals(left, CALLER_HZ, threshold=1000, shortest=0.8)
        assert audio.tone_intervals(right, DESK_HZ, threshold=1000, shortest=0.8)
        await no_call_is_left(floor)


def baresip(floor: Floor, user: str, host: str, port: int, hz: float) -> Baresip:
    directory = floor.site.directory / user
    directory.mkdir()
    speech = directory / "speech.wav"
    audio.write(speech, audio.tone(hz, 30.0))
    account = BaresipAccount(user, "", floor.site.sip, register_seconds=0)
    return Baresip(
        account, directory, host=host, sip_port=port, control_port=port + 4, speech=speech
    )


# --- behind a provider --------------------------------------------------------------------------


class Provider(Phone):
    """A registrar that challenges, and the far end of what is dialled there."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.registrations = 0

    def requested(self, transaction: ServerTransaction) -> None:
        request = transaction.request
        if request.method != "REGISTER":
            super().requested(transaction)
            return
        known = bool(request.get("authorization"))
        answer = response_to(request, 200 if known else 401, secrets.token_hex(4))
        if known:
            self.registrations += request.get("expires") != "0"
            answer.add("Contact", f"{request.get('contact')};expires=300")
        else:
            answer.add("WWW-Authenticate", f'Digest realm="x", nonce="{secrets.token_hex(8)}"')
        self.respond(transaction, answer)


PROVIDER = """
[trunks.provider]
host = "127.0.{number}.20"
user = "4930"
secret = "provider-secret"
register = true
qualify_seconds = 1
[[routes]]
pattern = "4930"
queue = "sales"
[[outbound]]
pattern = "0X."
trunk = "provider"
strip = 1
"""


async def test_a_provider_that_comes_back_is_registered_with_at_once(tmp_path: Path) -> None:
    """It may have forgotten us: waiting for the next refresh would lose calls for minutes."""
    async with open_embedded(tmp_path, PROVIDER) as floor:
        site = floor.site

        async def is_(state: str) -> None:
            async def holds() -> bool:
                rows = (await site.get("trunks"))["trunks"]
                return any(r["id"] == "provider" and r["state"] == state for r in rows)

            await site.until(holds, f"the trunk is {state}", 20)

        host = f"127.0.{site.number}.20"
        first = await provider(floor, host)
        await is_("registered")
        await first.close()
        await is_("unreachable")
        again = await provider(floor, host)
        await is_("registered")

        async def registered_anew() -> bool:
            return again.registrations > 0

        await site.until(registered_anew, "registered anew")
        await floor.login("ann")
        desk = floor.phones["p1"]
        outward = await desk.dial("04711")
        far = await again.incoming()
        await far.answer()
        await outward.answered
        await hear_each_other(outward, far)
        await outward.hang_up()
        await floor.clear()
        await next_call_is_fine(floor)
        await again.close()


async def provider(floor: Floor, host: str) -> Provider:
    made = Provider("provider", server=floor.site.sip, host=host, port=5060)
    await made.open()
    return made


# --- its end ------------------------------------------------------------------------------------


@pytest.fixture
def complaints() -> Iterator[tuple[str, ...]]:
    """What a C library prints before it aborts."""
    return ("Assertion", "assert", "Traceback", "Fatal Python error", "Segmentation", "terminate")


async def test_it_ends_with_calls_up(tmp_path: Path, complaints: tuple[str, ...]) -> None:
    """One talk that is recorded, one that rings, one on hold, three that wait with music: all are
    told, the recording is whole, the exit status is 0 and C has nothing to say."""
    async with open_embedded(tmp_path) as floor:
        site = floor.site
        talking, desk = await conversation(floor, "602")
        await hear_each_other(talking, desk)
        await desk.hold()
        await floor.site.post("agents/bob/login")
        waiting = [await floor.call("601") for _ in range(4)]
        ringing = await floor.phones["p2"].incoming()
        await ringing.ring()
        assert await sip_calls(floor) == 7
        assert await site.stop() == 0
        for call in (talking, desk, ringing, *waiting):
            assert (await call.ended).by == "remote"
        printed = [line for line in site.log_file.read_text().splitlines() if line[:1] != "{"]
        assert not printed
        assert not [word for word in complaints if word in site.log_file.read_text()]
        await site.start()
        call = await site.ended_call(caller_number=talking.phone.user)
        assert (await site.recording_of(call["call"]))["seconds"] > 0.1
