"""What nodes that make no mistake say, for kinds that answer a question."""

from __future__ import annotations

from typing import Any

from ..records.message import Candidate, Message
from .base import Context, Inputs, Scorer

__all__ = ["right_answer", "said"]


async def right_answer(node: Any, inputs: Inputs, context: Context, score: Scorer) -> Message | None:
    """The gold answer; to a part of the question the answer that the task tells of (`Task.perfect`); see `Kind.oracle`.

    It fits every kind whose nodes answer what they are asked.
    """
    task = inputs.task
    answer = task.gold if inputs.question == task.question else task.perfect.answers.get(inputs.question, "")
    return said(answer, context) if answer else None


def said(answer: str, context: Context, *, checked: bool = False, evidence: tuple[str, ...] = ()) -> Message:
    """A message with this answer alone, given by the node that runs."""
    candidate = Candidate(answer, 1.0, checked=checked, source=context.node)
    return Message(answer=answer, candidates=(candidate,), evidence=evidence)
