"""Training examples of every role, drawn from the `training` share of the families."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from apportion.models.pocket.tokenizer import encode
from apportion.nodes.prompts.base import Ask, Messages, Style
from apportion.nodes.prompts.pocket import PocketDialect
from apportion.tasks.families.base import share_of
from apportion.tasks.families.chains import Chain, calculate, draw_chain
from apportion.tasks.families.composites import Composite, draw_composite
from apportion.tasks.families.puzzles import Clause, Puzzle, draw_puzzle

__all__ = [
    "Example",
    "chain_draft",
    "chain_think",
    "composite_draft",
    "composite_think",
    "draw_chain_split",
    "draw_composite_split",
    "draw_formalisation",
    "draw_puzzle_answer",
    "draw_solved_chain",
    "draw_solved_composite",
    "draw_subtle_verification",
    "draw_verification",
    "of_share",
    "reply",
    "sooner",
]

DIALECT = PocketDialect()
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Example:
    """A token sequence, and which of its tokens the model is to write."""

    tokens: tuple[int, ...]
    written: tuple[bool, ...]

    @classmethod
    def of(cls, *segments: tuple[str, bool]) -> Example:
        """Joins texts; each is either given (False) or written by the model (True)."""
        tokens: list[int] = []
        written: list[bool] = []
        for text, by_model in segments:
            piece = encode(text)
            tokens += piece
            written += [by_model] * len(piece)
        return cls(tuple(tokens), tuple(written))


def reply(prompt: Messages, text: str) -> Example:
    """A prompt and the line that answers it."""
    return Example.of((prompt.messages[-1].content, False), (text + "\n", True))


def chain_think(chain: Chain) -> str:
    """`47+83=30*02=60`."""
    steps = zip(chain.operations, chain.results, strict=True)
    return f"{chain.start:02d}" + "".join(f"{sign}{number:02d}={value:02d}" for (sign, number), value in steps)


def chain_draft(chain: Chain) -> str:
    """`30 60`."""
    return " ".join(f"{value:02d}" for value in chain.results or (chain.start,))


def composite_think(composite: Composite) -> str:
    """The groups' traces, then that of the combination."""
    return ";".join(chain_think(chain) for chain in (*composite.groups, composite.combination))


def composite_draft(composite: Composite) -> str:
    """The results in the same order."""
    return " ".join(chain_draft(chain) for chain in (*composite.groups, composite.combination))


def of_share(draw: Callable[[], T], content: Callable[[T], str]) -> T:
    """What `draw` gives, once its content is of the training share."""
    while True:
        item = draw()
        if share_of(content(item)) == "training":
            return item


