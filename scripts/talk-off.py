#!/usr/bin/env python3
"""Hears hours of synthetic speech, in every voice of espeak-ng, and prints what seems a tone.

The tests hear minutes; this is for whoever changes a threshold: `scripts/talk-off.py HOURS [SEED]`.
At most one digit an hour is wanted (ITU-T Q.24 leaves the figure to administrations).
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from callcore.native import _audio
from tests.native.voices import any_voice


def main(hours: float, seed: int) -> None:
    """One detector hears it all, as one call that does not end."""
    detectors = _audio.Detectors(8000, _audio.DETECT_DTMF | _audio.DETECT_TONES)
    heard = 0
    found: Counter[str] = Counter()
    for voice, piece in any_voice(hours * 3600, seed):
        for kind, code, position, seconds, hertz in detectors.feed(piece):
            name = "digit" if kind == _audio.EVENT_TONE_DIGIT else "tone"
            found[name] += 1
            print(f"{position / 8000:9.1f} s {name} {code} {seconds:.3f} s {hertz:.0f} Hz {voice}")
        heard += len(piece)
    print(f"{heard / 8000 / 3600:.2f} hours: {found['digit']} digits, {found['tone']} tones")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    main(float(arguments[0]) if arguments else 1.0, int(arguments[1]) if arguments[1:] else 0)
