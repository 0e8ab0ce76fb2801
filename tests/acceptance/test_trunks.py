"""Trunks on real Asterisk: registering with a real one, known by address, limited, watched."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from callcore.lab import audio
from callcore.lab.errors import CallFailed
from callcore.lab.phone import Phone
from tests.acceptance.floor import Floor, hears, open_floor
from tests.acceptance.lab_asterisk import PASSWORD, PORT, LabAsterisk
from tests.load import slack

pytestmark = [pytest.mark.acceptance, pytest.mark.asyncio(loop_scope="module")]

#: Last parts of the addresses 127.0.<site>.x of trunks that are known by them.
NARROW, WATCHED, INFO, INBAND, ALAW, LATER, UNKNOWN = 50, 60, 70, 80, 90, 100, 110
CALLER, DESK = 440.0, 880.0

CONFIG = f"""
[phones.desk]
secret = "desk-secret"
[agents.ann]
phone = "desk"
[queues.sales]
members = ["ann"]
[trunks.provider]
host = "127.0.{{number}}.20"
port = {PORT}
user = "601"
secret = "{PASSWORD}"
register = true
codecs = ["alaw"]
[trunks.wrong]
host = "127.0.{{number}}.20"
port = {PORT}
user = "602"
secret = "not-the-password"
register = true
[trunks.wide]
host = "127.0.{{number}}.40"
match = ["127.0.{{number}}.32/28"]
qualify_seconds = 0
[trunks.narrow]
host = "127.0.{{number}}.{NARROW}"
max_channels = 1
qualify_seconds = 0
[trunks.watched]
host = "127.0.{{number}}.{WATCHED}"
qualify_seconds = 1
nat = true
[trunks.info]
host = "127.0.{{number}}.{INFO}"
dtmf = "info"
[trunks.inband]
host = "127.0.{{number}}.{INBAND}"
dtmf = "inband"
[trunks.alaw]
host = "127.0.{{number}}.{ALAW}"
codecs = ["alaw"]
[[routes]]
pattern = "600"
queue = "sales"
[[routes]]
pattern = "601"
queue = "sales"
[[routes]]
pattern = "602"
tree = "menu"
[[outbound]]
pattern = "0X."
trunk = "provider"
strip = 1
[[outbound]]
pattern = "9X."
trunk = "narrow"
strip = 1
"""

TREES = {
    "menu": """
start: ask
nodes:
  ask:
    step: menu
    play: [{text: "Press seven."}]
    keys: {7: sales}
    failed: bye
  sales: {step: enqueue, queue: sales}
  bye: {step: hangup}
