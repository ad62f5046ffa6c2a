"""A question with its gold answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from ..errors import UsageError
from .text import lone_surrogate

__all__ = ["Perfect", "Task"]

_PERFECT = "perfect"
"""The key of `Task.metadata` under which a `Perfect` stands."""


class Perfect(BaseModel):
    """What nodes that make no mistake would say on the way to a task's answer.

    It is read to measure what a node's mistakes cost, see `Kind.oracle`; no model sees it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    parts: Mapping[str, str] = Field(default_factory=dict)
    """A perfect split: sub-questions by name; `{p1}` stands for the answer of part p1."""
    combine: str = ""
    """A question in which `{p1}` stands for the answer of part p1; its answer is that of the whole."""
    answers: Mapping[str, str] = Field(default_factory=dict)
    """The right answer of each sub-question, by its text as it is asked, with the answers that it needs filled in."""

    @model_validator(mode="after")
    def _split_is_whole(self) -> Perfect:
        if bool(self.parts) != bool(self.combine):
            raise PydanticCustomError("perfect", "parts and combine belong together; give both or neither")
        return self


def _storable(text: str) -> str:
    half = lone_surrogate(text)
    if half:
        raise ValueError(f"half of a surrogate pair ({half}) is no character; remove it")
    return text


_Text = Annotated[str, AfterValidator(_storable)]


class Task(BaseModel):
    """One question of a dev set, or one that a user asks.

    The identity of a task is the hash of its content, so the same question in two files is one task.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    question: str = Field(min_length=1, max_length=200_000)
    """What is asked. Of the task, only this text, `context` and `instructions` reach a model."""
    gold: _Text = ""
    """The right answer, in the form that the metric expects; empty where none is known."""
    family: _Text = "default"
    """The group of like tasks that it belongs to."""
    context: tuple[_Text, ...] = ()
    """Passages that come with the question."""
    instructions: _Text = ""
    """How to read the question, for models that were not made for its family."""
    difficulty: int | None = None
    """The setting of the generator's dial, for reports; policies must not read it."""
    name: _Text = ""
    """A label for people, such as the line's own identifier in its source."""
    cluster: _Text = ""
    """The template or source that it shares with others, which stay with it wherever a dev set is divided; empty where
    that is to be found from the texts, see `task_clusters`."""
    metadata: Mapping[str, Any] = Field(default_factory=dict)
    """What the metric needs beside the gold answer, for example the constraints of a puzzle; and under `perfect` the
    fields of a `Perfect`."""

    @field_validator("metadata")
    @classmethod
    def _perfect_can_be_read(cls, metadata: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            Perfect.model_validate(metadata.get(_PERFECT, {}))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, (_PERFECT, *first["loc"])))
            told = {"place": place, "problem": f"{first['msg'][0].lower()}{first['msg'][1:]}"}
            raise PydanticCustomError("perfect", "{place}: {problem}", told) from None
        return metadata

    @property
    def perfect(self) -> Perfect:
        """What perfect nodes would say, as far as the task tells."""
        return Perfect.model_validate(self.metadata.get(_PERFECT, {}))

    @model_validator(mode="after")
    def _has_identity(self) -> Self:
        if self.metadata:
            try:
                self.model_dump_json(include={"metadata"})
            except ValueError as problem:
                raise ValueError(f"metadata cannot be written as JSON: {problem}") from None
        return self

    @classmethod
    def asking(cls, question: str) -> Self:
        """A task of a question alone.

        Raises:
            UsageError: the question is empty, too long, or no text.
        """
        try:
            return cls(question=question)
        except ValidationError as error:
            raise UsageError(f"the question cannot be asked: {error.errors(include_input=False)[0]['msg']}") from None

    @property
    def task_id(self) -> str:
        """The content hash, 16 hexadecimal digits.

        The name, the cluster and `metadata["perfect"]` are no part of it: none reaches a model or the metric.
        """
        payload = self.model_dump(mode="json", exclude={"name": True, "cluster": True, "metadata": {_PERFECT}})
        canonical = json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]
