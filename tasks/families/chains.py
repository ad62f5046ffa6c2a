"""Arithmetic chains: operations on two-digit numbers, left to right, modulo 100."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import combinations

from ...records.task import Perfect
from .base import Asked, Family, drawn

__all__ = ["CHAINS", "Chain", "calculate", "draw_chain"]

_INSTRUCTIONS = (
    "Work strictly from left to right, without the usual precedence of multiplication. After every operation keep "
    "only the last two digits (the result modulo 100, so 03-05 gives 98). Answer with the two digits of the result."
)


@dataclass(frozen=True, slots=True)
class Chain:
    """A start value and the operations on it."""

    start: int
    operations: tuple[tuple[str, int], ...]
    """(operator, operand) from left to right."""

    @property
    def text(self) -> str:
        """The chain as it is asked, every number two digits wide."""
        return f"{self.start:02d}" + "".join(f"{operator}{operand:02d}" for operator, operand in self.operations)

    @property
    def results(self) -> tuple[int, ...]:
        """The value after each operation."""
        values = []
        value = self.start
        for operator, operand in self.operations:
            value = calculate(value, operator, operand)
            values.append(value)
        return tuple(values)

    @property
    def value(self) -> int:
        """The value of the whole."""
        return self.results[-1] if self.operations else self.start

    @property
    def perfect(self) -> Perfect:
        """What comes of every stretch of the chain that is begun with the right value: a split may cut it anywhere."""
        values, answers = (self.start, *self.results), {}
        for begin, end in combinations(range(len(values)), 2):
            answers[f"{Chain(values[begin], self.operations[begin:end]).text}="] = f"{values[end]:02d}"
        return Perfect(answers=answers)


def calculate(left: int, operator: str, right: int) -> int:
    """One operation modulo 100.

    Raises:
        ValueError: the operator is none of `+`, `-` and `*`.
    """
    match operator:
        case "+":
            return (left + right) % 100
        case "-":
            return (left - right) % 100
        case "*":
            return left * right % 100
    raise ValueError(f"unknown operator {operator!r}")


def draw_operation(rng: random.Random) -> tuple[str, int]:
    """An operator and its operand; factors are between 2 and 19, terms between 0 and 99."""
    operator = rng.choice("+-*")
    return operator, rng.randint(2, 19) if operator == "*" else rng.randint(0, 99)


def draw_chain(rng: random.Random, operations: int) -> Chain:
    """A chain with so many operations."""
    return Chain(rng.randint(0, 99), tuple(draw_operation(rng) for _ in range(operations)))


def _ask(rng: random.Random, difficulty: int) -> Asked:
    chain = draw_chain(rng, difficulty)
    return Asked(f"{chain.text}=", f"{chain.value:02d}", perfect=chain.perfect)


CHAINS = Family(
    name="chains",
    metric="numeric",
    instructions=_INSTRUCTIONS,
    dial="operations",
    difficulties=range(1, 13),
    stream=drawn(_ask),
)
