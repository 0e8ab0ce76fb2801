"""The agent's phone is a phone: hold, transfers and a conference from its own keys."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from callcore.lab import audio
from callcore.lab.call import Call, TransferOutcome
from callcore.lab.errors import ApiRefused, LabTimeout
from callcore.lab.phone import Phone
from callcore.lab.site import PATIENCE, LabSite
from tests.addresses import claim_block
from tests.load import slack

pytestmark = [pytest.mark.acceptance, pytest.mark.asyncio(loop_scope="module")]

CONFIG = """
[phones.p1]
secret = "p1-secret"
[phones.p2]
secret = "p2-secret"
[phones.p3]
secret = "p3-secret"
[phones.away]
secret = "away-secret"
[agents.ann]
phone = "p1"
[agents.bob]
phone = "p2"
[agents.cid]
phone = "p3"
[queues.sales]
members = ["ann"]
wrap_up_seconds = 1
[queues.support]
members = ["bob"]
wrap_up_seconds = 1
[queues.nobody]
max_size = 1
[[routes]]
pattern = "601"
queue = "sales"
[[routes]]
pattern = "602"
queue = "support"
[[routes]]
pattern = "603"
queue = "nobody"
[[routes]]
pattern = "604"
tree = "menu"
[[outbound]]
pattern = "0X."
trunk = "tel"
"""

TREES = {
    "menu": """
start: menu
nodes:
  menu: {step: menu, play: [{text: "One for sales."}], keys: {1: sales}, timeout: 30, failed: bye}
  sales: {step: enqueue, queue: sales}
  bye: {step: hangup}
