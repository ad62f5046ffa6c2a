"""Constraint puzzles in text: whole numbers, a sentence for each constraint, several ways to say the same."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from ...nodes.symbolic.constraints import AllDifferent, Compare, Constraint, Linear
from ...nodes.symbolic.schema import Problem
from ...nodes.symbolic.variables import IntVariable, Term
from .base import Asked, Family, drawn

__all__ = ["PUZZLES", "Clause", "Puzzle", "draw_puzzle"]

_INSTRUCTIONS = (
    "Find whole numbers in the given range, both ends included, that fit all sentences. Answer with every letter and "
    "its number in the order of the letters, in the form a=1 b=3 c=2."
)
_LETTERS = "abcdefgh"
Relation = Literal["differ", "unequal", "below", "offset"]


@dataclass(frozen=True, slots=True)
class Clause:
    """One constraint on `left`: other than `right`, not a number, less than `right`, or so much more than it."""

    relation: Relation
    left: str
    right: str
    """A letter, or a digit where the relation is `unequal`."""
    offset: int = 0

    def sentence(self, rng: random.Random) -> str:
        """One of the ways to say it."""
        match self.relation:
            case "differ":
                return rng.choice((f"{self.left} and {self.right} differ", f"{self.left} is not {self.right}"))
            case "unequal":
                return f"{self.left} is not {self.right}"
            case "below":
                ways = (f"{self.left} is less than {self.right}", f"{self.right} is more than {self.left}")
                return rng.choice(ways)
            case "offset":
                more = f"{self.left} is {self.offset} more than {self.right}"
                return rng.choice((more, f"{self.right} is {self.offset} less than {self.left}"))

    def constraint(self) -> Constraint:
        """The same in the schema of the symbolic solver."""
        match self.relation:
            case "differ":
                return Compare(variable=self.left, relation="!=", other=self.right)
            case "unequal":
                return Compare(variable=self.left, relation="!=", value=int(self.right))
            case "below":
                return Compare(variable=self.left, relation="<", other=self.right)
            case "offset":
                terms = (Term(variable=self.left), Term(variable=self.right, coefficient=-1))
                return Linear(terms=terms, relation="==", constant=self.offset)


@dataclass(frozen=True, slots=True)
class Puzzle:
    """A puzzle with one of its solutions."""

    letters: str
    high: int
    clauses: tuple[Clause, ...]
    all_differ: bool
    text: str
    solution: tuple[int, ...]
    """Planted; there may be others."""

    @property
    def answer(self) -> str:
        """The planted solution in the form that is asked for."""
        return " ".join(f"{letter}={value}" for letter, value in zip(self.letters, self.solution, strict=True))

    def problem(self) -> Problem:
        """The puzzle in the schema of the symbolic solver."""
        constraints: list[Constraint] = [clause.constraint() for clause in self.clauses]
        if self.all_differ:
            constraints.append(AllDifferent(variables=tuple(self.letters)))
        variables = tuple(IntVariable(name=letter, low=1, high=self.high) for letter in self.letters)
        return Problem(variables=variables, constraints=tuple(constraints))


def draw_puzzle(rng: random.Random, letters: int) -> Puzzle:
    """A puzzle with so many letters (2 to 8) and about one and a half times as many sentences."""
    names = _LETTERS[:letters]
    all_differ = rng.random() < 0.3
    high = rng.randint(max(3, letters if all_differ else letters - 1), max(4, letters + 1))
    values = rng.sample(range(1, high + 1), letters) if all_differ else [rng.randint(1, high) for _ in names]
    solution = dict(zip(names, values, strict=True))
    wanted = letters + rng.randint(0, letters // 2)
    clauses: list[Clause] = []
    used: set[tuple[str, str]] = set()
    while len(clauses) < wanted:
        clause = _draw_clause(rng, names, solution, high)
        pair = (min(clause.left, clause.right), max(clause.left, clause.right))
        if pair not in used or rng.random() < 0.05:
            used.add(pair)
            clauses.append(clause)
    sentences = [clause.sentence(rng) for clause in clauses] + ["all differ"] * all_differ
    text = f"Find {','.join(names)} from 1 to {high}: {'; '.join(sentences)}."
    return Puzzle(names, high, tuple(clauses), all_differ, text, tuple(values))


def _draw_clause(rng: random.Random, names: str, solution: dict[str, int], high: int) -> Clause:
    """A constraint that the solution satisfies."""
    left, right = rng.sample(names, 2)
    gap = solution[left] - solution[right]
    if rng.random() < 0.15:
        wrong = rng.choice([value for value in range(1, high + 1) if value != solution[left]])
        return Clause("unequal", left, str(wrong))
    if gap < 0 and rng.random() < 0.6:
        return Clause("below", left, right)
    if gap > 0 and rng.random() < 0.6:
        return Clause("offset", left, right, gap)
    if gap == 0:
        return _draw_clause(rng, names, solution, high)
    return Clause("differ", left, right)


def _ask(rng: random.Random, difficulty: int) -> Asked:
    puzzle = draw_puzzle(rng, difficulty)
    problem = puzzle.problem().model_dump(mode="json", exclude_none=True)
    return Asked(puzzle.text, puzzle.answer, metadata={"problem": problem})


PUZZLES = Family(
    name="puzzles",
    metric="constraints",
    instructions=_INSTRUCTIONS,
    dial="letters",
    difficulties=range(2, 9),
    stream=drawn(_ask),
)
