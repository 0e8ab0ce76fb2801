"""Criteria of the strategy ``weighted``: each says how well an agent suits a contact, from 0 to 1.

A queue gives each a weight; the sum decides. What has no natural bound (idle time, contacts, cost)
is taken relative to the largest among the candidates, so that weights mean the same everywhere. The
criteria in `OF_CONTACT` differ between contacts: they also count where a freed agent chooses among
contacts (see `suits`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from callcore.acd.skills import surplus

if TYPE_CHECKING:
    from callcore.acd.strategy import Candidate, Choice

#: The candidate, the choice, and the largest value of the measure among all candidates.
Criterion = Callable[["Candidate", "Choice", float], float]
Measure = Callable[["Candidate", "Choice"], float]

#: In force where a queue names none: fit before fairness, the caller's last agent before both.
DEFAULT_WEIGHTS = {
    "last_agent": 3.0, "skill_fit": 2.0, "level": 1.0, "occupancy": 1.0, "idle_time": 1.0,
}  # fmt: skip


def _skill_fit(candidate: Candidate, choice: Choice, largest: float) -> float:
    """1: has just what is needed; less with every level and skill beyond it."""
    over, others = surplus(candidate.traits, choice.contact.requirement.needs)
    return 1.0 / (1 + max(0, over) + others)


def _level(candidate: Candidate, choice: Choice, largest: float) -> float:
    """1: penalty 0."""
    return 1.0 / (1 + candidate.member.penalty)


def _idle_time(candidate: Candidate, choice: Choice, largest: float) -> float:
    return _share(idle_seconds(candidate, choice), largest)


def _occupancy(candidate: Candidate, choice: Choice, largest: float) -> float:
    """1: had nothing to do today."""
    return 1.0 - choice.occupancy(candidate.agent)


def _contacts_today(candidate: Candidate, choice: Choice, largest: float) -> float:
    """1: had none."""
    return 1.0 - _share(candidate.agent.answered_today, largest)


def _customer_value(candidate: Candidate, choice: Choice, largest: float) -> float:
    """Valuable customers go to high levels of skill; without needs to all alike."""
    needs = choice.contact.requirement.needs
    levels = [candidate.traits.level(name) for name, _ in needs]
    return choice.contact.value * _share(sum(levels), 10 * len(levels) or 1)


def _last_agent(candidate: Candidate, choice: Choice, largest: float) -> float:
    return float(candidate.agent.id == choice.contact.wanted)


def _language(candidate: Candidate, choice: Choice, largest: float) -> float:
    return float(choice.contact.language in candidate.traits.languages)


def _cost(candidate: Candidate, choice: Choice, largest: float) -> float:
    """1: costs nothing."""
    return 1.0 - _share(candidate.agent.cost, largest)


def _queue_weight(candidate: Candidate, choice: Choice, largest: float) -> float:
    return choice.queue.weight / (1.0 + choice.queue.weight)


def _urgency(candidate: Candidate, choice: Choice, largest: float) -> float:
    """1: at its service level target, or past it."""
    target = choice.queue.service_level_seconds or 1.0
    return min(1.0, max(0.0, choice.now - choice.contact.since) / target)


def _site(candidate: Candidate, choice: Choice, largest: float) -> float:
    return float(bool(choice.contact.site) and candidate.traits.site == choice.contact.site)


def _share(part: float, whole: float) -> float:
    return min(1.0, max(0.0, part / whole)) if whole > 0 else 0.0


def idle_seconds(candidate: Candidate, choice: Choice) -> float:
    return max(0.0, choice.now - candidate.agent.idle_since)


CRITERIA: dict[str, Criterion] = {
    "skill_fit": _skill_fit,
    "level": _level,
    "idle_time": _idle_time,
    "occupancy": _occupancy,
    "contacts_today": _contacts_today,
    "customer_value": _customer_value,
    "last_agent": _last_agent,
    "language": _language,
    "cost": _cost,
    "queue_weight": _queue_weight,
    "urgency": _urgency,
    "site": _site,
}
#: Those that are relative to the largest value among the candidates.
MEASURES: dict[str, Measure] = {
    "idle_time": idle_seconds,
    "contacts_today": lambda candidate, choice: candidate.agent.answered_today,
    "cost": lambda candidate, choice: candidate.agent.cost,
}
OF_CONTACT = (
    "skill_fit", "customer_value", "last_agent", "language", "queue_weight", "urgency", "site",
)  # fmt: skip


def score_all(candidates: Sequence[Candidate], choice: Choice) -> list[float]:
    """The weighted sum for each candidate."""
    weights = choice.queue.criteria or DEFAULT_WEIGHTS
    largest = {
        name: max(MEASURES[name](each, choice) for each in candidates)
        for name in weights
        if name in MEASURES
    }
    return [_score(each, choice, weights, largest) for each in candidates]


def suits(candidate: Candidate, choice: Choice) -> float:
    """From 0 to 1, how well a contact suits a freed agent, by the queue's criteria."""
    given = choice.queue.criteria or DEFAULT_WEIGHTS
    weights = {name: weight for name, weight in given.items() if name in OF_CONTACT}
    whole = sum(weights.values())
    return _score(candidate, choice, weights, {}) / whole if whole > 0 else 0.0


def _score(
    candidate: Candidate, choice: Choice, weights: Mapping[str, float], largest: Mapping[str, float]
) -> float:
    return sum(
        weight * CRITERIA[name](candidate, choice, largest.get(name, 0.0))
        for name, weight in weights.items()
    )
