"""Callers in IVR trees on real Asterisk: each node has a tone of its own, so hearing is knowing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from callcore.lab import audio
from callcore.lab.call import Call
from callcore.lab.g711 import Samples
from tests.load import slack

from .floor import Floor, ever_heard, hears, hears_speech, open_floor, phone_config, rung

pytestmark = [pytest.mark.acceptance, pytest.mark.asyncio(loop_scope="module")]

CONFIG = (
    phone_config("p1", "p2", "p3")
    .replace('"p2-secret"', '"p2-secret"\ndtmf = "info"')
    .replace('"p3-secret"', '"p3-secret"\ndtmf = "inband"')
    + """
[trunks.out]
host = "127.0.{number}.4"
qualify_seconds = 0
[trunks.by_info]
host = "127.0.{number}.5"
dtmf = "info"
[trunks.by_tone]
host = "127.0.{number}.6"
dtmf = "inband"
[agents.ann]
phone = "p1"
[queues.line]
members = ["ann"]
[[routes]]
pattern = "700"
tree = "keys"
[[routes]]
pattern = "701"
tree = "patient"
[[routes]]
pattern = "702"
tree = "digits"
[[routes]]
pattern = "703"
tree = "ask"
[[routes]]
pattern = "704"
tree = "forward"
[[routes]]
pattern = "705"
tree = "message"
[[routes]]
pattern = "706"
tree = "speech"
[[routes]]
pattern = "707"
tree = "changing"
[[routes]]
pattern = "708"
tree = "to_agent"
[[routes]]
pattern = "709"
tree = "to_queue"
[[routes]]
pattern = "55XX"
tree = "one"
[[routes]]
pattern = "551[1-3]"
tree = "two"
[[routes]]
pattern = "55."
tree = "three"
[[outbound]]
pattern = "0X."
trunk = "out"
"""
)

#: Name of a sound → Hz. All are 1.2 s long.
TONES = {"ask": 500.0, "wrong": 620.0, "nothing": 760.0, "one": 900.0, "two": 1080.0,
         "three": 1270.0, "failed": 1460.0, "gone": 1700.0}  # fmt: skip
CALLER, FAR, BEEP = 2000.0, 2300.0, 1000.0


def end(name: str) -> str:
    return f"""
  {name}: {{step: prompt, play: [{{file: sounds/{name}.wav}}], next: bye_{name}}}
  bye_{name}: {{step: hangup}}"""


def ends(*names: str) -> str:
    return "".join(end(name) for name in names)


def single(name: str) -> str:
    return f"start: {name}\nnodes:{end(name)}\n"


MENU = """
start: ask
nodes:
  ask:
    step: menu
    play: [{file: sounds/ask.wav}]
    keys: {1: one, 2: two}
    timeout: 1
    retries: 1
    barge_in: BARGE
    invalid_play: [{file: sounds/wrong.wav}]
    timeout_play: [{file: sounds/nothing.wav}]
    failed: failed
    timed_out: gone
""" + ends("one", "two", "failed", "gone")

TREES = {
    "one": single("one"),
    "two": single("two"),
    "three": single("three"),
    "changing": single("one").replace("next: bye_one", "next: again", 1)
    + "  again: {step: goto, next: one}\n",
    "keys": MENU.replace("BARGE", "true"),
    "patient": MENU.replace("BARGE", "false"),
    "digits": """
start: card
nodes:
  card:
    step: gather
    play: [{file: sounds/ask.wav}]
    into: card
    min: 4
    max: 6
    pattern: "4[0-9]*"
    retries: 1
    timeout: 3
    digit_timeout: 1
    invalid_play: [{file: sounds/wrong.wav}]
    next: which
    failed: failed
  which:
    step: branch
    cases:
      - {when: {variable: card, equals: "4711"}, goto: one}
    otherwise: two
"""
    + ends("one", "two", "failed"),
    "ask": """
start: ask
variables: {tier: ""}
nodes:
  ask:
    step: lookup
    url: http://127.0.{number}.9:8099/tier
    query: {caller: "{caller_number}"}
    timeout: 0.8
    into: {tier: tier}
    fallback: {tier: none}
    next: which
  which:
    step: branch
    cases:
      - {when: {variable: tier, equals: gold}, goto: one}
      - {when: {variable: tier, equals: none}, goto: failed}
    otherwise: two
