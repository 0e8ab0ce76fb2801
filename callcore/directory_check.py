"""Checks a whole directory: ids, references between entities, number patterns, feature codes."""

from __future__ import annotations

import re
from collections.abc import Collection

from callcore.directory import CODECS, Directory, Outbound, Queue, Route
from callcore.directory_faults import PLAIN_TEXT, Places, check_text, fault, known
from callcore.directory_queue_check import check_queues
from callcore.ivr.routes import InvalidPattern, compile_pattern

ID = re.compile(r"[a-z0-9_-]{1,40}")
FEATURE_CODE = re.compile(r"[0-9*#]{1,8}")
# An address, an address with a port, or a host name: nothing that could end a line of pjsip.conf.
HOST = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}")
NETWORK = re.compile(r"[0-9a-fA-F.:]+(?:/[0-9.]{1,15})?|[A-Za-z0-9._-]+")


def check_id(name: str, place: str, key: str) -> None:
    if not ID.fullmatch(name):
        expected = "an id of 1 to 40 of a-z 0-9 _ -"
        raise fault(place, f"{key[:80]!r}: expected {expected}")


def check_directory(directory: Directory, places: Places) -> None:
    """Raises `ConfigError` for the first thing that does not fit."""
    for section in ("phones", "trunks", "agents", "queues"):
        for name in getattr(directory, section):
            check_id(name, places.get(f"{section}.{name}", ""), f"{section}.{name}")
    _check_phones_and_trunks(directory, places)
    for agent in directory.agents.values():
        check_text(agent.name, f"agents.{agent.id}.name", places)
        if agent.phone:
            known(agent.phone, directory.phones, "phone", f"agents.{agent.id}", "phone", places)
    check_queues(directory, places)
    for index, route in enumerate(directory.routes):
        _check_route(route, f"routes.{index}", directory, places)
    for index, outbound in enumerate(directory.outbound):
        key = f"outbound.{index}"
        known(outbound.trunk, directory.trunks, "trunk", key, "trunk", places)
        _check_pattern(outbound, key, places)
    _check_feature_codes(directory, places)


def _check_phones_and_trunks(directory: Directory, places: Places) -> None:
    both = [p for p in directory.phones if p in directory.trunks]
    if both:
        first, second = places.get(f"phones.{both[0]}", ""), places.get(f"trunks.{both[0]}", "")
        raise fault(second, f"trunks.{both[0]}: expected another id, {first} has a phone of it")
    for section in ("phones", "trunks"):
        for endpoint in getattr(directory, section).values():
            key = f"{section}.{endpoint.id}"
            place = places.get(key, "")
            unknown = [c for c in endpoint.codecs if c not in CODECS]
            if unknown or not endpoint.codecs:
                raise fault(place, f"{key}.codecs: expected some of {', '.join(CODECS)}")
            if endpoint.host and not HOST.fullmatch(endpoint.host):
                raise fault(place, f"{key}.host = {endpoint.host[:80]!r}: expected an address")
            if not PLAIN_TEXT.fullmatch(endpoint.secret) or ";" in endpoint.secret:
                raise fault(place, f"{key}.secret: expected no control characters and no ;")
    for trunk in directory.trunks.values():
        _check_trunk(trunk.id, directory, places)


def _check_trunk(name: str, directory: Directory, places: Places) -> None:
    trunk, key = directory.trunks[name], f"trunks.{name}"
    place = places.get(key, "")
    if not trunk.host:
        raise fault(place, f"{key}.host: expected the provider's address")
    if trunk.register and not trunk.user:
        raise fault(place, f"{key}.register = true: expected user and secret with it")
    if not 1 <= trunk.port <= 65535:
        raise fault(place, f"{key}.port = {trunk.port}: expected a port from 1 to 65535")
    if not re.fullmatch(r"[A-Za-z0-9._+@*-]*", trunk.user):
        raise fault(place, f"{key}.user = {trunk.user[:80]!r}: expected a SIP user name")
    if not re.fullmatch(r"[0-9+*#]{0,40}", trunk.caller_number):
        raise fault(place, f"{key}.caller_number: expected digits")
    for network in trunk.match:
        if not NETWORK.fullmatch(network):
            raise fault(place, f"{key}.match = {network[:80]!r}: expected an address or network")


def _check_route(route: Route, key: str, directory: Directory, places: Places) -> None:
    _check_pattern(route, key, places)
    if bool(route.tree) == bool(route.queue):
        raise fault(places.get(key, ""), f"route {route.pattern!r}: expected either tree or queue")
    if route.queue:
        known(route.queue, directory.queues, "queue", key, "queue", places)


def _check_pattern(route: Route | Outbound, key: str, places: Places) -> None:
    try:
        compile_pattern(route.pattern)
    except InvalidPattern as exc:
        place = places.get(key, "")
        raise fault(place, f"pattern = {route.pattern[:80]!r}: {exc}") from exc
    if isinstance(route, Outbound) and (
        route.strip < 0 or not re.fullmatch(r"[0-9*#+]*", route.prefix)
    ):
        expected = "strip of 0 or more and a prefix of digits"
        raise fault(places.get(key, ""), f"outbound {route.pattern!r}: expected {expected}")


def _check_feature_codes(directory: Directory, places: Places) -> None:
    codes = directory.feature_codes
    seen: dict[str, str] = {}
    for name in codes.__struct_fields__:
        code = getattr(codes, name)
        place = places.get("feature_codes", "")
        if not FEATURE_CODE.fullmatch(code):
            expected = "1 to 8 of 0-9 * #"
            raise fault(place, f"feature_codes.{name} = {code[:80]!r}: expected {expected}")
        if code in seen:
            raise fault(place, f"feature_codes.{name} = {code!r}: {seen[code]} has the same code")
        seen[code] = name


def check_trees(directory: Directory, trees: Collection[str], places: Places) -> None:
    """Trees named by routes and queues exist (trees are loaded apart from the settings)."""
    for index, route in enumerate(directory.routes):
        if route.tree:
            known(route.tree, trees, "tree", f"routes.{index}", "tree", places)
    for queue in directory.queues.values():
        if queue.overflow:
            tree = queue.overflow.partition("/")[0]
            known(tree, trees, "tree", f"queues.{queue.id}", "overflow", places)
        for target in trees_of_rules(queue):
            tree = target.partition("/")[0]
            known(tree, trees, "tree", f"queues.{queue.id}", "overflow_rules", places)


def trees_of_rules(queue: Queue) -> list[str]:
    """``tree`` or ``tree/node`` of the overflow rules that lead into a tree."""
    kinds = (rule.to.partition(":") for rule in queue.overflow_rules)
    return [target for kind, _, target in kinds if kind == "tree"]
