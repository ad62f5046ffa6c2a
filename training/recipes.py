"""What each pocket model is and how it is trained. A further model is a further entry of `RECIPES`."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DRILLS", "GENERALIST", "RECIPES", "Recipe"]

GENERALIST: dict[str, float] = {
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
}
"""How often each kind of example is drawn; the numbers need not sum to anything."""

DRILLS: dict[str, dict[str, float]] = {
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
    """A model's shape, its mix of examples and the length of its training."""

    name: str
    seed: int
    width: int
    """The size of a token's vector."""
    layers: int
    heads: int
    hidden: int
    """The width of the feed-forward part."""
    steps: int
    """Optimizer steps."""
    quantised_steps: int
    """How many of the last steps run with the rounding of the shipped weights."""
    drills: tuple[tuple[range, str], ...] = ()
    """Which steps draw from a mix of `DRILLS` instead of the whole mix; ranges begin and end at multiples of 8."""
    tokens_per_step: int = 6144
    mix: tuple[tuple[str, float], ...] = tuple(GENERALIST.items())
    learning_rate: float = 3e-3
    matrix_learning_rate: float = 0.02


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "pocket-30k",
            seed=1,
            width=32,
            layers=2,
            heads=2,
            hidden=88,
            steps=8400,
            quantised_steps=600,
            drills=((range(1600), "sums"), (range(3504, 4200), "steps"), (range(5000, 5704), "shorthand")),
        ),
        Recipe(
            "pocket-100k",
            seed=2,
            width=64,
            layers=2,
            heads=2,
            hidden=176,
            steps=10600,
            quantised_steps=600,
            drills=((range(3000, 3800), "sums"), (range(4000, 5200), "reading"), (range(8600, 10000), "arithmetic")),
        ),
    )
}
"""The models that `make pocket` trains.

The shipped weights were trained in stages: later steps and drills were added at checkpoints, with the learning rate
stretched accordingly. A run from the start gives models of the same make, not the same bits.
"""
