"""Records one channel to a WAV file until silence, a key, the longest time or its end."""

from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from callcore.call.actions import RecordVoicemail
from callcore.telephony.pjsip.mixer import Mixer, Node

if TYPE_CHECKING:
    from callcore.native._pjsip import Port, Tap

RATE = 8000
FRAME = RATE // 50
LOOK_SECONDS = 0.1
ROOM_MS = 2000
#: Root mean square of 16-bit samples above which a frame of 20 ms is no silence (-42 dBFS), as in
#: Asterisk's detector (threshold 256).
LOUD = 256.0


class Voicemail(Node):
    """Hears one channel; `look` it after every `LOOK_SECONDS`."""

    def __init__(
        self, action: RecordVoicemail, path: Path, mixer: Mixer, source: Node,
        port: Port, tap: Callable[[Port, None, int], Tap],
    ) -> None:  # fmt: skip
        super().__init__(port.slot)
        self.recording = action.recording
        self._action = action
        self._path = path
        self._mixer = mixer
        self._port = port
        self._tap = tap(port, None, ROOM_MS)
        self._samples: list[bytes] = []
        self._seconds = 0.0
        self._quiet_since = 0.0
        self._heard = False
        mixer.link(source, self)

    def look(self) -> bool:
        """Take what was said; true when the message is complete."""
        taken = self._tap.take()
        self._samples.append(taken)
        for frame in np.frombuffer(taken, "<i2").reshape(-1, FRAME).astype(np.float64):
            self._seconds += FRAME / RATE
            if np.sqrt(np.mean(frame * frame)) > LOUD:
                self._heard = True
                self._quiet_since = self._seconds
        silence = self._action.silence_seconds
        return self._seconds >= self._action.max_seconds or (
            silence > 0 and self._seconds - self._quiet_since >= silence
        )

    def ends_with(self, digit: str) -> bool:
        key = self._action.end_key
        return key == "any" or key == digit

    def close(self) -> float:
        """Write the file; the seconds of the message, 0 where nothing was said."""
        self.look()
        self._tap.close()
        self._mixer.remove(self)
        self._port.close()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(self._path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(b"".join(self._samples))
        return round(self._seconds, 2) if self._heard else 0.0
