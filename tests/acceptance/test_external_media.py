"""Speech of real calls through Asterisk's externalMedia: heard at once, recorded as sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from callcore.lab import audio, g711
from callcore.lab.g711 import Samples
from callcore.lab.phone import Phone
from callcore.lab.sipp import callers, write_ulaw
from callcore.media.events import (
    MediaEvent,
    PlayEnd,
    PlayEnded,
    SpeechEnded,
    SpeechStarted,
)
from callcore.media.frames import FrameKind
from callcore.media.recorder import StereoRecorder
from callcore.media.server import MediaServer
from callcore.media.stream import MediaStream, Prompt
from callcore.telephony.ari import AriConnection, AriSettings, new_session
from callcore.telephony.ari_models import AnyAriEvent, EventDecoder, StasisStart
from callcore.telephony.external_media import open_external_media
from tests.acceptance.floor import hears
from tests.acceptance.lab_asterisk import LabAsterisk
from tests.addresses import Block
from tests.load import slack

E = TypeVar("E", bound=MediaEvent)

pytestmark = pytest.mark.acceptance

APP = "media"
RATE = 8000
#: Within that time an onset and an end have to be where the sent file has them.
TOLERANCE = 0.060
#: Samples by which late packets may move what follows.
MOVED = 800

ARI_MODULES = """
app_stasis res_stasis res_stasis_answer res_stasis_playback res_stasis_recording
res_stasis_snoop res_ari res_ari_model res_ari_applications
res_ari_asterisk res_ari_bridges res_ari_channels res_ari_endpoints res_ari_events
res_rtp_multicast chan_rtp res_http_websocket res_websocket_client
"""


class MediaAsterisk(LabAsterisk):
    """The lab's Asterisk with ARI; whoever calls 700 is handed to the test."""

    def write(self) -> None:
        super().write()
        modules = "".join(f"load={name}.so\n" for name in ARI_MODULES.split())
        self._append("modules.conf", modules)
        self._append("extensions.conf", f"[default](+)\nexten => 700,1,Stasis({APP})\n")
        self._file("http.conf", f"[general]\nenabled=yes\nbindaddr={self.host}\nbindport=8088\n")
        self._file(
            "ari.conf",
            "[general]\nenabled=yes\nwebsocket_write_timeout=2000\n"
            "[lab]\ntype=user\nread_only=no\npassword=lab-secret\n",
        )

    def _append(self, name: str, text: str) -> None:
        with (self.directory / name).open("a") as file:
            file.write(text)


@pytest.fixture(scope="module")
def asterisk(tmp_path_factory: pytest.TempPathFactory, block: Block) -> Iterator[MediaAsterisk]:
    asterisk = MediaAsterisk(tmp_path_factory.mktemp("media-asterisk"), block.host(1))
    asterisk.start()
    yield asterisk
    asterisk.stop()


@dataclass
class Listener:
    """Takes each caller to a bridge with an externalMedia channel of its own."""

    ari: AriConnection
    media: MediaServer
    streams: list[MediaStream] = field(default_factory=list)
    _arrived: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    _started: dict[str, asyncio.Event] = field(default_factory=dict)

    def on_event(self, event: AnyAriEvent) -> None:
        if not isinstance(event, StasisStart):
            return
        if event.channel.id in self._started:
            self._started[event.channel.id].set()
        else:
            self._arrived.put_nowait(event.channel.id)

    async def listen(self, count: int) -> None:
        """Answer and hear `count` callers, in the order of their calls."""
        port = self.media.bind()
        for number in range(count):
            caller = await self._arrived.get()
            ear, bridge = f"ear-{number}", f"bridge-{number}"
            self._started[ear] = asyncio.Event()
            stream = await open_external_media(self.ari, APP, self.media, port, ear)
            self.streams.append(stream)
            await self._started[ear].wait()
            await self.ari.request("POST", f"channels/{caller}/answer")
            await self.ari.request("POST", f"bridges/{bridge}", {"type": "mixing"})
            await self.ari.request(
                "POST", f"bridges/{bridge}/addChannel", {"channel": [caller, ear]}
            )

    async def close(self) -> None:
        """End what was made in Asterisk; the callers have hung up by now."""
        for number in range(len(self.streams)):
            await self.ari.request("DELETE", f"channels/ear-{number}")
            await self.ari.request("DELETE", f"bridges/bridge-{number}")


