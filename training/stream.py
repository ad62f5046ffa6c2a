"""Batches of examples for a recipe, the same for the same seed and step."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apportion.nodes.prompts.base import Style

from . import examples as draw
from .examples import Example
from .examples_lists import draw_count, draw_solved_records, draw_solved_stock
from .examples_moves import draw_next_move, draw_path
from .reading import Library, draw_reading, draw_rejection, draw_search, open_library
from .recipes import Recipe

__all__ = ["WINDOW", "Batch", "batches", "draw_example"]

WINDOW = 256
"""Longer examples are not drawn, so no role is trained beyond it."""
_LIBRARIES = 60
_ROUNDS = 8


@dataclass(frozen=True, slots=True)
class Batch:
    """Examples of similar length, padded at the end."""

    tokens: NDArray[np.int64]
    """(examples, length)."""
    weights: NDArray[np.float32]
    """(examples, length): what the loss of predicting each token counts; 0 on prompts and padding."""


def _drawers(libraries: Sequence[Library]) -> dict[str, Callable[[random.Random], Example]]:
    direct, draft, think = Style.DIRECT, Style.DRAFT, Style.THINK
    return {
        "chain direct": lambda rng: draw.draw_solved_chain(rng, direct, 12),
        "chain think": lambda rng: draw.draw_solved_chain(rng, think, 12),
        "chain draft": lambda rng: draw.draw_solved_chain(rng, draft, 12),
        "composite direct": lambda rng: draw.draw_solved_composite(rng, direct, 3),
        "composite think": lambda rng: draw.draw_solved_composite(rng, think, 5),
        "composite draft": lambda rng: draw.draw_solved_composite(rng, draft, 5),
        "composite split": lambda rng: draw.draw_composite_split(rng, 6),
        "chain split": lambda rng: draw.draw_chain_split(rng, 12),
        "verify": lambda rng: draw.draw_verification(rng, 8),
        "verify subtle": lambda rng: draw.draw_subtle_verification(rng, 8),
        "formalise": lambda rng: draw.draw_formalisation(rng, 8),
        "puzzle direct": lambda rng: draw.draw_puzzle_answer(rng, direct, 6),
        "puzzle think": lambda rng: draw.draw_puzzle_answer(rng, think, 6),
        "search": lambda rng: draw_search(rng, rng.choice(libraries), rng.randint(1, _ROUNDS)),
        "search rejecting": lambda rng: draw_rejection(rng, rng.choice(libraries), rng.randint(2, _ROUNDS)),
        "read direct": lambda rng: draw_reading(rng, rng.choice(libraries), direct, 12),
        "read think": lambda rng: draw_reading(rng, rng.choice(libraries), think, 12),
        "read draft": lambda rng: draw_reading(rng, rng.choice(libraries), draft, 12),
        "links direct": lambda rng: draw_path(rng, direct),
        "links think": lambda rng: draw_path(rng, think),
        "links draft": lambda rng: draw_path(rng, draft),
        "codes direct": lambda rng: draw_solved_records(rng, direct),
        "codes think": lambda rng: draw_solved_records(rng, think),
        "stock direct": lambda rng: draw_solved_stock(rng, direct),
        "stock think": lambda rng: draw_solved_stock(rng, think),
        "stock draft": lambda rng: draw_solved_stock(rng, draft),
        "count direct": lambda rng: draw_count(rng, direct),
        "count think": lambda rng: draw_count(rng, think),
        "pegs direct": lambda rng: draw_next_move(rng, direct),
        "pegs think": lambda rng: draw_next_move(rng, think),
    }


def draw_example(
    rng: random.Random, mix: Mapping[str, float], drawers: Mapping[str, Callable[[random.Random], Example]]
) -> Example:
    """One example of a mix that fits the window."""
    kinds, shares = tuple(mix), tuple(mix.values())
    while True:
        example = drawers[rng.choices(kinds, shares)[0]](rng)
        if len(example.tokens) <= WINDOW:
            return example


def batches(recipe: Recipe, first_step: int, *, libraries: int = _LIBRARIES) -> Iterator[list[Batch]]:
    """The micro-batches of each step from `first_step` on, without end.

    Examples are drawn for eight steps at a time and sorted by length, so that padding stays small.
    """
    drawers = _drawers([open_library(seed) for seed in range(libraries)])
    group = first_step // _GROUP
    while True:
        rng = random.Random(f"{recipe.name}/{recipe.seed}/{group}")
        drawn = _group(rng, recipe.mix_at(group * _GROUP), recipe.tokens_per_step, drawers)
        yield from drawn[first_step % _GROUP if group == first_step // _GROUP else 0 :]
        group += 1


_GROUP = 8


def _group(
    rng: random.Random,
    mix: Mapping[str, float],
    tokens_per_step: int,
    drawers: Mapping[str, Callable[[random.Random], Example]],
) -> list[list[Batch]]:
    pool: list[Example] = []
    room = _GROUP * tokens_per_step
    while room > 0:
        pool.append(draw_example(rng, mix, drawers))
        room -= len(pool[-1].tokens)
    pool.sort(key=lambda example: len(example.tokens))
    micro: list[Batch] = []
    chunk: list[Example] = []
    for example in pool:
        if chunk and len(example.tokens) * (len(chunk) + 1) > tokens_per_step // 3:
            micro.append(_batch(chunk))
            chunk = []
        chunk.append(example)
    micro.append(_batch(chunk))
    rng.shuffle(micro)
    return [micro[step::_GROUP] for step in range(_GROUP)]


def _batch(chunk: Sequence[Example]) -> Batch:
    length = -(-max(len(example.tokens) for example in chunk) // 8) * 8
    tokens = np.zeros((len(chunk), length), np.int64)
    weights = np.zeros((len(chunk), length), np.float32)
    for row, example in enumerate(chunk):
        tokens[row, : len(example.tokens)] = example.tokens
        # By the square root, so that short direct answers are not starved by long traces.
        weight = sum(example.written) ** -0.5
        weights[row, : len(example.written)] = [weight * by_model for by_model in example.written]
    return Batch(tokens, weights)