"""
    + ends("one", "two", "failed"),
    "forward": """
start: out
nodes:
  out: {step: transfer, number: "0301234", ring_seconds: 2, failed: failed}
"""
    + ends("failed"),
    "to_queue": """
start: said
nodes:
  said: {step: prompt, play: [{file: sounds/ask.wav}], next: line}
  line: {step: enqueue, queue: line}
""",
    "to_agent": """
start: out
nodes:
  out: {step: transfer, agent: ann, ring_seconds: 2, failed: failed}
"""
    + ends("failed"),
    "message": """
start: message
nodes:
  message:
    step: voicemail
    play: [{file: sounds/ask.wav}]
    mailbox: sales
    max_seconds: 20
    silence_seconds: 10
    next: one
    failed: failed
"""
    + ends("one", "failed"),
    "speech": """
start: english
nodes:
  english: {step: prompt, play: [{prompt: welcome, language: en}], next: chinese}
  chinese: {step: prompt, play: [{prompt: welcome, language: zh}], next: spoken}
  spoken:
    step: prompt
    play: [{text: "Hello there.", language: en}, {text: "你好，请稍候。", language: zh}]
    next: bye
  bye: {step: hangup}
""",
}


#: The site's own recordings, by language: their voices and words.
WORDS = {
    "en/welcome": ("en", "Welcome to the office."),
    "zh/welcome": ("cmn", "欢迎致电我们公司。"),
}


def spoken(name: str, cache: Path) -> Samples:
    voice, words = WORDS[name]
    return audio.speak(words, cache, lang=voice)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Floor]:
    directory = tmp_path_factory.mktemp("ivr")
    sounds = {f"sounds/{name}": audio.tone(hz, 1.2) for name, hz in TONES.items()}
    sounds |= {f"prompts/{name}": spoken(name, directory) for name in WORDS}
    async with open_floor(
        directory,
        CONFIG,
        ("p1", "p2", "p3"),
        trees=TREES,
        sounds=sounds,
    ) as floor:
        yield floor


@pytest_asyncio.fixture(loop_scope="module")
async def floor(shared: Floor) -> AsyncIterator[Floor]:
    yield shared
    await shared.clear()


async def at(call: Call, node: str) -> None:
    """Wait until the node's tone is heard."""
    await hears(call, TONES[node])


def heard_for(call: Call, node: str) -> float:
    """How long a node's tone sounded, all in all."""
    spans = audio.tone_intervals(call.heard().samples, TONES[node], threshold=1500)
    return sum(stop - start for start, stop in spans)


# --- keys ----------------------------------------------------------------------------------------


async def test_a_key_cuts_the_menu_short(floor: Floor) -> None:
    """Barge-in: the menu stops within a moment, the chosen node follows."""
    caller = await floor.call("700")
    await at(caller, "ask")
    await caller.send_digits("1")
    stopped = len(caller.heard().samples) + int(2000 * slack())
    await at(caller, "one")
    rest = caller.heard().samples[stopped:]
    assert not audio.tone_intervals(rest, TONES["ask"], threshold=1500)
    await caller.ended
    record = await floor.record(caller)
    assert (record["outcome"], record["hung_up_by"], record["tree"]) == (
        "ivr_only", "callcore", "keys",
    )  # fmt: skip


async def test_without_barge_in_the_menu_is_heard_to_its_end(floor: Floor) -> None:
    """The key pressed meanwhile still counts."""
    caller = await floor.call("701")
    await at(caller, "ask")
    await caller.send_digits("2")
    await at(caller, "two")
    assert 1.1 < heard_for(caller, "ask") < 1.4


async def test_wrong_keys_are_told_and_end_after_the_retries(floor: Floor) -> None:
    """Wrong, the menu again, wrong, the failed node."""
    caller = await floor.call("700")
    await at(caller, "ask")
    await caller.send_digits("9")
    await at(caller, "wrong")
    await at(caller, "ask")
    await caller.send_digits("8")
    await at(caller, "failed")
    assert not ever_heard(caller, TONES["nothing"])


