"""`callcore bench calls --backend pjsip`: the SIP stack inside callcore, beside Asterisk.

Asterisk first, then callcore alone, with the same phones, callers and load: from a caller's answer
to the agent's INVITE, as the wire shows it. Then what only the second has to prove: a hundred talks
with sound and recordings, how late its sound leaves, and whether 5,000 calls leave anything behind.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from callcore.bench.calls import PHONE_PORT, REGISTER_PORT
from callcore.bench.figures import Spread, read_wire, spread
from callcore.bench.punctual import Punctuality, RtpCapture, pendulum, punctuality
from callcore.bench.usage import Footprint, Meter, footprint
from callcore.lab import audio, sipp
from callcore.lab.capture import Address, SipCapture
from callcore.lab.errors import LabTimeout, ToolError
from callcore.lab.site import LabSite

CALLER_PORT = 5700
ASTERISK, PJSIP = "asterisk", "pjsip"
#: Transactions of the last call stay for 32 s (RFC 3261, timers B and H), and one that is neither
#: acknowledged nor gets an answer to its BYE twice as long.
FORGET_SECONDS = 35.0


@dataclass(frozen=True)
class Scale:
    phones: int = 120
    answer_ms: int = 200
    talk_ms: int = 2000
    rate: int = 10
    calls: int = 200
    pairs: int = 100
    pair_talk_ms: int = 30_000
    many: int = 5000
    many_rate: int = 40


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON object."""

    join_to_ring_ms: dict[str, Spread]
    calls_per_s: int
    lost: int
    pairs: int
    recordings: int
    #: Share of RTP packets that left more than 5 ms after they were due (kernel's time stamps, one
    #: stream in eight) while all pairs talked, and the worst.
    late_frames_percent: float
    late_worst_ms: float
    late_frames_seen: int
    #: Meanwhile, of a process that wants to wake every 20 ms and does nothing else, by as much.
    late_wakings_percent: float
    #: Share of the bridge's ticks more than 20 ms late meanwhile, as callcore itself counts them.
    late_ticks_percent: float
    #: Of one core, while all pairs talked and were recorded.
    cpu_percent_with_pairs: float
    callcore_cpu_ms_per_call: float
    many_calls: int
    many_lost: int
    #: Of callcore's process, before and after those calls.
    rss_mib_before: float
    rss_mib_after: float
    descriptors_before: int
    descriptors_after: int
    threads_before: int
    threads_after: int
    #: Calls that pjsua holds in the end.
    sip_calls_left: int


def config(backend: str, scale: Scale, host: str) -> str:
    """Phones and agents, a queue that records and one that does not."""
    lines = []
    agents = []
    for number in range(1, scale.phones + 1):
        where = (
            f'host = "{host}:{PHONE_PORT}"' if backend == PJSIP else f'secret = "p{number}-secret"'
        )
        lines += [f"[phones.p{number}]", where, 'codecs = ["ulaw"]', f"[agents.a{number}]"]
        lines.append(f'phone = "p{number}"')
        agents.append(f"a{number}")
    lines += ["[queues.plain]", 'record = "off"', f"members = {agents}"]
    lines += ["[queues.recorded]", f"members = {agents}"]
    lines += ['[[routes]]\npattern = "600"\nqueue = "plain"']
    lines += ['[[routes]]\npattern = "601"\nqueue = "recorded"']
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Talks:
    """Many at once, with sound and recordings."""

    punctual: Punctuality
    late_wakings_percent: float
    late_ticks_percent: float
    cpu_percent: float
    #: Complete ones.
    recordings: int


@dataclass(frozen=True)
class Growth:
    """What many short calls leave behind."""

    lost: int
    before: Footprint
    after: Footprint
    sip_calls_left: int