""",
}

#: Each party speaks a tone of its own.
CALLER, ANN, BOB, FAR = 440.0, 880.0, 1250.0, 1700.0


def speaks(call: Call, hz: float) -> None:
    call.play(audio.tone(hz, 1.0), loop=True)


async def hears(call: Call, *tones: float, not_hearing: tuple[float, ...] = ()) -> None:
    """Wait until the last third of a second holds these tones and none of the others."""

    def level(hz: float) -> float:
        return audio.tone_level(call.heard().samples[-2700:], hz)

    try:
        async with asyncio.timeout(6 * PATIENCE):
            while any(level(hz) <= 2000 for hz in tones) or any(  # noqa: ASYNC110
                level(hz) >= 800 for hz in not_hearing
            ):
                await asyncio.sleep(0.1)  # sound must flow
    except TimeoutError:
        levels = {hz: round(level(hz)) for hz in (CALLER, ANN, BOB, FAR)}
        raise LabTimeout(f"wanted {tones}, not {not_hearing}; heard {levels}") from None


async def hears_music(call: Call) -> None:
    """Wait until the last third of a second is loud, and none of the voices."""
    try:
        async with asyncio.timeout(6 * PATIENCE):
            while True:
                last = call.heard().samples[-2700:]
                voices = max(audio.tone_level(last, hz) for hz in (CALLER, ANN, BOB, FAR))
                if audio.level(last) > 50 and voices < 800:
                    return
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise LabTimeout("no music") from None


@dataclass
class Office:
    """One site with three desks, a number on the trunk, and callers."""

    site: LabSite
    ann: Phone
    bob: Phone
    cid: Phone
    far: Phone
    callers: int = 0
    ended: set[str] = field(default_factory=set)

    async def talk(self, number: str = "601") -> tuple[Call, Call]:
        """A caller talks to Ann; both are heard."""
        await self.site.agent_is("ann", "idle")
        self.callers += 1
        caller = await self.site.caller(f"5550{self.callers:03}")
        call = await caller.dial(number)
        desk = await self.ann.incoming()
        await desk.ring()
        await desk.answer()
        await call.answered
        speaks(call, CALLER)
        speaks(desk, ANN)
        await hears(call, ANN)
        await hears(desk, CALLER)
        return call, desk

    async def answered_by(self, phone: Phone, hz: float) -> Call:
        call = await phone.incoming()
        await call.ring()
        await call.answer()
        speaks(call, hz)
        return call

    async def record(self, **like: Any) -> dict[str, Any]:
        """The row of the call of the newest caller, after the last wrap-up."""
        number = f"5550{self.callers:03}"
        return await self.site.ended_call(wrapped_up=True, caller_number=number, **like)

    async def voices(self, record: dict[str, Any]) -> dict[float, tuple[float, float]]:
        """First and last time of each voice in the one recording of the call."""
        recording = await self.site.recording_of(record["call"])
        left, right = audio.read_channels(recording["file"])
        assert audio.tone_intervals(left, CALLER, threshold=2000), "the caller is on the left"
        spans = {
            hz: audio.tone_intervals(right, hz, threshold=2000) for hz in (CALLER, ANN, BOB, FAR)
        }
        assert not spans[CALLER], "and not on the right"
        return {hz: (found[0][0], found[-1][1]) for hz, found in spans.items() if found}


def segments(record: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [segment for segment in record["segments"] if segment["kind"] == kind]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    directory: Path = tmp_path_factory.mktemp("transfer")
    for parent in (directory, directory.parent, directory.parent.parent):
        parent.chmod(0o755)
    with claim_block() as block:
        site = LabSite(directory / "site", block.number, CONFIG, TREES)
        # The trunk is asked whether it is there when Asterisk starts.
        async with Phone("far", server=site.sip, host=site.caller_address, port=5060) as far, site:
            phones = [await site.phone(name) for name in ("p1", "p2", "p3")]
            for agent in ("ann", "bob"):
                await site.post(f"agents/{agent}/login")
            yield Office(site, *phones, far)


@pytest_asyncio.fixture(loop_scope="module")
async def office(shared: Office) -> AsyncIterator[Office]:
    """The shared office, empty before and after each test."""
    yield shared
    for phone in (shared.ann, shared.bob, shared.cid, shared.far, *shared.site._phones):
        for call in phone.calls:
            if not call.ended.happened:
                await call.hang_up()
        while not phone._arrivals.empty():
            phone._arrivals.get_nowait()
    for agent in ("ann", "bob"):
        await shared.site.agent_is(agent, "idle")
    await shared.site.quiet()


@pytest_asyncio.fixture(loop_scope="module")
async def impatient(office: Office) -> AsyncIterator[Office]:
    """The office, with transfers that ring for a second only."""
    await configure(office, CONFIG + "[transfers]\nring_seconds = 1\n")
    yield office
    await configure(office, CONFIG)


async def configure(office: Office, config: str) -> None:
    office.site.write(config)
    await office.site.post("reload")


# --- hold ---------------------------------------------------------------------------------------


async def test_hold_and_resume(office: Office) -> None:
    """The caller hears music while held; the record has the segment."""
    call, desk = await office.talk()
    await desk.hold()
    await office.site.agent_is("ann", "on_hold")
    await hears_music(call)
    await desk.resume()
    await office.site.agent_is("ann", "talking")
    await hears(call, ANN)
    await hears(desk, CALLER)
    await call.hang_up()
    await office.site.agent_is("ann", "wrapping_up")
    record = await office.record(outcome="answered", hung_up_by="caller")
    (hold,) = segments(record, "hold")
    assert (hold["agent"], hold["result"]) == ("ann", "resumed")
    assert 0 < record["hold_seconds"] == pytest.approx(hold["end"] - hold["start"], abs=0.01)
    assert (await office.voices(record)).keys() == {ANN}


# --- blind: what works --------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["602", "bob", "0555"])
async def test_blind_transfer(office: Office, target: str) -> None:
    """Queue, agent, number: the far side gets the caller, the phone hears 200, Ann wraps up."""
    call, desk = await office.talk()
    to_number = target == "0555"
    asking = asyncio.create_task(desk.transfer(target))
    phone, voice = (office.far, FAR) if to_number else (office.bob, BOB)
    third = await office.answered_by(phone, voice)
    outcome = await asking
    assert outcome.progress == (100, 200), outcome
    await office.site.agent_is("ann", "wrapping_up")
    await hears(call, voice, not_hearing=(ANN,))
    await hears(third, CALLER)
    await office.site.agent_is("ann", "idle")
    if not to_number:
        await office.site.agent_is("bob", "talking")
    await third.hang_up()
    if not to_number:
        await office.site.agent_is("bob", "wrapping_up")
    record = await office.record(outcome="answered", transfers=1, agent="ann")
    talks = segments(record, "talk")
    assert [s.get("agent", "") for s in talks] == ["ann", "" if to_number else "bob"]
    assert len(segments(record, "wrap_up")) == (1 if to_number else 2)
    voices = await office.voices(record)
    assert voices.keys() == {ANN, voice}, "one file holds both, each at its time"
    assert voices[ANN][1] < voices[voice][0] + 0.02


# --- blind: what fails --------------------------------------------------------------------------


async def refuse(office: Office, phone: Phone, status: int) -> None:
    await (await phone.incoming()).reject(status)


FAILING = {
    "number busy": ("0555", 486),
    "number not answering": ("0555", 480),
    "number unknown to the provider": ("0555", 404),
    "agent busy": ("bob", 486),
    "agent not logged in": ("cid", 0),
    "phone not registered": ("away", 0),
    "unknown number": ("999", 0),
    "feature code": ("*11", 0),
}


@pytest.mark.parametrize("how", FAILING)
async def test_failed_blind_transfer_of_a_phone_that_stays(office: Office, how: str) -> None:
    """The phone hears of it, and the two talk on."""
    target, status = FAILING[how]
    call, desk = await office.talk()
    asking = asyncio.create_task(desk.transfer(target))
    if status:
        await refuse(office, office.bob if target == "bob" else office.far, status)
    outcome = await asking
    assert outcome.progress == (100, 603), outcome
    assert not desk.ended.happened
    await office.site.agent_is("ann", "talking")
    await hears(call, ANN)
    await hears(desk, CALLER)
    await call.hang_up()
    record = await office.record(outcome="answered", hung_up_by="caller")
    assert (await office.voices(record)).keys() == {ANN}


@pytest.mark.parametrize("how", FAILING)
async def test_failed_blind_transfer_of_a_phone_that_hung_up(office: Office, how: str) -> None:
    """A phone may leave as soon as REFER is accepted: the caller waits in the queue again."""
    target, status = FAILING[how]
    call, desk = await office.talk()
    outcome = await leave_after_202(desk, target)
    if outcome.code >= 300:
        pytest.fail(f"REFER refused: {outcome}")
    if status:
        await refuse(office, office.bob if target == "bob" else office.far, status)
    again = await office.answered_by(office.ann, ANN)
    await hears(call, ANN)
    await hears(again, CALLER)
    await call.hang_up()
    record = await office.record(outcome="answered", hung_up_by="caller")
    # Where the failure is known at once, the two are joined again before the phone is gone.
    assert [s["agent"] for s in segments(record, "talk")] in (["ann"] * 2, ["ann"] * 3)
    assert (await office.voices(record)).keys() == {ANN}


async def leave_after_202(desk: Call, target: str) -> TransferOutcome:
    """REFER, and BYE as soon as it is accepted."""
    phone = desk.phone
    request = phone.in_dialog(desk.dialog, "REFER")
    request.add("Refer-To", f"<{phone.uri_of(target)}>")
    answer = await phone.transact(request, desk.dialog.destination, desk)
    await desk.hang_up()
    return TransferOutcome(answer.status, ())


@pytest.mark.parametrize("target", ["bob", "0555"])
async def test_a_blind_transfer_that_nobody_answers(impatient: Office, target: str) -> None:
    """After the configured time the caller is back with Ann; recorded all the while."""
    office = impatient
    call, desk = await office.talk()
    asking = asyncio.create_task(desk.transfer(target))
    await rings_out(office, target)
    assert (await asking).progress == (100, 603)
    await office.site.agent_is("ann", "talking")
    await hears(call, ANN)
    await hears(desk, CALLER)
    await call.hang_up()
    await talked_again(office, target)


@pytest.mark.parametrize("target", ["bob", "0555"])
async def test_nobody_answers_and_the_phone_hung_up(impatient: Office, target: str) -> None:
    """The caller waits in the queue again, and Ann's phone rings."""
    office = impatient
    call, desk = await office.talk()
    assert (await leave_after_202(desk, target)).code == 202
    await rings_out(office, target)
    again = await office.answered_by(office.ann, ANN)
    await hears(call, ANN)
    await hears(again, CALLER)
    await call.hang_up()
    record = await talked_again(office, target)
    assert [s["result"] for s in segments(record, "queue")] == ["answered", "answered"]


