"""One stream of a media server: what it heard, and a voice for it."""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import dataclass

from callcore.media import quality
from callcore.media.frames import Samples
from callcore.media.settings import StreamSettings
from callcore.native import _audio

Address = tuple[str, int]
Prompt = _audio.Prompt

#: Of streams that hear what they are fed.
NO_SOCKET = -1


@dataclass(frozen=True, slots=True)
class Port:
    """A UDP port that streams arrive at."""

    index: int
    host: str
    port: int


class MediaStream:
    """Made by `MediaServer.open`; `id` names it in frames and events."""

    def __init__(
        self,
        native: _audio.Server,
        sender: _audio.Sender,
        stream: int,
        settings: StreamSettings,
        port: Port | None,
        source: Address | None,
    ) -> None:
        self.id = stream
        self.settings = settings
        self._native = native
        self._sender = sender
        self._port = port
        self._far_end = source
        self._handle: int | None = None

    # ---- hearing ----

    def feed(self, samples: Samples) -> None:
        """Samples that follow the last ones, of a stream opened by `open_pushed`."""
        self._native.push(self.id, samples)

    def report(self) -> _audio.StreamReport:
        """What was received, lost, late, made up; level and noise floor in dB of full scale."""
        return self._native.look(self.id)

    def quality(self) -> quality.Quality:
        """R-factor and MOS of what is heard so far.

        The way here counts as half the round trip, where the far end's reports tell one.
        """
        report = self.report()
        expected = report["packets"] + max(0, report["lost"])
        missing = max(0, report["lost"]) + report["late"]
        round_trip = 0.0
        if self._handle is not None:
            round_trip = self._sender.stream_counts(self._handle)["round_trip"] or 0.0
        delay_ms = round_trip * 1000 / 2 + report["delay_ms"] + 20
        return quality.rate(missing / expected if expected else 0.0, delay_ms)

    # ---- speaking ----

    def send_to(self, far_end: Address) -> None:
        """Speak to another address from now on; needed where the source was not announced."""
        self._far_end = far_end
        if self._handle is not None:
            self._sender.redirect(self._handle, far_end, _report_address(far_end))

    def play(self, prompt: Prompt, *, turns: int = 1, interruptible: bool = True) -> int:
        """Play after what is queued, `turns` times (0: until stopped); its number.

        An interruptible one ends within a frame when speech is heard on this stream.
        Raises `BufferError` when too much is queued.
        """
        return self._sender.play(self._voice(), prompt, turns, interruptible)

    def speak(self, samples: Samples, *, last: bool = False, interruptible: bool = True) -> int:
        """Say samples as they come from a synthesiser; how many were taken, the rest is too much.

        `last`: nothing follows, so that running dry is the end and no fault.
        """
        return self._sender.push(self._voice(), samples, last, interruptible)

    def stop(self) -> None:
        """End everything queued within a frame."""
        self._sender.stop(self._voice())

    def send_digits(self, digits: str, *, seconds: float = 0.1, gap: float = 0.1) -> None:
        """Press keys (0-9 * # A-D) by RFC 4733; `DigitsSent` tells when the last has left."""
        duration_ms, gap_ms = round(seconds * 1000), round(gap * 1000)
        self._sender.send_digits(self._voice(), digits, duration_ms, gap_ms)

    def sent(self) -> _audio.SendReport:
        """What was sent, and what the far end reports of it."""
        return self._sender.stream_counts(self._voice())

    def _voice(self) -> int:
        """The sending half; made when it is first needed."""
        if self._handle is None:
            self._handle = self._open_voice()
            self._native.link(self.id, self._sender, self._handle)
        return self._handle

    def _open_voice(self) -> int:
        if self._port is None or self._far_end is None:
            raise ValueError("nobody to speak to: the far end's address is not known (send_to)")
        settings = self.settings
        fd, report_fd = self._native.sockets(self._port.index)
        payload_type, event_type = settings.payload_types()
        return self._sender.open(
            self.id,
            fd,
            settings.codec,
            payload_type,
            self._far_end,
            # RFC 3550 §8.1 and §5.1: none of the three may be guessable.
            secrets.randbits(32),
            secrets.randbits(16),
            secrets.randbits(32),
            event_type=event_type,
            rtcp_to=_report_address(self._far_end),
            rtcp_fd=report_fd,
            idle=settings.idle,
            random=secrets.randbits(32),
        )

    def close(self) -> None:
        """Stop hearing and speaking; closing it again does nothing."""
        handle, self._handle = self._handle, None
        if handle is not None:
            with contextlib.suppress(LookupError):  # the server was closed before
                self._sender.close_stream(handle)
        with contextlib.suppress(ProcessLookupError):
            self._native.close(self.id)


def _report_address(far_end: Address) -> Address:
    # RFC 3550 §11: RTCP takes the port above.
    return far_end[0], far_end[1] + 1
