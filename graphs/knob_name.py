"""The name of a knob, taken apart."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

__all__ = ["FORWARD", "ROUNDS", "KnobName"]

FORWARD = "forward"
"""The setting of an edge or a loop that says what passes."""
ROUNDS = "rounds"
"""The setting of a loop that says how often it runs."""


class KnobName(NamedTuple):
    """A knob as plans write it: `solve.style` of a node, `a->b.forward` of an edge, `check->solve.rounds` of a loop."""

    place: str
    """The node, or the edge or loop as `a->b`."""
    setting: str

    @classmethod
    @cache
    def of(cls, text: str) -> KnobName:
        """Reads what `str` writes."""
        place, _, setting = text.rpartition(".")
        return cls(place, setting)

    def __str__(self) -> str:
        return f"{self.place}.{self.setting}"

    @property
    def reader(self) -> str:
        """The node whose requests it decides: its own, or the one that the edge or loop leads to."""
        return self.place.rpartition("->")[2]

    @property
    def of_node(self) -> bool:
        """Whether it is a setting of a node."""
        return self.place == self.reader

    @property
    def of_rounds(self) -> bool:
        """Whether it says how often a loop runs."""
        return not self.of_node and self.setting == ROUNDS
