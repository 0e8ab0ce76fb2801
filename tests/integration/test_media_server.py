"""Two media servers talk to each other over loopback: what one says, the other hears."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pytest

from callcore.errors import SetupError
from callcore.lab import audio
from callcore.media.events import (
    DigitHeard,
    DigitsSent,
    MediaEvent,
    PlayEnd,
    PlayEnded,
    SpeechEnded,
    SpeechStarted,
)
from callcore.media.frames import FrameKind
from callcore.media.server import MediaServer
from callcore.media.settings import Codec, StreamSettings
from callcore.media.stream import MediaStream, Prompt
from tests.load import slack

E = TypeVar("E", bound=MediaEvent)


@dataclass
class End:
    """One of the two."""

    server: MediaServer
    stream: MediaStream
    told: list[MediaEvent]
    news: asyncio.Event

    async def until(self, kind: type[E], count: int = 1) -> list[E]:
        """All events of a kind, once there are so many."""
        async with asyncio.timeout(10 * slack()):
            while True:
                self.news.clear()
                found = [event for event in self.told if isinstance(event, kind)]
                if len(found) >= count:
                    return found
                await self.news.wait()


async def _collect(end: End) -> None:
    async for event in end.server.events():
        end.told.append(event)
        end.news.set()


@asynccontextmanager
async def pair(settings: StreamSettings | None = None) -> AsyncIterator[tuple[End, End]]:
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(MediaServer(streams=4)) for _ in range(2)]
        ports = [server.bind() for server in servers]
        ends = []
        for server, port, other in zip(servers, ports, reversed(ports), strict=True):
            stream = server.open(port, (other.host, other.port), settings)
            ends.append(End(server, stream, [], asyncio.Event()))
        tasks = [asyncio.create_task(_collect(end)) for end in ends]
        try:
            yield ends[0], ends[1]
        finally:
            for end, task in zip(ends, tasks, strict=True):
                task.cancel()
                end.stream.close()
            await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture(scope="module")
def sentence(tmp_path_factory: pytest.TempPathFactory) -> audio.Samples:
    return audio.speak("Please tell me your order number.", tmp_path_factory.mktemp("speech"))


@pytest.mark.parametrize("codec", Codec)
async def test_what_is_played_is_heard(codec: Codec, sentence: audio.Samples) -> None:
    """The frames at the other end are the prompt, as its codec leaves it."""
    async with pair(StreamSettings(codec=codec)) as (here, there):
        heard: list[audio.Samples] = []

        async def listen() -> None:
            async for batch in there.server.frames():
                heard.extend(
                    row.copy()
                    for row, kind in zip(batch.samples, batch.kinds, strict=True)
                    if kind == FrameKind.PLAYED
                )

        listening = asyncio.create_task(listen())
        here.stream.play(Prompt(sentence))
        (ended,) = await here.until(PlayEnded)
        await there.until(SpeechEnded)
        listening.cancel()
    assert ended.end is PlayEnd.FINISHED
    assert ended.position == pytest.approx(len(sentence) / 8000, abs=0.001)
    # The last frame may still be waiting for play-out: it is silence, as is the file's end.
    track = np.concatenate([*heard, audio.silence(0.2)])
    assert audio.find_speech(track, sentence)[1] > 0.98


async def test_speech_stops_a_prompt(sentence: audio.Samples) -> None:
    """Who speaks over an interruptible prompt hears no more than a frame of it afterwards."""
    async with pair() as (here, there):
        music = Prompt(audio.tone(440, 1.0))
        here.stream.play(music, turns=0)
        there.stream.play(Prompt(sentence), interruptible=False)
        (ended,) = await here.until(PlayEnded)
        (started,) = (await here.until(SpeechStarted))[:1]
    assert ended.end is PlayEnd.BARGED_IN
    assert ended.at - started.at <= 0.0205 * slack()


async def test_a_prompt_that_must_be_heard_goes_on(sentence: audio.Samples) -> None:
    """Speech does not end a prompt that is not interruptible."""
    async with pair() as (here, there):
        here.stream.play(Prompt(audio.tone(440, 2.5)), interruptible=False)
        there.stream.play(Prompt(sentence), interruptible=False)
        await here.until(SpeechStarted)
        (ended,) = await here.until(PlayEnded)
    assert ended.end is PlayEnd.FINISHED


async def test_keys_are_heard_once() -> None:
    """Each key of RFC 4733 is told once, in order, whatever its packets' number."""
    async with pair() as (here, there):
        here.stream.send_digits("0123*#", seconds=0.06, gap=0.06)
        await here.until(DigitsSent)
        heard = await there.until(DigitHeard, 6)
    assert "".join(event.digit for event in heard) == "0123*#"


