"""Outcome tables from surfaces that are known: what is best under a budget can be computed, not only estimated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from ..optimizers.arrays import Floats, Ints
from ..optimizers.tables.knapsack import allocate
from ..optimizers.tables.table import UNANSWERED, Arm, Lesson, Probe, Question, Table

__all__ = ["Kind", "Planted", "plant", "planted_lesson"]

Kind = Literal["crossing", "specialists", "dominating", "clones"]
"""crossing: one model is best at small settings, the other at large ones, and by how much depends on the topic;
specialists: each is better on some topics; dominating: one is better everywhere; clones: both are the same."""

_TOPICS = ("sums", "maps", "tales", "codes")
_LEVELS = {"easy": -1.6, "middling": 0.0, "nasty": 1.8}
_EFFORTS = (1, 2, 4, 8)
_CALL = {"plain": 100.0, "thinker": 100.0}
_FILLERS = ("please", "kindly", "now", "again", "today", "once", "first", "then", "also", "still")


@dataclass(frozen=True, slots=True, eq=False)
class Planted:
    """A table with what it was drawn from."""

    table: Table
    chances: Floats
    """(questions, arms): the expected scores."""
    costs: Floats
    """(questions, arms): the expected costs."""

    def value(self, chosen: Ints) -> float:
        """The expected score of an assignment, a question."""
        return float(np.where(chosen == UNANSWERED, 0.0, self.chances[np.arange(len(chosen)), chosen]).mean())

    def spend(self, chosen: Ints) -> float:
        """The expected cost of an assignment, a question."""
        return float(np.where(chosen == UNANSWERED, 0.0, self.costs[np.arange(len(chosen)), chosen]).mean())

    def best(self, budget: float) -> float:
        """The highest expected score within so much for each question on average, with all surfaces known."""
        return self.value(allocate(self.chances, self.costs, budget * len(self.costs)))


def plant(kind: Kind, questions: int, *, replicates: int = 1, seed: int = 0, hidden: float = 0.3) -> Planted:
    """Draws questions of four topics and three levels, both told in their text, for two models at four efforts.

    Args:
        kind: how the models differ.
        questions: how many.
        replicates: draws of every arm on every question.
        seed: of everything.
        hidden: the standard deviation of the difficulty that the text does not tell, in logits.
    """
    if kind not in get_args(Kind):
        raise ValueError(f"kind must be one of {', '.join(get_args(Kind))}, got {kind!r}")
    generator = np.random.default_rng([seed, get_args(Kind).index(kind), questions])
    topics = generator.integers(len(_TOPICS), size=questions)
    levels = generator.integers(len(_LEVELS), size=questions)
    words = [" ".join(generator.choice(_FILLERS, size=3)) for _ in range(questions)]
    asked = tuple(
        Question(
            f"{kind}-{seed}-{i}", f"A {list(_LEVELS)[level]} question on {_TOPICS[topic]}, {word}.", _TOPICS[topic]
        )
        for i, (topic, level, word) in enumerate(zip(topics, levels, words, strict=True))
    )
    hard = np.array(list(_LEVELS.values()))[levels] + hidden * generator.normal(size=questions)
    arms = [(model, effort) for model in _CALL for effort in _EFFORTS]
    skill = np.column_stack([_skill(kind, model, effort)[topics] for model, effort in arms])
    chances = 1 / (1 + np.exp(hard[:, None] - skill))
    length = np.exp(0.15 * levels)[:, None] * np.array([_CALL[model] * effort for model, effort in arms])
    noise = np.exp(generator.normal(0, 0.2, (*chances.shape, replicates)) - 0.02)
    scores = (generator.random((*chances.shape, replicates)) < chances[:, :, None]).astype(np.float64)
    sure = np.where(scores > 0, generator.beta(5, 3, scores.shape), generator.beta(4, 4, scores.shape))
    entropy = hard + 0.5 * generator.normal(size=questions)
    table = Table(
        asked,
        tuple(Arm(f"{m}-{effort}", (("solve", m),), f'{{"effort":{effort}}}') for m, effort in arms),
        scores,
        length[:, :, None] * noise,
        confidences=sure,
        probes=(Probe("entropy", entropy, np.full(questions, 5.0)),),
    )
    return Planted(table, chances, length)


def planted_lesson(
    kind: Kind,
    budget: float,
    *,
    fit: int = 500,
    validation: int = 200,
    replicates: int = 1,
    seed: int = 0,
    hidden: float = 0.3,
) -> Lesson:
    """What a policy can learn of a surface; questions drawn with another seed are new to it.

    Args:
        kind: see `plant`.
        budget: what a question may cost on average.
        fit: questions to learn from.
        validation: questions to compare on.
        replicates: see `plant`.
        seed: of everything.
        hidden: see `plant`.
    """
    whole = plant(kind, fit + validation, replicates=replicates, seed=seed, hidden=hidden).table
    everyone = np.arange(fit + validation)
    return Lesson(whole.take(everyone[:fit]), whole.take(everyone[fit:]), budget, seed)


def _skill(kind: Kind, model: str, effort: int) -> Floats:
    """(topics,): what is to be set against the difficulty, in logits."""
    steps = float(np.log2(effort))
    if kind == "clones":
        return np.full(len(_TOPICS), 0.4 * steps)
    if kind == "dominating":
        return np.full(len(_TOPICS), (0.0 if model == "plain" else 0.7) + 0.4 * steps)
    good_at = np.array([1.0, 1.0, -1.0, -1.0]) * (1 if model == "plain" else -1)
    if kind == "specialists":
        return good_at + 0.4 * steps
    start, gain = (0.6, 0.15) if model == "plain" else (-1.2, 1.1)
    return start + 0.5 * good_at + gain * steps
