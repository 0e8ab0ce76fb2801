"""Lets the media server hear and speak on Asterisk's channels, through `externalMedia`."""

from __future__ import annotations

import msgspec

from callcore.errors import ActionRefused
from callcore.media.server import MediaServer
from callcore.media.settings import Codec, StreamSettings
from callcore.media.stream import MediaStream, Port
from callcore.telephony.ari import AriConnection

#: Asterisk's name of what each codec sends, by rate.
_FORMAT = {
    (Codec.PCMU, 8000): "ulaw",
    (Codec.PCMA, 8000): "alaw",
    (Codec.L16, 8000): "slin",
    (Codec.L16, 16000): "slin16",
}


class _Created(msgspec.Struct, frozen=True):
    """The part of the reply that says where Asterisk sends from."""

    channelvars: dict[str, str] = {}


async def open_external_media(
    ari: AriConnection,
    app: str,
    media: MediaServer,
    port: Port,
    channel: str,
    settings: StreamSettings | None = None,
) -> MediaStream:
    """Create the `externalMedia` channel `channel`, in `app`, and hear what its bridge hears.

    It can be bridged once its StasisStart has come; deleting the channel ends the stream's packets,
    not the stream: close both. Packets are taken from the address Asterisk names, no other.
    Raises `ActionRefused` or `BackendUnavailable`.
    """
    settings = settings or StreamSettings()
    host = f"[{port.host}]" if ":" in port.host else port.host
    values = {
        "channelId": channel,
        "app": app,
        "external_host": f"{host}:{port.port}",
        "format": _FORMAT[settings.codec, media.rate],
    }
    created = await ari.request("POST", "channels/externalMedia", dict(values), expect=_Created)
    assert created is not None
    try:
        source = (
            created.channelvars["UNICASTRTP_LOCAL_ADDRESS"],
            int(created.channelvars["UNICASTRTP_LOCAL_PORT"]),
        )
    except (KeyError, ValueError) as exc:
        raise ActionRefused(f"externalMedia {channel}: Asterisk does not name its source") from exc
    return media.open(port, source, settings)
