"""Who hears whom: the wished connections of the conference bridge, kept while slots come and go.

pjsua gives a call another slot whenever its media are negotiated anew (a re-INVITE, a hold), and
forgets the connections of the old one. Here they belong to the call, and are made again.
"""

from __future__ import annotations

from collections.abc import Callable

NO_SLOT = -1


class Node:
    """Something that says or hears: a call, or a port of ours."""

    def __init__(self, slot: int = NO_SLOT) -> None:
        self.slot = slot
        #: Who hears this, and whom it hears; dictionaries keep an order, sets do not.
        self.to: dict[Node, None] = {}
        self.by: dict[Node, None] = {}
        #: Those who hear everything this node hears.
        self.ears: dict[Node, None] = {}


class Mixer:
    """Connects nodes; `connect` and `disconnect` take two slots."""

    def __init__(
        self, connect: Callable[[int, int], None], disconnect: Callable[[int, int], None]
    ) -> None:
        self._connect = connect
        self._disconnect = disconnect

    def link(self, source: Node, sink: Node) -> None:
        """From now on `sink` hears `source`."""
        if sink in source.to:
            return
        source.to[sink] = None
        sink.by[source] = None
        self._make(source, sink)
        for ear in sink.ears:
            if ear is not source:
                self.link(source, ear)

    def unlink(self, source: Node, sink: Node) -> None:
        if sink not in source.to:
            return
        del source.to[sink]
        del sink.by[source]
        if NO_SLOT not in (source.slot, sink.slot):
            self._disconnect(source.slot, sink.slot)
        for ear in sink.ears:
            self.unlink(source, ear)

    def join(self, one: Node, other: Node) -> None:
        """They hear each other."""
        self.link(one, other)
        self.link(other, one)

    def part(self, one: Node, other: Node) -> None:
        self.unlink(one, other)
        self.unlink(other, one)

    def give_ear(self, node: Node, ear: Node) -> None:
        """`ear` hears what `node` hears, also whom it will hear later."""
        node.ears[ear] = None
        for source in list(node.by):
            if source is not ear:
                self.link(source, ear)

    def take_ear(self, node: Node, ear: Node) -> None:
        if ear not in node.ears:
            return
        del node.ears[ear]
        for source in list(node.by):
            self.unlink(source, ear)

    def moved(self, node: Node, slot: int) -> None:
        """Its media began anew: the connections of that slot are to be made again."""
        node.slot = slot
        for sink in node.to:
            self._make(node, sink)
        for source in node.by:
            self._make(source, node)

    def remove(self, node: Node) -> None:
        """It is gone, or about to be."""
        for sink in list(node.to):
            self.unlink(node, sink)
        for source in list(node.by):
            self.unlink(source, node)

    def _make(self, source: Node, sink: Node) -> None:
        if NO_SLOT not in (source.slot, sink.slot):
            self._connect(source.slot, sink.slot)
