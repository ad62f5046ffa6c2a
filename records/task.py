"""A question with its gold answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Task"]


class Task(BaseModel):
    """One question of a dev set, or one that a user asks.

    The identity of a task is the hash of its content, so the same question in two files is one task.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    question: str = Field(min_length=1, max_length=200_000)
    """What is asked. Of the task, only this text, `context` and `instructions` reach a model."""
    gold: str = ""
    """The right answer, in the form that the metric expects; empty where none is known."""
    family: str = "default"
    """The group of like tasks that it belongs to."""
    context: tuple[str, ...] = ()
    """Passages that come with the question."""
    instructions: str = ""
    """How to read the question, for models that were not made for its family."""
    difficulty: int | None = None
    """The setting of the generator's dial, for reports; policies must not read it."""
    name: str = ""
    """A label for people, such as the line's own identifier in its source."""
    metadata: Mapping[str, Any] = Field(default_factory=dict)
    """What the metric needs beside the gold answer, for example the constraints of a puzzle."""

    @property
    def task_id(self) -> str:
        """The content hash, 16 hexadecimal digits."""
        payload = self.model_dump(mode="json", exclude={"name"})
        canonical = json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]