"""
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Floor]:
    directory = tmp_path_factory.mktemp("trunks")
    async with open_floor(directory, CONFIG, ("desk",), trees=TREES) as floor:
        yield floor


@pytest_asyncio.fixture(loop_scope="module")
async def floor(shared: Floor) -> AsyncIterator[Floor]:
    yield shared
    await shared.clear()


@pytest.fixture(scope="module")
def provider(shared: Floor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabAsterisk]:
    """An Asterisk that is the provider: it wants its customers to register with a password."""
    asterisk = LabAsterisk(tmp_path_factory.mktemp("provider"), host_of(shared, 20))
    asterisk.start()
    yield asterisk
    asterisk.stop()


def host_of(floor: Floor, last: int) -> str:
    return f"127.0.{floor.site.number}.{last}"


async def has_state(floor: Floor, trunk: str, state: str, seconds: float = 15.0) -> None:
    seen: dict[str, str] = {}

    async def holds() -> bool:
        rows = (await floor.site.get("trunks"))["trunks"]
        seen.update({row["id"]: row["state"] for row in rows})
        return seen[trunk] == state

    await floor.site.until(holds, f"trunk {trunk} is {state}; they are {seen}", seconds)


async def refused(floor: Floor, number: str, status: int, last: int, **options: object) -> None:
    """A call from this address is turned away with this status."""
    call = await floor.dial(number, host=host_of(floor, last), **options)
    with pytest.raises(CallFailed) as failed:
        await call.answered
    assert failed.value.status == status


# --- registering -------------------------------------------------------------------------------


async def test_a_registering_trunk_carries_calls_both_ways(
    floor: Floor, provider: LabAsterisk
) -> None:
    """The provider knows us by digest; its calls reach the queue, ours authenticate."""
    # This provider started after us, and refused what came too early.
    await floor.site.asterisk("pjsip send register *all")
    await has_state(floor, "provider", "registered", 40)
    contact = provider.command("pjsip show aor 601")
    assert f"@{floor.site.address}:" in contact
    # In: someone at the provider dials our number, and is heard at the desk.
    await floor.login("ann")
    server, host = provider.address, host_of(floor, 21)
    async with Phone("603", PASSWORD, server=server, host=host) as customer:
        call = await customer.dial("601")
        rung = await floor.phones["desk"].incoming()
        await rung.answer()
        await call.answered
        assert rung.caller.user == "603"
        rows = (await floor.site.get("trunks"))["trunks"]
        assert {row["id"]: row["calls"] for row in rows}["provider"] == 1
        call.play(audio.tone(CALLER, 0.2), loop=True)
        rung.play(audio.tone(DESK, 0.2), loop=True)
        await hears(rung, CALLER)
        await hears(call, DESK)
        await call.hang_up()
        await rung.ended
    await floor.site.quiet()
    # Out: the desk hears the provider's tone; only digest makes the call one of customer 601.
    out = await floor.phones["desk"].dial("0690")
    await out.answered
    await hears(out, 1000)
    channels = provider.command("core show channels concise")
    assert channels.startswith("PJSIP/601-"), channels
    assert " alaw " in f"{provider.command('pjsip show channelstats')} "
    await out.hang_up()


async def test_a_refused_registration_is_shown(floor: Floor, provider: LabAsterisk) -> None:
    """A wrong password shows in the API and on the command line; asking goes on."""
    await floor.site.asterisk("pjsip send register wrong")
    await has_state(floor, "wrong", "rejected", 30)
    assert "Failed to authenticate" in provider.log()
    listed = json.loads(await floor.run("trunk", "list", "--json"))["trunks"]
    assert {row["id"]: row["state"] for row in listed}["wrong"] == "rejected"
    assert "rejected" in await floor.run("trunk", "list")


# --- known by address --------------------------------------------------------------------------


async def test_addresses_decide_who_may_call(floor: Floor) -> None:
    """The trunk's host and its networks are let in; any other address gets nowhere."""
    for last in (40, 33, 46):
        call = await floor.dial("600", host=host_of(floor, last))
        row = await floor.is_in(call, state="queued")
        assert row["dialled"] == "600"
        await call.hang_up()
    await floor.site.quiet()
    await refused(floor, "600", 401, last=UNKNOWN)
    await refused(floor, "600", 401, last=49)
    assert (await floor.site.get("calls"))["calls"] == []
    await floor.phones["desk"].register()


async def test_a_trunk_takes_as_many_calls_as_it_is_allowed(floor: Floor) -> None:
    """Calls in and out count together; the one too many hears congestion."""
    first = await floor.dial("600", host=host_of(floor, NARROW))
    await floor.is_in(first, state="queued")
    await refused(floor, "600", 503, last=NARROW)
    out = await floor.phones["desk"].dial("9555")
    with pytest.raises(CallFailed):
        await out.answered
    await first.hang_up()
    await floor.site.quiet()
    async with Phone("far", server=floor.site.sip, host=host_of(floor, NARROW), port=5060) as far:
        out = await floor.phones["desk"].dial("9555")
        arrived = await far.incoming()
        assert arrived.invite.uri.startswith("sip:555@")
        await arrived.answer()
        await out.answered
        await refused(floor, "600", 503, last=NARROW)
        await out.hang_up()
        await arrived.ended
    await floor.site.quiet()
    again = await floor.dial("600", host=host_of(floor, NARROW))
    await floor.is_in(again, state="queued")


