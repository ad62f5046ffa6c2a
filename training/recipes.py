"""What each pocket model is and how it is trained. A further model is a further entry of `RECIPES`."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["GENERALIST", "OPENING", "RECIPES", "Recipe"]

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

OPENING: dict[str, float] = {"chain direct": 10, "chain draft": 2, "chain think": 2, "verify": 1}
"""The mix of the first steps of a model that would not find arithmetic in the whole mix."""


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
    opening_steps: int = 0
    """How many of the first steps draw from `OPENING`: the smallest model finds the sums only when they come first."""
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
            steps=10000,
            quantised_steps=1500,
            opening_steps=1600,
        ),
        Recipe("pocket-100k", seed=2, width=64, layers=2, heads=2, hidden=176, steps=12000, quantised_steps=1800),
    )
}
"""The models that `make pocket` trains."""
