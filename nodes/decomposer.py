"""The decomposer: splits a question into sub-questions that depend on each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, ClassVar

from annotated_types import Interval
from pydantic import PositiveInt

from ..records.message import CANDIDATES, Message, Part
from ..records.status import Status
from .asks import ask_of, bound_of, request_of
from .base import CallBound, Context, Inputs, Kind, Node
from .knob import ANY_MODEL, Knob
from .parts import complaint, part_bytes, placeholders
from .prompts.base import Ask, Decomposition, Dialect, Prompt
from .readings import read

__all__ = ["KIND", "Decomposer"]


class Decomposer(Node):
    """Splits the question into parts, and says how their answers make the answer of the whole.

    A reply that cannot be used (too many parts, a part longer than the question, a circle), or a call that fails,
    does not end the run: the question goes on whole, as the only part. The message then has the status of what went
    wrong and its reason, and the trace has the event `whole`, so that the failure is counted and not hidden.
    """

    kind: ClassVar[str] = "decomposer"

    model: Knob[str] = ANY_MODEL
    max_parts: Knob[Annotated[int, Interval(ge=1, le=CANDIDATES)]] = 4
    """The most sub-questions. With 1 the question goes on whole, without a call. A reply with more cannot be used."""
    max_output_tokens: Knob[PositiveInt] = 512
    temperature: Knob[Annotated[float, Interval(ge=0.0, le=2.0)]] = 0.0


async def _run(node: Decomposer, inputs: Inputs, context: Context) -> Message:
    whole = Message(parts=(Part("p1", inputs.question),), combine="{p1}")
    if node.max_parts == 1:
        return whole
    dialect = context.dialect(node.model)
    request = request_of(
        context,
        node.model,
        dialect.decompose(ask_of(inputs), node.max_parts),
        max_output_tokens=node.max_output_tokens,
        temperature=node.temperature,
        sample=inputs.round,
    )
    reading = await read(request, context, dialect.read_decomposition)
    status, reason = reading.status, reading.reason
    if reading.value is not None:
        found = _with_needs(reading.value)
        reason = complaint(found.parts, found.combine, node.max_parts, part_bytes(inputs.question))
        if not reason:
            context.record("decomposed", parts=len(found.parts))
            return Message(parts=found.parts, combine=found.combine, text=reading.text)
        status = Status.PARSE_ERROR
    context.record("whole", status=status.value, reason=reason)
    return replace(whole, status=status, reason=reason, text=reading.text)


def _with_needs(found: Decomposition) -> Decomposition:
    """Every part needs at least the parts that its question names."""
    names = {part.name for part in found.parts}
    parts = tuple(
        replace(
            part,
            needs=tuple(dict.fromkeys((*part.needs, *(name for name in placeholders(part.question) if name in names)))),
        )
        for part in found.parts
    )
    return Decomposition(parts, found.combine)


def _worst_case(node: Decomposer, ask: Ask, incoming: int, dialect: Callable[[str], Dialect]) -> tuple[CallBound, ...]:
    if node.max_parts == 1:
        return ()
    speaker = dialect(node.model)

    def render(filled: Ask) -> Prompt:
        return speaker.decompose(filled, node.max_parts)

    return (bound_of(node.model, render, ask, incoming, node.max_output_tokens),)


KIND = Kind(config=Decomposer, run=_run, worst_case=_worst_case)