@asynccontextmanager
async def listening(asterisk: MediaAsterisk, streams: int) -> AsyncIterator[Listener]:
    settings = AriSettings(
        url=f"http://{asterisk.host}:8088", user="lab", password="lab-secret", app=APP
    )
    async with AsyncExitStack() as stack:
        media = await stack.enter_async_context(MediaServer(asterisk.host, streams=streams))
        session = await stack.enter_async_context(new_session(settings))
        told: list[Listener] = []
        ari = await AriConnection.open(
            settings, session, EventDecoder(), lambda event: told[0].on_event(event)
        )
        stack.push_async_callback(ari.close)
        told.append(Listener(ari, media))
        yield told[0]
        await told[0].close()


def utterances(file: Samples) -> list[tuple[float, float]]:
    """Where the file speaks, by its own energy: begin and end in seconds."""
    loud = np.flatnonzero(np.abs(file.astype(np.int32)) > 300)
    breaks = np.flatnonzero(np.diff(loud) > 0.3 * RATE)
    begins = loud[np.concatenate(([0], breaks + 1))]
    ends = loud[np.concatenate((breaks, [len(loud) - 1]))] + 1
    return [(begin / RATE, end / RATE) for begin, end in zip(begins, ends, strict=True)]


def spoken_file(directory: Path) -> Samples:
    """Two sentences between seconds of silence, over a little noise."""
    parts = [
        audio.silence(2.0),
        audio.speak("Good morning, this is a real caller speaking.", directory),
        audio.silence(1.0),
        audio.speak("I would like to ask about my order.", directory),
        audio.silence(2.0),
    ]
    clean = audio.join(*parts)
    noise = np.random.default_rng(4).normal(0, 10, len(clean))
    return np.clip(clean + noise, -32768, 32767).astype(np.int16)


def aligned(heard: Samples, sent: Samples) -> int:
    """Index of the file in what was heard (negative: its beginning was not heard), by content."""
    size = 1 << (len(heard) + len(sent)).bit_length()
    spectrum = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(sent, size))
    best = int(np.argmax(np.fft.irfft(spectrum, size)))
    return best - size if best > size // 2 else best


async def gather(
    listener: Listener, seconds: float
) -> tuple[dict[int, list[Samples]], list[MediaEvent]]:
    """Frames of each stream since its first, and all events, for a while."""
    frames: dict[int, list[Samples]] = {}
    events: list[MediaEvent] = []

    async def take_frames() -> None:
        async for batch in listener.media.frames():
            for row, stream in enumerate(batch.streams.tolist()):
                if batch.kinds[row] != FrameKind.NOTHING:
                    frames.setdefault(stream, []).append(batch.samples[row].copy())

    async def take_events() -> None:
        async for event in listener.media.events():
            events.append(event)

    tasks = [asyncio.create_task(take_frames()), asyncio.create_task(take_events())]
    await asyncio.sleep(seconds)  # sound has to flow
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return frames, events


async def test_speech_of_a_hundred_calls_is_found_where_it_is(
    asterisk: MediaAsterisk, tmp_path: Path
) -> None:
    """Every caller's utterances begin and end within 60 ms of where the sent file has them."""
    calls = 100
    file = spoken_file(tmp_path)
    sent = g711.decode(g711.encode(file, "PCMU"), "PCMU")
    speech = write_ulaw(tmp_path / "speech.ul", file)
    expected = utterances(file)
    assert len(expected) == 2
    async with listening(asterisk, calls) as listener:
        sipp = callers(
            tmp_path / "sipp", "700", local=(asterisk.caller_host, 5060), remote=asterisk.address,
            calls=calls, rate=20, talk_ms=14_000, speech=speech,
        )  # fmt: skip
        async with sipp:
            answering = asyncio.create_task(listener.listen(calls))
            frames, events = await gather(listener, 16)
            await asyncio.wait_for(answering, 1)
            result = await sipp.wait(20 * slack())
        assert result.ok, result.errors
        errors = []
        for stream in listener.streams:
            report = stream.report()
            assert report["lost"] == 0
            assert report["malformed"] == 0
            heard = np.concatenate(frames[stream.id])
            errors += _errors(heard, sent, expected, [e for e in events if e.stream == stream.id])
        assert listener.media.counts()["unknown"] == 0
    worst = max(abs(error) for error in errors)
    assert len(errors) >= 4 * calls
    assert worst <= TOLERANCE, sorted(errors, key=abs)[-10:]


