"""The API's bearer token: made at first run, kept in a file that only its owner can read."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from callcore.errors import ConfigError


def load_or_make_token(path: Path) -> str:
    """The token of `path`, made there when the file does not exist."""
    try:
        return read_token(path)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    token = secrets.token_urlsafe(32)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return read_token(path)  # another process was first
    with os.fdopen(handle, "w") as file:
        file.write(token + "\n")
    return token


def read_token(path: Path) -> str:
    """Raises FileNotFoundError, or ConfigError for a file that others can read or that is empty."""
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise ConfigError("others can read the API token: run chmod 600 on it", file=str(path))
    token = path.read_text("ascii", "replace").strip()
    if len(token) < 16:
        raise ConfigError("expected an API token of 16 characters or more", file=str(path))
    return token
