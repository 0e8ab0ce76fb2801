"""SDP with one audio stream: offers, answers and hold directions (RFC 4566, 3264)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from callcore.lab.errors import SipSyntaxError

STATIC_CODECS = {0: "PCMU", 8: "PCMA", 9: "G722", 18: "G729"}
PAYLOAD_TYPES = {"PCMU": 0, "PCMA": 8}
TELEPHONE_EVENT = 101

# RFC 3264 §6.1: the answer mirrors the offer.
_MIRROR = {"sendrecv": "sendrecv", "sendonly": "recvonly", "recvonly": "sendonly"}
_HOLDING = {"sendrecv": "sendonly", "recvonly": "inactive"}


@dataclass(frozen=True)
class AudioDescription:
    """What one side says about its audio."""

    host: str
    port: int
    codecs: dict[int, str] = field(default_factory=dict)
    """Payload type to codec name, in order of preference; without telephone-event."""
    event_type: int | None = None
    """Payload type of telephone-event (RFC 4733), if offered at 8000 Hz."""
    direction: str = "sendrecv"


def parse_sdp(body: bytes) -> AudioDescription:
    """Read the first audio stream."""
    text = body.decode("utf-8", "replace")
    session, _, media = text.partition("m=audio ")
    if not media:
        raise SipSyntaxError("SDP without audio stream")
    media = media.partition("\nm=")[0]
    fields = media.splitlines()[0].split()
    connection = re.search(r"c=IN IP4 (\S+)", media) or re.search(r"c=IN IP4 (\S+)", session)
    names = {
        int(number): name.upper()
        for number, name in re.findall(r"a=rtpmap:(\d+) ([\w-]+)/8000", media)
    }
    listed = [int(item) for item in fields[2:] if item.isdigit()]
    codecs = {
        number: names.get(number, STATIC_CODECS.get(number, "?"))
        for number in listed
        if names.get(number, "") != "TELEPHONE-EVENT"
    }
    events = [number for number in listed if names.get(number) == "TELEPHONE-EVENT"]
    direction = re.search(r"a=(sendrecv|sendonly|recvonly|inactive)", media) or re.search(
        r"a=(sendrecv|sendonly|recvonly|inactive)", session
    )
    return AudioDescription(
        host=connection.group(1) if connection else "",
        port=int(fields[0].partition("/")[0]),
        codecs=codecs,
        event_type=events[0] if events else None,
        direction=direction.group(1) if direction else "sendrecv",
    )


def format_sdp(description: AudioDescription, session_id: int, version: int) -> bytes:
    """Write a description; every codec has 8000 Hz and 20 ms packets."""
    types = list(description.codecs)
    if description.event_type is not None:
        types.append(description.event_type)
    lines = [
        "v=0",
        f"o=- {session_id} {version} IN IP4 {description.host}",
        "s=callcore lab",
        f"c=IN IP4 {description.host}",
        "t=0 0",
        f"m=audio {description.port} RTP/AVP " + " ".join(str(number) for number in types),
    ]
    lines += [f"a=rtpmap:{number} {name}/8000" for number, name in description.codecs.items()]
    if description.event_type is not None:
        lines.append(f"a=rtpmap:{description.event_type} telephone-event/8000")
        lines.append(f"a=fmtp:{description.event_type} 0-16")
    lines += ["a=ptime:20", f"a={description.direction}", ""]
    return "\r\n".join(lines).encode()


def answer_codecs(offer: AudioDescription, known: tuple[str, ...]) -> dict[int, str]:
    """The codecs of the offer that this side can use, in the order of the offer."""
    return {number: name for number, name in offer.codecs.items() if name in known}


def answer_direction(offered: str, on_hold: bool) -> str:
    """The mirrored direction; who has put the other side on hold goes on not listening."""
    mirrored = _MIRROR.get(offered, "inactive")
    return _HOLDING.get(mirrored, mirrored) if on_hold else mirrored
