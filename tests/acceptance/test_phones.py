"""Desk phones on real Asterisk: added while running, every transport, codec and way of keys."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from callcore.directory_file import hash_pin
from callcore.lab import audio
from callcore.lab.baresip import Baresip, BaresipAccount
from callcore.lab.errors import CallFailed, RegistrationFailed
from callcore.lab.phone import Phone
from tests.acceptance.floor import Floor, hears, open_floor
from tests.load import slack

pytestmark = [pytest.mark.acceptance, pytest.mark.asyncio(loop_scope="module")]

TLS = 5061
DESK, SOFT = 440.0, 880.0
CONFIG = f"""
[phones.desk]
secret = "desk-secret"
[phones.keys_rfc4733]
secret = "keys-secret"
dtmf = "rfc4733"
[phones.keys_info]
secret = "keys-secret"
dtmf = "info"
[phones.keys_inband]
secret = "keys-secret"
dtmf = "inband"
[phones.soft_pcmu]
secret = "soft-secret"
codecs = ["ulaw"]
[phones.soft_pcma]
secret = "soft-secret"
codecs = ["alaw"]
transport = "tcp"
[phones.soft_g722]
secret = "soft-secret"
codecs = ["g722"]
transport = "tcp"
[phones.soft_opus]
secret = "soft-secret"
codecs = ["opus"]
transport = "tls"
[phones.soft_srtp]
secret = "soft-secret"
codecs = ["alaw"]
transport = "tls"
srtp = true
[phones.static]
host = "127.0.{{number}}.5:5070"
[phones.nat]
secret = "nat-secret"
nat = true
[agents.100]
pin_hash = "{hash_pin("4711")}"
[queues.sales]
members = ["100"]
[[routes]]
pattern = "600"
queue = "sales"
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Floor]:
    directory = tmp_path_factory.mktemp("phones")
    async with open_floor(directory, CONFIG, ("desk",), tls_port=TLS, fallback_after=1) as floor:
        yield floor


@pytest_asyncio.fixture(loop_scope="module")
async def floor(shared: Floor) -> AsyncIterator[Floor]:
    yield shared
    await shared.clear()


@contextlib.asynccontextmanager
async def at_desk(
    floor: Floor, name: str, secret: str = "", **options: object
) -> AsyncIterator[Phone]:
    """A phone of the lab that is gone after the test."""
    options = {"host": floor.site.phone_address} | options
    async with Phone(name, secret, server=floor.site.sip, **options) as phone:  # type: ignore[arg-type]
        yield phone


# --- transports, codecs, encryption ------------------------------------------------------------

ports = itertools.count(5300, 4)
#: Asterisk waits so long for the answer to OPTIONS (qualify_timeout).
PING_SECONDS = 3.0


@contextlib.asynccontextmanager
async def soft_phone(
    floor: Floor, user: str, directory: Path, **options: object
) -> AsyncIterator[Baresip]:
    """A registered baresip that answers by itself and says a tone."""
    speech = directory / "speech.wav"
    audio.write(speech, audio.tone(SOFT, 20))
    port = TLS if options.get("transport") == "tls" else floor.site.udp_port
    account = BaresipAccount(
        user,
        "soft-secret",
        (floor.site.address, port),
        answer="auto",
        **options,  # type: ignore[arg-type]
    )
    own = next(ports)
    async with Baresip(
        account,
        directory,
        host=f"127.0.{floor.site.number}.4",
        sip_port=own,
        control_port=own + 2,
        speech=speech,
    ) as phone:
        yield phone


@pytest.mark.parametrize(
    ("user", "codec", "transport", "spoken"),
    [
        ("soft_pcmu", "pcmu", "udp", "ulaw"),
        ("soft_pcma", "pcma", "tcp", "alaw"),
        ("soft_g722", "g722", "tcp", "g722"),
        ("soft_opus", "opus/48000/2", "tls", "opus"),
        ("soft_srtp", "pcma", "tls", "alaw"),
    ],
)
async def test_each_codec_and_transport_carries_both_voices(
    floor: Floor, tmp_path: Path, user: str, codec: str, transport: str, spoken: str
) -> None:
    """A desk phone dials a soft phone: the codec is the one set, and each hears the other."""
    async with soft_phone(
        floor, user, tmp_path, codecs=(codec,), transport=transport, srtp=user == "soft_srtp"
    ) as soft:
        call = await floor.phones["desk"].dial(user)
        await call.answered
        call.play(audio.tone(DESK, 0.2), loop=True)
        await hears(call, SOFT)
        stats = await floor.site.asterisk("pjsip show channelstats")
        line = next(line for line in stats.splitlines() if user[:12] in line)
        assert f" {spoken} " in f"{line} ", stats
        contacts = (await floor.site.asterisk("database show registrar")).splitlines()
        bound = next(line for line in contacts if f"/{user};" in line).lower()
        assert (f"transport={transport}" in bound) == (transport != "udp"), bound
        await asyncio.sleep(0.7)  # sound must flow
        await call.hang_up()
        await soft.wait_for("CALL_CLOSED")
        assert audio.tone_intervals(soft.heard(), DESK)
        assert not audio.tone_intervals(soft.heard(), SOFT)