async def rings_out(office: Office, target: str) -> None:
    """The target's phone rings until callcore gives up."""
    ringing = await (office.bob if target == "bob" else office.far).incoming()
    await ringing.ring()
    began = time.monotonic()
    assert (await ringing.ended).by == "remote"
    assert 0.8 < time.monotonic() - began < 2 * slack()


async def talked_again(office: Office, target: str) -> dict[str, Any]:
    """The record shows both talks and the ringing between; the recording all three."""
    record = await office.record(outcome="answered", hung_up_by="caller")
    first, second = segments(record, "talk")
    (dial,) = segments(record, "dial")
    assert (first["agent"], second["agent"]) == ("ann", "ann")
    assert (dial["target"], dial["result"]) == (target, "no_answer")
    assert first["end"] <= dial["start"] < dial["end"] <= second["start"]
    assert dial["end"] - dial["start"] == pytest.approx(1.0, abs=0.3 * slack())
    assert (await office.voices(record)).keys() == {ANN}
    recording = await office.site.recording_of(record["call"])
    left, right = audio.read_channels(recording["file"])
    # (The mixer may lack a few late packets.)
    (heard,) = audio.tone_intervals(left, CALLER, threshold=2000, shortest=0.1)
    whole = second["end"] - first["start"]
    assert heard[1] - heard[0] > whole - 0.2 * slack(), "without a gap"
    spoken = audio.tone_intervals(right, ANN, threshold=2000)
    pauses = [after[0] - before[1] for before, after in pairwise(spoken)]
    assert max(pauses) > 0.9, "and without Ann while she is away"
    return record


