"""How the checks of a directory say what is wrong, and where."""

from __future__ import annotations

import re
from collections.abc import Collection

from callcore.errors import ConfigError

#: "phones.desk1" → "callcore.toml:12", "queues.sales.rings[2]" → "callcore.toml:57"
Places = dict[str, str]

_HEAD = re.compile(r"\w+(\[\d+\])?")

PLAIN_TEXT = re.compile(r"[^\x00-\x1f\x7f]*")


def fault(place: str, message: str) -> ConfigError:
    """A ConfigError at a place written as ``file:line``."""
    file, _, line = place.rpartition(":")
    if file and line.isdigit():
        return ConfigError(message, file=file, line=int(line))
    return ConfigError(message, file=place)


def place_of(places: Places, key: str, field: str) -> str:
    """Where a key of a table was written; else where the table begins."""
    head = _HEAD.match(field)
    if head is not None:
        for name in (head[0], head[0].partition("[")[0]):
            if f"{key}.{name}" in places:
                return places[f"{key}.{name}"]
    return places.get(key, "")


def check_text(text: str, key: str, places: Places) -> None:
    """One line of reasonable length."""
    if not PLAIN_TEXT.fullmatch(text) or len(text) > 200:
        table, _, field = key.rpartition(".")
        raise fault(
            place_of(places, table, field), f"{key}: expected one line of 200 characters at most"
        )


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
    raise fault(place_of(places, key, field), message)
