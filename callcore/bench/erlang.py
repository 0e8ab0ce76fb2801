"""Queueing theory the distributor is held against: Erlang C and Erlang A, exact.

Poisson arrivals, exponential handling times, and (Erlang A, M/M/n+M) exponential patience, from
the birth-death chain of the number of contacts in the system; arrivals see its stationary
distribution (Poisson arrivals see time averages).
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Erlang:
    """A queue: load in erlangs, agents, mean handling time and mean patience in seconds."""

    erlangs: float
    agents: int
    handling_seconds: float
    #: Infinite: nobody hangs up, Erlang C.
    patience_seconds: float = math.inf

    def __post_init__(self) -> None:
        if math.isinf(self.patience_seconds) and self.erlangs >= self.agents:
            raise ValueError("without abandons the line grows for ever")

    @property
    def arrival_rate(self) -> float:
        """Contacts a second."""
        return self.erlangs / self.handling_seconds

    def probabilities(self) -> list[float]:
        """Of 0, 1, 2 … contacts in the system, until the rest no longer counts."""
        weights, total = [1.0], 1.0
        while len(weights) <= self.agents or weights[-1] > 1e-15 * total:
            weights.append(weights[-1] * self.arrival_rate / self._departures(len(weights)))
            total += weights[-1]
        return [weight / total for weight in weights]

    def _departures(self, present: int) -> float:
        served = min(present, self.agents) / self.handling_seconds
        return served + max(present - self.agents, 0) / self.patience_seconds

    @property
    def waits(self) -> float:
        """Probability that a contact does not find an agent at once."""
        return sum(self.probabilities()[self.agents :])

    @property
    def mean_wait(self) -> float:
        """Seconds, of all contacts, those who hang up included (Little's law)."""
        line = sum(
            n * probability for n, probability in enumerate(self.probabilities()[self.agents :])
        )
        return line / self.arrival_rate

    @property
    def abandons(self) -> float:
        """Share that hangs up."""
        return self.mean_wait / self.patience_seconds

    def within(self, seconds: float) -> float:
        """Share answered within so many seconds; Erlang C only."""
        if math.isfinite(self.patience_seconds):
            raise ValueError("only for contacts that do not hang up")
        rate = (self.agents - self.erlangs) / self.handling_seconds
        return 1.0 - self.waits * math.exp(-rate * seconds)