def sooner(rng: random.Random, first: int, last: int) -> int:
    """A number of the range, those of its first half somewhat more often."""
    return rng.randint(first, last if rng.random() < 0.6 else (first + last) // 2)


def training_chain(rng: random.Random, operations: int) -> Chain:
    """A chain of the training share."""
    return of_share(lambda: draw_chain(rng, operations), lambda chain: f"{chain.text}=")


def training_composite(rng: random.Random, groups: int) -> Composite:
    """A composite of the training share."""
    return of_share(lambda: draw_composite(rng, groups), lambda composite: f"{composite.text}=")


def training_puzzle(rng: random.Random, letters: int) -> Puzzle:
    """A puzzle of the training share."""
    return of_share(lambda: draw_puzzle(rng, letters), lambda puzzle: puzzle.text)


def draw_solved_chain(rng: random.Random, style: Style, longest: int) -> Example:
    """A chain solved in a style; direct answers are mostly of one operation."""
    operations = rng.randint(0 if rng.random() < 0.05 else 1, longest)
    if style is Style.DIRECT:
        operations = rng.choices((0, 1, 2, 3), (1, 80, 12, 7))[0]
    chain = training_chain(rng, operations)
    text = {Style.DIRECT: f"{chain.value:02d}", Style.DRAFT: chain_draft(chain), Style.THINK: chain_think(chain)}[style]
    return reply(DIALECT.solve(Ask(f"{chain.text}="), style), text)


def draw_solved_composite(rng: random.Random, style: Style, most: int) -> Example:
    """A composite solved in a style."""
    composite = training_composite(rng, rng.randint(2, most))
    text = {
        Style.DIRECT: f"{composite.value:02d}",
        Style.DRAFT: composite_draft(composite),
        Style.THINK: composite_think(composite),
    }[style]
    return reply(DIALECT.solve(Ask(f"{composite.text}="), style), text)


def draw_composite_split(rng: random.Random, most: int) -> Example:
    """A composite split into its groups."""
    composite = training_composite(rng, rng.randint(2, most))
    names = [f"p{number}" for number in range(1, len(composite.groups) + 1)]
    combine = names[0] + "".join(a + b for a, b in zip(composite.operators, names[1:], strict=True))
    text = "|".join((*(chain.text for chain in composite.groups), combine))
    return reply(DIALECT.decompose(Ask(f"{composite.text}="), 8), text)


def draw_chain_split(rng: random.Random, longest: int) -> Example:
    """A chain split into stretches of two operations, each needing the one before."""
    chain = training_chain(rng, rng.randint(1, longest))
    stretches = [chain.operations[i : i + 2] for i in range(0, len(chain.operations), 2)]
    texts = ["".join(f"{sign}{number:02d}" for sign, number in stretch) for stretch in stretches]
    if len(texts) == 1:
        texts.append("")
    segments = [f"{chain.start:02d}{texts[0]}", *(f"p{i}{text}" for i, text in enumerate(texts[1:], start=1))]
    return reply(DIALECT.decompose(Ask(f"{chain.text}="), 8), "|".join(segments))


def draw_verification(rng: random.Random, longest: int) -> Example:
    """A think trace of which about a third of the steps are wrong in half of the cases, and its re-solved steps."""
    chain = training_chain(rng, rng.randint(1, longest))
    rate = rng.choice((0.0, min(0.4, 1.5 / len(chain.operations))))
    value = chain.start
    trace, verdict = f"{value:02d}", ""
    for sign, operand in chain.operations:
        right = calculate(value, sign, operand)
        value = right
        if rng.random() < rate:
            value = rng.choice((right + 10, right - 10, right + 1, right - 1, right + rng.randint(2, 98))) % 100
        trace += f"{sign}{operand:02d}={value:02d}"
        verdict += f"{right:02d}" + ("y" if value == right else "n")
    bare = len(chain.operations) == 1 and rng.random() < 0.5
    return reply(DIALECT.verify(Ask(f"{chain.text}="), f"{value:02d}", "" if bare else trace), verdict)


def draw_subtle_verification(rng: random.Random, longest: int) -> Example:
    """A think trace with one wrong step, wrong as people are: a carry, a sign, a neighbouring factor, two digits."""
    chain = training_chain(rng, rng.randint(1, longest))
    slip = rng.randrange(len(chain.operations))
    value = chain.start
    trace, verdict = f"{value:02d}", ""
    for number, (sign, operand) in enumerate(chain.operations):
        right = calculate(value, sign, operand)
        value = rng.choice(_slips(value, sign, operand)) if number == slip else right
        trace += f"{sign}{operand:02d}={value:02d}"
        verdict += f"{right:02d}" + ("y" if value == right else "n")
    return reply(DIALECT.verify(Ask(f"{chain.text}="), f"{value:02d}", trace), verdict)


def _slips(left: int, sign: str, right: int) -> list[int]:
    """Results that somebody may write instead of the right one."""
    true = calculate(left, sign, right)
    slips = [(true + 10) % 100, (true - 10) % 100, (true + 1) % 100, (true - 1) % 100, true % 10 * 10 + true // 10]
    match sign:
        case "*":
            slips += [left * (right + 1) % 100, left * (right - 1) % 100, left % 10 * right % 100]
        case "-":
            slips += [(right - left) % 100, (left + right) % 100]
        case "+":
            slips += [(left - right) % 100, (left // 10 + right // 10) % 10 * 10 + (left + right) % 10]
    return [slip for slip in slips if slip != true]


def shorthand(puzzle: Puzzle) -> str:
    """The puzzle as the dialect's reader takes it."""
    clauses = [_clause(clause) for clause in puzzle.clauses] + ["all differ"] * puzzle.all_differ
    return ";".join((f"{puzzle.letters}:{puzzle.high}", *clauses))


def _clause(clause: Clause) -> str:
    match clause.relation:
        case "differ" | "unequal":
            return f"{clause.left}!{clause.right}"
        case "below":
            return f"{clause.left}<{clause.right}"
        case "offset":
            return f"{clause.left}={clause.right}+{clause.offset}"


def draw_formalisation(rng: random.Random, most: int) -> Example:
    """A puzzle and its shorthand, the constraints in the order of the text."""
    puzzle = training_puzzle(rng, rng.randint(2, most))
    problem = "again" if rng.random() < 0.1 else ""
    return reply(DIALECT.formalise(Ask(puzzle.text), problem), shorthand(puzzle))


def draw_puzzle_answer(rng: random.Random, style: Style, most: int) -> Example:
    """A puzzle and its planted solution; thinking writes the shorthand first."""
    puzzle = training_puzzle(rng, rng.randint(2, most))
    text = puzzle.answer if style is not Style.THINK else f"{shorthand(puzzle)}|{puzzle.answer}"
    return reply(DIALECT.solve(Ask(puzzle.text), style), text)
