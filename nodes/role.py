"""The role: a model that somebody's own app asks for by name, and a plan decides who answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Self

from annotated_types import Interval
from pydantic import BeforeValidator, PositiveInt, model_validator

from ..apps.asked import Asked
from ..errors import ApportionError, BudgetBreach, CapReached, GraphError
from ..models.card import ModelCard
from ..models.request import Reply, Request
from ..records.message import Candidate, Message
from ..records.usage import NO_USAGE, Usage
from .asks import request_of
from .base import CallBound, Context, Incoming, Inputs, Kind, Speakers
from .draws import Draws
from .knob import ADDED, ANY_MODEL, Choice, Knob, ModelKnob, options
from .model_node import ModelNode
from .prompts.base import Ask, Messages
from .votes import VoteRule, ballots

__all__ = ["KIND", "SAMPLES", "Role", "RoleAnswer", "RoleAsk"]

SAMPLES = 64
"""The most samples of one request."""
_USUAL_TEMPERATURE = 1.0
"""What an endpoint takes where a request says nothing."""
_USUAL_PROMPT = 2000
"""Bytes that the app's own words are taken to add to a question, where costs are foreseen."""
_USUAL_OUTPUT = 1024
_USUAL_REASONING = 8192
"""Tokens of a reply of which neither the plan nor the app says how long it may be."""


def _models(value: Any) -> Any:
    """Several models are a choice."""
    return Choice(tuple(value)) if isinstance(value, list | tuple) else value


class Role(ModelNode):
    """A model name that an app asks for. Whatever the app asks under that name, the plan says who answers it, and how.

    The words, the tools and the form of the reply are the app's own.
    """

    kind: ClassVar[str] = "role"

    models: Annotated[ModelKnob, BeforeValidator(_models)] = ANY_MODEL
    """Who may answer: "*", every model of the pool; a model; a list, or `choose(...)`, of several."""
    max_output_tokens: Knob[PositiveInt | None] = None
    """The most that a reply may have; of it and of what the app asks for, the smaller holds. None: what the app asks
    for; where it says nothing, 1,024, or 8,192 for a model that reasons, because all of it must fit under the cap."""
    temperature: Knob[Annotated[float, Interval(ge=0.0, le=2.0)] | None] = None
    """None: what the app asks for; 1 where it says nothing, as endpoints take it."""
    samples: Knob[Annotated[int, Interval(ge=1, le=SAMPLES)]] = 1
    """How often each request is asked, each time another draw; the replies vote. At temperature 0 once."""
    vote: Knob[VoteRule] = "majority"
    """majority: the reply that most others equal; confidence: by mean token probability; first: the first that came."""
    asked_as: Annotated[str, ADDED] = ""
    """The name that the app asks for, where the node's own name cannot be it; empty: the node's name."""

    def idle_knobs(self) -> frozenset[str]:
        """See `Node.idle_knobs`; one draw needs no vote."""
        idle = {"prompt"}
        if all(value == 0 for value in options(self.temperature)):
            idle |= {"samples", "vote"}
        if all(value == 1 for value in options(self.samples)):
            idle.add("vote")
        return frozenset(idle)

    def reads_a_form(self) -> bool:
        """See `ModelNode.reads_a_form`."""
        return False

    @model_validator(mode="after")
    def _words_are_the_apps_own(self) -> Self:
        if self.prompt is not None:
            raise GraphError("prompt of a role: what is asked of it are the app's own words; change them in the app")
        return self


@dataclass(frozen=True, slots=True)
class RoleAsk:
    """A request of an app to a role."""

    asked: Asked
    number: int
    """How often this run has asked the same of this role before."""


@dataclass(frozen=True, slots=True)
class RoleAnswer:
    """What came of it."""

    model: str
    replies: tuple[Reply, ...]
    """One for each choice that the app asked for."""
    usage: Usage
    """Of all draws."""


