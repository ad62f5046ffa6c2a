"""What each pocket model is and how it is trained. A further model is a further entry of `RECIPES`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["MIXES", "RECIPES", "Recipe"]

MIXES: dict[str, dict[str, float]] = {
    "foundations": {
        "chain direct": 14,
        "chain think": 14,
        "chain draft": 11,
        "composite direct": 1,
        "composite think": 8,
        "composite draft": 6,
        "composite split": 6,
        "chain split": 4,
        "verify": 8,
        "formalise": 12,
        "puzzle direct": 5,
        "puzzle think": 2,
        "search": 12,
        "read direct": 3,
        "read think": 4,
        "read draft": 5,
    },
    "sums": {"chain direct": 10, "chain draft": 2, "chain think": 2, "verify": 1},
    "steps": {"chain think": 6, "chain draft": 3, "chain direct": 3, "composite think": 1, "verify": 1},
    "arithmetic": {
        "chain direct": 5,
        "chain think": 6,
        "verify": 1,
        "composite think": 2,
        "composite split": 2,
        "chain split": 1,
        "formalise": 2,
        "puzzle direct": 1,
        "search": 3,
        "read direct": 0.5,
        "read think": 0.5,
        "read draft": 0.5,
    },
    "shorthand": {
        "formalise": 8,
        "composite split": 4,
        "chain split": 3,
        "chain direct": 2,
        "chain think": 2,
        "search": 2,
    },
    "reading": {"search": 8, "read draft": 3, "read think": 3, "read direct": 1, "chain direct": 4},
}
"""Narrow mixes for skills that appear late in the whole mix.

After 3,000 steps of the whole mix neither size had the tens digit of a sum; 500 to 1,000 steps of `sums` gave
75 to 80 %.
"""


@dataclass(frozen=True, slots=True)
class Recipe:
    """A model's shape, its mixes of examples and the length of its training."""

    name: str
    seed: int
    width: int
    """The size of a token's vector."""
    layers: int
    heads: int
    hidden: int
    """The width of the feed-forward part."""
    stages: tuple[tuple[int, str], ...]
    """(optimizer steps, name of a mix), one after the other; steps are multiples of 8."""
    quantised_steps: int
    """How many of the last steps run with the rounding of the shipped weights."""
    kind: Literal["reasoning", "standard"] = "reasoning"
    """Whether it was trained to write steps."""
    tokens_per_step: int = 6144
    learning_rate: float = 3e-3
    matrix_learning_rate: float = 0.02

    @property
    def steps(self) -> int:
        """Optimizer steps of all stages."""
        return sum(steps for steps, _ in self.stages)

    def mix_at(self, step: int) -> Mapping[str, float]:
        """The mix that a step draws from; after the last step, that of the last stage."""
        for steps, name in self.stages:
            step -= steps
            if step < 0:
                break
        return MIXES[name]


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "pocket-800k",
            seed=3,
            width=128,
            layers=4,
            heads=4,
            hidden=344,
            stages=((800, "sums"), (1600, "foundations"), (5600, "everything")),
            quantised_steps=400,
        ),
    )
}
"""The models that `make pocket` trains."""
