"""/api/v1/recordings: finished recordings and their audio."""

from __future__ import annotations

import msgspec
from aiohttp import web

from callcore.api.endpoint import Call, Endpoint, Page, page
from callcore.errors import UnknownEntity
from callcore.store.rows import RecordingRow

# --- schemas -----------------------------------------------------------------------------------

AUDIO_TYPES = {"flac": "audio/flac", "opus": "audio/ogg", "ogg": "audio/ogg", "wav": "audio/wav"}


class RecordingList(msgspec.Struct, frozen=True):
    """Newest first; the next page starts `before` the last `started_at`."""

    recordings: list[RecordingRow]


# --- handlers ----------------------------------------------------------------------------------


async def list_all(call: Call) -> RecordingList:
    wanted = page(call.query)
    return RecordingList(await call.context.archive.recordings(wanted.limit, wanted.before))


async def show(call: Call) -> RecordingRow:
    name = call.path["id"]
    row = await call.context.archive.recording(name)
    if row is None:
        raise UnknownEntity("recording", name[:80])
    return row


async def audio(call: Call) -> web.StreamResponse:
    """The file itself, with ranges; never one outside the recordings directory."""
    row = await show(call)
    file = call.context.archive.recording_file(row)
    if file is None:
        reason = row.failure or "its file is gone"
        raise UnknownEntity("audio of recording", f"{row.recording} ({reason})")
    return web.FileResponse(
        file,
        headers={
            "Content-Type": AUDIO_TYPES.get(row.format, "application/octet-stream"),
            "Content-Disposition": f'attachment; filename="{file_name(row)}"',
        },
    )


def file_name(row: RecordingRow) -> str:
    """A name that is safe in a header and in any file system."""
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in row.recording)
    return f"{safe}.{row.format if row.format.isalnum() else 'bin'}"


# --- routes ------------------------------------------------------------------------------------

ONE = "/api/v1/recordings/{id}"
ENDPOINTS = (
    Endpoint(
        "GET", "/api/v1/recordings", list_all, "Recordings, newest first",
        answer=RecordingList, query=Page,
    ),
    Endpoint("GET", ONE, show, "One recording's facts", answer=RecordingRow),
    Endpoint("GET", f"{ONE}/audio", audio, "The audio file", answer=bytes),
)  # fmt: skip
