"""The solver: answers a question, by one sample or by a vote over several."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval
from pydantic import PositiveInt

from ..models.request import Request
from ..records.message import CANDIDATES, Message, MessageSize
from ..records.status import Status
from .answer_node import AnswerNode, answer_size, mended, prefix_size, repairs_bound
from .asks import ask_of, bound_of, request_of
from .base import CallBound, Context, Incoming, Inputs, Kind, Speakers
from .depth import Depth
from .knob import ADDED, ANY_MODEL, Adaptive, Knob, ModelKnob, Times
from .oracles import right_answer
from .outputs import Reader, reader_of
from .prompts.base import Ask, Messages, Style
from .readings import Reading, read_all
from .repeated_node import RepeatedNode, most_draws
from .repetition import Drawn, answers_of, draws_of, first_alone, message_of, repeat
from .stopping import StopRule
from .votes import VoteRule

__all__ = ["KIND", "Solver"]

_INVITED = "If you do not know the answer, answer: I don't know."
_ANSWER_BEGINS = 16
"""What may stand between a thought and its answer, in bytes."""


class Solver(RepeatedNode, AnswerNode):
    """Answers the question, perhaps several times, and votes.

    It reads the task's passages and the evidence found upstream, other nodes' answers as notes, and in a later round
    of a loop what the checker had against its last answer. Each round of a loop draws new samples.
    """

    kind: ClassVar[str] = "solver"

    model: ModelKnob = ANY_MODEL
    style: Knob[Literal["direct", "draft", "think"]] = "think"
    """The answer only; a draft of a few words a step; or step by step."""
    max_output_tokens: Knob[PositiveInt] = 1024
    """Of each sample."""
    thinking_tokens: Annotated[Knob[PositiveInt | None], ADDED] = None
    """The most tokens of a draft or of thinking step by step; None: no limit of their own. What a sample had thought by
    then is kept: the model is asked once more for the answer that it leads to, with up to `max_output_tokens`, by
    continuing the reply where it can and else with the thought in the prompt. Both calls are charged."""
    samples: Knob[Times | Adaptive] = 1
    vote: Knob[VoteRule] = "majority"
    """majority: most votes; confidence: the sum of the samples' mean token probabilities, where the model gives them;
    first: the first sample that could be read. Samples agree where their answers have one form: the normal form of a
    line, a number or an option, the same JSON, the same code. Texts (`output="text"`) are not counted: the majority of
    them is the first, and all of them are candidates for a judge."""
    temperature: Knob[Annotated[float, Interval(ge=0.0, le=2.0)]] = 0.7
    stop: Knob[StopRule] = "beta"

    abstain: Annotated[Knob[bool], ADDED] = False
    """Whether one sentence invites the model to say that it does not know. Such a reply is read as an abstention
    whether it was invited or not: it has no vote while another sample has an answer. A prompt of your own says it where
    it has `{instructions}`."""

    def idle_knobs(self) -> frozenset[str]:
        """See `Node.idle_knobs`; a direct answer needs no limit on thinking."""
        return super().idle_knobs() | ({"thinking_tokens"} if self.style == "direct" else set())


@dataclass(frozen=True, slots=True)
class _Way:
    """How a sample is asked for, and how one that was cut off at the limit on thinking comes to its answer."""

    ask: Callable[[Messages, int], Request]
    """From a prompt and an output cap to the request."""
    prompt: Messages
    cap: int
    read: Reader
    conclude: Callable[[str], Messages | str] | None
    """From what was thought to the prompt for the answer, or to the answer; None without a limit on thinking."""
    conclude_cap: int
    read_conclusion: Reader
    mend: Callable[[list[Reading[str]], Sequence[Request]], Awaitable[list[Reading[str]]]]
    """Asks for what misses the node's output anew."""


def _way(node: Solver, inputs: Inputs, context: Context) -> _Way:
    dialect, ask, style = context.dialect(node.model), _invited(node, ask_of(inputs, node)), Style(node.style)
    limit, read = _thinking_limit(node), reader_of(node.output, dialect, style)

    def request(prompt: Messages, cap: int) -> Request:
        sample, temperature = inputs.round * most_draws(node), node.temperature
        return request_of(
            context, node.model, prompt, max_output_tokens=cap, temperature=temperature, sample=sample, node=node
        )

    continues = context.card(node.model).prefix != "none"
    return _Way(
        ask=request,
        prompt=dialect.solve(ask, style),
        cap=limit or node.max_output_tokens,
        read=read,
        conclude=None if limit is None else partial(dialect.conclude, ask, style, continues=continues),
        conclude_cap=node.max_output_tokens,
        # A text that concludes a thought begins below it.
        read_conclusion=reader_of(node.output, dialect, style if node.output == "text" else Style.DIRECT),
        mend=partial(mended, node, context=context, reader=read),
    )


async def _run(node: Solver, inputs: Inputs, context: Context) -> Message:
    way = _way(node, inputs, context)

    async def draw(samples: Sequence[int]) -> list[Drawn[None]]:
        readings, thoughts = await _drawn(way, samples, context)
        draws = answers_of(node, readings, context.node)
        return [replace(draw, readings=(*thoughts.get(n, ()), *draw.readings)) for n, draw in enumerate(draws)]

    several_calls = way.conclude is not None or node.repairs > 0
    drawing = partial(first_alone, draw, context=context) if several_calls else draw
    return message_of(node, await repeat(node, inputs.question, context, drawing), context)


