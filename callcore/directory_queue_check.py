"""Checks the queues of a directory, kinds and statuses included: each fault with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator

from callcore.acd.criteria import CRITERIA
from callcore.acd.rule import can_be_met
from callcore.acd.strategy import STRATEGIES
from callcore.directory import GROUP, Directory, Queue, kinds_of
from callcore.directory_faults import PLAIN_TEXT, Places, check_text, fault, known, place_of
from callcore.directory_queue import VOICE, OverflowOn, OverflowRule, Ring, Staffing, WrapUp
from callcore.errors import InvalidRule
from callcore.ivr.calendar import Hours
from callcore.ivr.fields import CHECKS
from callcore.ivr.fields import Kind as FieldKind

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_SKILL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,39}")
_NUMBER = re.compile(r"\+?[0-9*#]{1,32}")
#: Fault in words, and the field it is about.
Fault = tuple[str, str]


def check_queues(directory: Directory, places: Places) -> None:
    """Raises `ConfigError` for the first thing that does not fit."""
    _check_kinds(directory, places)
    _check_pause_reasons(directory, places)
    for queue in directory.queues.values():
        key = f"queues.{queue.id}"
        for field in ("name", "music", "overflow", "agent_announcement", "language"):
            check_text(getattr(queue, field), f"{key}.{field}", places)
        known(queue.kind, kinds_of(directory.kinds), "kind", key, "kind", places)
        _check_members(queue, directory, places)
        for check in CHECKS_OF_A_QUEUE:
            for field, expected in check(queue):
                place = place_of(places, key, field)
                raise fault(place, f"{key}.{field}: expected {expected}")
        for number, rule in enumerate(queue.overflow_rules, start=1):
            _check_target(queue, f"overflow_rules[{number}].to", rule.to, directory, places)
    _check_cycles(directory, places)


def _check_kinds(directory: Directory, places: Places) -> None:
    for name, kind in directory.kinds.items():
        place = places.get(f"kinds.{name}", "")
        if name == VOICE or not _NAME.fullmatch(name):
            expected = f"another name than {VOICE!r}, of a-z 0-9 _ -"
            raise fault(place, f"kinds.{name[:80]}: expected {expected}")
        if kind.capacity < 0:
            raise fault(place, f"kinds.{name}.capacity = {kind.capacity}: expected 0 or more")
    kinds = kinds_of(directory.kinds)
    for status, offered in directory.statuses.items():
        place = places.get("statuses", "")
        if not _NAME.fullmatch(status) or status in ("ready", "paused", "logged_out"):
            expected = "a name of a-z 0-9 _ - besides ready, paused and logged_out"
            raise fault(place, f"statuses.{status[:80]}: expected {expected}")
        for name in offered:
            known(name, kinds, "kind", "statuses", status, places)
    for agent in directory.agents.values():
        key = f"agents.{agent.id}"
        for name, level in agent.skills.items():
            if not _SKILL.fullmatch(name) or level < 0:
                message = f"{key}.skills.{name[:40]} = {level}: expected names of skills and levels"
                raise fault(place_of(places, key, "skills"), message)
        for name, capacity in agent.capacity.items():
            known(name, kinds, "kind", key, "capacity", places)
            if capacity < 0 or (name == VOICE and capacity > 1):
                expected = "0 or 1" if name == VOICE else "0 or more"
                message = f"{key}.capacity.{name} = {capacity}: expected {expected}"
                raise fault(place_of(places, key, "capacity"), message)


def _check_pause_reasons(directory: Directory, places: Places) -> None:
    place = places.get("pause_reasons", "")
    for number, reason in enumerate(directory.pause_reasons, start=1):
        key = f"pause_reasons[{number}]"
        if not PLAIN_TEXT.fullmatch(reason) or not 0 < len(reason) <= 100 or reason == "rona":
            expected = "one line of 1 to 100 characters, not rona"
            raise fault(place, f"{key} = {reason[:80]!r}: expected {expected}")
        if reason in directory.pause_reasons[: number - 1]:
            raise fault(place, f"{key} = {reason!r}: is listed twice")


def _check_members(queue: Queue, directory: Directory, places: Places) -> None:
    key = f"queues.{queue.id}"
    groups = {group for agent in directory.agents.values() for group in agent.groups}
    seen: dict[str, bool] = {}
    for member in queue.members:
        if member.agent.startswith(GROUP):
            group = member.agent.removeprefix(GROUP)
            known(group, sorted(groups), "group", key, "members", places)
        else:
            known(member.agent, directory.agents, "agent", key, "members", places)
        place = place_of(places, key, "members")
        if member.agent in seen:
            raise fault(place, f"{key}.members: agent {member.agent!r} is listed twice")
        if member.penalty < 0 or member.position < 0:
            expected = "a penalty and a position of 0 or more"
            raise fault(place, f"{key}.members: {member.agent}: expected {expected}")
        seen[member.agent] = True


def _plain(queue: Queue) -> Iterator[Fault]:
    if queue.strategy not in STRATEGIES:
        yield f"strategy = {queue.strategy!r}", f"one of {', '.join(STRATEGIES)}"
    if queue.ring_seconds <= 0:
        yield f"ring_seconds = {queue.ring_seconds}", "more than 0"
    if queue.weight <= 0:
        yield f"weight = {queue.weight}", "more than 0, or contacts would never be served"
    if queue.wrap_up is WrapUp.NONE and queue.wrap_up_seconds > 0:
        yield f"wrap_up_seconds = {queue.wrap_up_seconds}", 'another wrap_up than "none"'


def _rule(queue: Queue) -> Iterator[Fault]:
    if not queue.requires:
        return
    try:
        possible = can_be_met(queue.requires)
    except InvalidRule as exc:
        yield f"requires = {queue.requires[:80]!r}", f"a rule about agents ({exc})"
        return
    if not possible:
        yield f"requires = {queue.requires[:80]!r}", "a rule that some agent could meet"


def _rings(queue: Queue) -> Iterator[Fault]:
    before: Ring | None = None
    for number, ring in enumerate(queue.rings, start=1):
        field = f"rings[{number}]"
        if ring.after_seconds < 0 or (before and ring.after_seconds <= before.after_seconds):
            yield f"{field}.after_seconds = {ring.after_seconds}", "rings in order of time"
        if before is not None and not _wider(before, ring):
            yield field, "a ring that asks of agents no more than the one before"
        for name, level in ring.skills.items():
            if not _SKILL.fullmatch(name) or level < 0:
                yield f"{field}.skills.{name[:40]} = {level}", "names of skills and levels"
        before = ring


def _wider(before: Ring, ring: Ring) -> bool:
    """Everybody whom a ring asks is asked by the next one."""
    if ring.max_penalty >= 0 and (before.max_penalty < 0 or ring.max_penalty < before.max_penalty):
        return False
    return all(ring.skills.get(name, level + 1) <= level for name, level in before.skills.items())


def _criteria(queue: Queue) -> Iterator[Fault]:
    for name, weight in queue.criteria.items():
        if name not in CRITERIA:
            yield f"criteria.{name[:40]}", f"criteria out of {', '.join(CRITERIA)}"
        if weight < 0:
            yield f"criteria.{name[:40]} = {weight}", "a weight of 0 or more"


def _limits(queue: Queue) -> Iterator[Fault]:
    """Times that contradict each other: what comes later would never come."""
    limit = queue.max_wait_seconds
    if 0 < limit <= queue.last_agent_seconds:
        shown = f"last_agent_seconds = {queue.last_agent_seconds}"
        yield shown, f"less than max_wait_seconds ({limit})"
    if queue.rings and 0 < limit <= queue.rings[-1].after_seconds:
        yield "rings", f"all before max_wait_seconds ({limit})"


def _overflow(queue: Queue) -> Iterator[Fault]:
    """Rules without sense, and rules that would never apply."""
    timed = (OverflowOn.WAIT, OverflowOn.SIZE, OverflowOn.ESTIMATED_WAIT)
    for number, rule in enumerate(queue.overflow_rules, start=1):
        field = f"overflow_rules[{number}]"
        if rule.on in timed and rule.at <= 0:
            yield f"{field}.at = {rule.at}", "more than 0"
        if rule.on not in timed and rule.at:
            yield f"{field}.at = {rule.at}", f"nothing: {rule.on} has no amount"
        for earlier in queue.overflow_rules[: number - 1]:
            # A contact leaves at its first limit on waiting, whatever the order of the rules.
            useless = rule.on is OverflowOn.WAIT or earlier.at <= rule.at
            if earlier.on is rule.on and useless:
                yield field, f"no second rule for {rule.on} that would never apply"
        needed = _needed_by(queue, rule)
        if needed:
            yield f"{field}.on = {rule.on.value!r}", f"{needed}: else it would never apply"


def _needed_by(queue: Queue, rule: OverflowRule) -> str:
    """What a queue lacks, or has too tight, for a rule to apply at some time; empty: nothing."""
    if rule.on is OverflowOn.CLOSED and queue.hours is None:
        return "hours with it"
    nobody = queue.join_needs is queue.stay_needs is Staffing.NOBODY
    if rule.on is OverflowOn.UNSTAFFED and nobody:
        return "join_needs or stay_needs with it"
    if rule.on is OverflowOn.WAIT and 0 < queue.max_wait_seconds < rule.at:
        return f"at of no more than max_wait_seconds ({queue.max_wait_seconds:g})"
    if rule.on is OverflowOn.SIZE and 0 < queue.max_size < rule.at:
        return f"at of no more than max_size ({queue.max_size})"
    return ""


def _hours(queue: Queue) -> Iterator[Fault]:
    hours = queue.hours
    if hours is None:
        return
    for field, text, kind in _hours_texts(hours):
        expected = CHECKS[kind](text)
        if expected:
            yield f"hours.{field} = {text[:40]!r}", expected
            return
    for field, problem in hours.problems():
        yield f"hours.{field}", problem.removeprefix("expected ")


def _hours_texts(hours: Hours) -> Iterator[tuple[str, str, FieldKind]]:
    yield "zone", hours.zone, FieldKind.ZONE
    yield "country", hours.country, FieldKind.COUNTRY
    for days, times in hours.weekly.items():
        yield "weekly", days, FieldKind.DAYS
        for span in times:
            yield f"weekly.{days[:10]}", span, FieldKind.TIMES
    for day in hours.closed:
        yield "closed", day, FieldKind.DATE
    for day, times in hours.special.items():
        yield "special", day, FieldKind.DATE
        for span in times:
            yield f"special.{day[:10]}", span, FieldKind.TIMES


def _callback(queue: Queue) -> Iterator[Fault]:
    callback, announced = queue.callback, queue.announcements
    if announced is not None:
        if announced.every_seconds < 0 or announced.first_after_seconds < 0:
            yield "announcements", "times of 0 seconds or more"
        elif 0 < announced.every_seconds < 5:
            yield f"announcements.every_seconds = {announced.every_seconds}", "0, or 5 or more"
    if callback is None:
        return
    if callback.key and not re.fullmatch(r"[0-9*#]", callback.key):
        yield f"callback.key = {callback.key[:40]!r}", "one key out of 0-9 * #, or nothing"
    overflows = any(rule.to == "callback" for rule in queue.overflow_rules)
    if not callback.key and not callback.offer_at_seconds and not overflows:
        why = "a key, offer_at_seconds, or a rule that overflows to it: else nobody can ask for one"
        yield "callback", why
    times = callback.retry_seconds, callback.offer_at_seconds
    if callback.attempts < 1 or callback.ring_seconds <= 0 or min(times) < 0:
        yield "callback", "one attempt at least, and times of 0 seconds or more"


def _check_target(queue: Queue, field: str, to: str, directory: Directory, places: Places) -> None:
    key = f"queues.{queue.id}"
    kind, _, name = to.partition(":")
    wrong = False
    if kind == "queue":
        known(name, directory.queues, "queue", key, field, places)
    elif kind == "number":
        wrong = not _NUMBER.fullmatch(name)
    elif kind == "tree":
        wrong = bool(CHECKS[FieldKind.NODE](name))
    elif kind == "callback" and not name:
        wrong = queue.callback is None
    else:
        wrong = kind != "voicemail" or bool(name)
    if wrong:
        expected = (
            "queue:ID, number:NUMBER, tree:TREE, tree:TREE/NODE, voicemail, or (in a queue with "
            "callback) callback"
        )
        message = f"{key}.{field} = {to[:80]!r}: expected {expected}"
        raise fault(place_of(places, key, field), message)


def _check_cycles(directory: Directory, places: Places) -> None:
    """A contact that overflows never comes back to a queue it was in."""
    leads = {
        queue.id: [
            rule.to.removeprefix("queue:")
            for rule in queue.overflow_rules
            if rule.to.startswith("queue:")
        ]
        for queue in directory.queues.values()
    }
    for start in leads:
        path = _way_back(start, leads)
        if path:
            message = f"queues.{start}.overflow_rules: expected no circle: {' → '.join(path)}"
            raise fault(place_of(places, f"queues.{start}", "overflow_rules"), message)


def _way_back(start: str, leads: dict[str, list[str]]) -> list[str]:
    """The queues from `start` back to it; none: no way leads back."""
    pending, seen = [[start]], {start: True}
    while pending:
        path = pending.pop()
        for following in leads[path[-1]]:
            if following == start:
                return [*path, start]
            if following not in seen:
                seen[following] = True
                pending.append([*path, following])
    return []


CHECKS_OF_A_QUEUE = (_plain, _rule, _rings, _criteria, _limits, _overflow, _hours, _callback)
