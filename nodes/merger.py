"""The merger: makes the answer of the whole from the answers of its parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

from pydantic import PositiveInt

from ..records.message import CANDIDATES, Candidate, Message, MessageSize, Part
from ..records.status import Status
from ..records.text import longest_bytes
from .answer_node import AnswerNode, answer_size, mended, output_of, prefix_size, repairs_bound
from .asks import ask_of, bound_of, request_of, wording_of
from .base import CallBound, Context, Incoming, Inputs, Kind, Speakers
from .knob import ANY_MODEL, Knob, ModelKnob
from .oracles import right_answer
from .outputs import passed_on, reader_of
from .parts import fill, placeholders
from .prompts.base import Ask, Messages, Style
from .readings import read_all
from .repeated_node import RepeatedNode, most_draws
from .repetition import Drawn, answers_of, draws_of, first_alone, message_of, repeat

__all__ = ["KIND", "Merger"]


class Merger(RepeatedNode, AnswerNode):
    """Asks for the answer of the whole, given those of the parts.

    It reads two messages: one with `parts` and `combine`, and one whose candidates are the parts' answers, each with
    the part's name as its source; a part that failed has none, or an empty answer. Where `combine` is just one part,
    its answer is passed on without a call, if it is what `output` says. Where a part that `combine` needs has no
    answer, the whole has none. Several samples vote with their answers.
    """

    kind: ClassVar[str] = "merger"

    model: ModelKnob = ANY_MODEL
    max_output_tokens: Knob[PositiveInt] = 512
    """Of each sample."""


@dataclass(frozen=True, slots=True)
class _Solved:
    """The parts with what was found for them."""

    parts: tuple[Part, ...]
    combine: str
    answers: Mapping[str, Candidate]
    status: Status
    reason: str
    others: Mapping[str, Message]
    """Messages that have nothing to do with the parts."""

    @property
    def needed(self) -> tuple[str, ...]:
        """The parts that `combine` names; all of them where it names none."""
        names = [part.name for part in self.parts]
        return tuple(name for name in placeholders(self.combine) if name in names) or tuple(names)


async def _run(node: Merger, inputs: Inputs, context: Context) -> Message:
    solved = _solved(inputs)
    if solved is None:
        return Message(status=Status.SKIPPED, reason="no parts came in, so there is nothing to merge")
    missing = [name for name in solved.needed if name not in solved.answers]
    if missing:
        status = solved.status if solved.status.failed else Status.UNKNOWN
        return Message(status=status, reason=f"part {missing[0]} has no answer: {solved.reason or 'none was found'}")
    if solved.combine.strip().rstrip(" =?.") == f"{{{solved.needed[0]}}}":
        only = passed_on(node.output, solved.answers[solved.needed[0]], context.node)
        if only is not None:
            return _said(only)
    return await _merge(node, inputs, context, solved)


async def _merge(node: Merger, inputs: Inputs, context: Context, solved: _Solved) -> Message:
    answers = {name: candidate.answer for name, candidate in solved.answers.items()}
    size = longest_bytes(solved.combine) + sum(longest_bytes(answer) for answer in answers.values())
    if longest_bytes(fill(solved.combine, answers)) > size:
        return Message(status=Status.PARSE_ERROR, reason="`combine` repeats long answers, so it has no bound")
    dialect = context.dialect(node.model)
    # The notes are those of the others; the prompt may name all.
    notes = ask_of(replace(inputs, messages=solved.others))
    ask = replace(notes, wording=wording_of(node, inputs), output=output_of(node))
    given = [(part, answers[part.name]) for part in solved.parts if part.name in answers]
    prompt, reader = dialect.merge(ask, given, solved.combine), reader_of(node.output, dialect, Style.THINK)

    async def draw(samples: Sequence[int]) -> list[Drawn[None]]:
        first = request_of(
            context,
            node.model,
            prompt,
            max_output_tokens=node.max_output_tokens,
            temperature=node.temperature,
            node=node,
            sample=inputs.round * most_draws(node),
        )
        requests = [first.with_sample(first.sample + number) for number in samples]
        readings = await read_all(requests, context, reader, cut=partial(reader, cut=True))
        return answers_of(node, await mended(node, readings, requests, context, reader), context.node)

    drawing = partial(first_alone, draw, context=context) if node.repairs else draw
    return message_of(node, await repeat(node, inputs.question, context, drawing), context)


def _said(candidate: Candidate) -> Message:
    return Message(
        answer=candidate.answer,
        data=candidate.data,
        text=candidate.text,
        candidates=(candidate,),
        abstained=candidate.abstained,
    )


def _solved(inputs: Inputs) -> _Solved | None:
    split = next((name for name, message in inputs.messages.items() if message.parts and message.combine), None)
    if split is None:
        return None
    parts, combine = inputs.messages[split].parts, inputs.messages[split].combine
    names = {part.name for part in parts}
    others = {name: message for name, message in inputs.messages.items() if name != split}
    for name, message in others.items():
        answers = {c.source: c for c in message.candidates if c.source in names}
        if answers:
            found = {part: candidate for part, candidate in answers.items() if candidate.answer.strip()}
            rest = {other: kept for other, kept in others.items() if other != name}
            return _Solved(parts, combine, found, message.status, message.reason, rest)
    failed = next((message for message in others.values() if message.status.failed), Message())
    return _Solved(parts, combine, {}, failed.status, failed.reason, others)


def _worst_case(node: Merger, ask: Ask, incoming: Incoming, speakers: Speakers) -> tuple[CallBound, ...]:
    speaker, cap = speakers(node.model), node.max_output_tokens
    frames = [(Part(f"p{number}", ""), "") for number in range(1, CANDIDATES + 1)]

    def render(filled: Ask) -> Messages:
        return speaker.merge(filled, frames, "x")

    # What comes in is read as parts and answers, as notes or as passages, but only once.
    call = bound_of(
        node.model,
        render,
        ask,
        1,
        cap,
        node=node,
        upstream=incoming,
        extra_bytes=incoming,
        times=most_draws(node),
        speakers=speakers,
    )
    reply = speakers.reply(node.model, cap) + prefix_size(node, speakers)
    return call, *repairs_bound(node, call, reply, speakers)


def _writes(node: Merger, ask: Ask, incoming: Incoming, speakers: Speakers) -> MessageSize:
    """Of the model's reply; or of a part's answer, where that is all there is to merge."""
    reply = speakers.reply(node.model, node.max_output_tokens)
    return MessageSize(
        answer=max(answer_size(node.output, reply, speakers), *(size.answer for size in incoming.sizes), 0),
        text=max(reply, *(size.text for size in incoming.sizes), 0),
        candidates=min(CANDIDATES, most_draws(node)),
    )


KIND = Kind(
    config=Merger,
    run=_run,
    worst_case=_worst_case,
    writes=_writes,
    oracle=right_answer,
    draws=draws_of,
    models=lambda node: (node.model,),
)