async def test_a_phone_without_encryption_is_refused_where_it_is_set(floor: Floor) -> None:
    """`srtp = true`: plain RTP does not fall back silently."""
    async with at_desk(floor, "soft_srtp", "soft-secret") as plain:
        call = await plain.dial("600")
        with pytest.raises(CallFailed) as failed:
            await call.answered
        assert failed.value.status == 488


# --- who may come in ---------------------------------------------------------------------------


async def test_wrong_passwords_and_strangers_are_refused(floor: Floor) -> None:
    """A registration needs its secret; a call from an unknown address or name gets nowhere."""
    async with at_desk(floor, "desk", "guessed") as wrong:
        with pytest.raises(RegistrationFailed) as refused:
            await wrong.register()
        assert refused.value.status == 401
    for name in ("desk", "stranger", "static"):
        async with at_desk(floor, name, "guessed") as stranger:
            call = await stranger.dial("600")
            with pytest.raises(CallFailed) as failed:
                await call.answered
            assert failed.value.status == 401, name
    assert (await floor.site.get("calls"))["calls"] == []


async def test_a_phone_at_a_static_address(floor: Floor) -> None:
    """It calls and is called without registering: its address is its name."""
    host = f"127.0.{floor.site.number}.5"
    async with at_desk(floor, "static", host=host, port=5070) as static:
        # A ping from before the phone was there times out meanwhile: Asterisk would take the phone
        # for gone once more, in the middle of the test.
        await asyncio.sleep(PING_SECONDS)
        await floor.site.asterisk("pjsip qualify static")
        await is_reachable(floor, "static")
        call = await static.dial("desk")
        desk = await floor.phones["desk"].incoming()
        await desk.answer()
        await call.answered
        desk.play(audio.tone(DESK, 0.2), loop=True)
        call.play(audio.tone(SOFT, 0.2), loop=True)
        await hears(call, DESK)
        await hears(desk, SOFT)
        await call.hang_up()
        await desk.ended
        back = await floor.phones["desk"].dial("static")
        rung = await static.incoming()
        await rung.answer()
        await back.answered
        await back.hang_up()
        await rung.ended


async def is_reachable(floor: Floor, name: str) -> None:
    async def holds() -> bool:
        rows = (await floor.site.get("phones"))["phones"]
        return any(row["id"] == name and row["reachable"] for row in rows)

    await floor.site.until(holds, f"phone {name} is reachable")


class BehindNat(Phone):
    """Says an address at which nobody reaches it."""

    @property
    def contact(self) -> str:
        return f"<sip:{self.user}@192.0.2.77:5060>"


async def test_a_phone_behind_nat_is_answered_where_its_packets_come_from(floor: Floor) -> None:
    """Its contact and its media address are unreachable; `nat = true` makes both work."""
    phone = BehindNat("nat", "nat-secret", server=floor.site.sip, host=floor.site.phone_address)
    async with phone:
        await phone.register()
        call = await floor.phones["desk"].dial("nat")
        rung = await phone.incoming()
        rung.media.host = "192.0.2.77"
        await rung.answer()
        await call.answered
        rung.play(audio.tone(SOFT, 0.2), loop=True)
        call.play(audio.tone(DESK, 0.2), loop=True)
        await hears(rung, DESK)
        await hears(call, SOFT)
        await call.hang_up()
        await rung.ended


# --- keys --------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["rfc4733", "info", "inband"])
async def test_keys_log_an_agent_in(floor: Floor, how: str) -> None:
    """The feature code takes agent and PIN in the way of keys that is set for the phone."""
    name = f"keys_{how}"
    async with at_desk(floor, name, "keys-secret") as phone:
        await phone.register()
        call = await phone.dial("*11")
        await call.answered
        call.send_silence()
        await call.send_digits("100#4711#", how)
        await floor.site.agent_is("100", "idle")
        assert (await floor.site.get("agents/100"))["phone"] == name
        await call.ended


