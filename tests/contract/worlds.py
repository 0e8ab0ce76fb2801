"""Worlds with the same handles: callers and phones that behave as scripted, and a back end.

`SimulatedWorld` lets virtual time pass; `AsteriskWorld` and `PjsipWorld` wait for real phones of
`callcore.lab`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from msgspec.structs import replace

from callcore.call import actions as act
from callcore.call import events as ev
from callcore.config import SipSettings
from callcore.directory import Agent, Directory, Member, Phone, Queue, Trunk
from callcore.errors import BackendError
from callcore.lab import audio
from callcore.lab.call import Call
from callcore.lab.phone import Phone as LabPhone
from callcore.telephony.ami import Ami, AmiSettings
from callcore.telephony.ari import AriSettings
from callcore.telephony.asterisk import AsteriskBackend
from callcore.telephony.backend import Backend
from callcore.telephony.managed import ManagedAsterisk
from callcore.telephony.pjsip.backend import PjsipBackend
from callcore.telephony.pjsip.settings import PjsipSettings
from callcore.telephony.prompts import PromptLibrary
from callcore.telephony.provision import FileProvisioner
from callcore.telephony.render import CERTIFICATE, KEY, ensure_certificate
from callcore.telephony.simulated import SimulatedBackend
from callcore.telephony.simulated_peers import Caller, Peer
from tests.addresses import SIP_PORT, Block
from tests.load import slack

E = TypeVar("E", bound=ev.Event)

PHONES = ("p1", "p2")
SECRET = "secret-"
ANNOUNCEMENT = "text:en/one two three four five six seven eight nine ten eleven twelve thirteen"
TRUNK_PORT = 5070
PHONE_PORT = 5080
TLS_PORT = 5061
#: What each party says, in Hz.
VOICES = {"caller": 440.0, "p1": 880.0, "p2": 1250.0}


def directory_of(block: Block) -> Directory:
    trunk = Trunk(id="trunk", host=block.host(2), port=TRUNK_PORT, qualify_seconds=0)
    return Directory(
        phones={p: Phone(id=p, secret=SECRET + p, codecs=("ulaw", "alaw")) for p in PHONES},
        trunks={trunk.id: trunk},
        agents={"a1": Agent(id="a1", phone="p1")},
        queues={"q": Queue(id="q", members=(Member(agent="a1"),))},
    )


def static_directory_of(block: Block) -> Directory:
    """The same with phones that do not register."""
    directory = directory_of(block)
    hosts = {name: f"{block.host(number + 3)}:{PHONE_PORT}" for number, name in enumerate(PHONES)}
    phones = {
        name: replace(phone, secret="", host=hosts[name])
        for name, phone in directory.phones.items()
    }
    return replace(directory, phones=phones)


class World:
    """What a contract test needs; events are consumed in the order they are wanted."""

    backend: Backend

    def __init__(self) -> None:
        self.seen: list[ev.Event] = []
        self._ids = 0
        self._arrived = asyncio.Event()

    def new_id(self, kind: str) -> str:
        self._ids += 1
        return f"{kind}-{id(self):x}-{self._ids}"

    async def do(self, action: act.Action) -> None:
        """As the dispatcher does it: sent where that is possible, else awaited."""
        done: asyncio.Future[BackendError | None] = asyncio.get_running_loop().create_future()
        if not self.backend.begin(action, done.set_result):
            await self.backend.execute(action)
            return
        problem = await done
        if problem is not None:
            raise problem

    async def want(self, kind: type[E], timeout: float = 5.0, **fields: object) -> E:
        """The first event of that kind (and fields) not wanted before; a busy machine has longer
        for it."""
        found: list[E] = []

        def there() -> bool:
            for event in self.seen:
                if isinstance(event, kind) and _fits(event, fields):
                    self.seen.remove(event)
                    found.append(event)
                    return True
            return False

        if not await self.until(there, timeout * slack()):
            raise AssertionError(f"no {kind.__name__} {fields} within {timeout} s: {self.seen}")
        return found[0]

    async def never(self, kind: type[ev.Event], seconds: float = 0.4, **fields: object) -> None:
        """Within so many seconds there is no such event."""
        came = await self.until(
            lambda: any(isinstance(e, kind) and _fits(e, fields) for e in self.seen), seconds
        )
        assert not came, self.seen

    async def until(self, there: Callable[[], bool], timeout: float) -> bool:
        raise NotImplementedError

    async def call_in(self, dialled: str, caller: Caller | None = None, **who: str) -> None:
        raise NotImplementedError

    async def caller_hangs_up(self) -> None:
        raise NotImplementedError

    async def phone(self, name: str, peer: Peer) -> None:
        raise NotImplementedError

    async def speak(self) -> None:
        """Caller and phones begin to say something, each with a voice of their own."""
        raise NotImplementedError

    def heard_by(self, who: str) -> set[str]:
        """Whose voices come to the caller or to a phone now."""
        raise NotImplementedError

    async def hear(self, **heard: str) -> None:
        """Soon each of them hears those of this list, and nobody else."""
        wanted = {who: set(voices.split()) for who, voices in heard.items()}

        def now() -> dict[str, set[str]]:
            return {who: self.heard_by(who) for who in wanted}

        assert await self.until(lambda: now() == wanted, 8.0), now()

    async def arrived_and_answered(self) -> str:
        await self.call_in("4000")
        arrived = await self.want(ev.CallArrived)
        await self.do(act.Answer(call="c", channel=arrived.channel))
        return arrived.channel

    async def dial(self, phone: str = "p1", **how: object) -> str:
        leg = self.new_id("leg")
        await self.do(act.Dial(call="c", channel=leg, endpoint=f"phone:{phone}", **how))
        return leg

    async def talking(self) -> tuple[str, str, str]:
        """Caller, agent leg and their bridge."""
        await self.phone("p1", Peer(answer_after=0.1))
        channel = await self.arrived_and_answered()
        leg, bridge = await self.dial(), self.new_id("bridge")
        await self.want(ev.LegAnswered, channel=leg)
        await self.do(act.CreateBridge(call="c", bridge=bridge))
        await self.do(act.Join(call="c", bridge=bridge, channels=(channel, leg)))
        return channel, leg, bridge


def _fits(event: ev.Event, fields: dict[str, object]) -> bool:
    return all(getattr(event, name) == value for name, value in fields.items())


class SimulatedWorld(World):
    def __init__(self) -> None:
        super().__init__()
        self.simulated = SimulatedBackend(node="asterisk")
        self.backend = self.simulated
        self._caller = ""

    async def start(self) -> None:
        await self.simulated.provision(directory_of(Block(0)))
        for phone in PHONES:
            self.simulated.set_phone(phone, Peer())

    async def close(self) -> None:
        await self.simulated.close()

    async def until(self, there: Callable[[], bool], timeout: float) -> bool:
        end = self.simulated.now + timeout
        self.seen += self.simulated.advance()
        while not there():
            if self.simulated.now >= end:
                return False
            self.seen += self.simulated.advance(0.02)
        return True

    async def call_in(self, dialled: str, caller: Caller | None = None, **who: str) -> None:
        self._caller = self.simulated.call_in(dialled, caller, **who)

    async def caller_hangs_up(self) -> None:
        self.simulated.hang_up(self._caller)

    async def phone(self, name: str, peer: Peer) -> None:
        self.simulated.set_phone(name, peer)

    async def speak(self) -> None:
        """They always do."""

    def heard_by(self, who: str) -> set[str]:
        names = {c.id: c.endpoint for c in self.simulated.channels.values()}
        names[self._caller] = "caller"
        channel = next((channel for channel, name in names.items() if name == who), "")
        return {names[voice] for voice in self.simulated.heard_by(channel)}

    async def hold_and_resume(self, leg: str) -> None:
        self.simulated.hold(leg)
        self.simulated.resume(leg)

    async def transfer(self, leg: str, target: str, answer: Callable[[], Awaitable[None]]) -> bool:
        self.simulated.transfer(leg, target)
        answers = self.simulated.channels[leg].transfer_answers
        await answer()
        return answers[-1]


class SipWorld(World):
    """Real phones of `callcore.lab`: a caller behind the trunk, and the desks."""

    def __init__(self, server: tuple[str, int], directory: Directory) -> None:
        super().__init__()
        self.server = server
        self.block = Block.around(server[0])
        self.directory = directory
        self.calls: list[Call] = []
        self.caller_phone = self._phone("caller", 2, port=TRUNK_PORT)
        self.phones = {
            name: self._phone(name, number + 3, SECRET + name, port=PHONE_PORT)
            for number, name in enumerate(PHONES)
        }
        self.scripts = {phone: Peer() for phone in PHONES}
        self.rung: dict[str, list[Call]] = {phone: [] for phone in PHONES}
        self._tasks: list[asyncio.Task[None]] = []
        self.failures: list[BaseException] = []

    def _phone(self, name: str, place: int, password: str = "", port: int = 0) -> LabPhone:
        host = self.block.host(place)
        return LabPhone(name, password, server=self.server, host=host, port=port)

    async def close(self) -> None:
        async with contextlib.AsyncExitStack() as ends:
            ends.push_async_callback(self._end_tasks)
            # Whatever a phone has to complain of: the next test needs a stack of its own.
            ends.push_async_callback(self.backend.close)
            for phone in (self.caller_phone, *self.phones.values()):
                ends.push_async_callback(phone.close)

    async def _end_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _heard(self, event: ev.Event) -> None:
        self.seen.append(event)
        self._arrived.set()

    async def until(self, there: Callable[[], bool], timeout: float) -> bool:
        try:
            async with asyncio.timeout(timeout):
                while not there():
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            return False
        return True

    async def call_in(self, dialled: str, caller: Caller | None = None, **who: str) -> None:
        caller = caller or Caller()
        call = await self.caller_phone.dial(
            dialled, from_user=who.get("number") or None, display=who.get("name") or None
        )
        self.calls.append(call)
        if caller.digits or caller.hang_up_after is not None:
            self._tasks.append(asyncio.create_task(self._behave(call, caller)))

    async def _behave(self, call: Call, caller: Caller) -> None:
        passed = 0.0
        for after, digit in caller.digits:
            await call.answered
            await asyncio.sleep(after - passed)
            passed = after
            await call.send_digits(digit)
        if caller.hang_up_after is not None:
            await asyncio.sleep(caller.hang_up_after - passed)
            await call.hang_up()

    async def caller_hangs_up(self) -> None:
        call = self.calls[-1]
        await (call.hang_up() if call.answered.happened else call.cancel())

    def _calls(self) -> dict[str, Call]:
        """The newest of each party."""
        rung = {name: calls[-1] for name, calls in self.rung.items() if calls}
        return {"caller": self.calls[-1], **rung}

    async def speak(self) -> None:
        for who, call in self._calls().items():
            call.play(audio.tone(VOICES[who], 1.0), loop=True)

    def heard_by(self, who: str) -> set[str]:
        now = time.time()
        last = self._calls()[who].heard().between(now - 0.4, now - 0.1)
        return {name for name, hz in VOICES.items() if audio.tone_level(last, hz) > 1000}

    async def hear(self, **heard: str) -> None:
        """The list of sound changes without an event: look again and again."""
        listening = asyncio.create_task(self._tick())
        try:
            await super().hear(**heard)
        finally:
            listening.cancel()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(0.1)
            self._arrived.set()

    async def _serve(self, name: str, phone: LabPhone) -> None:
        async def handle(call: Call) -> None:
            self.rung[name].append(call)
            peer = self.scripts[name]
            if peer.busy or peer.rejects:
                await call.reject(486 if peer.busy else 603)
                return
            await call.ring()
            if peer.answer_after is not None:
                await asyncio.sleep(peer.answer_after)
                if not call.ended.happened:
                    await call.answer()
                if peer.hang_up_after is not None:
                    await asyncio.sleep(peer.hang_up_after)
                    await call.hang_up()

        await phone.serve(handle)

    async def hold_and_resume(self, leg: str) -> None:
        call = self.rung["p1"][-1]
        await call.hold()
        await call.resume()

    async def transfer(self, leg: str, target: str, answer: Callable[[], Awaitable[None]]) -> bool:
        asked = asyncio.create_task(self.rung["p1"][-1].transfer(target))
        await answer()
        return (await asked).ok


class AsteriskWorld(SipWorld):
    def __init__(self, asterisk: ManagedAsterisk, directory: Path, ari_url: str = "") -> None:
        server = (asterisk.settings.sip.bind, asterisk.settings.sip.udp_port)
        super().__init__(server, directory_of(Block.around(server[0])))
        self.asterisk = asterisk
        self.ami = Ami(
            AmiSettings(
                host=asterisk.ami_host, port=asterisk.ami_port,
                user=asterisk.ami_user, password=asterisk.ami_password,
            )
        )  # fmt: skip
        self.asterisk_backend = self.new_backend(directory, ari_url or asterisk.ari_url)
        self.backend = self.asterisk_backend

    def new_backend(self, directory: Path, ari_url: str, ami: bool = True) -> AsteriskBackend:
        settings = AriSettings(
            url=ari_url, user=self.asterisk.ari_user, password=self.asterisk.ari_password
        )
        return AsteriskBackend(
            settings,
            PromptLibrary(directory / "prompts", directory),
            ami=self.ami if ami else None,
            provisioner=FileProvisioner(self.asterisk.paths.etc, self.ami) if ami else None,
        )

    async def start(self) -> None:
        self._tasks.append(asyncio.create_task(self.backend.run(self._heard)))
        await self.ami.connect()
        await self.backend.provision(self.directory)
        await self.caller_phone.open()
        for name in PHONES:
            await self.phones[name].open()
            await self.phones[name].register()
            self._tasks.append(asyncio.create_task(self._serve(name, self.phones[name])))

    async def phone(self, name: str, peer: Peer) -> None:
        self.scripts[name] = peer
        if peer.unreachable:
            await self.phones[name].unregister()
            await self.want(ev.PhoneReachability, phone=name, reachable=False)


class PjsipWorld(SipWorld):
    """The embedded stack keeps no registrations: its phones are known by their addresses."""

    def __init__(self, block: Block, directory: Path, max_calls: int = 0) -> None:
        super().__init__((block.host(1), SIP_PORT), static_directory_of(block))
        ensure_certificate(directory, block.host(1))
        settings = PjsipSettings(
            sip=SipSettings(bind=block.host(1), tls_port=TLS_PORT, rtp_start=36000, rtp_end=37999),
            certificate=directory / CERTIFICATE,
            key=directory / KEY,
            log_file=directory / "pjsua.log",
            prompts=directory / "prompts",
            voicemail=directory / "voicemail",
            max_calls=max_calls,
            probe_timeout=0.4,
            phone_probe=0.5,
        )
        library = PromptLibrary(directory / "prompts", directory)
        self.backend = self.pjsip_backend = PjsipBackend(settings, library)

    async def start(self) -> None:
        await self.caller_phone.open()
        for name in PHONES:
            await self.phones[name].open()
            self._tasks.append(asyncio.create_task(self._serve(name, self.phones[name])))
        await self.pjsip_backend.start()
        self._tasks.append(asyncio.create_task(self.backend.run(self._heard)))
        await self.backend.provision(self.directory)
        for name in PHONES:
            await self.want(ev.PhoneReachability, phone=name, reachable=True)

    async def phone(self, name: str, peer: Peer) -> None:
        self.scripts[name] = peer
        if peer.unreachable:
            await self.phones[name].drop_socket()
            await self.want(ev.PhoneReachability, phone=name, reachable=False)