async def test_a_wrong_key_then_the_right_one(floor: Floor) -> None:
    """One mistake costs nothing."""
    caller = await floor.call("700")
    await at(caller, "ask")
    await caller.send_digits("9")
    await at(caller, "wrong")
    await caller.send_digits("1")
    await at(caller, "one")


async def test_silence_is_told_and_ends_after_the_retries(floor: Floor) -> None:
    """No key: the time-out is told, the menu comes again, then the timed-out node."""
    caller = await floor.call("700")
    await at(caller, "nothing")
    await at(caller, "gone")
    assert not ever_heard(caller, TONES["wrong"])
    assert 2.2 < heard_for(caller, "ask") < 2.6, "asked twice"


@pytest.mark.parametrize(
    ("typed", "node"),
    [("4711#", "one"), ("4999#", "two"), ("471100", "two")],
)
async def test_digits_are_gathered(floor: Floor, typed: str, node: str) -> None:
    """Ended by the terminator or by the greatest length; the value is in the record."""
    caller = await floor.call("702")
    await at(caller, "ask")
    await caller.send_digits(typed, tone_ms=70, gap_ms=50)
    await at(caller, node)
    await caller.ended
    assert (await floor.record(caller))["variables"]["card"] == typed.rstrip("#")


async def test_digits_that_cannot_be_are_asked_again(floor: Floor) -> None:
    """Too short, then what the pattern does not allow: told once, then failed."""
    caller = await floor.call("702")
    await at(caller, "ask")
    await caller.send_digits("47#", tone_ms=70, gap_ms=50)
    await at(caller, "wrong")
    await at(caller, "ask")
    await caller.send_digits("9711#", tone_ms=70, gap_ms=50)
    await at(caller, "failed")


@pytest.mark.parametrize(("host", "how"), [(3, "rfc4733"), (5, "info"), (6, "inband")])
async def test_keys_travel_three_ways_on_trunks(floor: Floor, host: int, how: str) -> None:
    """RFC 4733 events, SIP INFO, tones in the audio: every digit once, in order."""
    caller = await floor.call(
        "702", host=f"127.0.{floor.site.number}.{host}", telephone_event=how == "rfc4733"
    )
    await at(caller, "ask")
    await caller.send_digits("4711#", how=how)
    await at(caller, "one")
    await caller.ended
    assert (await floor.record(caller))["variables"]["card"] == "4711"


@pytest.mark.parametrize(("phone", "how"), [("p1", "rfc4733"), ("p2", "info"), ("p3", "inband")])
async def test_keys_travel_three_ways_on_phones(floor: Floor, phone: str, how: str) -> None:
    """The same from desk phones that are configured so."""
    began = time.time()
    call = await floor.phones[phone].dial("702")
    await call.answered
    await at(call, "ask")
    await call.send_digits("4711#", how=how)
    await at(call, "one")
    await call.ended
    record = await floor.ended_since(began - 0.5, endpoint=phone)
    assert record["variables"]["card"] == "4711"


async def test_tones_in_the_audio_are_no_keys_where_events_are_agreed(floor: Floor) -> None:
    """A trunk set to RFC 4733 does not take a tone in the speech for a key."""
    caller = await floor.call("700")
    await at(caller, "ask")
    await caller.send_digits("1", how="inband")
    await at(caller, "nothing")
    assert not ever_heard(caller, TONES["one"])


# --- look-ups ------------------------------------------------------------------------------------


@pytest_asyncio.fixture(loop_scope="module")
async def customers(floor: Floor) -> AsyncIterator[dict[str, object]]:
    """A customer system; ``answer`` is a string, a status, or None for no answer in time."""
    state: dict[str, object] = {"answer": '{"tier": "gold"}', "asked": []}

    async def tier(request: web.Request) -> web.StreamResponse:
        asked = state["asked"]
        assert isinstance(asked, list)
        asked.append(request.query.get("caller"))
        answer = state["answer"]
        if answer is None:
            await asyncio.sleep(3)  # slower than the tree waits
            return web.Response(text='{"tier": "gold"}')
        if isinstance(answer, int):
            return web.Response(status=answer)
        return web.Response(text=str(answer), content_type="application/json")

    app = web.Application()
    app.router.add_get("/tier", tier)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, f"127.0.{floor.site.number}.9", 8099).start()
    yield state
    await runner.cleanup()


