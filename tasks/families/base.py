"""What a generated family is, and how its questions are kept apart by hash."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from ...records.task import Task

__all__ = ["PARTS", "Family", "Share", "share_of"]

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
    stream: Callable[[int, int, Share], Iterator[Task]]
    """(seed, difficulty, part) -> questions of that part, repeats possible; may end."""
    corpus: Callable[[int, Share], tuple[str, ...]] | None = None
    """(seed, part) -> the passages that its questions are answered from, where they are not in the question."""