async def test_a_blind_transfer_into_a_full_queue(office: Office) -> None:
    """It has no overflow, so the caller would be cut off: the two talk on."""
    waiting = await (await office.site.caller("5559999")).dial("603")
    await waiting.answered
    call, desk = await office.talk()
    assert (await desk.transfer("603")).progress == (100, 603)
    await hears(call, ANN)
    await hears(desk, CALLER)
    await call.hang_up()
    await waiting.hang_up()
    record = await office.record(outcome="answered", hung_up_by="caller")
    assert [s["agent"] for s in segments(record, "talk")] == ["ann"]


async def test_a_blind_transfer_to_an_agent_who_talks(office: Office) -> None:
    """Known without ringing: Bob is not disturbed, and the two talk on."""
    other = await (await office.site.caller("5559998")).dial("602")
    busy = await office.answered_by(office.bob, BOB)
    await other.answered
    call, desk = await office.talk()
    assert (await desk.transfer("bob")).progress == (100, 603)
    await hears(call, ANN)
    await hears(desk, CALLER)
    await office.site.agent_is("bob", "talking")
    await call.hang_up()
    await busy.hang_up()
    record = await office.record(outcome="answered", hung_up_by="caller")
    assert {s["agent"] for s in segments(record, "talk")} == {"ann"}


async def test_a_blind_transfer_over_a_trunk_without_room(office: Office) -> None:
    """Its only channel is in use: the two talk on."""
    host = f"127.0.{office.site.number}.4"
    trunk = f'[trunks.narrow]\nhost = "{host}"\nmax_channels = 1\nqualify_seconds = 0\n'
    await configure(office, CONFIG + trunk + '[[outbound]]\npattern = "8X."\ntrunk = "narrow"\n')

    async def is_known() -> bool:  # a reload is answered before Asterisk has taken it over
        return "Unable to find" not in await office.site.asterisk("pjsip show endpoint narrow")

    await office.site.until(is_known, "Asterisk knows the trunk")
    async with Phone("far2", server=office.site.sip, host=host, port=5060) as far:
        using = await office.cid.dial("8111")
        third = await office.answered_by(far, FAR)
        await using.answered
        call, desk = await office.talk()
        assert (await desk.transfer("8222")).progress == (100, 603)
        await hears(call, ANN)
        await hears(desk, CALLER)
        await call.hang_up()
        await using.hang_up()
        await third.ended
    await office.record(outcome="answered", hung_up_by="caller")
    await configure(office, CONFIG)


@pytest.mark.parametrize("target", ["bob", "999"])
async def test_blind_transfer_of_a_call_the_phone_placed(office: Office, target: str) -> None:
    """Ann dialled a number and sends the party on; where that fails, they talk on."""
    await office.site.agent_is("ann", "idle")
    desk = await office.ann.dial("0555")
    party = await office.answered_by(office.far, FAR)
    await desk.answered
    speaks(desk, ANN)
    await hears(party, ANN)
    asking = asyncio.create_task(desk.transfer(target))
    if target == "bob":
        bob = await office.answered_by(office.bob, BOB)
        assert (await asking).progress == (100, 200)
        await hears(party, BOB, not_hearing=(ANN,))
        await hears(bob, FAR)
    else:
        assert (await asking).progress == (100, 603)
        await hears(party, ANN)
    await party.hang_up()