@pytest.mark.parametrize(
    ("answer", "node"),
    [
        ('{"tier": "gold", "more": 1}', "one"),
        ('{"tier": "tin"}', "two"),
        ('{"tier": {"deep": 1}}', "failed"),
        ("{}", "failed"),
        ("<html>gold</html>", "failed"),
        ('["gold"]', "failed"),
        ("x" * 100_000, "failed"),
        (500, "failed"),
        (None, "failed"),
    ],
)
async def test_a_look_up_decides(
    floor: Floor, customers: dict[str, object], answer: object, node: str
) -> None:
    """A usable answer decides; slow, broken or empty ones lead to the fallback value."""
    customers["answer"] = answer
    caller = await floor.call("703")
    await at(caller, node)
    assert customers["asked"] == [caller.phone.user]


async def test_a_look_up_without_a_server_falls_back(floor: Floor) -> None:
    """Nobody listens: the fallback, at once."""
    caller = await floor.call("703")
    await at(caller, "failed")


async def test_a_caller_who_hangs_up_in_a_prompt_goes_no_further(floor: Floor) -> None:
    """The queue behind the prompt never sees them, and no phone rings."""
    await floor.login("ann")
    caller = await floor.call("709")
    await at(caller, "ask")
    await caller.hang_up()
    await floor.site.quiet()
    record = await floor.record(caller)
    assert (record["outcome"], record["offers"], record["queued_at"]) == ("ivr_only", 0, None)
    assert not floor.phones["p1"].calls


# --- leaving the tree ----------------------------------------------------------------------------


async def test_a_transfer_to_a_number_outside(floor: Floor) -> None:
    """Over the trunk: music while it rings, both voices, outcome transferred, a reason."""
    far = await floor.far_side(host=f"127.0.{floor.site.number}.4")
    caller = await floor.dial("704")
    arriving = await far.incoming()
    assert arriving.invite.uri.startswith("sip:0301234@")
    await arriving.ring()
    await arriving.answer()
    await caller.answered
    caller.play(audio.tone(CALLER, 1.0), loop=True)
    arriving.play(audio.tone(FAR, 1.0), loop=True)
    await hears(arriving, CALLER)
    await hears(caller, FAR)
    await caller.hang_up()
    assert (await arriving.ended.within(3)).by == "remote"
    record = await floor.record(caller)
    assert (record["outcome"], record["hung_up_by"]) == ("transferred", "caller")
    assert record["recording"] or record["no_recording_reason"]


async def test_a_transfer_that_is_refused_comes_back_to_the_tree(floor: Floor) -> None:
    """Busy: the failed node."""
    far = await floor.far_side(host=f"127.0.{floor.site.number}.4")
    caller = await floor.dial("704")
    arriving = await far.incoming()
    await arriving.reject(486)
    await at(caller, "failed")


async def test_a_transfer_nobody_answers_comes_back_to_the_tree(floor: Floor) -> None:
    """The ring time is over: CANCEL at the far side, the failed node for the caller."""
    far = await floor.far_side(host=f"127.0.{floor.site.number}.4")
    caller = await floor.dial("704")
    arriving = await far.incoming()
    await arriving.ring()
    assert (await arriving.ended.within(5)).status == 487
    await at(caller, "failed")


async def test_a_caller_who_gives_up_during_the_transfer_stops_the_far_phone(floor: Floor) -> None:
    """CANCEL reaches the far side at once."""
    far = await floor.far_side(host=f"127.0.{floor.site.number}.4")
    caller = await floor.dial("704")
    arriving = await far.incoming()
    await arriving.ring()
    await caller.hang_up()
    assert (await arriving.ended.within(3)).status == 487
    record = await floor.record(caller)
    assert record["hung_up_by"] == "caller"


async def test_a_transfer_to_an_agent(floor: Floor) -> None:
    """Nobody logged in: the failed node; logged in: the agent's phone, and both talk."""
    alone = await floor.call("708")
    await at(alone, "failed")
    await alone.hang_up()
    await floor.login("ann")
    caller = await floor.dial("708")
    desk = await rung(floor, "p1", caller)
    await desk.answer()
    await caller.answered
    caller.play(audio.tone(CALLER, 1.0), loop=True)
    await hears(desk, CALLER)
    await floor.site.agent_is("ann", "talking")
    await desk.hang_up()
    await caller.ended
    await floor.site.agent_is("ann", "idle")


