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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from callcore.bench.calls import PHONE_PORT, REGISTER_PORT
from callcore.bench.figures import Spread, read_wire, spread
from callcore.bench.usage import Meter
from callcore.lab import audio, sipp
from callcore.lab.capture import Address, SipCapture
from callcore.lab.errors import ToolError
from callcore.lab.site import LabSite

CALLER_PORT = 5700
ASTERISK, PJSIP = "asterisk", "pjsip"
#: Transactions of the last call stay for 32 s (RFC 3261, timers B and H).
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
    #: Share of the sound's ticks more than 20 ms late while all pairs talked, and the worst.
    late_frames_percent: float
    late_worst_ms: float
    #: Of one core, while all pairs talked and were recorded.
    cpu_percent_with_pairs: float
    callcore_cpu_ms_per_call: float
    many_calls: int
    many_lost: int
    #: Resident memory before and after those calls.
    rss_mib_before: float
    rss_mib_after: float


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

    async def pairs(self) -> tuple[float, float, float, int]:
        """Share of late ticks, the worst one in ms, processor per cent, recordings complete."""
        scale = self._scale
        speech = sipp.write_ulaw(
            self.site.directory / "speech.ulaw",
            audio.speak("One two three four five six seven.", self.site.directory),
        )
        before = len(self._log())
        async with self.phones(scale.pair_talk_ms, speech):
            calling = asyncio.create_task(self.call("601", scale.pairs, scale.rate, speech, 120.0))
            # All of them talk from here until the first one hangs up.
            await asyncio.sleep(scale.pairs / scale.rate + 2.0)
            meter = Meter({"callcore": self.site.pid})
            await asyncio.sleep(scale.pair_talk_ms / 1000 - scale.pairs / scale.rate - 4.0)
            used = meter.read()
            await calling
        await self.site.quiet(30)
        late, worst = _late(self._log()[before:])
        ticks = (scale.pair_talk_ms / 1000 + scale.pairs / scale.rate) * 50
        recordings = await self._recordings(scale.pairs)
        return 100 * late / ticks, worst, 100 * used.cpu["callcore"] / used.seconds, recordings

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

    async def many(self) -> tuple[int, float, float]:
        """Calls lost of many short ones, and the memory before and after."""
        scale = self._scale
        seen = len(self._log())
        async with self.phones(500):
            # The stack keeps what it once needed: as many calls as it remembers show how much.
            first = round(1.5 * FORGET_SECONDS * scale.many_rate)
            await self.call("600", first, scale.many_rate)
            await asyncio.sleep(FORGET_SECONDS)
            before = resident_mib(self.site.pid)
            await self.call("600", scale.many, scale.many_rate)
            await self.site.quiet(30)
            await asyncio.sleep(FORGET_SECONDS)
        after = resident_mib(self.site.pid)
        ended = [line for line in self._log()[seen:] if line.get("event") == "ended"]
        answered = sum(line["outcome"] == "answered" for line in ended)
        return first + scale.many - answered, before, after

    def _log(self) -> list[dict[str, Any]]:
        lines = self.site.log_file.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]


def _late(lines: list[dict[str, Any]]) -> tuple[int, float]:
    """What callcore's log says of sound that left late."""
    told = [line for line in lines if line["event"] == "sound_late"]
    worst = max((float(line["worst_ms"]) for line in told), default=0.0)
    return sum(int(line["late"]) for line in told), worst


def resident_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return round(int(line.split()[1]) / 1024, 1)
    raise ToolError(f"process {pid} has no resident memory")


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
            late, worst, cpu, recordings = await floor.pairs()
            many_lost, before, after = await floor.many()
    return Figures(
        join_to_ring_ms=rings,
        calls_per_s=scale.rate,
        lost=lost,
        pairs=scale.pairs,
        recordings=recordings,
        late_frames_percent=round(late, 3),
        late_worst_ms=worst,
        cpu_percent_with_pairs=round(cpu, 1),
        callcore_cpu_ms_per_call=round(per_call, 2),
        many_calls=scale.many,
        many_lost=many_lost,
        rss_mib_before=before,
        rss_mib_after=after,
    )


def _site(directory: Path, number: int, backend: str, scale: Scale) -> LabSite:
    host = f"127.0.{number}.2"
    where = directory / backend
    where.mkdir(parents=True, exist_ok=True)
    return LabSite(where, number, config(backend, scale, host), tcp_port=0, backend=backend)
