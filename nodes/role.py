"""The role: a model that somebody's own app asks for by name, and a plan decides who answers."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Self

from annotated_types import Interval
from pydantic import BeforeValidator, PositiveInt, model_validator

from ..errors import ApportionError, BudgetBreach, CallFailed, CapReached, GraphError
from ..models.card import ModelCard
from ..models.chat.asked import Asked
from ..models.delta import Delta, deltas_of
from ..models.request import Reply, Request
from ..records.message import Candidate, Message
from ..records.status import Status
from ..records.usage import NO_USAGE
from ..web.refusal import Refusal
from .base import CallBound, Context, Incoming, Inputs, Kind, Speakers
from .draws import Draws
from .knob import ADDED, ANY_MODEL, Choice, Knob, ModelKnob, options
from .model_node import ModelNode
from .prompts.base import Ask
from .votes import VoteRule, ballots

__all__ = ["KIND", "SAMPLES", "Role", "RoleAnswer", "RoleAsk"]

SAMPLES = 64
"""The most samples of one request."""
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
    told: Callable[[Delta], None] | None = None
    """Takes the pieces of the reply; None where the app wants it whole."""


@dataclass(frozen=True, slots=True)
class RoleAnswer:
    """What came of it."""

    model: str
    reply: Reply
    """The chosen one, with the usage of all draws."""


async def _run(node: Role, inputs: Inputs, context: Context) -> Message:
    if not isinstance(inputs.asked, RoleAsk):
        raise TypeError("a role answers requests of its app, and nothing else asks it")
    asked, told = inputs.asked.asked, inputs.asked.told
    try:
        request = _request(node, asked, context)
    except Refusal as refusal:
        raise CallFailed(Status.REFUSED, refusal.message, billed=False) from None
    times = node.samples if request.temperature > 0 else 1
    first = inputs.asked.number * SAMPLES
    if times == 1 and told is not None:
        reply = await _streamed(request.with_sample(first), told, context)
    else:
        drawn = await _drawn([request.with_sample(first + i) for i in range(times)], context)
        usage = [each.usage for each in drawn if each.usage is not None]
        reply = replace(_chosen(drawn, node.vote), usage=sum(usage, NO_USAGE) if usage else None)
        if told is not None:
            for delta in deltas_of(reply):
                told(delta)
    if times > 1:
        context.record("samples", drawn=times)
    return Message(answer=reply.said, text=reply.text, data=RoleAnswer(node.models, reply))


def _request(node: Role, asked: Asked, context: Context) -> Request:
    """The request to the model, as the plan and the app have it; raises a refusal where the model cannot take it."""
    card, body = context.card(node.models), asked.body
    effort = body.reasoning_effort if node.effort is None else node.effort
    known = effort if effort in card.effort_names else None
    messages = context.dialect(node.models).conversation(asked.messages)
    asked = replace(asked, messages=messages, seed=None, body=body.model_copy(update={"reasoning_effort": known}))
    request = asked.request(card, max_output_tokens=_usual_output(card))
    return replace(
        request,
        max_output_tokens=min(request.max_output_tokens, node.max_output_tokens or request.max_output_tokens),
        temperature=request.temperature if node.temperature is None else node.temperature,
        logprobs=card.logprobs,
    )


async def _streamed(request: Request, told: Callable[[Delta], None], context: Context) -> Reply:
    async with aclosing(context.stream(request)) as items:
        async for item in items:
            if isinstance(item, Reply):
                return item
            told(item)
    raise AssertionError("a stream ends with the whole reply")


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
    sure = None if reply.mean_logprob is None else min(1.0, math.exp(reply.mean_logprob))
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