class Floor:
    """One site with its phones, agents logged in."""

    def __init__(self, site: LabSite, scale: Scale, tell: Callable[[str], None]) -> None:
        self.site = site
        self._scale = scale
        self._tell = tell

    async def make_ready(self) -> None:
        names = [f"p{n}" for n in range(1, self._scale.phones + 1)]
        if self.site.backend == ASTERISK:
            registered = await sipp.register_phones(
                [(name, f"{name}-secret") for name in names],
                self.site.directory / "register",
                local=(self.site.phone_address, REGISTER_PORT),
                remote=self.site.sip,
                contact=(self.site.phone_address, PHONE_PORT),
            )
            if not registered.ok:
                raise ToolError(f"phones did not register: {registered.errors}")
        for name in names:
            await self.site.post(f"agents/a{name[1:]}/login")
        await self.all_idle()

    async def all_idle(self) -> None:
        """Between two loads nobody answers at the phones' address: agents were unreachable."""

        async def all_idle() -> bool:
            agents = (await self.site.get("agents"))["agents"]
            return all(agent["state"] == "idle" for agent in agents)

        await self.site.until(all_idle, "all agents are idle", 45)

    def phones(self, talk_ms: int, speech: Path | None = None) -> sipp.Sipp:
        return sipp.answering_phones(
            self.site.directory / f"phones-{talk_ms}",
            local=(self.site.phone_address, PHONE_PORT),
            remote=self.site.sip,
            answer_ms=self._scale.answer_ms,
            talk_ms=talk_ms,
            speech=speech,
        )

    async def call(
        self, number: str, calls: int, rate: int, speech: Path | None = None, longest: float = 60.0
    ) -> None:
        """Callers, until the last one has been served."""
        self._tell(f"{self.site.backend}: {calls} calls to {number} at {rate}/s")
        calling = sipp.callers(
            self.site.directory / f"callers-{number}-{calls}",
            number,
            local=(self.site.caller_address, CALLER_PORT),
            remote=self.site.sip,
            calls=calls,
            rate=rate,
            talk_ms=120_000,
            speech=speech,
        )
        async with calling:
            await calling.wait(longest + calls / rate)

    @property
    def addresses(self) -> tuple[list[Address], list[Address]]:
        callers = [(self.site.caller_address, CALLER_PORT)]
        return callers, [(self.site.phone_address, PHONE_PORT)]

    async def join_to_ring(self) -> tuple[list[float], int, float]:
        """Milliseconds of each call, calls lost, and callcore's processor ms for a call."""
        scale = self._scale
        async with self.phones(scale.talk_ms):
            await self.make_ready()
            await self.call("600", 5, 5)
            await self.site.quiet(30)
            with SipCapture([PHONE_PORT, CALLER_PORT]) as capture:
                meter = Meter({"callcore": self.site.pid})
                await self.call("600", scale.calls, scale.rate)
                used = meter.read()
            wire = read_wire(capture.messages(), *self.addresses)
            await self.site.quiet(30)
        per_call = used.cpu["callcore"] * 1000 / scale.calls
        return wire.join_to_ring(), scale.calls - wire.served, per_call

    async def pairs(self) -> Talks:
        scale = self._scale
        speech = sipp.write_ulaw(
            self.site.directory / "speech.ulaw",
            audio.speak("One two three four five six seven.", self.site.directory),
        )
        before = len(self._log())
        async with self.phones(scale.pair_talk_ms, speech):
            await self.all_idle()
            calling = asyncio.create_task(self.call("601", scale.pairs, scale.rate, speech, 120.0))
            # All of them talk from here until the first one hangs up.
            await asyncio.sleep(scale.pairs / scale.rate + 2.0)
            seconds = scale.pair_talk_ms / 1000 - scale.pairs / scale.rate - 4.0
            with RtpCapture(self.site.address) as capture, pendulum(seconds) as late_wakings:
                meter = Meter({"callcore": self.site.pid})
                await asyncio.sleep(seconds)
                used = meter.read()
                machine = await asyncio.to_thread(late_wakings)
            await calling
        await self.site.quiet(30)
        ticks = (scale.pair_talk_ms / 1000 + scale.pairs / scale.rate) * 50
        return Talks(
            punctual=punctuality(capture.rtp()),
            late_wakings_percent=machine,
            late_ticks_percent=100 * _late(self._log()[before:]) / ticks,
            cpu_percent=100 * used.cpu["callcore"] / used.seconds,
            recordings=await self._recordings(scale.pairs),
        )

    async def _recordings(self, wanted: int) -> int:
        """Complete ones: each about as long as the talk."""
        least = self._scale.pair_talk_ms / 1000 - 1.0
        found = 0

        async def all_there() -> bool:
            nonlocal found
            rows = (await self.site.get(f"recordings?limit={wanted}"))["recordings"]
            found = sum(row["seconds"] >= least and not row["failure"] for row in rows)
            return found >= wanted

        await self.site.until(all_there, "all recordings are finalised", 60)
        return found

    async def many(self) -> Growth:
        scale = self._scale
        seen = len(self._log())
        async with self.phones(500):
            await self.all_idle()
            # The stack keeps what it once needed: as many calls as it remembers show how much.
            first = round(1.5 * FORGET_SECONDS * scale.many_rate) if scale.many else 0
            before = await self._after(first)
            after = await self._after(scale.many)
        ended = [line for line in self._log()[seen:] if line.get("event") == "ended"]
        answered = sum(line["outcome"] == "answered" for line in ended)
        return Growth(first + scale.many - answered, before, after, await self._sip_calls())

    async def _after(self, calls: int) -> Footprint:
        """Of callcore, once it has forgotten so many calls."""
        if calls:
            await self.call("600", calls, self._scale.many_rate)
            await self.site.quiet(30)
            await asyncio.sleep(FORGET_SECONDS)
            with suppress(LabTimeout):  # said in the figures
                await self.site.until(self._nothing_held, "the stack has no call", FORGET_SECONDS)
        return footprint(self.site.pid)

    async def _nothing_held(self) -> bool:
        return await self._sip_calls() == 0

    async def _sip_calls(self) -> int:
        async with self.site.session.get(f"{self.site.url}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        return next(int(float(x.split()[1])) for x in lines if x.startswith("callcore_sip_calls "))

    def _log(self) -> list[dict[str, Any]]:
        lines = self.site.log_file.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]


