"""The recorder with a simulated tap: files, metadata, pauses, crashes and failures."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import sqlalchemy as sa

from callcore.call.actions import (
    PauseRecording,
    RecordVoicemail,
    ResumeRecording,
    StartRecording,
    StopRecording,
)
from callcore.call.events import VoicemailEnded
from callcore.errors import ActionRefused, BackendUnavailable
from callcore.recording import recorder as module
from callcore.recording.recorder import Recorder
from callcore.recording.simulated import SimulatedTap, both, quiet
from callcore.store import RecordingKind, RecordingRow, Store, tables

RATE = 8000
START = StartRecording(call="c1", recording="r1", channel="ch1", queue="sales", agent="ann")
STOP = StopRecording(call="c1", recording="r1")


def ramp(seconds: float) -> np.ndarray:
    """Samples that tell left from right and each from its neighbour."""
    left = np.arange(round(seconds * RATE), dtype=np.int16) % 7000 + 1
    return both(left, -left)


class World:
    """A recorder, its tap, its store, and the rows it told."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.tap = SimulatedTap()
        self.store = Store(f"sqlite:///{directory}/callcore.db", directory / "outbox")
        self.told: list[RecordingRow] = []
        self.recorder = self.new_life()

    def new_life(self) -> Recorder:
        return Recorder(
            self.tap,
            self.store,
            directory=self.directory / "recordings",
            raw=self.directory / "raw",
            on_finalised=self.told.append,
        )

    async def rows(self) -> list[sa.RowMapping]:
        async with self.store.engine.connect() as connection:
            return list((await connection.execute(tables.recordings.select())).mappings())

    def pending(self) -> list[str]:
        return sorted(p.name for p in (self.directory / "recordings/.pending").iterdir())

    def sound(self, row: RecordingRow) -> np.ndarray:
        samples, rate = soundfile.read(
            self.directory / "recordings" / row.path, dtype="int16", always_2d=True
        )
        assert rate == row.sample_rate
        return samples


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(module, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(module, "ABANDONED_SECONDS", 0.0)
    world = World(tmp_path)
    await world.store.open()
    yield world
    await world.recorder.close()
    await world.store.close()


def set_clock(raw: Path, started: float, seconds: float) -> None:
    """The raw file was last written `seconds` after its start."""
    os.utime(raw, (started + seconds, started + seconds))


async def test_a_recording_becomes_a_lossless_file_and_a_row(world: World) -> None:
    """Every sample of both channels is in the FLAC, private, with its hash; the raw is gone."""
    await world.recorder.start(START)
    assert list(world.recorder.live) == ["r1"]
    raw = world.tap.raws["ch1"]
    started = raw.stat().st_mtime
    world.tap.write("ch1", ramp(2.0))
    set_clock(raw, started, 2.0)
    await world.recorder.stop(STOP)
    await world.recorder.idle()
    row = world.told[0]
    assert (row.call, row.queue, row.agent, row.seconds) == ("c1", "sales", "ann", 2.0)
    assert row.started_at == pytest.approx(started)
    assert row.gaps == ()
    assert not row.estimated
    assert np.array_equal(world.sound(row), ramp(2.0))
    file = world.directory / "recordings" / row.path
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.stat().st_size == row.bytes
    assert hashlib.sha256(file.read_bytes()).hexdigest() == row.sha256
    assert (await world.rows())[0]["sha256"] == row.sha256
    assert row.path == time.strftime("%Y/%m/%d/r1.flac", time.gmtime(started))
    assert not raw.exists()
    assert world.pending() == []


async def test_the_last_block_is_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a call shorter than a block it is all: Asterisk writes it after the stop was answered."""
    monkeypatch.setattr(module, "SETTLE_SECONDS", 0.5)
    await world.recorder.start(START)
    raw = world.tap.raws["ch1"]
    started = raw.stat().st_mtime - 0.6
    set_clock(raw, started, 0.0)
    await world.recorder.stop(STOP)
    await asyncio.sleep(0.1)  # Asterisk's moment
    raw.write_bytes(ramp(0.6).tobytes())
    set_clock(raw, started, 0.6)
    await world.recorder.idle()
    assert world.told[0].failure == ""
    assert np.array_equal(world.sound(world.told[0])[-1000:], ramp(0.6)[-1000:])


async def test_a_pause_is_silent_and_listed(world: World) -> None:
    """Between pause and resume nothing is heard, even if the back end could not be told."""
    await world.recorder.start(START)
    raw = world.tap.raws["ch1"]
    started = raw.stat().st_mtime
    await world.recorder.pause(PauseRecording(call="c1", recording="r1"))
    assert world.tap.muted == {"ch1"}
    world.tap.muted.clear()
    paused_at = time.time() - started
    await asyncio.sleep(0.12)
    await world.recorder.resume(ResumeRecording(call="c1", recording="r1"))
    resumed_at = time.time() - started
    world.tap.write("ch1", ramp(1.0))
    set_clock(raw, started, 1.0)
    await world.recorder.stop(STOP)
    await world.recorder.idle()
    (gap,) = world.told[0].gaps
    assert gap.reason == "paused"
    assert gap.start == pytest.approx(paused_at, abs=0.02)
    assert gap.end == pytest.approx(resumed_at, abs=0.02)
    sound = world.sound(world.told[0])
    first, last = round(gap.start * RATE), round(gap.end * RATE)
    assert not sound[first:last].any()
    assert np.array_equal(sound[last:], ramp(1.0)[last:])


async def test_time_without_packets_is_put_back(world: World) -> None:
    """A file that fell behind the clock is padded in the quietest place since the last mark."""
    await world.recorder.start(START)
    raw = world.tap.raws["ch1"]
    started = raw.stat().st_mtime
    live = world.recorder._live["r1"]
    world.tap.write("ch1", ramp(1.0))
    set_clock(raw, started, 1.0)
    world.recorder._check_clock(live)
    world.tap.write("ch1", np.concatenate((ramp(0.5), quiet(0.1), ramp(0.424))))
    set_clock(raw, started, 4.024)
    world.recorder._check_clock(live)
    world.tap.write("ch1", ramp(1.0))
    set_clock(raw, started, 5.024)
    await world.recorder.stop(STOP)
    await world.recorder.idle()
    row = world.told[0]
    assert row.seconds == pytest.approx(5.024, abs=0.04)
    (gap,) = row.gaps
    assert gap.reason == "no_packets"
    assert gap.start == pytest.approx(1.5, abs=0.03)
    assert gap.end - gap.start == pytest.approx(2.0, abs=0.04)
    assert np.array_equal(world.sound(row)[-RATE:], ramp(1.0))


async def test_a_killed_callcore_takes_over_what_is_still_recorded(world: World) -> None:
    """The next life goes on with the same file and does not start a second one."""
    await world.recorder.start(START)
    raw = world.tap.raws["ch1"]
    started = raw.stat().st_mtime
    world.tap.write("ch1", ramp(1.0))
    second = world.new_life()
    assert await second.finalise_leftovers({"r1"}) == 0
    await second.start(START)
    assert world.tap.raws["ch1"] == raw
    world.tap.write("ch1", ramp(1.0))
    set_clock(raw, started, 2.0)
    await second.stop(STOP)
    await second.idle()
    assert np.array_equal(world.sound(world.told[0]), np.concatenate((ramp(1.0), ramp(1.0))))
    await second.close()


async def test_what_a_killed_callcore_left_is_finalised(world: World) -> None:
    """Raw and marks of a call that is over become a file whose end is marked as estimated; a
    mark cut off in the middle does no harm."""
    await world.recorder.start(START)
    raw = world.tap.raws["ch1"]
    started = raw.stat().st_mtime
    world.tap.write("ch1", ramp(1.5))
    set_clock(raw, started, 1.5)
    with (world.directory / "recordings/.pending/r1.marks").open("a") as file:
        file.write('{"is":"Clo')
    world.tap.raws.clear()
    second = world.new_life()
    assert await second.finalise_leftovers() == 1
    await second.idle()
    row = world.told[0]
    assert row.estimated
    assert np.array_equal(world.sound(row), ramp(1.5))
    assert world.pending() == []
    await second.close()


async def test_another_channel_makes_a_second_part(world: World) -> None:
    """Taken up on another channel the recording is one file, the time between is silence."""
    await world.recorder.start(START)
    first = world.tap.raws["ch1"]
    started = first.stat().st_mtime
    world.tap.write("ch1", ramp(1.0))
    set_clock(first, started, 1.0)
    second_life = world.new_life()
    await second_life.start(
        StartRecording(call="c1", recording="r1", channel="ch2", queue="sales", agent="ann")
    )
    second = world.tap.raws["ch2"]
    assert second != first
    gap = second.stat().st_mtime - started
    world.tap.write("ch2", ramp(1.0))
    set_clock(second, started + gap, 1.0)
    os.utime(first, (started, started + min(gap, 1.0)))
    await second_life.stop(STOP)
    await second_life.idle()
    sound = world.sound(world.told[0])
    assert len(sound) >= 2 * RATE
    assert np.array_equal(sound[-RATE:], ramp(1.0))
    await second_life.close()


async def test_why_there_is_no_recording_is_said(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused, link down, disk full, hostile name: the start fails with a reason and leaves
    nothing behind."""
    world.tap.refusal = "Asterisk did not create r1.raw"
    with pytest.raises(ActionRefused, match="did not create"):
        await world.recorder.start(START)
    assert [(row.call, row.path, row.failure) for row in world.told] == [
        (START.call, "", "Asterisk did not create r1.raw")
    ]
    world.tap.refusal = ""
    world.tap.away = True
    with pytest.raises(BackendUnavailable):
        await world.recorder.start(START)
    world.tap.away = False
    monkeypatch.setattr(module, "MINIMUM_FREE_BYTES", 1 << 62)
    with pytest.raises(ActionRefused, match="disk full"):
        await world.recorder.start(START)
    monkeypatch.undo()
    with pytest.raises(ActionRefused, match="cannot be the name"):
        await world.recorder.start(
            StartRecording(call="c1", recording="../../etc/passwd", channel="ch1")
        )
    assert world.pending() == []
    assert list(world.recorder.live) == []


async def test_an_unwritable_directory_is_a_reason(world: World) -> None:
    """Where the marks cannot be written there is no recording, and the call goes on."""
    (world.directory / "recordings").write_text("a file, not a directory")
    with pytest.raises(ActionRefused, match="cannot record"):
        await world.recorder.start(START)


async def test_nothing_recorded_is_a_row_that_says_so(world: World) -> None:
    """A call that ended before a sample was written has a row with the reason and no path."""
    await world.recorder.start(START)
    await world.recorder.stop(STOP)
    await world.recorder.idle()
    row = world.told[0]
    assert row.path == ""
    assert row.failure == "no sound reached the disk"
    assert (await world.rows())[0]["failure"] == row.failure


async def test_a_file_that_cannot_be_written_keeps_the_raw(world: World) -> None:
    """Finalising fails on a bad disk: raw and marks stay, and the next start succeeds."""
    await world.recorder.start(START)
    raw = world.tap.raws["ch1"]
    world.tap.write("ch1", ramp(1.0))
    set_clock(raw, raw.stat().st_ctime, 1.0)
    blocker = world.directory / "recordings" / time.strftime("%Y", time.gmtime())
    blocker.write_text("in the way")
    await world.recorder.stop(STOP)
    await world.recorder.idle()
    assert world.told == []
    assert raw.exists()
    blocker.unlink()
    assert await world.recorder.finalise_leftovers() == 1
    await world.recorder.idle()
    assert world.told[0].path.endswith("r1.flac")
    assert not raw.exists()


async def test_stop_is_harmless_twice_and_when_the_channel_is_gone(world: World) -> None:
    """The channel's end stopped it: stopping finalises all the same, once."""
    await world.recorder.start(START)
    world.tap.write("ch1", ramp(0.5))
    world.tap.raws.clear()
    await world.recorder.stop(STOP)
    await world.recorder.stop(STOP)
    await world.recorder.idle()
    assert len(world.told) == 1


async def test_a_message_becomes_a_row_of_its_kind(world: World) -> None:
    """A voicemail's WAV ends as a mono file with kind voicemail."""
    action = RecordVoicemail(call="c2", channel="ch2", recording="v1")
    world.recorder.voicemail_started(action)
    wav = world.directory / "raw/v1.wav"
    wav.parent.mkdir(exist_ok=True)
    soundfile.write(wav, ramp(1.0)[:, 0], RATE, subtype="PCM_16")
    world.recorder.voicemail_ended(
        VoicemailEnded(channel="ch2", recording="v1", seconds=1.0, ok=True)
    )
    await world.recorder.idle()
    row = world.told[0]
    assert row.kind is RecordingKind.VOICEMAIL
    assert (row.channels, row.seconds, row.call) == (1, 1.0, "c2")
    assert np.array_equal(world.sound(row)[:, 0], ramp(1.0)[:, 0])
    assert not wav.exists()


async def test_a_message_of_a_killed_asterisk_is_not_lost(world: World) -> None:
    """Its WAV header says zero samples; what was spoken is there all the same."""
    world.recorder.voicemail_started(RecordVoicemail(call="c2", channel="ch2", recording="v1"))
    wav = world.directory / "raw/v1.wav"
    wav.parent.mkdir(exist_ok=True)
    soundfile.write(wav, ramp(1.0)[:, 0], RATE, subtype="PCM_16")
    content = bytearray(wav.read_bytes())
    content[4:8] = content[40:44] = bytes(4)
    wav.write_bytes(content)
    assert await world.recorder.finalise_leftovers() == 1
    await world.recorder.idle()
    row = world.told[0]
    assert row.estimated
    assert np.array_equal(world.sound(row)[:, 0], ramp(1.0)[:, 0])


async def test_an_empty_message_is_a_row_without_a_file(world: World) -> None:
    """Nothing was said, or no file was made: the row says so."""
    world.recorder.voicemail_started(RecordVoicemail(call="c2", channel="ch2", recording="v1"))
    world.recorder.voicemail_ended(VoicemailEnded(channel="ch2", recording="v1", ok=False))
    await world.recorder.idle()
    assert world.told[0].failure == "no message was left"


async def test_a_call_that_ended_while_callcore_was_away(world: World) -> None:
    """The machine that came back says stop for a recording nobody took over: it is finalised."""
    await world.recorder.start(START)
    world.tap.write("ch1", ramp(1.0))
    second = world.new_life()
    assert await second.finalise_leftovers({"r1"}) == 0
    world.tap.raws.clear()
    await second.stop(STOP)
    await second.idle()
    assert [row.recording for row in world.told] == ["r1"]
    await second.close()


async def test_pause_while_the_link_is_down(world: World) -> None:
    """The caller of the action learns of the failure, and the stretch is silent all the same;
    the sound after the resume is there."""
    await world.recorder.start(START)
    raw = world.tap.raws["ch1"]
    started = raw.stat().st_mtime
    world.tap.away = True
    with pytest.raises(BackendUnavailable):
        await world.recorder.pause(PauseRecording(call="c1", recording="r1"))
    await asyncio.sleep(0.05)
    with pytest.raises(BackendUnavailable):
        await world.recorder.resume(ResumeRecording(call="c1", recording="r1"))
    world.tap.away = False
    world.tap.write("ch1", ramp(1.0))
    set_clock(raw, started, 1.0)
    await world.recorder.stop(STOP)
    await world.recorder.idle()
    (gap,) = world.told[0].gaps
    sound = world.sound(world.told[0])
    assert not sound[round(gap.start * RATE) : round(gap.end * RATE)].any()
    assert np.array_equal(sound[round(gap.end * RATE) :], ramp(1.0)[round(gap.end * RATE) :])


async def test_opus_is_written_when_asked_for(world: World) -> None:
    """The other format of the settings: an Ogg file of the same length."""
    recorder = Recorder(
        world.tap,
        world.store,
        directory=world.directory / "recordings",
        raw=world.directory / "raw",
        audio_format="opus",
        on_finalised=world.told.append,
    )
    await recorder.start(START)
    raw = world.tap.raws["ch1"]
    world.tap.write("ch1", ramp(1.0))
    set_clock(raw, raw.stat().st_ctime, 1.0)
    await recorder.stop(STOP)
    await recorder.idle()
    row = world.told[0]
    assert row.path.endswith(".opus")
    assert soundfile.info(world.directory / "recordings" / row.path).duration == pytest.approx(
        1.0, abs=0.05
    )
    await recorder.close()
