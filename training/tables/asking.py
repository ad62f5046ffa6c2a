"""Asking a model many prompts, and the cell of a table."""

from __future__ import annotations

import asyncio
import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from apportion.errors import CallFailed
from apportion.models.pocket import PocketModel
from apportion.models.request import Reply, Request
from apportion.nodes.prompts.base import Messages
from apportion.nodes.prompts.pocket import PocketDialect
from apportion.records.task import Task
from apportion.records.usage import Usage
from apportion.tasks.families import generate
from apportion.tasks.metrics import score

__all__ = ["DIALECT", "SEED", "TEMPERATURE", "Bench", "Cell", "auroc", "graded", "interval", "tokens_written"]

DIALECT = PocketDialect()
SEED = 20
"""Of the questions; all are of the share `dev`, which no model was trained on."""
TEMPERATURE = 0.8
_WHOLE_WINDOW = 255


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure: a model's mean score in some way of answering at one setting of a dial."""

    family: str
    way: str
    """How it was asked, for example "think" or "think vote@4"."""
    setting: str
    """The difficulty, or what else varies along the row."""
    value: float
    """Mean over the questions, in [0, 1]."""
    questions: int
    tokens: float = 0.0
    """Written per question, all samples together."""

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Bench:
    """A model and how many questions it is asked for each cell."""

    model: PocketModel
    count: int

    async def ask(self, prompts: Sequence[Messages], temperature: float = TEMPERATURE, sample: int = 0) -> list[Reply]:
        """One reply for each prompt; a prompt that does not fit the window gets an empty one."""
        name = self.model.card.name
        requests = [
            Request(name, prompt.messages, _WHOLE_WINDOW, temperature=temperature, sample=sample, logprobs=True)
            for prompt in prompts
        ]
        return list(await asyncio.gather(*map(self._complete, requests)))

    async def _complete(self, request: Request) -> Reply:
        try:
            return await self.model.complete(request)
        except CallFailed:
            return Reply("", "length", Usage(0, 0))

    def tasks(self, family: str, difficulty: int, count: int | None = None) -> list[Task]:
        """The questions of a cell."""
        return generate(family, count or self.count, SEED, difficulty)


def graded(task: Task, answer: str | None) -> float:
    """The score of an answer; none scores 0."""
    return 0.0 if answer is None else score(task, answer)


def tokens_written(replies: Iterable[Reply]) -> int:
    """By all replies together."""
    return sum(reply.usage.output_tokens for reply in replies if reply.usage)


def interval(value: float, count: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927), conservative where each question was sampled several times."""
    if count == 0:
        return 0.0, 1.0
    z = 1.96
    middle = (value + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(value * (1 - value) / count + z * z / (4 * count * count))
    return max(0.0, middle - half), min(1.0, middle + half)


def auroc(scores: Sequence[float], positive: Sequence[bool]) -> float | None:
    """The chance that a positive case scores above a negative one, ties counted half; None without both kinds."""
    wins = [score for score, is_positive in zip(scores, positive, strict=True) if is_positive]
    losses = [score for score, is_positive in zip(scores, positive, strict=True) if not is_positive]
    if not wins or not losses:
        return None
    ranked = sorted(losses)
    below = sum(bisect_left(ranked, win) + bisect_right(ranked, win) for win in wins)
    return below / 2 / len(wins) / len(losses)
