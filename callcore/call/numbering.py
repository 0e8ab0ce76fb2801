"""What a number dialled at a phone, or named in a transfer, means."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from callcore.directory import Directory, Outbound
from callcore.ivr.routes import match_outbound, match_route


class TargetKind(StrEnum):
    FEATURE = "feature"
    AGENT = "agent"
    PHONE = "phone"
    QUEUE = "queue"
    TREE = "tree"
    #: A number outside, by way of a trunk.
    OUTSIDE = "outside"


@dataclass(frozen=True, slots=True)
class Target:
    kind: TargetKind
    id: str
    #: ``outside`` only: what the trunk is asked to dial.
    number: str = ""


def resolve(directory: Directory, dialled: str) -> Target | None:
    """The one meaning of `dialled`, most particular first; None: nobody has that number.

    ``queue:ID``, ``agent:ID``, ``phone:ID`` and ``number:DIGITS`` name the kind themselves; bare
    words are tried as feature code, agent, phone, queue, route and outbound number, in that order.
    """
    kind, colon, rest = dialled.partition(":")
    if not colon:
        return _by_name(directory, dialled)
    if kind == "agent" and rest in directory.agents:
        return Target(TargetKind.AGENT, rest)
    if kind == "phone" and rest in directory.phones:
        return Target(TargetKind.PHONE, rest)
    if kind == "queue" and rest in directory.queues:
        return Target(TargetKind.QUEUE, rest)
    if kind == "number":
        return _by_name(directory, rest)
    return None


def _by_name(directory: Directory, dialled: str) -> Target | None:
    codes = directory.feature_codes
    if dialled in (codes.login, codes.logout, codes.pause, codes.ready, codes.nailed_up):
        return Target(TargetKind.FEATURE, dialled)
    if dialled in directory.agents:
        return Target(TargetKind.AGENT, dialled)
    if dialled in directory.phones:
        return Target(TargetKind.PHONE, dialled)
    if dialled in directory.queues:
        return Target(TargetKind.QUEUE, dialled)
    route = match_route(directory.routes, dialled)
    if route is not None:
        if route.tree:
            return Target(TargetKind.TREE, route.tree)
        return Target(TargetKind.QUEUE, route.queue)
    way = match_outbound(directory.outbound, dialled)
    if way is not None:
        return Target(TargetKind.OUTSIDE, way.trunk, number=number_out(way, dialled))
    return None


def number_out(way: Outbound, dialled: str) -> str:
    """The number as the trunk wants it: digits stripped from the front, the prefix put before."""
    return way.prefix + dialled[way.strip :]
