"""Composites: chains in brackets, combined left to right; they fall apart into independent parts."""

from __future__ import annotations

import random
from dataclasses import dataclass

from ...records.task import Perfect
from .base import Asked, Family, drawn
from .chains import Chain, draw_chain

__all__ = ["COMPOSITES", "Composite", "draw_composite"]

_INSTRUCTIONS = (
    "Each bracket is worked strictly from left to right, without the usual precedence of multiplication; then the "
    "brackets' values are combined strictly from left to right. After every operation keep only the last two digits "
    "(the result modulo 100, so 03-05 gives 98). Answer with the two digits of the result."
)


@dataclass(frozen=True, slots=True)
class Composite:
    """Bracketed chains and the operators between them."""

    groups: tuple[Chain, ...]
    operators: str
    """One character between each two groups."""

    @property
    def text(self) -> str:
        """The composite as it is asked."""
        return "".join(
            f"{operator}({group.text})" for operator, group in zip(" " + self.operators, self.groups, strict=True)
        ).lstrip()

    @property
    def combination(self) -> Chain:
        """The chain of the groups' values."""
        values = [group.value for group in self.groups]
        return Chain(values[0], tuple(zip(self.operators, values[1:], strict=True)))

    @property
    def value(self) -> int:
        """The value of the whole."""
        return self.combination.value

    @property
    def perfect(self) -> Perfect:
        """The groups as parts, how their values are combined, and what comes of each."""
        names = [f"p{number}" for number in range(1, len(self.groups) + 1)]
        operators = zip(" " + self.operators, names, strict=True)
        answers = [chain.perfect.answers for chain in (*self.groups, self.combination)]
        return Perfect(
            parts={name: f"{group.text}=" for name, group in zip(names, self.groups, strict=True)},
            combine="".join(f"{operator}{{{name}}}" for operator, name in operators).lstrip() + "=",
            answers={question: answer for each in answers for question, answer in each.items()},
        )


def draw_composite(rng: random.Random, groups: int) -> Composite:
    """A composite with so many groups of one to three operations each, joined by plus and minus."""
    chains = tuple(draw_chain(rng, rng.randint(1, 3)) for _ in range(groups))
    return Composite(chains, "".join(rng.choice("+-") for _ in range(groups - 1)))


def _ask(rng: random.Random, difficulty: int) -> Asked:
    composite = draw_composite(rng, difficulty)
    return Asked(f"{composite.text}=", f"{composite.value:02d}", perfect=composite.perfect)


COMPOSITES = Family(
    name="composites",
    metric="numeric",
    instructions=_INSTRUCTIONS,
    dial="brackets",
    difficulties=range(2, 7),
    stream=drawn(_ask),
)
