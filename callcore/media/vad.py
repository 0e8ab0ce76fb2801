"""Finds webrtcvad, whose C functions `native/` calls without Python."""

from __future__ import annotations

import functools
import importlib.util

from callcore.errors import SetupError
from callcore.native import _audio


@functools.cache
def load_vad() -> None:
    """Load the voice activity detector, once; raises `SetupError` when there is none."""
    extension = importlib.util.find_spec("_webrtcvad")
    if extension is None or extension.origin is None:
        raise SetupError("webrtcvad is missing: pip install webrtcvad-wheels, or make setup")
    try:
        _audio.load_vad(extension.origin)
    except OSError as exc:
        raise SetupError(f"{extension.origin}: {exc}; make setup installs the right one") from exc
