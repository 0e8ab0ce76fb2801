"""What only a real Asterisk can show: blocking requests, lost links, restarts, hostile callers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from callcore.call import actions as act
from callcore.call import events as ev
from callcore.directory import Phone
from callcore.errors import BackendUnavailable
from callcore.telephony import managed
from callcore.telephony.simulated_peers import Peer
from callcore.types import Entry, HangupReason
from tests.contract.tcp_proxy import TcpProxy
from tests.contract.worlds import ANNOUNCEMENT, AsteriskWorld
from tests.listening import events_of
from tests.load import slack

pytestmark = pytest.mark.acceptance


@pytest.fixture
async def proxied(
    asterisk: managed.ManagedAsterisk, readable: Path
) -> AsyncIterator[tuple[AsteriskWorld, TcpProxy]]:
    """A world whose ARI link goes through a proxy."""
    async with TcpProxy(asterisk.settings.control_address, asterisk.settings.ari_port) as proxy:
        world = AsteriskWorld(asterisk, readable, proxy.url)
        await world.start()
        await world.want(ev.BackendUp)
        yield world, proxy
        proxy.speak()
        await world.close()


async def test_an_announcement_on_one_call_delays_no_other(real: AsteriskWorld) -> None:
    """Asterisk makes requests for a playing channel wait; the others go past them."""
    playing = await real.arrived_and_answered()
    media = (ANNOUNCEMENT,)
    await real.do(act.Play(call="a", channel=playing, playback="long", media=media))
    # Behind our back, so that nobody stops the announcement first.
    connection = real.asterisk_backend._link.connection
    blocked = asyncio.create_task(
        connection.request_blocking("POST", f"channels/{playing}/answer", timeout=20.0)
    )
    await asyncio.sleep(0.2)
    started = time.monotonic()
    await real.call_in("4001")
    other = (await real.want(ev.CallArrived)).channel
    await real.do(act.Answer(call="b", channel=other))
    await real.do(act.Play(call="b", channel=other, playback="short", media=("beep",)))
    await real.want(ev.PlaybackEnded, playback="short")
    assert time.monotonic() - started < 1.0 * slack()
    assert not blocked.done()
    # And on the playing call itself the announcement is stopped rather than waited for.
    started = time.monotonic()
    await real.do(act.Answer(call="a", channel=playing))
    assert time.monotonic() - started < 0.3 * slack()
    await real.want(ev.PlaybackEnded, playback="long")
    await blocked


async def test_a_silent_link_is_noticed_within_three_seconds(
    proxied: tuple[AsteriskWorld, TcpProxy],
) -> None:
    world, proxy = proxied
    channel = await world.arrived_and_answered()
    proxy.silence()
    started = time.monotonic()
    await world.want(ev.BackendDown, dead=False)
    assert time.monotonic() - started <= 3.0 * slack()
    with pytest.raises(BackendUnavailable):
        await world.do(act.StartMusic(call="c", channel=channel))
    leg = await world.dial()
    await world.want(ev.LegFailed, channel=leg)
    proxy.speak()
    await proxy.cut()
    up = await world.want(ev.BackendUp, timeout=10.0)
    assert [(f.channel, f.up, f.ours) for f in up.channels] == [(channel, True, True)]


async def test_what_ended_while_the_link_was_lost_is_told(
    proxied: tuple[AsteriskWorld, TcpProxy],
) -> None:
    """Behind the snapshot; a leg that was answered meanwhile has ended too; the rest goes on."""
    world, proxy = proxied
    await world.phone("p1", Peer(answer_after=0.5))
    await world.phone("p2", Peer(answer_after=3.0))
    first = await world.arrived_and_answered()
    staying = await world.arrived_and_answered()
    answered, ringing = await world.dial("p1"), await world.dial("p2")
    for leg in (answered, ringing):
        await world.want(ev.LegRinging, channel=leg)
    proxy.silence()
    await proxy.cut()
    await world.want(ev.BackendDown)
    await world.calls[0].hang_up()
    await world.rung["p1"][-1].ended
    world.seen.clear()
    proxy.speak()
    up = await world.want(ev.BackendUp, timeout=10.0)
    assert sorted(f.channel for f in up.channels) == sorted([staying, ringing])
    await world.want(ev.HungUp, channel=first)
    await world.want(ev.LegFailed, channel=answered)
    # What stayed is in our hands again: it answers, can be bridged, and its end is told.
    await world.want(ev.LegAnswered, channel=ringing)
    await world.do(act.CreateBridge(call="c", bridge="again" + ringing))
    await world.do(act.Join(call="c", bridge="again" + ringing, channels=(staying, ringing)))
    await world.caller_hangs_up()
    assert (await world.want(ev.HungUp, channel=staying)).by_peer


async def test_a_new_process_hears_of_a_leg_that_was_ringing(
    real: AsteriskWorld, readable: Path
) -> None:
    """Killed while a phone rang: the next life is told how that ended."""
    await real.phone("p1", Peer())
    leg = await real.dial("p1")
    await real.want(ev.LegRinging, channel=leg)
    successor = real.new_backend(readable, real.asterisk.ari_url, ami=False)
    events = events_of(successor)
    assert isinstance(await anext(events), ev.BackendUp)
    await real.rung["p1"][-1].reject(486)
    async with asyncio.timeout(5):
        failed = await anext(events)
    assert isinstance(failed, ev.LegFailed)
    assert (failed.channel, failed.cause) == (leg, 17)
    await successor.close()


async def test_a_leg_that_rings_alone_outlives_a_lost_link(
    proxied: tuple[AsteriskWorld, TcpProxy],
) -> None:
    """Without a channel in Stasis the application is forgotten; the leg is subscribed to again."""
    world, proxy = proxied
    await world.phone("p1", Peer())
    leg = await world.dial("p1")
    await world.want(ev.LegRinging, channel=leg)
    proxy.silence()
    await proxy.cut()
    await world.want(ev.BackendDown)
    proxy.speak()
    await world.want(ev.BackendUp, timeout=10.0)
    await world.rung["p1"][-1].reject(486)
    assert (await world.want(ev.LegFailed, channel=leg)).cause == 17


async def test_a_second_controller_silences_the_first(real: AsteriskWorld, readable: Path) -> None:
    other = real.new_backend(readable, real.asterisk.ari_url, ami=False)
    channel = await real.arrived_and_answered()
    events = events_of(other)
    up = await anext(events)
    assert isinstance(up, ev.BackendUp)
    assert [f.channel for f in up.channels] == [channel]
    down = await real.want(ev.BackendDown)
    assert "another controller" in down.reason
    assert real.asterisk_backend.replaced
    with pytest.raises(BackendUnavailable):
        await real.do(act.Hangup(call="c", channel=channel))
    await real.never(ev.BackendUp, seconds=1.0)
    await other.execute(act.Hangup(call="c", channel=channel))
    gone = await anext(events)
    assert gone == ev.HungUp(channel=channel, cause=16, by_peer=False)
    await other.close()


async def test_hostile_caller_ids_stay_data(real: AsteriskWorld) -> None:
    """A caller's name goes to the agent's phone as text, whatever it holds."""
    await real.phone("p1", Peer(answer_after=0.1))
    name = '${SHELL(touch /tmp/x)}"\\ <sip:evil@x>;\r\nX-Evil: 1' + "A" * 5000
    leg = await real.dial(caller_name=name, caller_number="+49 30\r\n12 <x>")
    await real.want(ev.LegAnswered, channel=leg)
    caller = real.rung["p1"][-1].caller
    assert caller.user == "+493012x"
    assert caller.display.startswith("${SHELL(touch /tmp/x)} sip:evil@x;X-Evil: 1AAA")
    assert len(caller.display) <= 80
    assert real.rung["p1"][-1].header("x-evil") == ""


async def test_losers_see_no_missed_call_and_auto_answer_is_asked(real: AsteriskWorld) -> None:
    await real.phone("p1", Peer())
    leg = await real.dial(auto_answer=True)
    await real.want(ev.LegRinging, channel=leg)
    call = real.rung["p1"][-1]
    assert call.auto_answer
    await real.do(act.Hangup(call="c", channel=leg, reason=HangupReason.ANSWERED_ELSEWHERE))
    await call.ended
    assert "cause=200" in call.reason_header


async def test_a_full_trunk_is_dialled_no_more(real: AsteriskWorld) -> None:
    trunk = msgspec.structs.replace(real.directory.trunks["trunk"], max_channels=1)
    await real.backend.provision(msgspec.structs.replace(real.directory, trunks={"trunk": trunk}))
    await real.arrived_and_answered()
    leg = real.new_id("leg")
    await real.do(act.Dial(call="c", channel=leg, endpoint="trunk:trunk/0301234"))
    assert (await real.want(ev.LegFailed, channel=leg)).cause == 34


async def test_a_new_phone_is_known_without_restart(real: AsteriskWorld) -> None:
    """Added, used, removed; and nothing is reloaded when nothing changed."""
    p2 = real.phones["p2"]
    phones = {**real.directory.phones, "new": Phone(id="new", secret="n3w secret #1")}
    await real.backend.provision(msgspec.structs.replace(real.directory, phones=phones))
    p2.user, p2.password = "new", "n3w secret #1"
    await p2.register()
    await real.want(ev.PhoneReachability, phone="new", reachable=True)
    include = real.asterisk.paths.etc / "pjsip_callcore.conf"
    before = include.stat()
    assert before.st_mode & 0o777 == 0o600
    await real.backend.provision(msgspec.structs.replace(real.directory, phones=phones))
    assert include.stat() == before
    await p2.unregister()
    p2.user, p2.password = "p2", "secret-p2"
    await real.want(ev.PhoneReachability, phone="new", reachable=False)
    await real.backend.provision(real.directory)


async def test_asterisk_restarts(asterisk: managed.ManagedAsterisk, readable: Path) -> None:
    """Its calls are gone, and that is said; phones are still known; calls work again."""
    world = AsteriskWorld(asterisk, readable)
    await world.start()
    try:
        await world.want(ev.BackendUp)
        await world.arrived_and_answered()
        await managed.stop(asterisk.paths)
        await world.want(ev.BackendDown, dead=False)
        await managed.start(asterisk.paths, asterisk.settings)
        await world.want(ev.BackendDown, dead=True, timeout=10.0)
        up = await world.want(ev.BackendUp)
        assert up.channels == ()
        await world.phones["p1"].register()
        await world.phone("p1", Peer(answer_after=0.1))
        await world.ami.connect()
        leg = await world.dial()
        await world.want(ev.LegAnswered, channel=leg)
    finally:
        await world.close()


async def test_calls_work_where_the_websocket_takes_no_requests(real: AsteriskWorld) -> None:
    """An Asterisk before 22.10: everything goes over HTTP."""
    real.asterisk_backend._link.connection.rest_over_socket = False
    channel, leg, bridge = await real.talking()
    for gone in (channel, leg):
        await real.do(act.Hangup(call="c", channel=gone))
        await real.want(ev.HungUp, channel=gone)
    await real.do(act.DestroyBridge(call="c", bridge=bridge))


async def test_callers_held_while_callcore_was_away_come_with_their_time(
    asterisk: managed.ManagedAsterisk, readable: Path
) -> None:
    """First from the dialplan's loop; after that from the fallback queue, brought back by AMI."""
    world = AsteriskWorld(asterisk, readable)
    await world.start()
    await world.want(ev.BackendUp)
    await world.backend.close()
    began = time.time()
    await world.call_in("4000")
    await world.calls[-1].answered
    await asyncio.sleep(0.6)
    successor = world.new_backend(readable, asterisk.ari_url, ami=False)
    events = events_of(successor)
    assert isinstance(await anext(events), ev.BackendUp)
    async with asyncio.timeout(3):
        held = await anext(events)
    assert isinstance(held, ev.CallArrived)
    assert held.arrived_at is not None
    assert (held.entry, held.answered, held.dialled) == (Entry.TRUNK, True, "4000")
    assert began - 1.5 <= held.arrived_at <= began + 0.5 * slack()
    await successor.close()
    await world.close()


