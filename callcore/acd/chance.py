"""Chance that a snapshot holds and a replay repeats: SplitMix64 (Steele, Lea, Flood 2014)."""

from __future__ import annotations

import msgspec

_MASK = (1 << 64) - 1


class Chance(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A stream of numbers decided by its seed and by how many were drawn."""

    state: int = 0

    def draw(self) -> float:
        """The next number, from 0 up to but not 1."""
        self.state = (self.state + 0x9E3779B97F4A7C15) & _MASK
        mixed = self.state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return ((mixed ^ (mixed >> 31)) >> 11) / (1 << 53)
