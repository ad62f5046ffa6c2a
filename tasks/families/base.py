"""What a generated family is, and how its questions are kept apart by hash."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ...records.task import Perfect, Task

__all__ = ["PARTS", "Asked", "Family", "Share", "drawn", "share_of"]

Share = Literal["training", "dev", "demo"]

PARTS: dict[Share, range] = {"training": range(128), "dev": range(128, 192), "demo": range(192, 256)}
"""The first byte of the content hash decides where a question may be used, so no two uses can share a question."""


def share_of(content: str) -> Share:
    """The use that a question with this content belongs to.

    Args:
        content: everything that decides the answer, as text.
    """
    first = hashlib.blake2b(content.encode(), digest_size=1).digest()[0]
    return next(part for part, bytes_ in PARTS.items() if first in bytes_)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is a family's own of a task."""

    question: str
    gold: str
    context: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    perfect: Perfect | None = None
    """What nodes would say that make no mistake, where more than the gold answer is known."""


Stream = Callable[[random.Random, int, int, Share], Iterator[Asked]]
"""(generator, seed, difficulty, part) -> questions of that part, repeats possible; may end."""


@dataclass(frozen=True, slots=True)
class Family:
    """A group of like questions with an exact grader and a difficulty dial."""

    name: str
    metric: str
    """The name of the metric that grades it."""
    instructions: str
    """How to read a question, in plain English, for models that were not made for the family."""
    dial: str
    """What the difficulty counts, in a few words."""
    difficulties: range
    """The settings that the dial admits."""
    stream: Stream
    corpus: Callable[[int, Share], tuple[str, ...]] | None = None
    """(seed, part) -> the passages that its questions are answered from, where they are not in the question."""

    def tasks(self, seed: int, difficulty: int, part: Share) -> Iterator[Task]:
        """Its questions of one part, repeats possible; the same for the same arguments. May end."""
        generator = random.Random(f"{self.name}/{seed}/{difficulty}/{part}")
        for asked in self.stream(generator, seed, difficulty, part):
            perfect = {} if asked.perfect is None else {"perfect": asked.perfect.model_dump(exclude_defaults=True)}
            yield Task(
                question=asked.question,
                gold=asked.gold,
                family=self.name,
                context=asked.context,
                instructions=self.instructions,
                difficulty=difficulty,
                metadata={**asked.metadata, **perfect},
            )


def drawn(draw: Callable[[random.Random, int], Asked]) -> Stream:
    """The stream of a family that draws its questions one by one, from a generator and a difficulty."""

    def stream(generator: random.Random, seed: int, difficulty: int, part: Share) -> Iterator[Asked]:
        while True:
            asked = draw(generator, difficulty)
            if share_of(asked.question) == part:
                yield asked

    return stream
