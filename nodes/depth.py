"""How far a node reasons, so that nodes of different kinds can be put in one order."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import inf

__all__ = ["NO_REASONING", "Depth"]


@dataclass(frozen=True, slots=True, order=True)
class Depth:
    """Where a node stands on the axis of reasoning depth.

    First by the effort that its model is asked for, then by its place, then by the limit on its thinking.
    """

    effort_place: float = field(default=0, kw_only=True)
    """0: the model is asked for no effort, or for none at all; the more it is to think the larger, see
    `ModelCard.effort_place`."""
    place: float
    """0: it does not reason; 1: it writes the answer only; 2: a draft of a few words a step; 3: step by step. Other
    ways of reasoning stand between these or beyond them."""
    name: str = field(compare=False)
    """Of the place, for people."""
    limit: float = inf
    """The most tokens of thinking; infinite without a limit of its own."""
    effort: str = field(default="", compare=False, kw_only=True)
    """The name of the effort, for people."""

    def at(self, effort: str, place: float) -> Depth:
        """The same where the model is asked for an effort."""
        return replace(self, effort=effort, effort_place=place)

    def __str__(self) -> str:
        """As reports print it."""
        limited = f"{self.name} up to {self.limit:g}" if self.limit < inf else self.name
        return self._with_effort(limited)

    @property
    def label(self) -> str:
        """Its name with its effort, whatever the limit."""
        return self._with_effort(self.name)

    def _with_effort(self, text: str) -> str:
        return f"{text}, effort {self.effort}" if self.effort else text


NO_REASONING = Depth(0, "none")
"""Where a graph stands none of whose nodes says how far it reasons."""