async def _run(node: Role, inputs: Inputs, context: Context) -> Message:
    if not isinstance(inputs.asked, RoleAsk):
        raise TypeError("a role answers requests of its app, and nothing else asks it")
    asked, number = inputs.asked.asked, inputs.asked.number
    request = _request(node, asked, context)
    times = node.samples if request.temperature > 0 else 1
    choices: list[Reply] = []
    usage = NO_USAGE
    for choice in range(asked.choices):
        first = (number * asked.choices + choice) * SAMPLES
        drawn = await _drawn([request.with_sample(first + i) for i in range(times)], context)
        usage = sum((reply.usage for reply in drawn if reply.usage is not None), usage)
        choices.append(_chosen(drawn, node.vote))
    if times > 1:
        context.record("samples", drawn=times * asked.choices)
    answer = RoleAnswer(node.models, tuple(choices), usage)
    return Message(answer=choices[0].said, text=choices[0].text, data=answer)


def _request(node: Role, asked: Asked, context: Context) -> Request:
    card: ModelCard = context.card(node.models)
    caps = [cap for cap in (node.max_output_tokens, asked.max_output_tokens) if cap is not None]
    temperature = asked.temperature if node.temperature is None else node.temperature
    messages = context.dialect(node.models).conversation(asked.messages)
    request = request_of(
        context,
        node.models,
        Messages(messages, asked.stop),
        max_output_tokens=min((*(caps or (_usual_output(card),)), card.max_output_tokens)),
        temperature=_USUAL_TEMPERATURE if temperature is None else temperature,
        sample=0,
        node=node,
    )
    # What an app asks for is asked for, and refused where the model cannot; a reply of another form is of no use to it.
    return replace(
        request, response_schema=asked.response_schema, tools=asked.tools, tool_choice=asked.tool_choice, logprobs=False
    )


def _usual_output(card: ModelCard) -> int:
    return _USUAL_REASONING if card.kind == "reasoning" else _USUAL_OUTPUT


async def _drawn(requests: Sequence[Request], context: Context) -> list[Reply]:
    """The replies that came.

    Raises:
        BudgetBreach: a model cannot be relied on.
        CapReached, CallFailed: none came.
    """
    found = await asyncio.gather(*(context.call(request) for request in requests), return_exceptions=True)
    replies = [each for each in found if isinstance(each, Reply)]
    problems = [each for each in found if isinstance(each, BaseException)]
    for problem in problems:
        if isinstance(problem, BudgetBreach) or not isinstance(problem, ApportionError) or not replies:
            raise next((each for each in problems if isinstance(each, CapReached)), problem)
    return replies


def _chosen(replies: Sequence[Reply], vote: VoteRule) -> Reply:
    """The reply that the others agree with; equal are those that say the same and call the same tools."""
    if len(replies) == 1:
        return replies[0]
    votes = [_vote(reply) for reply in replies]
    ranked = ballots(votes, vote)
    return next((r for r, v in zip(replies, votes, strict=True) if ranked and v is ranked[0].candidate), replies[0])


def _vote(reply: Reply) -> Candidate:
    sure = None if reply.mean_logprob is None else min(1.0, 2.718281828459045**reply.mean_logprob)
    return Candidate(reply.said, confidence=sure)


def _worst_case(node: Role, ask: Ask, incoming: Incoming, speakers: Speakers) -> tuple[CallBound, ...]:
    """What one request usually takes at most: nobody knows what an app asks, or how often."""
    prompt = sum(map(speakers.measure, (ask.question, ask.instructions, *ask.passages))) + _USUAL_PROMPT
    card = speakers.card(node.models)
    output = min(node.max_output_tokens or _usual_output(card), card.max_output_tokens)
    return (CallBound(node.models, prompt, 2, output, 1 if node.temperature == 0 else node.samples),)


def _draws(node: Role) -> Draws:
    return Draws("samples", 1 if node.temperature == 0 else node.samples, node.vote, curves=False)


KIND = Kind(
    config=Role,
    run=_run,
    worst_case=_worst_case,
    draws=_draws,
    models=lambda node: (node.models,),
    on_demand=True,
)
