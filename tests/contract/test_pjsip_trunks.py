"""Trunks of the SIP stack inside callcore: which failures go on to the backup, and long calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from msgspec.structs import replace

from callcore.call import actions as act
from callcore.call import events as ev
from callcore.directory import Transport, Trunk
from callcore.lab import audio
from callcore.lab.call import Call
from callcore.lab.phone import Phone as LabPhone
from callcore.telephony.pjsip.settings import PjsipSettings
from callcore.telephony.simulated_peers import Peer
from tests.acceptance.floor import hears, until
from tests.contract.test_pjsip_faults import until_empty
from tests.contract.worlds import PHONE_PORT, TRUNK_PORT, PjsipWorld

pytestmark = pytest.mark.acceptance

Behaviour = Callable[[Call], Awaitable[None]]
SILENCE = PjsipSettings.silence
#: Half of the shortest session interval (RFC 4028, 5).
REFRESH_SECONDS = 45.0


class Providers:
    """A trunk that fails as a test wants, and its backup, which answers."""

    def __init__(self, world: PjsipWorld) -> None:
        self.world = world
        self.first = world._phone("first", 10, port=TRUNK_PORT)
        self.second = world._phone("second", 11, port=TRUNK_PORT)
        self.asked: list[Call] = []
        self.behave: Behaviour = _answer
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        async def fail(call: Call) -> None:
            self.asked.append(call)
            await self.behave(call)

        for phone, behaviour in ((self.first, fail), (self.second, _answer)):
            await phone.open()
            self._tasks.append(asyncio.create_task(phone.serve(behaviour)))
        await self.provision()

    async def provision(self, **changes: object) -> None:
        """The first trunk, changed."""
        hosts = {"one": self.first.local[0], "two": self.second.local[0]}
        made = {
            n: Trunk(id=n, host=h, port=TRUNK_PORT, qualify_seconds=0) for n, h in hosts.items()
        }
        made["one"] = replace(made["one"], backup="two", **changes)
        await self.world.backend.provision(replace(self.world.directory, trunks=made))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        for phone in (self.first, self.second):
            await phone.close()

    async def dial(self, timeout: float = 60.0) -> None:
        dial = act.Dial(
            call="c", channel="out", endpoint="trunk:one/4711", caller_number="30", timeout=timeout
        )
        await self.world.do(dial)

    async def goes_on(self, seconds: float = 5.0) -> None:
        """The backup gets the call, and it is one call all the time."""
        await self.world.want(ev.LegAnswered, timeout=seconds, channel="out")
        assert [call.invite.uri.partition("@")[0] for call in self.second.calls] == ["sip:4711"]
        await self.world.do(act.Hangup(call="c", channel="out"))
        await self.world.want(ev.HungUp, channel="out")
        await self.world.never(ev.LegFailed, seconds=0.1)
        await until_empty(self.world)

    async def fails(self) -> ev.LegFailed:
        """The backup hears nothing of it."""
        failed = await self.world.want(ev.LegFailed, channel="out")
        await self.world.never(ev.LegAnswered, seconds=0.3)
        assert not self.second.calls
        await until_empty(self.world)
        return failed


async def _answer(call: Call) -> None:
    await call.answer()


def refusing(status: int, *, ringing: bool = False) -> Behaviour:
    async def refuse(call: Call) -> None:
        if ringing:
            await call.ring()
        await call.reject(status)

    return refuse


@pytest.fixture
async def providers(embedded: PjsipWorld) -> AsyncIterator[Providers]:
    made = Providers(embedded)
    await made.open()
    yield made
    await made.close()


# --- fail-over --------------------------------------------------------------------------------


@pytest.mark.parametrize("ringing", [False, True])
@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_server_failure_goes_on(providers: Providers, status: int, ringing: bool) -> None:
    providers.behave = refusing(status, ringing=ringing)
    await providers.dial()
    await providers.goes_on()
    assert len(providers.asked) == 1


@pytest.mark.parametrize("status", [403, 404, 480, 486, 488, 600, 603])
async def test_what_was_said_of_the_callee_is_the_end(providers: Providers, status: int) -> None:
    providers.behave = refusing(status)
    await providers.dial()
    await providers.fails()


async def test_a_time_out_told_at_once_goes_on(providers: Providers) -> None:
    """408 and nothing before it."""
    providers.first.lose_sent("100")
    providers.behave = refusing(408)
    await providers.dial()
    await providers.goes_on()


@pytest.mark.parametrize("ringing", [False, True])
async def test_a_time_out_after_a_provisional_answer_is_the_end(
    providers: Providers, ringing: bool
) -> None:
    """100 or 180: somebody has the call, and another one would ring twice."""
    providers.behave = refusing(408, ringing=ringing)
    await providers.dial()
    await providers.fails()


async def test_one_that_rings_for_long_is_no_silence(providers: Providers) -> None:
    async def ring(call: Call) -> None:
        await call.ring()

    providers.behave = ring
    await providers.dial(timeout=SILENCE + 1)
    await providers.world.never(ev.LegFailed, seconds=SILENCE + 0.5)
    assert (await providers.fails()).cause == 19


async def test_silence_goes_on(providers: Providers) -> None:
    """Before anybody who rings has given up; timer B would be later than that."""
    providers.first.deaf = True
    await providers.dial(timeout=30.0)
    await providers.world.never(ev.LegAnswered, seconds=SILENCE - 1)
    await providers.goes_on(seconds=5.0)


async def test_a_provider_that_wakes_up_is_told_that_it_is_too_late(providers: Providers) -> None:
    """Its INVITE, sent until timer B, is cancelled as soon as it answers anything (RFC 3261, 9.1),
    and the call goes on over the backup."""
    providers.first.lose_received("INVITE", times=4)  # those of 0, 0.5, 1.5 and 3.5 s

    async def ring(call: Call) -> None:
        await call.ring()

    providers.behave = ring
    await providers.dial()
    world = providers.world
    await world.want(ev.LegAnswered, timeout=SILENCE + 2, channel="out")
    await until(lambda: bool(providers.asked), 5.0)
    assert (await providers.asked[0].ended).status == 487
    await world.never(ev.HungUp, seconds=0.2)
    assert not providers.second.calls[0].ended.happened
    await world.do(act.Hangup(call="c", channel="out"))
    await world.want(ev.HungUp, channel="out")
    await until_empty(world)


@pytest.mark.parametrize("transport", [Transport.TCP, Transport.TLS])
async def test_a_transport_that_fails_goes_on(providers: Providers, transport: Transport) -> None:
    """Nobody listens there: told in milliseconds, not after a time-out."""
    await providers.provision(transport=transport, port=TRUNK_PORT + 9)
    await providers.dial()
    await providers.goes_on(seconds=2.0)
    assert not providers.asked


# --- session timers ---------------------------------------------------------------------------


async def _served_with_timer(phone: LabPhone) -> Call:
    """A call that has come, answered so that we refresh its session, as often as is allowed."""
    call = await phone.incoming()
    interval = {"Session-Expires": "90;refresher=uac", "Require": "timer", "Supported": "timer"}
    await call.answer_without_waiting(interval)
    await call.answered
    return call


def refreshes(call: Call) -> list[str]:
    """Methods and answers of what we sent to refresh, in order."""
    found = []
    for entry in call.log[2:]:
        message = entry.message
        if not entry.sent and message.method in ("INVITE", "UPDATE"):
            found.append(message.method)
        elif entry.sent and message.status in (200, 491) and message.cseq[0] > call.invite.cseq[0]:
            found.append(str(message.status))
    return found


async def test_a_refresh_that_meets_an_offer_is_tried_again(embedded: PjsipWorld) -> None:
    """491, by phones that know UPDATE and that do not: RFC 3261, 14.1. The calls live on."""
    trunk = embedded.directory.trunks["trunk"]
    trunks = {
        name: replace(trunk, id=name, host=embedded.block.host(place), port=PHONE_PORT)
        for name, place in (("updates", 10), ("reinvites", 11))
    }
    await embedded.backend.provision(replace(embedded.directory, trunks=trunks))
    phones = {n: embedded._phone(n, place, port=PHONE_PORT) for n, place in
              (("updates", 10), ("reinvites", 11))}  # fmt: skip
    phones["reinvites"].ALLOW = "INVITE, ACK, CANCEL, BYE"
    calls: dict[str, Call] = {}
    for name, phone in phones.items():
        await phone.open()
        await embedded.do(act.Dial(call="c", channel=name, endpoint=f"trunk:{name}/4711"))
        calls[name] = await _served_with_timer(phone)
        await embedded.want(ev.LegAnswered, channel=name)
        calls[name]._offering = True  # an offer of its own is under way, as it says
    await until(lambda: all("491" in refreshes(c) for c in calls.values()), REFRESH_SECONDS + 10)
    for call in calls.values():
        call._offering = False
    await until(lambda: all(refreshes(c)[-1] == "200" for c in calls.values()), 10.0)
    for name, call in calls.items():
        call.play(audio.tone(440.0, 1.0), loop=True)
        await embedded.do(act.Play(call="c", channel=name, playback=name, media=("beep",)))
        await hears(call, 1000.0)
        await call.hang_up()
        assert (await embedded.want(ev.HungUp, channel=name)).by_peer
    for phone in phones.values():
        await phone.close()


async def test_a_refresh_by_the_far_end_is_answered(embedded: PjsipWorld) -> None:
    """It calls, and refreshes by UPDATE without an offer (RFC 4028, 7.4)."""
    await embedded.phone("p1", Peer())
    interval = {"Session-Expires": "90;refresher=uac", "Supported": "timer"}
    call = await embedded.caller_phone.dial("4000", headers=interval)
    channel = (await embedded.want(ev.CallArrived)).channel
    await embedded.do(act.Answer(call="c", channel=channel))
    answer = await call.answered
    assert answer.get("session-expires").startswith("90")
    update = call.phone.in_dialog(call.dialog, "UPDATE")
    update.add("Contact", call.dialog.contact)
    update.add("Session-Expires", "90;refresher=uac")
    update.add("Supported", "timer")
    told = await call.phone.transact(update, call.dialog.destination, call)
    assert (told.status, told.get("session-expires")) == (200, "90;refresher=uac")
