"""What nodes that make no mistake say, for kinds that answer a question."""

from __future__ import annotations

from typing import Any

from ..records.message import Candidate, Message
from .answer_node import output_of
from .base import Context, Inputs, Scorer
from .outputs import passed_on

__all__ = ["right_answer", "said"]


async def right_answer(node: Any, inputs: Inputs, context: Context, score: Scorer) -> Message | None:
    """The gold answer; to a part of the question the answer that the task tells of (`Task.perfect`); see `Kind.oracle`.

    It fits every kind whose nodes answer what they are asked.
    """
    task = inputs.task
    answer = task.gold if inputs.question == task.question else task.perfect.answers.get(inputs.question, "")
    if not answer:
        return None
    fitting = passed_on(output_of(node), Candidate(answer, 1.0), context.node)
    if fitting is None:  # The gold answer is then no answer of this form, but for example a pattern for one.
        return said(answer, context)
    return Message(answer=fitting.answer, data=fitting.data, candidates=(fitting,))


def said(answer: str, context: Context, *, checked: bool = False, evidence: tuple[str, ...] = ()) -> Message:
    """A message with this answer alone, given by the node that runs."""
    candidate = Candidate(answer, 1.0, checked=checked, source=context.node)
    return Message(answer=answer, candidates=(candidate,), evidence=evidence)
