"""Recording on a real Asterisk with real phones: every tone at its place on the clock."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from callcore.call import actions as act
from callcore.call import events as ev
from callcore.config import SipSettings
from callcore.directory import Directory, Phone
from callcore.errors import ActionRefused
from callcore.lab import audio
from callcore.lab.call import Call
from callcore.lab.g711 import Samples
from callcore.lab.phone import Phone as LabPhone
from callcore.recording import MixMonitorTap, Recorder
from callcore.store import RecordingRow, Store
from callcore.telephony import managed
from callcore.telephony.ami import Ami, AmiSettings
from callcore.telephony.ari import AriSettings
from callcore.telephony.asterisk import AsteriskBackend
from callcore.telephony.managed import AsteriskPaths, ManagedAsterisk, ManagedSettings
from callcore.telephony.provision import FileProvisioner
from tests.acceptance.floor import until
from tests.addresses import Block
from tests.load import slack

pytestmark = pytest.mark.acceptance

#: The last part of their addresses.
PLACES = {"customer": 2, "ann": 3, "bob": 4}
PORT = 5062
#: The requirement: at any point within so much of the clock.
ALIGNED = 0.040
TONES = {"customer": 440.0, "ann": 1000.0, "bob": 1500.0}


class NoMedia:
    async def resolve(self, media: str) -> str:
        raise ActionRefused(f"this test plays nothing: {media}")


@pytest.fixture(scope="module")
def asterisk(block: Block) -> Iterator[ManagedAsterisk]:
    """One Asterisk for the module, outside of any event loop."""
    # Asterisk's control socket needs a short path, and its user must be able to enter.
    base = Path(f"/tmp/callcore-rec-{os.getpid()}")
    sip = SipSettings(bind=block.host(1), tcp_port=0, rtp_start=41000, rtp_end=41400)
    settings = ManagedSettings(sip=sip, control_address=block.host(1))
    paths = AsteriskPaths.under(base)
    running = asyncio.run(managed.start(paths, settings))
    yield running
    asyncio.run(managed.stop(paths))
    shutil.rmtree(base)


@dataclass
class Site:
    """Asterisk, the recorder and three phones."""

    backend: AsteriskBackend
    recorder: Recorder
    store: Store
    directory: Path
    new_life: Callable[[], Recorder]
    phones: dict[str, LabPhone] = field(default_factory=dict)
    seen: list[ev.Event] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    told: list[RecordingRow] = field(default_factory=list)
    bridges: list[str] = field(default_factory=list)

    async def follow(self) -> None:
        await self.backend.run(self.heard)

    def heard(self, event: ev.Event) -> None:
        self.seen.append(event)
        self.news.set()

    async def happened(self, wanted: ev.Event) -> None:
        async with asyncio.timeout(10):
            while wanted not in self.seen:
                self.news.clear()
                await self.news.wait()

    async def up(self) -> None:
        async with asyncio.timeout(10):
            while not any(isinstance(event, ev.BackendUp) for event in self.seen):
                self.news.clear()
                await self.news.wait()

    async def ring(self, who: str, channel: str) -> Call:
        """Dial a phone and answer there."""
        dial = act.Dial(call="c", channel=channel, endpoint=f"phone:{who}", caller_number="1")
        await self.backend.execute(dial)
        call = await self.phones[who].incoming()
        await call.answer()
        await self.happened(ev.LegAnswered(channel=channel))
        call.send_silence()
        return call

    async def bridge(self, name: str, *channels: str) -> None:
        await self.backend.execute(act.CreateBridge(call="c", bridge=name, clocked=True))
        self.bridges.append(name)
        await self.backend.execute(act.Join(call="c", bridge=name, channels=channels))

    def sound(self, row: RecordingRow) -> list[Samples]:
        return audio.read_channels(self.directory / "recordings" / row.path)


@pytest.fixture
async def site(asterisk: ManagedAsterisk, block: Block, tmp_path: Path) -> AsyncIterator[Site]:
    ami = Ami(
        AmiSettings(
            host=asterisk.ami_host, port=asterisk.ami_port,
            user=asterisk.ami_user, password=asterisk.ami_password,
        )
    )  # fmt: skip
    ari = AriSettings(url=asterisk.ari_url, user=asterisk.ari_user, password=asterisk.ari_password)
    backend = AsteriskBackend(
        ari, NoMedia(), ami=ami, provisioner=FileProvisioner(asterisk.paths.etc, ami)
    )
    store = Store(f"sqlite:///{tmp_path}/callcore.db", tmp_path / "outbox")
    await store.open()
    told: list[RecordingRow] = []

    def new_life() -> Recorder:
        return Recorder(
            MixMonitorTap(ami),
            store,
            directory=tmp_path / "recordings",
            raw=asterisk.paths.monitor,
            on_finalised=told.append,
        )

    site = Site(backend, new_life(), store, tmp_path, new_life, told=told)
    following = asyncio.create_task(site.follow())
    await site.up()
    await ami.connect()
    hosts = {who: block.host(place) for who, place in PLACES.items()}
    phones = {
        who: Phone(id=who, host=f"{host}:{PORT}", codecs=("ulaw",)) for who, host in hosts.items()
    }
    await backend.provision(Directory(phones=phones))
    for who, host in hosts.items():
        phone = LabPhone(who, server=(block.host(1), 5060), host=host, port=PORT, codecs=("PCMU",))
        await phone.open()
        site.phones[who] = phone
    yield site
    for phone in site.phones.values():
        await phone.close()
    for bridge in site.bridges:
        await backend.execute(act.DestroyBridge(call="c", bridge=bridge))
    await site.recorder.close()
    await backend.close()
    await asyncio.gather(following)
    await ami.close()
    await store.close()


def near() -> float:
    """Seconds; what waits for a processor piles up faster than the load grows, up to where one
    burst could be taken for the next."""
    return min(ALIGNED * slack() ** 1.5, 0.3)


class Score:
    """Who sounds when, on the clock of the test, and what the phones really sent."""

    def __init__(self) -> None:
        self.begin = time.time()
        #: When each burst began and ended: a busy machine may hold one up in its middle.
        self.sent: dict[str, list[tuple[float, float]]] = {}

    async def at(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, self.begin + seconds - time.time()))

    async def bursts(self, who: str, call: Call, *times: float, then_nothing: bool = False) -> None:
        """Half a second of tone at each time; `then_nothing`: no packets from the last one on."""
        for index, seconds in enumerate(times):
            await self.at(seconds)
            playing = call.play(audio.tone(TONES[who], 0.5))
            await playing.finished
            assert playing.started is not None
            self.sent.setdefault(who, []).append((playing.started, time.time()))
            if then_nothing and index == len(times) - 1:
                call.send_nothing()

    def check(self, who: str, channel: Samples, row: RecordingRow) -> None:
        """Every burst of `who`, and no other, is where the clock says."""
        sent = [(began - row.started_at, ended - row.started_at) for began, ended in self.sent[who]]
        # The mixer may lack a late packet once: 20 ms of silence inside a tone.
        spans = audio.tone_intervals(channel, TONES[who], threshold=2000, shortest=0.06)
        heard = [
            [span for span in spans if began - near() <= span[0] <= ended + near()]
            for began, ended in sent
        ]
        told = f"{who}: {spans}, sent {sent}"
        assert [span for burst in heard for span in burst] == spans, told
        for (began, _), burst in zip(sent, heard, strict=True):
            assert burst, told
            assert burst[0][0] == pytest.approx(began, abs=near()), told
            assert sum(end - start for start, end in burst) > 0.4, told


START = act.StartRecording(
    call="c", recording="r1", channel="customer-1", queue="sales", agent="ann"
)
STOP = act.StopRecording(call="c", recording="r1")


async def start_talk(site: Site) -> tuple[Call, Call]:
    customer = await site.ring("customer", "customer-1")
    ann = await site.ring("ann", "ann-1")
    await site.bridge("b1", "customer-1", "ann-1")
    await site.recorder.start(START)
    return customer, ann


async def finish(site: Site) -> RecordingRow:
    await site.recorder.stop(STOP)
    await site.recorder.idle()
    return site.told[-1]


async def hang_up(*calls: Call) -> None:
    for call in calls:
        await call.hang_up()


async def test_aligned_through_mutual_silence_without_packets(site: Site) -> None:
    """Customer left, agent right; after 3 s in which neither phone sends a packet every tone is
    still within 40 ms of the clock, and the file is as long as the call."""
    customer, ann = await start_talk(site)
    score = Score()
    await asyncio.gather(
        score.bursts("customer", customer, 0.3, 1.5, then_nothing=True),
        score.bursts("ann", ann, 0.7, 1.6, then_nothing=True),
    )
    await asyncio.gather(
        score.bursts("customer", customer, 5.2, 6.5),
        score.bursts("ann", ann, 6.0, 7.3),
    )
    await score.at(8.2)
    stopped_at = time.time()
    row = await finish(site)
    left, right = site.sound(row)
    score.check("customer", left, row)
    score.check("ann", right, row)
    assert audio.tone_intervals(left, TONES["ann"], threshold=500) == []
    assert audio.tone_intervals(right, TONES["customer"], threshold=500) == []
    assert row.seconds == pytest.approx(stopped_at - row.started_at, abs=near())
    await hang_up(customer, ann)


async def test_pause_is_silent_and_what_follows_is_in_place(site: Site) -> None:
    """Nothing said during the pause is in the file, the pause is listed, time goes on."""
    customer, ann = await start_talk(site)
    score = Score()
    await asyncio.gather(score.bursts("customer", customer, 0.2), score.bursts("ann", ann, 0.4))
    await score.at(1.0)
    await site.recorder.pause(act.PauseRecording(call="c", recording="r1"))
    paused_at = time.time()
    secret = customer.play(audio.tone(700, 0.5))
    ann.play(audio.tone(700, 0.5))
    await secret.finished
    await score.at(2.0)
    await site.recorder.resume(act.ResumeRecording(call="c", recording="r1"))
    resumed_at = time.time()
    await asyncio.gather(score.bursts("customer", customer, 2.3), score.bursts("ann", ann, 2.5))
    await score.at(3.2)
    row = await finish(site)
    (gap,) = row.gaps
    for who, channel in zip(("customer", "ann"), site.sound(row), strict=True):
        score.check(who, channel, row)
        assert not channel[round(gap.start * audio.RATE) : round(gap.end * audio.RATE)].any()
    assert gap.start == pytest.approx(paused_at - row.started_at, abs=near())
    assert gap.end == pytest.approx(resumed_at - row.started_at, abs=near())
    await hang_up(customer, ann)


async def test_hold_and_another_agent_stay_in_one_file(site: Site) -> None:
    """The agent holds, resumes, leaves; a second one joins: one file, all in place."""
    customer, ann = await start_talk(site)
    score = Score()
    await score.bursts("ann", ann, 0.2)
    await ann.hold()
    await score.bursts("customer", customer, 1.2)
    await ann.resume()
    await score.bursts("ann", ann, 2.2)
    await ann.hang_up()
    bob = await site.ring("bob", "bob-1")
    await site.backend.execute(act.Join(call="c", bridge="b1", channels=("bob-1",)))
    after = time.time() - score.begin + 0.3
    await asyncio.gather(
        score.bursts("bob", bob, after), score.bursts("customer", customer, after + 0.3)
    )
    await score.at(after + 1.2)
    row = await finish(site)
    left, right = site.sound(row)
    score.check("customer", left, row)
    score.check("bob", right, row)
    score.check("ann", right, row)
    await hang_up(customer, bob)


async def test_killed_callcore_loses_nothing(site: Site) -> None:
    """A second life takes over a recording that goes on; a third finalises one whose call
    ended while callcore was away. Nothing is missing from either."""
    customer, ann = await start_talk(site)
    score = Score()
    await score.bursts("customer", customer, 0.2)
    site.recorder = site.new_life()
    assert await site.recorder.finalise_leftovers({"r1"}) == 0
    await site.recorder.start(START)
    await score.bursts("ann", ann, 1.2)
    site.recorder = site.new_life()
    await score.bursts("customer", customer, 2.2)
    await hang_up(customer, ann)
    assert await site.recorder.finalise_leftovers() == 1
    await site.recorder.idle()
    (row,) = site.told
    left, right = site.sound(row)
    score.check("customer", left, row)
    score.check("ann", right, row)
    assert row.estimated
    assert not list((site.directory / "recordings/.pending").iterdir())


async def test_a_raw_file_that_cannot_be_made_is_a_reason(site: Site) -> None:
    """Asterisk cannot write there: the start is refused with a reason, the talk goes on."""
    customer, ann = await start_talk(site)
    blocked = site.directory / "blocked"
    blocked.write_text("not a directory")
    site.recorder._raw = blocked
    with pytest.raises(ActionRefused, match="did not create"):
        await site.recorder.start(
            act.StartRecording(call="c", recording="r2", channel="customer-1")
        )
    customer.play(audio.tone(TONES["customer"], 0.5))
    await until(lambda: bool(audio.tone_intervals(ann.heard().samples, TONES["customer"])))
    await finish(site)
    await hang_up(customer, ann)


async def test_from_the_answer_with_music_before_the_agent(site: Site) -> None:
    """Recording from the answer: a customer who sends no packets while music plays, then the
    agent: all in place."""
    customer = await site.ring("customer", "customer-1")
    await site.backend.execute(act.StartMusic(call="c", channel="customer-1"))
    await site.recorder.start(START)
    score = Score()
    await score.bursts("customer", customer, 0.2, then_nothing=True)
    await score.bursts("customer", customer, 2.5, then_nothing=True)
    await score.at(3.2)
    ann = await site.ring("ann", "ann-1")
    await site.bridge("b1", "customer-1", "ann-1")
    after = time.time() - score.begin + 0.5
    await asyncio.gather(
        score.bursts("ann", ann, after), score.bursts("customer", customer, after + 0.2)
    )
    await score.at(after + 1.0)
    row = await finish(site)
    left, right = site.sound(row)
    score.check("customer", left, row)
    spans = audio.tone_intervals(right, TONES["ann"], threshold=2000, shortest=0.06)
    assert spans[-1][0] == pytest.approx(score.sent["ann"][0][0] - row.started_at, abs=near())
    await hang_up(customer, ann)
