"""Two hundred phones on real Asterisk: what the distributor did, as the packets tell it.

Three queues with mixed skills, agents in several queues; most phones answer, some never do, some
are busy, some are not there at all; callers wait, or hang up at once, or in the very moment in
which a phone answers.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from callcore.lab import sipp
from callcore.lab.capture import Offer, SipCapture, WireMessage, double_offers, offers
from callcore.lab.site import LabSite
from tests.addresses import claim_block

pytestmark = [pytest.mark.acceptance, pytest.mark.asyncio(loop_scope="module")]

PHONES = [f"p{n:03}" for n in range(200)]
#: Of each ten phones one never answers, and of each twenty one is busy, one never registered.
SLOW = PHONES[3::10]
BUSY = PHONES[5::20]
ABSENT = PHONES[7::20]
FINE = [phone for phone in PHONES if phone not in {*SLOW, *BUSY, *ABSENT}]
PORTS = {"fine": 5600, "slow": 5610, "busy": 5620}
REGISTER_PORT, FIRST_CALLER_PORT = 5601, 5700
RONA_LIMIT = 2
ANSWER_MS = 200

TREE = """
start: line
nodes:
  line: {step: enqueue, queue: support, skills: {english: 2}}
"""


def english(phone: str) -> int:
    """Levels 0 to 3, in turn."""
    return int(phone[1:]) % 4


#: Who may be offered what: all; the first 120 with english; 30 who serve all three queues.
SERVES = {
    "600": set(PHONES),
    "601": {phone for phone in PHONES[:120] if english(phone) >= 2},
    "602": {phone for phone in PHONES[:30] if english(phone) >= 1},
}


@dataclass(frozen=True)
class Load:
    """Callers of one number; their numbers begin with `prefix`."""

    prefix: str
    number: str
    calls: int
    rate: int
    #: The caller hangs up so long after the answer of the queue, unless the agent does before.
    stay_ms: int = 60_000


LOADS = (
    Load("91", "600", 150, 15),
    Load("92", "601", 120, 12),
    Load("93", "602", 60, 6),
    Load("94", "600", 30, 3, stay_ms=1),
    Load("95", "600", 60, 6, stay_ms=ANSWER_MS),
    Load("96", "601", 40, 4, stay_ms=ANSWER_MS + 15),
    Load("97", "602", 30, 3, stay_ms=ANSWER_MS - 10),
)
NUMBER = {load.prefix: load.number for load in LOADS}
#: Those who do not hang up: an offer that their phone does not take counts as missed.
PATIENT = {load.prefix for load in LOADS if load.stay_ms >= 60_000}
CALLS = sum(load.calls for load in LOADS)


def config() -> str:
    lines = [f'[phones.{phone}]\nsecret = "{phone}-secret"' for phone in PHONES]
    for phone in PHONES:
        skill = f"skills = {{ english = {english(phone)} }}" if english(phone) else ""
        lines.append(f'[agents.a{phone[1:]}]\nphone = "{phone}"\n{skill}')
    members = {"sales": PHONES, "support": PHONES[:120], "vip": PHONES[:30]}
    extra = {
        "sales": 'strategy = "longest_idle"',
        "support": 'strategy = "skill_best_fit"',
        "vip": 'strategy = "round_robin"\nrequires = "english >= 1"\nweight = 2.0',
    }
    for queue, phones in members.items():
        agents = [f"a{phone[1:]}" for phone in phones]
        lines.append(
            f"[queues.{queue}]\nmembers = {agents}\n{extra[queue]}\nring_seconds = 2\n"
            f'retry_seconds = 1\nrona_limit = {RONA_LIMIT}\nwrap_up_seconds = 0.5\nrecord = "off"'
        )
    lines += ['[[routes]]\npattern = "600"\nqueue = "sales"']
    lines += ['[[routes]]\npattern = "601"\ntree = "skilled"']
    lines += ['[[routes]]\npattern = "602"\nqueue = "vip"']
    return "\n".join(lines) + "\n"


@dataclass
class Day:
    """What was seen of all the calls."""

    offers: list[Offer] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    queues: list[dict[str, Any]] = field(default_factory=list)
    agents: list[dict[str, Any]] = field(default_factory=list)


def with_ends(found: list[Offer], messages: list[WireMessage]) -> list[Offer]:
    """Over when the CANCEL or the BYE came, before it is answered: a phone stops ringing then.

    A SIPp phone that answers in the moment of a CANCEL sends no 487, or does not answer the BYE.
    """
    byes: dict[str, float] = {}
    cancelled: dict[str, float] = {}
    for message in messages:
        if message.method == "BYE":
            byes.setdefault(message.call_id, message.at)
        elif message.method == "CANCEL":
            cancelled.setdefault(message.call_id, message.at)
    return [
        replace(offer, ended=ends.get(offer.call_id, offer.ended))
        for offer in found
        for ends in (cancelled if offer.answered is None else byes,)
    ]


class Play:
    """A site with its phones, and the callers of all loads at once."""

    def __init__(self, site: LabSite) -> None:
        self.site = site
        self.addresses = {name: (site.phone_address, port) for name, port in PORTS.items()}

    async def run(self) -> Day:
        async with AsyncExitStack() as stack:
            for phones in self._phones():
                await stack.enter_async_context(phones)
            await self._make_ready()
            with SipCapture(list(PORTS.values())) as capture:
                await self._call()
            return await self._seen(capture)

    def _phones(self) -> list[sipp.Sipp]:
        fine, slow, busy = (self.addresses[name] for name in PORTS)
        where, remote = self.site.directory, self.site.sip
        talks = {"answer_ms": ANSWER_MS, "talk_ms": 1500}
        return [
            sipp.answering_phones(where / "fine", local=fine, remote=remote, **talks),
            sipp.answering_phones(where / "slow", local=slow, remote=remote, answer_ms=60_000),
            sipp.Sipp(
                "busy", where / "busy", local=busy, remote=remote, values={}, options=["-aa"]
            ),
        ]

    async def _make_ready(self) -> None:
        for name, phones in (("fine", FINE), ("slow", SLOW), ("busy", BUSY)):
            await self._register(name, phones)
        logins = [self.site.post(f"agents/a{phone[1:]}/login") for phone in PHONES]
        await asyncio.gather(*logins)
        absent = {f"a{phone[1:]}" for phone in ABSENT}

        async def ready() -> bool:
            rows = (await self.site.get("agents"))["agents"]
            states = {row["id"]: row["state"] for row in rows}
            return all(
                state == ("unreachable" if agent in absent else "idle")
                for agent, state in states.items()
            )

        await self.site.until(ready, "agents are idle, or their phones not there", 20)

    async def _register(self, name: str, phones: list[str]) -> None:
        registered = await sipp.register_phones(
            [(phone, f"{phone}-secret") for phone in phones],
            self.site.directory / f"register-{name}",
            local=(self.site.phone_address, REGISTER_PORT),
            remote=self.site.sip,
            contact=self.addresses[name],
        )
        assert registered.ok, registered.errors

    async def _call(self) -> None:
        async with AsyncExitStack() as stack:
            calling = []
            for n, load in enumerate(LOADS):
                # Each caller takes one number after the other: 911, 912 …
                callers = sipp.callers(
                    self.site.directory / f"callers-{load.prefix}",
                    load.number,
                    local=(self.site.caller_address, FIRST_CALLER_PORT + 10 * n),
                    remote=self.site.sip,
                    calls=load.calls,
                    rate=load.rate,
                    talk_ms=load.stay_ms,
                    caller=load.prefix,
                )
                calling.append(await stack.enter_async_context(callers))
            ended = await asyncio.gather(*(callers.wait(60) for callers in calling))
            for result in ended:
                assert result.ok, (result.meaning, result.errors)
        await self.site.quiet(20)

    async def _seen(self, capture: SipCapture) -> Day:
        day = Day()

        async def complete() -> bool:
            day.records = (await self.site.get("calls/ended?limit=1000"))["calls"]
            return len(day.records) >= CALLS

        await self.site.until(complete, f"{CALLS} records are written", 20)
        day.queues = (await self.site.get("statistics/queues"))["queues"]
        day.agents = (await self.site.get("agents"))["agents"]
        messages = capture.messages()
        day.offers = with_ends(offers(messages, self.addresses.values()), messages)
        return day


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def day(tmp_path_factory: pytest.TempPathFactory, may_capture: None) -> AsyncIterator[Day]:
    """Played once; every test looks at it."""
    directory: Path = tmp_path_factory.mktemp("distributor")
    for parent in (directory, directory.parent, directory.parent.parent):
        parent.chmod(0o755)
    with claim_block() as block:
        site = LabSite(directory / "site", block.number, config(), trees={"skilled": TREE})
        async with site:
            yield await Play(site).run()


def queue_of(caller: str) -> str:
    return NUMBER[caller[:2]]


async def test_no_phone_rings_for_two_calls(day: Day) -> None:
    """Nor during a talk: dialogs at one phone never overlap, not even for a moment."""
    assert len(day.offers) > CALLS / 2
    assert double_offers(day.offers) == []


async def test_nobody_is_answered_twice(day: Day) -> None:
    """One phone answers a caller, and as many as the records say."""
    answered = Counter(offer.caller for offer in day.offers if offer.answered is not None)
    assert [caller for caller, count in answered.items() if count > 1] == []
    told = {row["caller_number"] for row in day.records if row["outcome"] == "answered"}
    assert told <= set(answered)


async def test_offers_go_to_agents_with_the_skills_who_are_there(day: Day) -> None:
    """By the caller's number and the phone that rang; who waits hears no phone that is absent."""
    wrong = [
        (offer.caller, offer.phone)
        for offer in day.offers
        if offer.phone not in SERVES[queue_of(offer.caller)] or offer.phone in ABSENT
    ]
    assert wrong == []
    assert {queue_of(offer.caller) for offer in day.offers} == set(SERVES)


