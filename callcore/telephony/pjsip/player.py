"""What one channel is played: announcements in their order, else music, else a tone."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from callcore.telephony.pjsip.mixer import Mixer, Node
from callcore.types import PlaybackId

if TYPE_CHECKING:
    from callcore.native._pjsip import Port

Sounds = tuple[bytes, ...]
#: Start of the ids of playbacks that belong to another action: their end is not told.
QUIET = "quiet-"


class Playback(NamedTuple):
    id: PlaybackId
    sounds: Sounds


class Player(Node):
    """A port of the bridge that one channel listens to while there is something to hear."""

    def __init__(
        self, port: Port, mixer: Mixer, listener: Node, next_serial: Callable[[], int]
    ) -> None:
        super().__init__(port.slot)
        self._next_serial = next_serial
        self._port = port
        self._mixer = mixer
        self._listener = listener
        self._waiting: deque[Playback] = deque()
        self._music: Sounds = ()
        self._tone: Sounds = ()
        #: Of what plays now: a note about an earlier one is stale.
        self._serial = 0

    @property
    def playing(self) -> bool:
        return bool(self._waiting)

    def play(self, playback: Playback) -> None:
        """Behind what is playing."""
        self._waiting.append(playback)
        if len(self._waiting) == 1:
            self._sound()

    def played(self, serial: int) -> PlaybackId:
        """The port came to the end of something; which playback, or none."""
        if serial != self._serial or not self._waiting:
            return ""
        ended = self._waiting.popleft()
        self._sound()
        return ended.id

    def stop(self, playback: PlaybackId) -> bool:
        """False: it is not here."""
        for index, waiting in enumerate(self._waiting):
            if waiting.id == playback:
                del self._waiting[index]
                if index == 0:
                    self._sound()
                return True
        return False

    def quieten(self) -> list[PlaybackId]:
        """Stop all announcements; music and tone go on."""
        stopped = [playback.id for playback in self._waiting]
        self._waiting.clear()
        if stopped:
            self._sound()
        return stopped

    def set_music(self, music: Sounds) -> None:
        """Behind the announcements, over and over."""
        self._music = music
        if not self._waiting:
            self._sound()

    def set_tone(self, tone: Sounds) -> None:
        """Where there is no music."""
        self._tone = tone
        if not self._waiting:
            self._sound()

    def _sound(self) -> None:
        """Play what comes first now, from its beginning."""
        serial = self._serial = self._next_serial()
        if self._waiting:
            self._port.play(serial, self._waiting[0].sounds, False)
        elif self._music or self._tone:
            self._port.play(serial, self._music or self._tone, True)
        else:
            self._port.halt()
            self._mixer.unlink(self, self._listener)
            return
        self._mixer.link(self, self._listener)

    def close(self) -> None:
        self._mixer.remove(self)
        self._port.close()