async def _drawn(
    way: _Way, samples: Sequence[int], context: Context
) -> tuple[list[Reading[str]], dict[int, tuple[Reading[str], ...]]]:
    """Draws samples; those that were cut off at the limit on thinking are asked for their answers.

    Returns:
        What came of each, and by their places the thoughts that were concluded in another call.
    """
    first = way.ask(way.prompt, way.cap)
    requests = [first.with_sample(first.sample + n) for n in samples]
    goes_on = way.conclude is not None
    readings = await read_all(requests, context, way.read, cut=partial(way.read, cut=True), goes_on=goes_on)
    cut = [place for place, reading in enumerate(readings) if _cut(reading)]
    base = [way.ask(way.prompt, way.conclude_cap).with_sample(request.sample) for request in requests]
    if way.conclude is None or not cut:
        return await way.mend(readings, base), {}
    context.record("cut", samples=[samples[place] for place in cut])
    asked: dict[int, Request] = {}
    thoughts: dict[int, tuple[Reading[str], ...]] = {}
    for place in cut:
        cut_off = readings[place]
        conclusion = way.conclude(_thought(cut_off))
        # The limit was one on the thought, so what it concludes was not cut off.
        reply = None if cut_off.reply is None else replace(cut_off.reply, finish_reason="stop")
        if isinstance(conclusion, str):
            readings[place] = replace(cut_off, value=conclusion, status=Status.OK, reason="", reply=reply)
        else:
            thoughts[place] = (replace(cut_off, reply=reply),)
            request = way.ask(conclusion, way.conclude_cap)
            asked[place] = request.with_sample(request.sample + samples[place])
    read = way.read_conclusion
    answered = await read_all(list(asked.values()), context, read, cut=partial(read, cut=True)) if asked else []
    for place, reading in zip(asked, answered, strict=True):
        thought = _thought(readings[place]).rstrip()
        whole = reading.text if reading.text.startswith(thought) else f"{thought}\n{reading.text}"
        readings[place] = replace(reading, text=whole)
    return await way.mend(readings, base), thoughts


def _thought(reading: Reading[str]) -> str:
    """What was thought: the reasoning that the endpoint told apart, and what was written after it."""
    reasoning = "" if reading.reply is None else reading.reply.reasoning
    return "\n".join(filter(None, (reasoning, reading.text)))


def _cut(reading: Reading[str]) -> bool:
    """Whether the reply ended at its limit: what stands there last is then a step, whatever it looks like."""
    return reading.reply is not None and reading.reply.finish_reason == "length"


def _depth(node: Solver) -> Depth:
    place = {"direct": 1, "draft": 2, "think": 3}[node.style]
    limit = None if node.style == "direct" else node.thinking_tokens
    return Depth(place, node.style) if limit is None else Depth(place, node.style, limit)


def _invited(node: Solver, ask: Ask) -> Ask:
    """The ask with the sentence that invites to abstain, where the node says so."""
    return replace(ask, instructions=f"{ask.instructions}\n{_INVITED}".strip()) if node.abstain else ask


def _thinking_limit(node: Solver) -> int | None:
    if node.thinking_tokens is None or node.style == "direct":
        return None
    return min(node.thinking_tokens, node.max_output_tokens)


def _worst_case(node: Solver, ask: Ask, incoming: Incoming, speakers: Speakers) -> tuple[CallBound, ...]:
    speaker, limit, style = speakers(node.model), _thinking_limit(node), Style(node.style)
    ask = _invited(node, ask)
    times = most_draws(node)

    def bound(render: Callable[[Ask], Messages], cap: int, thought: int = 0) -> CallBound:
        return bound_of(
            node.model, render, ask, incoming, cap, node=node, extra_bytes=thought, times=times, speakers=speakers
        )

    def concluding(filled: Ask, *, continues: bool) -> Messages:
        conclusion = speaker.conclude(filled, style, "", continues=continues)
        return Messages(()) if isinstance(conclusion, str) else conclusion

    first = bound(partial(speaker.solve, style=style), limit or node.max_output_tokens)
    reply = speakers.reply(node.model, node.max_output_tokens) + prefix_size(node, speakers)
    if limit is None:
        return first, *repairs_bound(node, first, reply, speakers)
    thought = speakers.reply(node.model, limit)
    ways = (bound(partial(concluding, continues=c), node.max_output_tokens, thought) for c in (True, False))
    again = replace(first, output_tokens=node.max_output_tokens)
    mends = repairs_bound(node, again, reply + thought + _ANSWER_BEGINS, speakers)
    return first, max(ways, key=lambda way: way.prompt_bytes), *mends


def _writes(node: Solver, ask: Ask, incoming: Incoming, speakers: Speakers) -> MessageSize:
    limit, reply = _thinking_limit(node), speakers.reply(node.model, node.max_output_tokens)
    text = reply if limit is None else reply + speakers.reply(node.model, limit) + _ANSWER_BEGINS
    answer = answer_size(node.output, reply, speakers)
    return MessageSize(answer=answer, text=text, candidates=min(CANDIDATES, most_draws(node)))


KIND = Kind(
    config=Solver,
    run=_run,
    worst_case=_worst_case,
    writes=_writes,
    oracle=right_answer,
    draws=draws_of,
    depth=_depth,
    models=lambda node: (node.model,),
)
