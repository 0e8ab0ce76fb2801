"""A checked IVR tree as data: nodes by name, ready to be walked by the runner."""

from __future__ import annotations

import msgspec


class Tree(msgspec.Struct, frozen=True, kw_only=True):
    """Placeholder until the IVR helper fills it in: id, version, start node, nodes."""

    id: str
    version: str = ""
    start: str = ""