async def test_caller_hanging_up_while_the_target_rings(office: Office) -> None:
    """Nobody rings on; the transferring phone is let go."""
    call, desk = await office.talk()
    asking = asyncio.create_task(desk.transfer("0555"))
    ringing = await office.far.incoming()
    await ringing.ring()
    await call.hang_up()
    await ringing.ended
    await desk.ended
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    record = await office.record(hung_up_by="caller")
    assert record["outcome"] == "answered"


# --- attended -----------------------------------------------------------------------------------


async def consult(office: Office, desk: Call, number: str) -> Call:
    """Ann puts the caller on hold and dials a second call."""
    await desk.hold()
    await office.site.agent_is("ann", "on_hold")
    second = await office.ann.dial(number)
    return second


@pytest.mark.parametrize("number", ["bob", "602", "0555"])
async def test_attended_transfer(office: Office, number: str) -> None:
    """Ann asks first (an agent, an agent of a queue, a number), then connects the two."""
    call, desk = await office.talk()
    second = await consult(office, desk, number)
    phone, voice = (office.far, FAR) if number == "0555" else (office.bob, BOB)
    third = await office.answered_by(phone, voice)
    await second.answered
    speaks(second, ANN)
    await hears(third, ANN)
    await hears_music(call)
    outcome = await desk.transfer_to(second)
    assert outcome.ok, outcome
    await office.site.agent_is("ann", "wrapping_up")
    await hears(call, voice)
    await hears(third, CALLER, not_hearing=(ANN,))
    await office.site.agent_is("ann", "idle")
    if number != "0555":
        await office.site.agent_is("bob", "talking")
    await call.hang_up()
    await third.ended
    if number != "0555":
        await office.site.agent_is("bob", "wrapping_up")
    record = await office.record(outcome="answered", transfers=1, hung_up_by="caller")
    talks = [s.get("agent", "") for s in segments(record, "talk")]
    assert talks == ["ann", "" if number == "0555" else "bob"]
    assert len(segments(record, "hold")) == 1
    voices = await office.voices(record)
    assert voices.keys() == {ANN, voice}
    assert voices[ANN][1] < voices[voice][0] + 0.02, "the consultation itself is not in it"


async def test_attended_transfer_asked_for_on_the_consultation(office: Office) -> None:
    """Phones differ in which of their two calls carries the REFER."""
    call, desk = await office.talk()
    second = await consult(office, desk, "bob")
    third = await office.answered_by(office.bob, BOB)
    await second.answered
    outcome = await second.transfer_to(desk)
    assert outcome.progress == (100, 200), outcome
    await hears(call, BOB)
    await hears(third, CALLER)
    await office.site.agent_is("bob", "talking")
    await call.hang_up()
    await office.record(outcome="answered", transfers=1)


async def test_attended_transfer_into_a_queue(office: Office) -> None:
    """The consultation still waits in the queue: the caller takes its place."""
    await office.site.post("agents/bob/pause", reason="lunch")
    call, desk = await office.talk()
    second = await consult(office, desk, "602")
    await second.answered
    outcome = await desk.transfer_to(second)
    assert outcome.ok, outcome
    await office.site.agent_is("ann", "wrapping_up")
    await hears_music(call)
    await office.site.post("agents/bob/ready")
    third = await office.answered_by(office.bob, BOB)
    await hears(call, BOB)
    await hears(third, CALLER)
    await call.hang_up()
    record = await office.record(outcome="answered", transfers=1)
    assert [s["agent"] for s in segments(record, "talk")] == ["ann", "bob"]
    assert (await office.voices(record)).keys() == {ANN, BOB}


@pytest.mark.parametrize("number", ["bob", "602", "0555"])
async def test_semi_attended_transfer(office: Office, number: str) -> None:
    """The target still rings when Ann connects: the caller waits for it with music."""
    call, desk = await office.talk()
    second = await consult(office, desk, number)
    phone, voice = (office.far, FAR) if number == "0555" else (office.bob, BOB)
    third = await phone.incoming()
    await third.ring()
    if number == "602":
        await second.answered
    else:
        await second.ringing
    outcome = await desk.transfer_to(second)
    assert outcome.ok, outcome
    await hears_music(call)
    if number == "602":  # its phone is asked anew: for the caller
        await third.ended
        third = await phone.incoming()
    await third.answer()
    speaks(third, voice)
    await hears(call, voice)
    await hears(third, CALLER)
    await call.hang_up()
    await third.ended
    record = await office.record(outcome="answered", transfers=1)
    assert (await office.voices(record)).keys() == {ANN, voice}


