"""What each pocket model is and how it is trained. A further model is a further entry of `RECIPES`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["MIXES", "RECIPES", "Recipe"]

MIXES: dict[str, dict[str, float]] = {
    "sums": {"chain direct": 10, "chain draft": 2, "chain think": 2, "verify": 1},
    "sums of answers": {"chain direct": 1},
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
    "searching": {"search": 8, "read draft": 3, "read think": 3, "read direct": 1, "chain direct": 4},
    "lookups": {
        "links direct": 2,
        "links draft": 5,
        "links think": 5,
        "codes direct": 8,
        "codes think": 6,
        "stock draft": 3,
        "stock think": 6,
        "read think": 3,
        "search": 2,
        "chain direct": 2,
        "composite think": 2,
    },
    "paths": {
        "links direct": 1,
        "links draft": 6,
        "links think": 8,
        "codes think": 3,
        "stock think": 2,
        "read think": 2,
        "search": 2,
        "chain direct": 2,
        "composite think": 1,
    },
    "lookups of answers": {
        "links direct": 3,
        "codes direct": 8,
        "stock direct": 3,
        "read direct": 3,
        "search": 3,
        "formalise": 2,
        "chain direct": 6,
    },
    "codes and composites": {
        "codes think": 8,
        "codes direct": 2,
        "composite think": 9,
        "composite split": 4,
        "composite draft": 2,
        "chain think": 2,
        "chain direct": 2,
        "links think": 3,
        "stock think": 2,
        "formalise": 3,
        "search": 2,
        "read think": 1,
        "pegs think": 1,
        "verify subtle": 1,
    },
    "everything": {
        "chain direct": 10,
        "chain think": 11,
        "chain draft": 6,
        "composite direct": 0.5,
        "composite think": 6,
        "composite draft": 3,
        "composite split": 5,
        "chain split": 3,
        "verify": 4,
        "verify subtle": 3,
        "formalise": 9,
        "puzzle direct": 3,
        "puzzle think": 1.5,
        "search": 8,
        "search rejecting": 5,
        "read direct": 2,
        "read think": 3,
        "read draft": 3,
        "links direct": 3,
        "links think": 5,
        "links draft": 4,
        "codes direct": 6,
        "codes think": 4,
        "stock direct": 2,
        "stock think": 6,
        "stock draft": 3,
        "count direct": 4,
        "count think": 4,
        "pegs direct": 3,
        "pegs think": 6,
    },
    "calculating": {
        "chain direct": 12,
        "chain think": 14,
        "chain draft": 10,
        "composite direct": 0.5,
        "composite think": 9,
        "composite draft": 5,
        "composite split": 6,
        "chain split": 4,
        "verify": 6,
        "verify subtle": 4,
        "stock direct": 2,
        "stock think": 7,
        "stock draft": 4,
        "count direct": 5,
        "count think": 5,
        "pegs direct": 2,
        "pegs think": 3,
    },
    "reading": {
        "formalise": 14,
        "puzzle direct": 3,
        "puzzle think": 2,
        "search": 12,
        "search rejecting": 9,
        "read direct": 4,
        "read think": 6,
        "read draft": 6,
        "links direct": 4,
        "links think": 8,
        "links draft": 6,
        "codes direct": 8,
        "codes think": 6,
        "stock think": 3,
        "count direct": 3,
        "count think": 2,
        "chain direct": 3,
    },
    "answers": {
        "chain direct": 16,
        "composite direct": 3,
        "composite split": 6,
        "chain split": 4,
        "formalise": 12,
        "puzzle direct": 6,
        "search": 10,
        "search rejecting": 6,
        "read direct": 8,
        "links direct": 8,
        "codes direct": 10,
        "stock direct": 8,
        "count direct": 8,
        "pegs direct": 6,
    },
}
"""How often each kind of example is drawn; the numbers of a mix need not sum to anything.

The narrow ones are for skills that appear late in a whole mix: after 3,000 steps of `foundations` neither small size
had the tens digit of a sum, while 500 to 1,000 steps of `sums` gave 75 to 80 %. A model of 30,000 parameters that met
`everything` right after `sums` had learned none of the families after 8,000 steps.
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
    purpose: str
    """What it was trained on, in a few words, for its card."""
    quantised_steps: int = 400
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
        last = 0
        for steps, name in self.stages:
            last += steps
            if step < last:
                return MIXES[name]
        return MIXES[self.stages[-1][1]]


_FOUNDED_100K = (
    (3000, "foundations"),
    (800, "sums"),
    (200, "foundations"),
    (1200, "searching"),
    (3400, "foundations"),
    (1400, "arithmetic"),
    (600, "foundations"),
)
"""How the reasoning models of this size begin."""


def _small(
    name: str,
    seed: int,
    stages: tuple[tuple[int, str], ...],
    purpose: str,
    kind: Literal["reasoning", "standard"] = "reasoning",
) -> Recipe:
    return Recipe(name, seed, width=64, layers=2, heads=2, hidden=176, stages=stages, purpose=purpose, kind=kind)


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
            stages=(
                (1600, "sums"),
                (1904, "foundations"),
                (696, "steps"),
                (800, "foundations"),
                (704, "shorthand"),
                (2696, "foundations"),
                (4000, "everything"),
            ),
            purpose="all families and roles",
        ),
        _small(
            "pocket-100k",
            seed=2,
            stages=(*_FOUNDED_100K, (3200, "everything"), (1600, "lookups"), (800, "paths"), (2600, "everything")),
            purpose="all families and roles",
        ),
        _small(
            "pocket-100k-arithmetic",
            seed=4,
            stages=(*_FOUNDED_100K, (1800, "calculating")),
            purpose="last on chains, composites, sums over a stock, counting and Hanoi moves only",
        ),
        _small(
            "pocket-100k-reading",
            seed=5,
            stages=(
                *_FOUNDED_100K,
                (1400, "reading"),
                (2200, "lookups"),
                (400, "reading"),
                (1400, "paths"),
                (600, "reading"),
                (2400, "paths"),
                (600, "reading"),
            ),
            purpose="last on searching, reading, formalising, links and codes only",
        ),
        _small(
            "pocket-100k-standard",
            seed=6,
            stages=((480, "sums of answers"), (1440, "answers"), (1200, "lookups of answers"), (1680, "answers")),
            purpose="answers, queries, splits and constraints of all families; never to write steps",
            kind="standard",
        ),
        Recipe(
            "pocket-800k",
            seed=3,
            width=128,
            layers=4,
            heads=4,
            hidden=344,
            stages=(
                (800, "sums"),
                (800, "foundations"),
                (2800, "everything"),
                (1000, "lookups"),
                (400, "everything"),
                (600, "codes and composites"),
            ),
            purpose="all families and roles",
        ),
    )
}
"""The models that `make pocket` trains.

Of the shipped weights, the first 8,400 steps of `pocket-30k` and the first 10,600 of the three reasoning models of 100k
were taken once, before the last pieces were added to the vocabulary; a run from the start takes the same stages.
"""