@pytest.mark.parametrize(("how", "last"), [("rfc4733", 3), ("info", INFO), ("inband", INBAND)])
async def test_keys_travel_as_the_trunk_says(floor: Floor, how: str, last: int) -> None:
    """A key of the menu is understood in each of the three ways."""
    call = await floor.call("602", host=host_of(floor, last))
    call.send_silence()
    await call.send_digits("7", how)
    await floor.is_in(call, state="queued", queue="sales")


async def test_only_the_codecs_of_the_trunk_are_spoken(floor: Floor) -> None:
    """A caller without one of them is told so; one with it is heard."""
    await refused(floor, "600", 488, last=ALAW, codecs=("PCMU",))
    call = await floor.call("602", host=host_of(floor, ALAW), codecs=("PCMU", "PCMA"))
    stats = await floor.site.asterisk("pjsip show channelstats")
    assert " alaw " in stats
    assert " ulaw " not in stats
    await call.hang_up()


# --- watched and changed -----------------------------------------------------------------------


async def test_a_trunk_that_stops_answering_is_shown(floor: Floor) -> None:
    """OPTIONS tell whether a trunk is there; without them nothing is claimed."""
    host = host_of(floor, WATCHED)
    async with Phone("far", server=floor.site.sip, host=host, port=5060):
        await has_state(floor, "watched", "reachable")
    await has_state(floor, "watched", "unreachable")
    await has_state(floor, "wide", "")


async def test_nat_settings_reach_asterisk(floor: Floor) -> None:
    """`nat = true`: signalling and media go back to where they came from."""
    for trunk, value in (("watched", "true"), ("wide", "false")):
        shown = await floor.site.asterisk(f"pjsip show endpoint {trunk}")
        options = dict(
            (word.strip() for word in line.split(":", 1))
            for line in shown.splitlines()
            if line.startswith(" ") and ":" in line
        )
        for option in ("rtp_symmetric", "force_rport", "rewrite_contact"):
            assert options[option] == value, (trunk, option)


async def test_a_trunk_added_while_running_works_at_once_and_is_gone_when_removed(
    floor: Floor,
) -> None:
    """`trunk add` needs no restart, and takes effect within two seconds."""
    host = host_of(floor, LATER)
    await refused(floor, "600", 401, last=LATER)
    told = json.loads(await floor.run("trunk", "add", "later", host, "--codec", "alaw", "--json"))
    assert told["applied"] is True
    added = time.monotonic()
    while not await is_let_in(floor, host):
        assert time.monotonic() - added < 2 * slack()
    call = await floor.dial("600", host=host, codecs=("PCMA",))
    await floor.is_in(call, state="queued")
    await call.hang_up()
    await floor.site.quiet()
    await floor.run("trunk", "remove", "later")
    removed = time.monotonic()
    while await is_let_in(floor, host):
        assert time.monotonic() - removed < 2 * slack()


async def test_a_registering_trunk_added_while_running_registers(
    floor: Floor, provider: LabAsterisk
) -> None:
    """At once: by itself Asterisk waits up to ten seconds with a first registration."""
    host = provider.host
    account = ("--port", str(PORT), "--user", "604", "--secret", "--register")
    await floor.run("trunk", "add", "second", host, *account, stdin=PASSWORD)

    async def is_known() -> bool:
        contact = await asyncio.to_thread(provider.command, "pjsip show aor 604")
        return f"@{floor.site.address}:" in contact

    added = time.monotonic()
    await floor.site.until(is_known, "the provider has our registration", 3.0)
    print(f"registered {time.monotonic() - added:.2f} s after it was added")
    await has_state(floor, "second", "registered", 3.0)
    await floor.run("trunk", "remove", "second")
    await floor.site.until(lambda: is_unknown(floor, "second"), "the trunk is gone")
    assert "second" not in await floor.site.asterisk("pjsip show registrations")


async def is_unknown(floor: Floor, trunk: str) -> bool:
    return trunk not in {row["id"] for row in (await floor.site.get("trunks"))["trunks"]}


async def is_let_in(floor: Floor, host: str) -> bool:
    """Whether a call from there gets further than 401."""
    call = await floor.dial("600", host=host, codecs=("PCMA",))
    try:
        await call.answered
    except CallFailed as exc:
        return exc.status != 401
    await call.hang_up()
    return True
