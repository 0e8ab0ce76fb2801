"""`callcore bench calls`: calls through callcore and through Queue(), seen on the wire.

One Asterisk, one set of phones (a SIPp process), callers on a trunk (another one). Truth is a
capture of the SIP packets with kernel times. Callers and phones send no sound, to both systems, and
both answer without waiting for it.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from callcore.bench import app_queue
from callcore.bench.figures import (
    APP_QUEUE,
    CALLCORE,
    FREE,
    MANY,
    WAITING,
    WITH_IVR,
    Run,
    read_wire,
)
from callcore.bench.usage import Meter, Usage
from callcore.lab import sipp
from callcore.lab.capture import Address, SipCapture
from callcore.lab.errors import LabTimeout, ToolError
from callcore.lab.site import LabSite
from callcore.telephony.layout import AsteriskPaths

PHONE_PORT, REGISTER_PORT, CALLER_PORT = 5600, 5601, 5700
REGISTER_ATTEMPTS = 5
KEY = "1"

TREE = """
start: welcome
nodes:
  welcome:
    step: menu
    play: [{text: "For sales press one."}]
    keys: {1: sales}
    timeout: 4
    failed: bye
  sales: {step: enqueue, queue: recorded}
  bye: {step: hangup}
"""


@dataclass(frozen=True)
class Scale:
    """How much is measured."""

    phones: int = 200
    #: Agents of the queue in which callers wait.
    few: int = 100
    idle_seconds: float = 8.0
    #: After the last call of a load, for rows and recordings.
    settle_seconds: float = 3.0
    answer_ms: int = 200
    talk_ms: int = 2000
    free: tuple[int, int] = (300, 15)
    """Calls, and calls a second; so are the others."""
    waiting: tuple[int, int] = (600, 60)
    many: tuple[int, int] = (1200, 60)
    with_ivr: tuple[int, int] = (150, 12)


@dataclass(frozen=True)
class Load:
    """Callers of one number."""

    name: str
    system: str
    number: str
    calls: int
    rate: int
    #: The last part of the callers' address: which trunk they are.
    trunk: int = 3
    keys: str = ""


def loads(scale: Scale) -> list[Load]:
    """Both systems in turn under each load, so that a change of the machine hits both."""
    return [
        Load(FREE, CALLCORE, "600", *scale.free),
        Load(FREE, APP_QUEUE, "700", *scale.free),
        Load(WAITING, CALLCORE, "601", *scale.waiting),
        Load(WAITING, APP_QUEUE, "701", *scale.waiting),
        Load(MANY, CALLCORE, "600", *scale.many),
        Load(MANY, APP_QUEUE, "700", *scale.many),
        Load(WITH_IVR, CALLCORE, "602", *scale.with_ivr, trunk=4, keys=KEY),
    ]


def config(scale: Scale, number: int) -> str:
    """callcore.toml: phones and agents, three queues, a trunk whose keys come by INFO."""
    names = [f"{n:03}" for n in range(1, scale.phones + 1)]
    lines = [f'[phones.p{n}]\nsecret = "p{n}-secret"' for n in names]
    lines += [f'[agents.a{n}]\nphone = "p{n}"' for n in names]
    everyone = [f"a{n}" for n in names]
    queues = {"free": everyone, "few": everyone[: scale.few], "recorded": everyone}
    for queue, members in queues.items():
        record = "bridged" if queue == "recorded" else "off"
        lines.append(f'[queues.{queue}]\nrecord = "{record}"\nmembers = {members}')
    lines.append(f'[trunks.keys]\nhost = "127.0.{number}.4"\ndtmf = "info"\ncodecs = ["ulaw"]')
    lines += ['[[routes]]\npattern = "600"\nqueue = "free"']
    lines += ['[[routes]]\npattern = "601"\nqueue = "few"']
    lines += ['[[routes]]\npattern = "602"\ntree = "menu"']
    return "\n".join(lines) + "\n"


class Bench:
    """A site with phones and agents, ready to be called."""

    def __init__(self, site: LabSite, scale: Scale, tell: Callable[[str], None]) -> None:
        self._site = site
        self._scale = scale
        self._tell = tell
        self._phones: Address = (site.phone_address, PHONE_PORT)
        self._idle = Usage(1.0, {})

    async def run(self) -> list[Run]:
        """All loads, one after the other."""
        answering = sipp.answering_phones(
            self._site.directory / "phones",
            local=self._phones,
            remote=self._site.sip,
            answer_ms=self._scale.answer_ms,
            talk_ms=self._scale.talk_ms,
        )
        async with answering:
            await self._make_ready()
            await self._warm_up()
            self._tell(f"idle for {self._scale.idle_seconds:g} s")
            meter = self._meter()
            await asyncio.sleep(self._scale.idle_seconds)
            self._idle = meter.read()
            return [await self._measure(load) for load in loads(self._scale)]

    async def _make_ready(self) -> None:
        names = [f"{n:03}" for n in range(1, self._scale.phones + 1)]
        phones = [f"p{name}" for name in names]
        self._tell(f"{len(phones)} phones register, their agents log in")
        await self._register(phones)
        for name in names:
            await self._site.post(f"agents/a{name}/login")
        await self._until_all_are_idle(phones)
        members = {"bench-free": phones, "bench-few": phones[: self._scale.few]}
        await app_queue.install(self._site, {"700": "bench-free", "701": "bench-few"}, members)

    async def _register(self, phones: list[str]) -> None:
        """Asterisk may still be loading the last of them: once more after a while."""
        for attempt in range(REGISTER_ATTEMPTS):
            registered = await sipp.register_phones(
                [(phone, f"{phone}-secret") for phone in phones],
                self._site.directory / f"register{attempt}",
                local=(self._site.phone_address, REGISTER_PORT),
                remote=self._site.sip,
                contact=self._phones,
            )
            if registered.ok:
                return
            await asyncio.sleep(1.0)
        raise ToolError(f"phones did not register: {registered.errors}")

    async def _until_all_are_idle(self, phones: list[str]) -> None:
        """A phone whose first OPTIONS was lost is asked again only after a minute, or here."""
        busy: list[str] = []

        async def all_idle() -> bool:
            agents = (await self._site.get("agents"))["agents"]
            busy[:] = [f"{a['id']} is {a['state']}" for a in agents if a["state"] != "idle"]
            return not busy

        for _ in range(REGISTER_ATTEMPTS):
            try:
                await self._site.until(all_idle, "all agents are idle", 5)
            except LabTimeout:
                await self._register(phones)
            else:
                return
        raise ToolError(f"agents are not ready: {', '.join(busy[:10])}")

    async def _warm_up(self) -> None:
        """One recorded call: what is loaded at the first is no cost of every call."""
        async with self._callers(
            Load("first", CALLCORE, "602", 1, 1, trunk=4, keys=KEY)
        ) as calling:
            await calling.wait(45)
        await self._site.quiet(20)
        await asyncio.sleep(self._scale.settle_seconds)

    def _meter(self) -> Meter:
        asterisk = int(AsteriskPaths.under(self._site.var).pid_file.read_text())
        return Meter({"callcore": self._site.pid, "asterisk": asterisk})

    async def _measure(self, load: Load) -> Run:
        self._tell(f"{load.system}, {load.name}: {load.calls} calls at {load.rate}/s")
        calling = self._callers(load)
        with SipCapture([PHONE_PORT, CALLER_PORT]) as capture:
            meter = self._meter()
            async with calling:
                await calling.wait(45 + load.calls / load.rate)
            await asyncio.sleep(self._scale.settle_seconds)
            used = meter.read()
        wire = read_wire(capture.messages(), [self._address(load)], [self._phones])
        await self._site.quiet(20)
        return Run(
            load=load.name,
            system=load.system,
            calls=load.calls,
            lost=load.calls - wire.served,
            double_offers=wire.double_offers,
            join_to_ring=[] if load.name in (WAITING, WITH_IVR) else wire.join_to_ring(),
            idle_gaps=wire.idle_gaps() if load.name == WAITING else [],
            cpu={name: seconds * 1000 for name, seconds in used.above(self._idle).items()},
        )

    def _address(self, load: Load) -> Address:
        return f"127.0.{self._site.number}.{load.trunk}", CALLER_PORT

    def _callers(self, load: Load) -> sipp.Sipp:
        return sipp.callers(
            self._site.directory / f"{load.system}-{load.number}-{load.rate}",
            load.number,
            local=self._address(load),
            remote=self._site.sip,
            calls=load.calls,
            rate=load.rate,
            talk_ms=60_000,
            keys=load.keys,
            keys_how="info",
            keys_after_ms=1000,
        )


async def measure(
    scale: Scale, number: int, tell: Callable[[str], None], keep: Path | None = None
) -> list[Run]:
    """Everything, on a site of its own at 127.0.<number>.x."""
    with tempfile.TemporaryDirectory(prefix="callcore-bench-") as made:
        directory = (keep or Path(made)) / "site"
        directory.mkdir(parents=True, exist_ok=True)
        directory.parent.chmod(0o755)
        tell("callcore and its Asterisk start")
        site = LabSite(directory, number, config(scale, number), trees={"menu": TREE})
        async with site:
            return await Bench(site, scale, tell).run()
