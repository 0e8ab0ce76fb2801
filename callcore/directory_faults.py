"""How the checks of a directory say what is wrong, and where."""

from __future__ import annotations

import re
from collections.abc import Collection

from callcore.errors import ConfigError

#: "phones.desk1" → "callcore.toml:12"
Places = dict[str, str]

PLAIN_TEXT = re.compile(r"[^\x00-\x1f\x7f]*")


def fault(place: str, message: str) -> ConfigError:
    """A ConfigError at a place written as ``file:line``."""
    file, _, line = place.rpartition(":")
    if file and line.isdigit():
        return ConfigError(message, file=file, line=int(line))
    return ConfigError(message, file=place)


def check_text(text: str, key: str, places: Places) -> None:
    """One line of reasonable length."""
    if not PLAIN_TEXT.fullmatch(text) or len(text) > 200:
        place = places.get(key.rpartition(".")[0], "")
        raise fault(place, f"{key}: expected one line of 200 characters at most")


def known(
    name: str, names: Collection[str], kind: str, key: str, field: str, places: Places
) -> None:
    """Refuse a reference to something the site does not have."""
    if name in names:
        return
    listed_names = list(names)
    more = ", …" if len(listed_names) > 10 else ""
    listed = ", ".join(listed_names[:10]) + more if listed_names else "none yet"
    message = f"{key}.{field} = {name[:80]!r}: expected the id of a known {kind} ({listed})"
    raise fault(places.get(key, ""), message)