async def test_synthesised_speech_is_taken_as_far_as_it_fits(sentence: audio.Samples) -> None:
    """What does not fit is left to the caller, and a stream of pieces is one utterance."""
    async with pair() as (here, there):
        rest = sentence
        while len(rest):
            taken = here.stream.speak(rest, last=True)
            rest = rest[taken:]
            if not taken:
                await asyncio.sleep(0.1)  # room comes as it is spoken
        (ended,) = await here.until(PlayEnded)
        await there.until(SpeechEnded)
        assert here.stream.sent()["underruns"] == 0
    assert ended.end is PlayEnd.FINISHED
    assert ended.position == pytest.approx(len(sentence) / 8000, abs=0.001)


async def test_the_far_end_reports(sentence: audio.Samples) -> None:
    """Reports cross both ways: round trip and quality are known."""
    async with pair() as (here, there):
        for end in (here, there):
            end.stream.play(Prompt(sentence), turns=0, interruptible=False)
        async with asyncio.timeout(20 * slack()):
            while here.stream.sent()["round_trip"] is None:  # noqa: ASYNC110
                await asyncio.sleep(0.2)  # reports come when they come, RFC 3550 §6.2
        report = here.stream.sent()
        assert report["remote"] is not None
        assert 0 <= report["round_trip"] < 0.1 * slack()
        assert here.stream.quality().mos > 4


async def test_only_the_announced_source_is_heard(sentence: audio.Samples) -> None:
    """A stranger's packets are dropped and counted."""
    async with pair() as (here, there), MediaServer(streams=1) as stranger:
        target = here.stream._far_end
        assert target is not None
        foreign = stranger.open(stranger.bind(), target)
        foreign.play(Prompt(sentence))
        here.stream.play(Prompt(audio.silence(0.5)))
        await here.until(PlayEnded)
        assert there.stream.report()["packets"] >= 20
        assert there.server.counts()["unknown"] >= 20
        assert not [event for event in there.told if isinstance(event, SpeechStarted)]


async def test_a_taken_port_is_told() -> None:
    """Binding a port that is in use names it and says what to do; nothing stays half open."""
    async with MediaServer() as one, MediaServer() as other:
        port = one.bind()
        with pytest.raises(SetupError, match=rf"127\.0\.0\.1:{port.port}: Address already in use"):
            other.bind(port.port)
        with pytest.raises(SetupError, match="Address already in use"):
            other.bind(port.port - 1)  # its reports would come to the port above
        assert other.bind().port != port.port


async def test_nobody_to_speak_to() -> None:
    """A stream that learns its source speaks once it is told to whom."""
    async with MediaServer() as one, MediaServer() as other:
        here, there = one.bind(), other.bind()
        stream = one.open(here, None)
        with pytest.raises(ValueError, match="nobody to speak to"):
            stream.send_digits("1")
        listening = other.open(there, (here.host, here.port))
        stream.send_to((there.host, there.port))
        stream.play(Prompt(audio.silence(0.1)))
        async with asyncio.timeout(5 * slack()):
            async for event in one.events():
                if isinstance(event, PlayEnded):
                    break
        assert listening.report()["packets"] > 0
