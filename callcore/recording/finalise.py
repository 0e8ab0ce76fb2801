"""Turns a raw recording and its marks into one compressed file and its row; runs in a worker."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from callcore.recording import align, marks
from callcore.recording.align import CHANNELS, FRAME_BYTES, RATE, Piece, RawPart
from callcore.recording.marks import AnyMark, Began, Stopped, make_private
from callcore.recording.outcome import Finalised, Format, NothingRecorded, began
from callcore.store.rows import Gap, RecordingKind, RecordingRow

if TYPE_CHECKING:
    from callcore.recording.align import Samples

_SUFFIX: dict[Format, str] = {"flac": ".flac", "opus": ".opus"}
_SOUNDFILE: dict[Format, tuple[str, str]] = {"flac": ("FLAC", "PCM_16"), "opus": ("OGG", "OPUS")}


WAV_HEADER = 44


def finalise(marks_file: Path, directory: Path, audio_format: Format = "flac") -> Finalised:
    """Write the file below `directory`/YYYY/MM/DD (UTC); raises `NothingRecorded` or OSError."""
    lines = marks.read(marks_file)
    begin = began(lines, marks_file.name)
    if begin.kind is RecordingKind.VOICEMAIL:
        try:
            return _voicemail(begin, lines, directory, audio_format)
        except soundfile.LibsndfileError as exc:
            raise OSError(f"the message cannot be read: {exc}") from exc
    parts, used = _raw_parts(lines)
    stopped_at = next((m.at for m in lines if isinstance(m, Stopped)), None)
    pieces, padded = align.lay_out(parts, stopped_at)
    frames = sum(piece.frames for piece in pieces)
    origin = parts[0].mark.at
    paused = align.pauses(lines, origin, frames / RATE)
    path = _path(directory, begin, origin, audio_format)
    digest, size = _write(path, _chunks(parts, pieces, paused), CHANNELS, RATE, audio_format)
    row = RecordingRow(
        recording=begin.recording,
        call=begin.call,
        tenant=begin.tenant,
        queue=begin.queue,
        agent=begin.agent,
        started_at=origin,
        seconds=round(frames / RATE, 3),
        gaps=tuple(sorted((*paused, *padded), key=lambda gap: gap.start)),
        path=str(path.relative_to(directory)),
        format=audio_format,
        bytes=size,
        sha256=digest,
        estimated=stopped_at is None,
    )
    return Finalised(row, used)


def _raw_parts(lines: Sequence[AnyMark]) -> tuple[list[RawPart], tuple[Path, ...]]:
    parts: list[RawPart] = []
    used: list[Path] = []
    for mark, clocks in align.split_parts(lines):
        raw = Path(mark.raw)
        if not raw.exists():
            continue
        used.append(raw)
        status = raw.stat()
        whole = status.st_size // FRAME_BYTES
        if whole == 0:
            continue
        samples = np.memmap(raw, dtype="<i2", mode="r", shape=(whole, CHANNELS))
        parts.append(RawPart(mark, clocks, samples, status.st_mtime))
    if not parts:
        raise NothingRecorded("no sound reached the disk" if used else "the raw file is missing")
    return parts, tuple(used)


def _chunks(
    parts: Sequence[RawPart], pieces: Sequence[Piece], paused: Sequence[Gap]
) -> Iterator[Samples]:
    """The output second by second, silent where recording was paused."""
    position = 0
    for piece in pieces:
        for start in range(0, piece.frames, RATE):
            frames = min(RATE, piece.frames - start)
            if piece.part < 0:
                chunk = np.zeros((frames, CHANNELS), dtype=np.int16)
            else:
                begin = piece.start + start
                chunk = np.array(parts[piece.part].samples[begin : begin + frames])
            # MixMonitorMute did it already; where it could not be told, this does.
            for gap in paused:
                first = max(0, round(gap.start * RATE) - position)
                chunk[first : max(first, round(gap.end * RATE) - position)] = 0
            yield chunk
            position += frames


def _voicemail(
    begin: Began, lines: Sequence[AnyMark], directory: Path, audio_format: Format
) -> Finalised:
    """A message of one channel, written by the back end as WAV."""
    wav = Path(align.split_parts(lines)[0][0].raw)
    if not wav.exists():
        raise NothingRecorded("no message was left")
    path = _path(directory, begin, begin.at, audio_format)
    with _open_message(wav) as source:
        frames = source.frames - source.tell()
        if frames == 0:
            raise NothingRecorded("no message was left")
        rate, channels = source.samplerate, source.channels
        blocks = source.blocks(blocksize=rate, dtype="int16", always_2d=True)
        digest, size = _write(path, blocks, channels, rate, audio_format)
        row = RecordingRow(
            recording=begin.recording,
            call=begin.call,
            tenant=begin.tenant,
            kind=begin.kind,
            queue=begin.queue,
            started_at=begin.at,
            seconds=round(frames / rate, 3),
            path=str(path.relative_to(directory)),
            format=audio_format,
            channels=channels,
            sample_rate=rate,
            bytes=size,
            sha256=digest,
            estimated=not any(isinstance(mark, Stopped) for mark in lines),
        )
    return Finalised(row, (wav,))


def _open_message(wav: Path) -> soundfile.SoundFile:
    """Asterisk writes the length into the header at the end: a killed one has left a zero."""
    with wav.open("rb") as file:
        header = file.read(WAV_HEADER)
    if len(header) < WAV_HEADER:
        raise NothingRecorded("no message was left")
    if int.from_bytes(header[40:44], "little") > 0:
        return soundfile.SoundFile(wav)
    rate = int.from_bytes(header[24:28], "little") or RATE
    sound = soundfile.SoundFile(wav, "r", rate, 1, "PCM_16", format="RAW")
    sound.seek(WAV_HEADER // 2)
    return sound


def _path(directory: Path, begin: Began, at: float, audio_format: Format) -> Path:
    day = time.strftime("%Y/%m/%d", time.gmtime(at))
    return directory / day / f"{begin.recording}{_SUFFIX[audio_format]}"


def _write(
    path: Path, chunks: Iterator[Samples], channels: int, rate: int, audio_format: Format
) -> tuple[str, int]:
    """Write, sync and move into place; the digest and size of what is there then."""
    make_private(path.parent)
    partial = path.with_name(f".{path.name}.partial")
    container, subtype = _SOUNDFILE[audio_format]
    descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "r+b") as file:
            # By descriptor: libsndfile then writes by itself, without a call back into Python.
            with soundfile.SoundFile(
                descriptor, "w", rate, channels, subtype, format=container, closefd=False
            ) as sound:
                for chunk in chunks:
                    sound.write(chunk)
            os.fsync(descriptor)
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = os.fstat(descriptor).st_size
        partial.replace(path)
    except (soundfile.LibsndfileError, OSError) as exc:
        partial.unlink(missing_ok=True)
        raise OSError(f"cannot write {path}: {exc}") from exc
    _sync_directory(path.parent)
    return digest, size


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