# --- added while running -----------------------------------------------------------------------


async def test_a_phone_added_while_running_works_at_once_and_is_gone_when_removed(
    floor: Floor,
) -> None:
    """`phone add` needs no restart: within two seconds it registers, calls and is called."""
    told = json.loads(await floor.run("phone", "add", "new", "--codec", "alaw", "--json"))
    added = time.monotonic()
    assert told["applied"] is True
    async with at_desk(floor, "new", told["secret"], codecs=("PCMA",)) as phone:
        await registers(phone)
        assert time.monotonic() - added < 2 * slack()
        call = await floor.phones["desk"].dial("new")
        rung = await phone.incoming()
        await rung.answer()
        await call.answered
        await call.hang_up()
        await rung.ended
        await floor.run(
            "agent", "add", "200", "--phone", "new", "--queue", "sales", "--pin", stdin="2222\n"
        )
        await floor.login("200")
        caller = await floor.dial("600")
        offered = await phone.incoming()
        await offered.answer()
        await caller.answered
        await caller.hang_up()
        await offered.ended
        await floor.site.post("agents/200/logout")
        await floor.run("agent", "remove", "200")
        await floor.run("phone", "remove", "new")
        await is_refused(floor, phone)


async def registers(phone: Phone, seconds: float = 2.0) -> None:
    """Try until the server knows the phone."""
    deadline = time.monotonic() + seconds * slack()
    while True:
        try:
            await phone.register()
        except RegistrationFailed:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.05)
        else:
            return


async def is_refused(floor: Floor, phone: Phone) -> None:
    async def holds() -> bool:
        try:
            await phone.register()
        except RegistrationFailed as exc:
            return exc.status == 401
        return False

    await floor.site.until(holds, "the removed phone is refused", 2.0)


async def test_phones_and_agents_from_csv(floor: Floor) -> None:
    """A file adds many at once; each of its phones registers with the secret it was given."""
    phones = floor.site.directory / "phones.csv"
    phones.write_text("id,secret,codecs,dtmf\n501,first-secret,ulaw alaw,info\n502,,opus,\n")
    agents = floor.site.directory / "agents.csv"
    agents.write_text("id,name,pin,phone,queues\n301,张伟,1234,501,sales\n")
    await floor.run("phone", "import", str(phones))
    await floor.run("agent", "import", str(agents))
    async with at_desk(floor, "501", "first-secret") as phone:
        await registers(phone)
        await floor.login("301")
    listed = json.loads(await floor.run("phone", "list", "--json", "--secrets"))["phones"]
    made = {row["id"]: row["secret"] for row in listed}["502"]
    async with at_desk(floor, "502", made) as phone:
        await registers(phone)


async def test_what_was_added_is_still_there_when_asterisk_restarts_without_callcore(
    floor: Floor,
) -> None:
    """Asterisk alone knows its phones, and rings them for callers of the fallback queue."""
    told = json.loads(await floor.run("phone", "add", "kept", "--codec", "ulaw", "--json"))
    await floor.run("agent", "add", "400", "--phone", "kept", "--queue", "sales")
    try:
        async with at_desk(floor, "kept", told["secret"]) as phone:
            await registers(phone)
            await floor.login("400")
            queue = floor.site.var / "asterisk" / "etc" / "queues_callcore.conf"

            async def in_fallback() -> bool:
                return "PJSIP/kept" in queue.read_text()

            await floor.site.until(in_fallback, "the fallback queue rings the phone")
        await floor.site.stop()
        await floor.run("asterisk", "stop")
        await floor.run("asterisk", "start")
        async with at_desk(floor, "kept", told["secret"]) as phone:
            await registers(phone)
            caller = await floor.dial("600")
            await caller.answered
            rung = await phone.incoming()
            await rung.answer()
            rung.play(audio.tone(DESK, 0.2), loop=True)
            await hears(caller, DESK)
            await rung.hang_up()
            await caller.hang_up()
            own = await phone.dial("600")
            await own.answered
            await own.hang_up()
    finally:
        await floor.site.start()
    await floor.run("agent", "remove", "400")
    await floor.run("phone", "remove", "kept")
    await floor.phones["desk"].register()
