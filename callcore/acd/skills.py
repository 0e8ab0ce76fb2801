"""What a contact needs of an agent, and whether an agent has it.

Contacts with equal requirements stand in one line, so a requirement is a value that can be
compared and hashed, and it is worked out only once whether agents alike meet it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

import msgspec

from callcore.acd.rule import Traits, both, meets
from callcore.directory import Queue

#: Needed skills with minimum levels, sorted by name.
Needs = tuple[tuple[str, int], ...]


#: Requirements a profile remembers the answer for; more than that many are not in use at once.
_REMEMBERED = 1000


class Requirement(msgspec.Struct, frozen=True, cache_hash=True, omit_defaults=True):
    """All that an agent must have to be offered a contact; the empty one is met by everybody."""

    needs: Needs = ()
    #: A boolean rule (see `rule`); empty: none.
    rule: str = ""
    #: Must be spoken; empty: any.
    language: str = ""
    #: Members with a higher penalty are not asked (bullseye); -1: all are.
    max_penalty: int = -1


ANYBODY = Requirement()


@lru_cache(maxsize=4096)
def _requirement(
    needs: Needs, requires: str, rule: str, language: str, max_penalty: int
) -> Requirement:
    """One object for equal requirements: tables find it by identity, without comparing."""
    return Requirement(needs, both(requires, rule), language, max_penalty)


def needs_of(skills: Mapping[str, int]) -> Needs:
    return tuple(sorted(skills.items())) if skills else ()


def requirement_of(
    queue: Queue, skills: Mapping[str, int], rule: str, language: str, ring: int
) -> Requirement:
    """What a contact needs in a queue, at the `ring` it has come to (-1: before the first)."""
    language = language if queue.match_language else ""
    if not skills and ring < 0 and not rule and not queue.requires and not language:
        return ANYBODY
    max_penalty = -1
    if ring >= 0:
        now = queue.rings[ring]
        max_penalty = now.max_penalty
        lowered = {name: now.skills.get(name, level) for name, level in skills.items()}
        skills = {name: level for name, level in lowered.items() if level > 0}
    return _requirement(needs_of(skills), queue.requires, rule, language, max_penalty)


def ring_at(queue: Queue, since: float, now: float) -> int:
    """The ring of the bullseye that a contact is in; -1: none yet."""
    ring = -1
    for number, each in enumerate(queue.rings):
        if since + each.after_seconds <= now:
            ring = number
    return ring


def fits(traits: Traits, requirement: Requirement) -> bool:
    """Has every needed skill at its level at least, meets the rule, speaks the language."""
    skills = traits.skills
    for name, level in requirement.needs:
        has = skills.get(name)
        if has is None or has < level:
            return False
    if requirement.language and requirement.language not in traits.languages:
        return False
    return meets(traits, requirement.rule)


class Profile:
    """Agents with equal traits, and which requirements they meet."""

    __slots__ = ("_met", "traits")

    def __init__(self, traits: Traits) -> None:
        self.traits = traits
        self._met: dict[Requirement, bool] = {}

    def meets(self, requirement: Requirement) -> bool:
        met = self._met.get(requirement)
        if met is None:
            if len(self._met) >= _REMEMBERED:
                self._met.clear()
            met = self._met[requirement] = fits(self.traits, requirement)
        return met


def profile_of(
    skills: Mapping[str, int], languages: tuple[str, ...], groups: tuple[str, ...], site: str
) -> Profile:
    """The profile of agents with these traits: one for all of them."""
    return _profile(needs_of(skills), languages, groups, site)


@lru_cache(maxsize=4096)
def _profile(
    skills: Needs, languages: tuple[str, ...], groups: tuple[str, ...], site: str
) -> Profile:
    return Profile(Traits(dict(skills), languages, groups, site))


def lacking(traits: Traits, requirement: Requirement) -> Iterator[str]:
    """What is not met, in words."""
    for name, level in requirement.needs:
        if traits.skills.get(name, level - 1) < level:
            yield f"{name} at level {level}"
    if requirement.language and requirement.language not in traits.languages:
        yield f"the language {requirement.language}"
    if not meets(traits, requirement.rule):
        yield f"the rule {requirement.rule}"


def surplus(traits: Traits, needs: Needs) -> tuple[int, int]:
    """How far an agent is above what is needed: levels too many, and skills not asked for."""
    asked = dict(needs)
    over = sum(traits.skills.get(name, 0) - level for name, level in needs)
    return over, sum(name not in asked for name in traits.skills)
