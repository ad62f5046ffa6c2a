"""The decomposer: splits a question into sub-questions, by a model or a long list into slices."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Interval
from pydantic import PositiveInt

from ..errors import CallFailed
from ..records.message import CANDIDATES, Candidate, Message, MessageSize, Part
from ..records.status import Status
from ..records.text import slices
from .asks import ask_of, bound_of, request_of
from .base import CallBound, Context, Incoming, Inputs, Kind, Scorer, Speakers
from .knob import ADDED, ANY_MODEL, Knob, ModelKnob
from .parts import complaint, part_bytes, parts_form, placeholders
from .prompts.base import Ask, Decomposition, Messages
from .readings import Reading, read_all
from .repeated_node import OF_REPEATED_CALLS, RepeatedNode, most_draws
from .repetition import Drawn, draws_of, repeat

__all__ = ["KIND", "Decomposer"]


class Decomposer(RepeatedNode):
    """Splits the question into parts, and says how their answers make the answer of the whole.

    A reply that cannot be used (too many parts, a part longer than the question, a circle), or a call that fails,
    does not end the run: the question goes on whole, as the only part. The message then has the status of what went
    wrong and its reason, and the trace has the event `whole`, so that the failure is counted and not hidden.

    Of several samples the most frequent decomposition is taken: the same questions, whatever their order and names, put
    together in the same way. A reply that cannot be used has no vote.

    The method `slices` makes no call. A question that ends in one long run of characters without white space, such as
    `Count k in qwkekr...`, is asked of equal slices of that run, and the answers are added up; that is right for
    counts and other sums over a list. A question without such a run goes on whole, with the event `whole`.
    """

    kind: ClassVar[str] = "decomposer"

    model: ModelKnob = ANY_MODEL
    max_parts: Knob[Annotated[int, Interval(ge=1, le=CANDIDATES)]] = 4
    """The most sub-questions. With 1 the question goes on whole, without a call. A reply with more cannot be used."""
    max_output_tokens: Knob[PositiveInt] = 512
    method: Annotated[Knob[Literal["model", "slices"]], ADDED] = "model"
    """Whether the model splits the question, or a long list at its end is cut."""
    slice_letters: Annotated[Knob[PositiveInt], ADDED] = 40
    """The most characters that `slices` leaves in one piece; where `max_parts` slices do not suffice, they are
    longer."""

    def idle_knobs(self) -> frozenset[str]:
        """See `Node.idle_knobs`; slices make no calls."""
        return self._of_no_use | (frozenset() if self.method == "slices" else super().idle_knobs())

    def open_knobs(self, models: tuple[str, ...]) -> dict[str, tuple[Any, ...]]:
        """See `Node.open_knobs`; slices have no knobs of calls, and a model none of slices."""
        found = super().open_knobs(models)
        if self.method not in ("model", "slices"):
            return found
        return {name: values for name, values in found.items() if name not in self._of_no_use}

    @property
    def _of_no_use(self) -> frozenset[str]:
        return OF_REPEATED_CALLS if self.method == "slices" else frozenset({"slice_letters"})


_LIST_AT_THE_END = re.compile(r"(?P<head>.*\s)(?P<listed>\S+)", re.S)


async def _run(node: Decomposer, inputs: Inputs, context: Context) -> Message:
    whole = Message(parts=(Part("p1", inputs.question),), combine="{p1}")
    if node.max_parts == 1:
        return whole
    if node.method == "slices":
        return _slices(node, inputs.question, context) or whole
    try:
        found = await repeat(node, inputs.question, context, partial(_drawn, node, inputs, context))
    except CallFailed as failure:
        context.record("whole", status=failure.status.value, reason=failure.reason)
        return replace(whole, status=failure.status, reason=failure.reason)
    found.record(context, node.vote)
    chosen = found.winner(node.vote)
    if chosen is not None and chosen.value is not None:
        context.record("decomposed", parts=len(chosen.value.parts))
        return Message(parts=chosen.value.parts, combine=chosen.value.combine, text=chosen.readings[-1].text)
    status, reason = found.failure
    context.record("whole", status=status.value, reason=reason)
    return replace(whole, status=status, reason=reason, text=found.drawn[0].readings[-1].text)


async def _drawn(
    node: Decomposer, inputs: Inputs, context: Context, samples: Sequence[int]
) -> list[Drawn[Decomposition | None]]:
    dialect = context.dialect(node.model)
    first = request_of(
        context,
        node.model,
        dialect.decompose(ask_of(inputs, node), node.max_parts),
        max_output_tokens=node.max_output_tokens,
        temperature=node.temperature,
        node=node,
        sample=inputs.round * most_draws(node),
    )
    requests = [first.with_sample(first.sample + number) for number in samples]
    readings = await read_all(requests, context, dialect.read_decomposition)
    return [_read(node, inputs.question, reading) for reading in readings]


def _read(node: Decomposer, question: str, reading: Reading[Decomposition]) -> Drawn[Decomposition | None]:
    if reading.value is None:
        return Drawn(None, None, (reading,))
    found = _with_needs(reading.value)
    reason = complaint(found.parts, found.combine, node.max_parts, part_bytes(question))
    if reason:
        return Drawn(None, None, (reading,), (Status.PARSE_ERROR, reason))
    form = parts_form(found.parts, found.combine)
    return Drawn(found, Candidate(found.combine.strip() or form, reading.confidence, form=form), (reading,))


def _slices(node: Decomposer, question: str, context: Context) -> Message | None:
    """The question asked of each slice of its list, slices as equal as can be; None where no list is long enough."""
    found = _LIST_AT_THE_END.fullmatch(question.rstrip())
    if found is None or len(found["listed"]) <= node.slice_letters:
        context.record("whole", reason=f"the question does not end in a list of more than {node.slice_letters} letters")
        return None
    head, listed = found["head"], found["listed"]
    count = min(node.max_parts, -(-len(listed) // node.slice_letters))
    parts = tuple(Part(f"p{number}", head + piece) for number, piece in enumerate(slices(listed, count), start=1))
    context.record("decomposed", parts=count)
    return Message(parts=parts, combine="+".join(f"{{{part.name}}}" for part in parts) + "=")


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


async def _oracle(node: Decomposer, inputs: Inputs, context: Context, score: Scorer) -> Message | None:
    """The split that the task tells of (`Task.perfect`), where the node may make so many parts."""
    perfect = inputs.task.perfect
    if inputs.question != inputs.task.question or not perfect.parts:
        return None
    parts = tuple(Part(name, question) for name, question in perfect.parts.items())
    found = _with_needs(Decomposition(parts, perfect.combine))
    if complaint(found.parts, found.combine, node.max_parts, part_bytes(inputs.question)):
        return None
    return Message(parts=found.parts, combine=found.combine)


def _models(node: Decomposer) -> tuple[str, ...]:
    return () if node.max_parts == 1 or node.method == "slices" else (node.model,)


def _worst_case(node: Decomposer, ask: Ask, incoming: Incoming, speakers: Speakers) -> tuple[CallBound, ...]:
    if not _models(node):
        return ()
    speaker = speakers(node.model)

    def render(filled: Ask) -> Messages:
        return speaker.decompose(filled, node.max_parts)

    cap, times = node.max_output_tokens, most_draws(node)
    return (bound_of(node.model, render, ask, incoming, cap, node=node, times=times, speakers=speakers),)


def _writes(node: Decomposer, ask: Ask, incoming: Incoming, speakers: Speakers) -> MessageSize:
    reply = max((speakers.reply(model, node.max_output_tokens) for model in _models(node)), default=0)
    return MessageSize(answer=0, text=reply, candidates=0, combine=(node.max_parts + 1) * part_bytes(ask.question))


KIND = Kind(
    config=Decomposer,
    run=_run,
    worst_case=_worst_case,
    writes=_writes,
    oracle=_oracle,
    draws=lambda node: draws_of(node, answers=False) if _models(node) else None,
    models=_models,
    most_parts=lambda node: node.max_parts,
)
