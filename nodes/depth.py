"""How far a node reasons, so that nodes of different kinds can be put in one order."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

__all__ = ["NO_REASONING", "Depth"]


@dataclass(frozen=True, slots=True, order=True)
class Depth:
    """Where a node stands on the axis of reasoning depth: by its place, then by the limit on its thinking."""

    place: float
    """0: it does not reason; 1: it writes the answer only; 2: a draft of a few words a step; 3: step by step. Other
    ways of reasoning stand between these or beyond them."""
    name: str = field(compare=False)
    """Of the place, for people."""
    limit: float = inf
    """The most tokens of thinking; infinite without a limit of its own."""

    def __str__(self) -> str:
        """As reports print it."""
        return f"{self.name} up to {self.limit:g}" if self.limit < inf else self.name


NO_REASONING = Depth(0, "none")
"""Where a graph stands none of whose nodes says how far it reasons."""
