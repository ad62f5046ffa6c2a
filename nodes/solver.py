"""The solver: answers a question, by one sample or by a vote over several."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Interval
from pydantic import PositiveInt, model_validator

from ..models.request import Request
from ..records.message import CANDIDATES, Candidate, Message
from ..records.status import Status
from .asks import ask_of, bound_of, request_of
from .base import CallBound, Context, Inputs, Kind, Node
from .knob import ANY_MODEL, Adaptive, Choice, Knob, most
from .prompts.base import Ask, Dialect, Style
from .readings import Reading, most_informed, read, read_all
from .stopping import StopRule, enough
from .votes import VoteRule, ballots, normal_form

__all__ = ["KIND", "Solver"]


class Solver(Node):
    """Answers the question, perhaps several times, and votes.

    It reads the task's passages and the evidence found upstream, other nodes' answers as notes, and in a later round
    of a loop what the checker had against its last answer. Each round of a loop draws new samples.
    """

    kind: ClassVar[str] = "solver"

    model: Knob[str] = ANY_MODEL
    style: Knob[Literal["direct", "draft", "think"]] = "think"
    """The answer only; a draft of a few words a step; or step by step."""
    max_output_tokens: Knob[PositiveInt] = 1024
    """Of each sample."""
    samples: Knob[PositiveInt | Adaptive] = 1
    """How many answers are drawn. A number is drawn at once; `adaptive(low, high)` draws `low` at once and then one by
    one until `stop` is content. Every draw is charged."""
    vote: Knob[VoteRule] = "majority"
    """majority: most votes; confidence: the sum of the samples' mean token probabilities, where the model gives them;
    first: the first sample that could be read."""
    temperature: Knob[Annotated[float, Interval(ge=0.0, le=2.0)]] = 0.7
    """At 0 all samples would be equal, so one is drawn whatever `samples` says."""
    stop: Knob[StopRule] = "beta"
    """When adaptive sampling ends: the leader is the majority with probability 0.95, or it is 2 or 3 votes ahead."""

    def idle_knobs(self) -> frozenset[str]:
        """See `Node.idle_knobs`; one answer needs no vote, and a fixed number of them no stop rule."""
        if self.temperature == 0:
            return frozenset({"samples", "vote", "stop"})
        if isinstance(self.samples, Adaptive):
            return frozenset()
        return frozenset({"stop"}) if self.samples > 1 else frozenset({"vote", "stop"})

    @model_validator(mode="after")
    def _samples_can_differ(self) -> Solver:
        samples = _values(self.samples)
        if max(most(value) for value in samples) > 1 and not any(_values(self.temperature)):
            raise ValueError("samples: at temperature 0 all samples are equal; set temperature=0.7 or samples=1")
        if any(isinstance(value, Adaptive) and value.low < 1 for value in samples):
            raise ValueError("samples: adaptive(0, n) would draw no sample at all; begin at 1")
        return self


async def _run(node: Solver, inputs: Inputs, context: Context) -> Message:
    dialect, style, draws = context.dialect(node.model), Style(node.style), _draws(node)
    request = request_of(
        context,
        node.model,
        dialect.solve(ask_of(inputs), style),
        max_output_tokens=node.max_output_tokens,
        temperature=node.temperature,
        sample=inputs.round * most(draws),
    )
    reader = partial(dialect.read_answer, style=style)
    readings = await _sample(node, draws, request, context, reader)
    votes = [
        Candidate(reading.value, reading.confidence, text=reading.text, source=context.node)
        for reading in readings
        if reading.value is not None
    ]
    counted = ballots(votes, node.vote)
    if not counted:
        status, reason = most_informed((reading.status, reading.reason) for reading in readings)
        return Message(status=status, reason=reason, text=readings[0].text)
    candidates = tuple(
        replace(ballot.candidate, confidence=_confidence(ballot.weight, ballot.count, votes, len(readings)))
        for ballot in counted[:CANDIDATES]
    )
    if len(readings) > 1:
        failed = [reading.status.value for reading in readings if reading.status is not Status.OK]
        context.record("vote", drawn=len(readings), votes=[ballot.count for ballot in counted], failed=failed)
    return Message(answer=candidates[0].answer, text=candidates[0].text, candidates=candidates)


async def _sample(
    node: Solver, draws: int | Adaptive, request: Request, context: Context, reader: Callable[[str], str | None]
) -> list[Reading[str]]:
    first = draws.low if isinstance(draws, Adaptive) else draws
    readings = await read_all([request.with_sample(request.sample + i) for i in range(first)], context, reader)
    if not isinstance(draws, Adaptive):
        return readings
    while len(readings) < draws.high and all(reading.status is not Status.BUDGET for reading in readings):
        counts: dict[str, int] = {}
        for reading in readings:
            if reading.value is not None:
                form = normal_form(reading.value)
                counts[form] = counts.get(form, 0) + 1
        remaining = draws.high - len(readings) if node.vote == "majority" else None
        if enough(node.stop, list(counts.values()), remaining) or (node.vote == "first" and counts):
            break
        readings.append(await read(request.with_sample(request.sample + len(readings)), context, reader))
    return readings


def _confidence(weight: float, count: int, votes: list[Candidate], drawn: int) -> float | None:
    """The share of all draws that gave the answer, times their mean token probability where the model gives it.

    One draw without log-probabilities says nothing of how sure it is.
    """
    if any(vote.confidence is not None for vote in votes):
        return weight / drawn
    return count / drawn if drawn > 1 else None


def _draws(node: Solver) -> int | Adaptive:
    return node.samples if node.temperature > 0 else 1


def _values(knob: Any) -> tuple[Any, ...]:
    return knob.values if isinstance(knob, Choice) else (knob,)


def _worst_case(node: Solver, ask: Ask, incoming: int, dialect: Callable[[str], Dialect]) -> tuple[CallBound, ...]:
    render = partial(dialect(node.model).solve, style=Style(node.style))
    return (bound_of(node.model, render, ask, incoming, node.max_output_tokens, times=most(_draws(node))),)


KIND = Kind(config=Solver, run=_run, worst_case=_worst_case)