def _late(lines: list[dict[str, Any]]) -> int:
    """Ticks that came late, as callcore's log says."""
    return sum(int(line["late"]) for line in lines if line["event"] == "sound_late")


async def measure(
    scale: Scale, number: int, tell: Callable[[str], None], keep: Path | None = None
) -> Figures:
    """Both back ends one after the other, at 127.0.<number>.x."""
    rings: dict[str, Spread] = {}
    with tempfile.TemporaryDirectory(prefix="callcore-bench-") as made:
        directory = keep or Path(made)
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o755)
        async with _site(directory, number, ASTERISK, scale) as site:
            times, _, _ = await Floor(site, scale, tell).join_to_ring()
            rings[ASTERISK] = spread(times)
        async with _site(directory, number, PJSIP, scale) as site:
            floor = Floor(site, scale, tell)
            times, lost, per_call = await floor.join_to_ring()
            rings[PJSIP] = spread(times)
            talks = await floor.pairs()
            growth = await floor.many()
    return Figures(
        join_to_ring_ms=rings,
        calls_per_s=scale.rate,
        lost=lost,
        pairs=scale.pairs,
        recordings=talks.recordings,
        late_frames_percent=round(talks.punctual.late_percent, 3),
        late_worst_ms=talks.punctual.worst_ms,
        late_frames_seen=talks.punctual.packets,
        late_wakings_percent=round(talks.late_wakings_percent, 3),
        late_ticks_percent=round(talks.late_ticks_percent, 3),
        cpu_percent_with_pairs=round(talks.cpu_percent, 1),
        callcore_cpu_ms_per_call=round(per_call, 2),
        many_calls=scale.many,
        many_lost=growth.lost,
        rss_mib_before=growth.before.rss_mib,
        rss_mib_after=growth.after.rss_mib,
        descriptors_before=growth.before.descriptors,
        descriptors_after=growth.after.descriptors,
        threads_before=growth.before.threads,
        threads_after=growth.after.threads,
        sip_calls_left=growth.sip_calls_left,
    )


def _site(directory: Path, number: int, backend: str, scale: Scale) -> LabSite:
    host = f"127.0.{number}.2"
    where = directory / backend
    where.mkdir(parents=True, exist_ok=True)
    return LabSite(where, number, config(backend, scale, host), tcp_port=0, backend=backend)