async def test_semi_attended_transfer_to_a_busy_number(office: Office) -> None:
    """Ann is gone when the number turns out busy: the caller waits in the queue again."""
    call, desk = await office.talk()
    second = await consult(office, desk, "0555")
    third = await office.far.incoming()
    await third.ring()
    await second.ringing
    assert (await desk.transfer_to(second)).ok
    await third.reject(486)
    await office.answered_by(office.ann, ANN)
    await hears(call, ANN)
    await call.hang_up()
    await office.record(outcome="answered")


async def test_semi_attended_transfer_that_nobody_answers(impatient: Office) -> None:
    """The ringing began with the consultation; when it ends the caller waits in the queue again."""
    office = impatient
    call, desk = await office.talk()
    second = await consult(office, desk, "bob")
    third = await office.bob.incoming()
    await third.ring()
    await second.ringing
    assert (await desk.transfer_to(second)).ok
    await third.ended
    again = await office.answered_by(office.ann, ANN)
    await hears(call, ANN)
    await hears(again, CALLER)
    await call.hang_up()
    record = await office.record(outcome="answered")
    assert [s["agent"] for s in segments(record, "talk")] == ["ann", "ann"]
    assert [s["result"] for s in segments(record, "dial")] == ["no_answer"]
    assert (await office.voices(record)).keys() == {ANN}


REFUSED = ("still in a menu", "refused by the target", "target gone", "the call itself")


@pytest.mark.parametrize("how", REFUSED)
async def test_a_refused_attended_transfer(office: Office, how: str) -> None:
    """There is nobody to connect to: the phone hears of it, and takes the caller back."""
    call, desk = await office.talk()
    second = await a_consultation(office, desk, how)
    outcome = await desk.transfer_to(desk if how == "the call itself" else second)
    assert outcome.progress == (100, 603), outcome
    assert not desk.ended.happened
    await hears_music(call)
    await desk.resume()
    await office.site.agent_is("ann", "talking")
    await hears(call, ANN)
    await hears(desk, CALLER)
    await call.hang_up()
    if not second.ended.happened:
        await second.hang_up()
    record = await office.record(outcome="answered", hung_up_by="caller", transfers=0)
    assert [s["agent"] for s in segments(record, "talk")] == ["ann"]
    assert [s["result"] for s in segments(record, "hold")] == ["resumed"]
    assert (await office.voices(record)).keys() == {ANN}


async def a_consultation(office: Office, desk: Call, how: str) -> Call:
    """Ann's second call, as far as it came."""
    if how == "still in a menu":
        second = await consult(office, desk, "604")
        await second.answered
        return second
    second = await consult(office, desk, "bob")
    if how == "refused by the target":
        await refuse(office, office.bob, 603)
        await second.ended
        return second
    third = await office.answered_by(office.bob, BOB)
    await second.answered
    if how == "target gone":
        await third.hang_up()
        await second.ended
    return second


async def test_a_consultation_that_fails_and_the_caller_taken_back(office: Office) -> None:
    """Busy at the other end: Ann's second call ends, the first one goes on."""
    call, desk = await office.talk()
    second = await consult(office, desk, "0555")
    await refuse(office, office.far, 486)
    assert (await second.ended).status == 486
    await desk.resume()
    await hears(call, ANN)
    await call.hang_up()
    await office.record(outcome="answered", transfers=0)


async def test_a_caller_who_hangs_up_during_the_consultation(office: Office) -> None:
    """The consultation goes on; the agents are free when it ends."""
    call, desk = await office.talk()
    second = await consult(office, desk, "bob")
    third = await office.answered_by(office.bob, BOB)
    await second.answered
    await call.hang_up()
    await desk.ended
    await hears(second, BOB)
    await second.hang_up()
    await third.ended
    await office.record(outcome="answered")


