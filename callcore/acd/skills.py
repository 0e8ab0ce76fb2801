"""Skills: what a contact needs, at which minimum level, and whether an agent has it."""

from __future__ import annotations

from collections.abc import Mapping

#: Needed skills with minimum levels, sorted by name: equal needs are equal values, so contacts
#: that any agent can serve alike share one line.
Needs = tuple[tuple[str, int], ...]


def needs_of(skills: Mapping[str, int]) -> Needs:
    return tuple(sorted(skills.items())) if skills else ()


def fits(skills: Mapping[str, int], needs: Needs) -> bool:
    """Has every needed skill at its level at least."""
    for name, level in needs:
        has = skills.get(name)
        if has is None or has < level:
            return False
    return True


def lacking(skills: Mapping[str, int], needs: Needs) -> Needs:
    """The needs that are not met."""
    return tuple((name, level) for name, level in needs if not fits(skills, ((name, level),)))