def _errors(
    heard: Samples, sent: Samples, expected: list[tuple[float, float]], events: list[MediaEvent]
) -> list[float]:
    """How far each told onset and end is from the file's; each utterance must be told once."""
    offset = aligned(heard[: len(sent)], sent) / RATE
    begins = [e.position - offset for e in events if isinstance(e, SpeechStarted)]
    ends = [e.position - offset for e in events if isinstance(e, SpeechEnded)]
    errors = []
    for begin, end in expected:
        errors.append(min((b - begin for b in begins), key=abs))
        errors.append(min((e - end for e in ends), key=abs))
    return errors


async def test_two_callers_are_recorded_as_they_were_sent(
    asterisk: MediaAsterisk, tmp_path: Path
) -> None:
    """Each channel holds its own caller, to 30 dB of segmental signal to noise, sides aligned."""
    file = spoken_file(tmp_path)
    sent = g711.decode(g711.encode(file, "PCMU"), "PCMU")
    speech = write_ulaw(tmp_path / "speech.ul", file)
    async with listening(asterisk, 2) as listener:
        sipp = callers(
            tmp_path / "sipp", "700", local=(asterisk.caller_host, 5060), remote=asterisk.address,
            calls=2, rate=2, talk_ms=10_000, speech=speech,
        )  # fmt: skip
        async with sipp:
            await asyncio.wait_for(listener.listen(2), 10 * slack())
            left, right = (stream.id for stream in listener.streams)
            with StereoRecorder(tmp_path / "call.flac", left, right) as recorder:
                writing = asyncio.create_task(recorder.run())
                await _record(listener.media, recorder, 9.0)
                writing.cancel()
    track, rate = soundfile.read(tmp_path / "call.flac", dtype="int16")
    assert rate == RATE
    for side in (0, 1):
        assert segmental_snr(track[:, side], sent) >= 30


async def _record(media: MediaServer, recorder: StereoRecorder, seconds: float) -> None:
    async for batch in media.frames():
        recorder.hear(batch)
        if batch.number * 0.02 > seconds:
            return


def segmental_snr(heard: Samples, sent: Samples) -> float:
    """Mean over the 20 ms segments in which the file speaks, each limited to 0…60 dB.

    Each second is looked for near where the whole lies: what reaches Asterisk late, it sends on
    late, and what follows as well.
    """
    offset = aligned(heard, sent)
    ratios = [
        _ratios(heard, sent[begin : begin + RATE], begin + offset)
        for begin in range(max(0, -offset), len(sent) - RATE, RATE)
    ]
    ratio = np.concatenate(ratios)
    assert len(ratio) > 100
    return float(np.clip(ratio, 0, 60).mean())


def _ratios(heard: Samples, second: Samples, place: int) -> npt.NDArray[np.float64]:
    """Signal to noise of the spoken segments of a second of the file, in dB."""
    begin = max(0, place - MOVED)
    near = heard[begin : place + MOVED + len(second)]
    if len(near) < len(second):
        return np.zeros(0)
    where = int(np.argmax(np.correlate(near.astype(float), second.astype(float), "valid")))
    reference = second.astype(float).reshape(-1, 160)
    noise = near[where : where + len(second)].reshape(-1, 160) - reference
    signal_power = (reference**2).mean(axis=1)
    spoken = signal_power > 1e4
    noise_power = np.maximum((noise**2).mean(axis=1)[spoken], 1e-9)
    found: npt.NDArray[np.float64] = 10 * np.log10(signal_power[spoken] / noise_power)
    return found


async def test_a_caller_hears_a_prompt_and_stops_it_by_speaking(
    asterisk: MediaAsterisk, tmp_path: Path
) -> None:
    """A prompt reaches the caller through Asterisk; speech ends it within a frame."""
    sentence = audio.speak("No, I want to talk to somebody.", tmp_path)
    caller = Phone("5551234", server=asterisk.address, host=asterisk.caller_host)
    async with listening(asterisk, 1) as listener, caller:
        answering = asyncio.create_task(listener.listen(1))
        call = await caller.dial("700")
        await call.answered
        await answering
        (stream,) = listener.streams
        stream.play(Prompt(audio.tone(440, 1.0)), turns=0)
        await hears(call, 440)
        call.play(sentence)
        started = await told(listener, SpeechStarted)
        ended = await told(listener, PlayEnded)
        assert ended.end is PlayEnd.BARGED_IN
        assert ended.at - started.at <= 0.0205 * slack()
        await told(listener, SpeechEnded)
        await call.hang_up()


async def told(listener: Listener, kind: type[E]) -> E:
    """The next event of a kind."""
    async with asyncio.timeout(10 * slack()):
        async for event in listener.media.events():
            if isinstance(event, kind):
                return event
    raise AssertionError(f"no {kind.__name__}")