async def test_callers_of_the_fallback_queue_are_brought_back(
    asterisk: managed.ManagedAsterisk, readable: Path
) -> None:
    world = AsteriskWorld(asterisk, readable)
    await world.start()
    await world.want(ev.BackendUp)
    # No phone of the fallback queue answers; callcore is away longer than callers are held.
    await world.phone("p1", Peer(busy=True))
    await world.phone("p2", Peer(busy=True))
    await world.asterisk_backend._link.connection.close()
    world.asterisk_backend._task.cancel()
    await world.call_in("4000")
    await world.calls[-1].answered

    async def in_fallback() -> bool:
        return "!Queue!" in await asterisk.run_command("core show channels concise")

    async with asyncio.timeout(10 * slack()):
        while not await in_fallback():  # noqa: ASYNC110
            await asyncio.sleep(0.1)  # the console tells no events
    successor = world.new_backend(readable, asterisk.ari_url)
    events = events_of(successor)
    up = await anext(events)
    assert isinstance(up, ev.BackendUp)
    (waiting,) = up.channels
    assert (waiting.ours, waiting.up, waiting.dialled) == (False, True, "4000")
    async with asyncio.timeout(3):
        while not isinstance(back := await anext(events), ev.CallArrived):
            pass
    assert (back.channel, back.entry, back.answered) == (waiting.channel, Entry.RESUME, True)
    assert back.dialled == "4000"
    assert back.arrived_at is not None
    await successor.close()
    await world.close()


async def test_phones_given_while_asterisk_is_away_are_known_when_it_is_back(
    asterisk: managed.ManagedAsterisk, readable: Path
) -> None:
    """The directory is not lost because nobody was there to read it."""
    world = AsteriskWorld(asterisk, readable)
    await world.start()
    try:
        await world.want(ev.BackendUp)
        await managed.stop(asterisk.paths)
        await world.want(ev.BackendDown)
        phones = {**world.directory.phones, "late": Phone(id="late", secret="late")}
        given = asyncio.create_task(
            world.backend.provision(msgspec.structs.replace(world.directory, phones=phones))
        )
        with pytest.raises(BackendUnavailable):
            await given
        await managed.start(asterisk.paths, asterisk.settings)
        await world.want(ev.BackendUp, timeout=10.0)
        p2 = world.phones["p2"]
        p2.user, p2.password = "late", "late"
        await p2.register()
        await world.want(ev.PhoneReachability, phone="late", reachable=True)
    finally:
        await world.close()