@pytest.mark.parametrize("by", ["key", "hang-up"])
async def test_a_message_is_kept(floor: Floor, by: str) -> None:
    """Announcement, beep, the caller's tone in a file of kind voicemail; # or hanging up ends."""
    caller = await floor.call("705")
    await at(caller, "ask")
    await hears(caller, BEEP)
    await asyncio.sleep(0.4)  # it must end; no packets follow that would tell
    await caller.play(audio.tone(CALLER, 1.0)).finished
    await asyncio.sleep(0.3)  # sound must flow into the file
    if by == "key":
        await caller.send_digits("#")
        await at(caller, "one")
        await caller.ended
    else:
        await caller.hang_up()
    record = await floor.record(caller)
    assert record["outcome"] == "voicemail"
    recording = await floor.site.recording_of(record["call"])
    assert recording["kind"] == "voicemail"
    (samples,) = audio.read_channels(recording["file"])
    spans = audio.tone_intervals(samples, CALLER)
    assert 0.8 < sum(stop - start for start, stop in spans) < 1.2
    assert not audio.tone_intervals(samples, TONES["ask"])
    await floor.site.quiet()


# --- trees and numbers ---------------------------------------------------------------------------


async def test_numbers_lead_to_trees_by_pattern(floor: Floor) -> None:
    """The most specific pattern wins; what fits none is refused."""
    for dialled, node in (("5599", "one"), ("5512", "two"), ("55123", "three")):
        caller = await floor.call(dialled)
        await at(caller, node)
        await caller.hang_up()
    caller = await floor.dial("54")
    ending = await caller.ended
    assert (ending.by, ending.status >= 400) == ("remote", True)
    assert (await floor.record(caller))["outcome"] == "rejected"


async def test_a_changed_tree_is_for_new_callers(floor: Floor) -> None:
    """No restart: who is in the old tree stays there, who comes now gets the new one; a broken
    one changes nothing."""
    old = await floor.call("707")
    await at(old, "one")
    tree = floor.site.directory / "ivr" / "changing.yaml"
    before = tree.read_text()
    tree.write_text(before.replace("sounds/one.wav", "sounds/two.wav"))

    async def new_tree() -> bool:
        caller = await floor.call("707")
        await hears_speech(caller)
        await asyncio.sleep(0.3)  # a quarter of a second of the tone
        changed = ever_heard(caller, TONES["two"])
        await caller.hang_up()
        return changed

    await floor.site.until(new_tree, "the new tree is in force", 15)
    mark = time.time()
    await asyncio.sleep(1.3)  # one round of the old tree
    await hears(old, TONES["one"])
    heard = old.heard()
    assert not audio.tone_intervals(heard.between(mark, time.time()), TONES["two"], threshold=1500)
    tree.write_text("start: nowhere\nnodes: {")

    async def refused() -> bool:
        return "changing.yaml" in floor.site.log_tail(40)

    await floor.site.until(refused, "the broken tree is told in the log", 15)
    caller = await floor.call("707")
    await at(caller, "two")
    tree.write_text(before)


async def test_prompts_in_english_and_chinese_are_heard(floor: Floor, tmp_path: Path) -> None:
    """Recordings arrive at the caller's ear as they were made; texts are spoken in both."""
    expected = {language: spoken(f"{language}/welcome", tmp_path) for language in ("en", "zh")}
    places = {}
    caller = await floor.call("706")
    await caller.ended.within(30)
    heard = caller.heard().samples
    for language, samples in expected.items():
        places[language], match = audio.find_speech(heard, samples)
        assert match > 0.9, language
    rest = heard[int((places["zh"] + len(expected["zh"]) / 8000) * 8000) :]
    assert places["en"] < places["zh"]
    assert len(rest) / 8000 > 1.5, "two spoken texts"
    assert audio.level(rest[: len(rest) // 3]) > 200
    assert audio.level(rest[-len(rest) // 2 :]) > 200