async def test_who_does_not_answer_is_paused(day: Day) -> None:
    """After as many offers as the queue allows, busy or not answered, and no more after them."""
    rang = Counter(o.phone for o in day.offers if o.caller[:2] in PATIENT)
    states = {row["id"]: row for row in day.agents}
    for phone in (*SLOW, *BUSY):
        assert rang[phone] <= RONA_LIMIT, phone
        if rang[phone] == RONA_LIMIT:
            row = states[f"a{phone[1:]}"]
            assert (row["state"], row["reason"]) == ("paused", "rona"), row
    assert any(rang[phone] == RONA_LIMIT for phone in SLOW)


async def test_every_caller_has_one_end_and_the_sums_add_up(day: Day) -> None:
    """One record each; what entered was answered, abandoned or left, and nobody waits."""
    assert len(day.records) == CALLS
    outcomes = Counter(row["outcome"] for row in day.records)
    entered = ended = answered = 0
    for row in day.queues:
        parts = ("answered", "abandoned", "short_abandoned", "dropped", "overflowed", "taken_out")
        here = sum(row[name] for name in parts)
        assert (row["entered"], row["waiting"]) == (here, 0), row
        entered, ended, answered = (
            entered + row["entered"],
            ended + here,
            answered + row["answered"],
        )
    assert answered == outcomes["answered"], outcomes
    assert entered <= CALLS
    assert outcomes.total() - answered >= entered - answered


async def test_patient_callers_are_all_served(day: Day) -> None:
    """Whoever stays is answered, whatever the others do."""
    patient = {load.prefix for load in LOADS if load.stay_ms >= 60_000}
    lost = [
        r for r in day.records if r["caller_number"][:2] in patient and r["outcome"] != "answered"
    ]
    assert lost == []