async def confer(office: Office) -> tuple[Call, Call, Call, Call]:
    """The caller, Ann's two calls, the number: all hear all, by Ann's phone."""
    call, desk = await office.talk()
    second = await consult(office, desk, "0555")
    third = await office.answered_by(office.far, FAR)
    await second.answered
    await desk.resume()
    await office.site.agent_is("ann", "talking")
    mixed = audio.tone(ANN, 1.0) // 2
    desk.play(mixed + audio.tone(FAR, 1.0) // 2, loop=True)
    second.play(mixed + audio.tone(CALLER, 1.0) // 2, loop=True)
    await hears(call, ANN, FAR)
    await hears(third, ANN, CALLER)
    await hears(desk, CALLER)
    await hears(second, FAR)
    return call, desk, second, third


async def test_a_conference_mixed_by_the_phone(office: Office) -> None:
    """Both calls are taken off hold at once and the phone mixes them; Ann ends the second one."""
    call, _, second, third = await confer(office)
    await second.hang_up()
    await third.ended
    await hears(call, ANN)
    await call.hang_up()
    record = await office.record(outcome="answered", transfers=0)
    assert (await office.voices(record)).keys() == {ANN, FAR}


async def test_the_third_party_leaves_a_conference(office: Office) -> None:
    """The caller and Ann talk on."""
    call, desk, second, third = await confer(office)
    await third.hang_up()
    await second.ended
    speaks(desk, ANN)
    await hears(call, ANN, not_hearing=(FAR,))
    await hears(desk, CALLER)
    await call.hang_up()
    record = await office.record(outcome="answered", hung_up_by="caller", transfers=0)
    assert [s["agent"] for s in segments(record, "talk")] == ["ann"]


async def test_the_caller_leaves_a_conference(office: Office) -> None:
    """Ann and the third party talk on, and she wraps the caller's call up."""
    call, desk, second, third = await confer(office)
    await call.hang_up()
    await desk.ended
    speaks(second, ANN)
    await hears(third, ANN, not_hearing=(CALLER,))
    await third.hang_up()
    await second.ended
    record = await office.record(outcome="answered", hung_up_by="caller", transfers=0)
    assert len(segments(record, "wrap_up")) == 1


async def test_the_agent_leaves_a_conference_to_the_two_others(office: Office) -> None:
    """An attended transfer with nobody on hold; one recording holds all of it."""
    call, desk, second, third = await confer(office)
    assert (await desk.transfer_to(second)).ok
    await hears(call, FAR, not_hearing=(ANN,))
    await hears(third, CALLER, not_hearing=(ANN,))
    await third.hang_up()
    await call.ended
    record = await office.record(outcome="answered", transfers=1)
    assert [s.get("agent", "") for s in segments(record, "talk")] == ["ann", ""]
    assert (await office.voices(record)).keys() == {ANN, FAR}


# --- by an operator -----------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["queue:support", "agent:bob", "0555"])
async def test_an_operator_transfers(office: Office, target: str) -> None:
    """`callcore call transfer` moves a talking caller; the agent's phone is let go."""
    call, desk = await office.talk()
    (live,) = (await office.site.get("calls"))["calls"]
    command = (sys.executable, "-m", "callcore.cli.main", "call", "transfer", live["id"], target)
    process = await asyncio.create_subprocess_exec(*command, cwd=office.site.directory)
    assert await process.wait() == 0
    phone, voice = (office.far, FAR) if target == "0555" else (office.bob, BOB)
    third = await office.answered_by(phone, voice)
    await hears(call, voice)
    await hears(third, CALLER)
    await desk.ended
    await call.hang_up()
    record = await office.record(outcome="answered", transfers=1)
    assert (await office.voices(record)).keys() == {ANN, voice}


async def test_an_operators_transfer_that_nobody_answers(impatient: Office) -> None:
    """The agent gets the caller back after the configured time."""
    office = impatient
    call, desk = await office.talk()
    (live,) = (await office.site.get("calls"))["calls"]
    await office.site.post(f"calls/{live['id']}/transfer", target="0555")
    await rings_out(office, "0555")
    await hears(call, ANN)
    await hears(desk, CALLER)
    await call.hang_up()
    await talked_again(office, "0555")


async def test_an_operators_transfer_that_fails(office: Office) -> None:
    """The agent gets the caller back."""
    call, desk = await office.talk()
    (live,) = (await office.site.get("calls"))["calls"]
    await office.site.post(f"calls/{live['id']}/transfer", target="0555")
    await refuse(office, office.far, 486)
    await hears(call, ANN)
    await hears(desk, CALLER)
    with pytest.raises(ApiRefused, match="999"):
        await office.site.post(f"calls/{live['id']}/transfer", target="999")
    await call.hang_up()
    await office.record(outcome="answered")
