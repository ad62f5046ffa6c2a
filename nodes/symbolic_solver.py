"""The symbolic solver as a node: a model writes the constraint problem, a solver finds the answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import Annotated, ClassVar

from annotated_types import Interval
from pydantic import PositiveFloat, PositiveInt

from ..records.message import CANDIDATES, Candidate, Message, MessageSize
from ..records.status import Status
from ..records.text import clip, single_spaced
from .asks import FILLER, ask_of, bound_of, request_of
from .base import CallBound, Context, Incoming, Inputs, Kind, Scorer, Speakers
from .knob import ANY_MODEL, MOST_TIMES, Knob, ModelKnob
from .oracles import said
from .prompts.base import Ask, Messages
from .readings import Reading, all_of, most_informed, read
from .repeated_node import RepeatedNode, most_draws
from .repetition import Drawn, draws_of, first_alone, message_of, repeat
from .symbolic.solve import SymbolicWorker

__all__ = ["KIND", "SymbolicSolver"]

_PROBLEM_BYTES = 512
"""The most bytes of the solver's message in a prompt."""
_ATTEMPT_BYTES = 2048
"""The most bytes of the last attempt in a prompt."""
_VALUES = 4
"""How much longer than the problem its solution may be, where names are short and values are long."""
_LEAST_ANSWER = 256
"""A solution may always have as many bytes as this."""
_ATTEMPT = "your last attempt: "
_NO_PROBLEM = "no problem could be read from the reply"


class SymbolicSolver(RepeatedNode):
    """Answers by constraint solving: the model only says what the problem is.

    What the model writes is read as closed data, solved in another process, and the solution is checked again, so an
    answer always satisfies the problem as written, and its candidate is marked as checked. Without an answer the
    status says whether nothing could be read (parse_error), the constraints contradict each other (unsat), or the
    solver gave up (unknown, timeout).

    Each sample is a problem written anew, with repairs of its own; the votes are over the solutions (Olausson et al.
    2023, LINC). A problem without a solution has no vote.
    """

    kind: ClassVar[str] = "symbolic_solver"

    model: ModelKnob = ANY_MODEL
    max_output_tokens: Knob[PositiveInt] = 1024
    """Of each attempt at writing the problem."""
    repair_rounds: Knob[Annotated[int, Interval(ge=0, le=MOST_TIMES)]] = 1
    """How often the model may mend a problem that could not be read or has no solution, given the solver's message."""
    seconds: PositiveFloat = 10.0
    """The solver's time for one problem."""


async def _run(node: SymbolicSolver, inputs: Inputs, context: Context) -> Message:
    async def draw(samples: Sequence[int]) -> list[Drawn[None]]:
        return await all_of([_attempts(node, inputs, context, number) for number in samples])

    problems = partial(first_alone, draw, context=context)
    return message_of(node, await repeat(node, inputs.question, context, problems), context)


async def _attempts(node: SymbolicSolver, inputs: Inputs, context: Context, number: int) -> Drawn[None]:
    """A problem, mended as often as may be until it has a solution."""
    ask = ask_of(inputs, node)
    failures: list[tuple[Status, str]] = []
    readings: list[Reading[str]] = []
    trouble, attempt = "", ""
    numbered = {"sample": number} if most_draws(node) > 1 else {}
    for repair in range(node.repair_rounds + 1):
        sample = number * (node.repair_rounds + 1) + repair
        reading = await _formalise(node, inputs, context, _with_attempt(ask, attempt), trouble, sample)
        readings.append(reading)
        if reading.value is None:
            failures.append((reading.status, reading.reason))
            trouble, attempt, mendable = _NO_PROBLEM, reading.text, reading.status is Status.PARSE_ERROR
        else:
            result = await _solve(reading.value, node.seconds, context)
            if result.status is Status.OK:
                candidate = Candidate(result.answer, 1.0, checked=True, text=reading.text, source=context.node)
                context.record("solved", attempts=repair + 1, **numbered)
                return Drawn(None, candidate, tuple(readings))
            failures.append((result.status, result.reason))
            trouble, attempt = result.reason, reading.value
            mendable = result.status in (Status.PARSE_ERROR, Status.UNSAT)
        status, reason = failures[-1]
        context.record("attempt", number=repair, status=status.value, reason=reason, **numbered)
        if not mendable:
            break
    return Drawn(None, None, tuple(readings), most_informed(failures))


async def _solve(problem_json: str, seconds: float, context: Context) -> Message:
    """The answer, or the status and one line that says what to mend."""
    worker: SymbolicWorker = context.resource
    outcome = await worker.solve(problem_json, seconds)
    return Message(answer=outcome.answer, status=outcome.status, reason=outcome.reason)


async def _formalise(
    node: SymbolicSolver, inputs: Inputs, context: Context, ask: Ask, trouble: str, sample: int
) -> Reading[str]:
    dialect = context.dialect(node.model)
    request = request_of(
        context,
        node.model,
        dialect.formalise(ask, clip(single_spaced(trouble), _PROBLEM_BYTES)),
        max_output_tokens=node.max_output_tokens,
        temperature=node.temperature,
        node=node,
        sample=inputs.round * most_draws(node) * (node.repair_rounds + 1) + sample,
    )
    return await read(request, context, partial(dialect.read_formalisation, ask=ask))


def _with_attempt(ask: Ask, attempt: str) -> Ask:
    """The message names places in the JSON, which mean nothing to a model that cannot see it."""
    if not attempt:
        return ask
    return replace(ask, notes=(*ask.notes, _ATTEMPT + clip(single_spaced(attempt), _ATTEMPT_BYTES)))


def _worst_case(node: SymbolicSolver, ask: Ask, incoming: Incoming, speakers: Speakers) -> tuple[CallBound, ...]:
    speaker, cap = speakers(node.model), node.max_output_tokens

    def first(filled: Ask) -> Messages:
        return speaker.formalise(filled, "")

    def mended(filled: Ask) -> Messages:
        attempt = _ATTEMPT + FILLER * _ATTEMPT_BYTES
        return speaker.formalise(replace(filled, notes=(*filled.notes, attempt)), FILLER * _PROBLEM_BYTES)

    times = most_draws(node)
    bounds = [bound_of(node.model, first, ask, incoming, cap, node=node, times=times, speakers=speakers)]
    if node.repair_rounds:
        times *= node.repair_rounds
        bounds.append(bound_of(node.model, mended, ask, incoming, cap, node=node, times=times, speakers=speakers))
    return tuple(bounds)


def _writes(node: SymbolicSolver, ask: Ask, incoming: Incoming, speakers: Speakers) -> MessageSize:
    reply = speakers.reply(node.model, node.max_output_tokens)
    candidates = min(CANDIDATES, most_draws(node))
    return MessageSize(answer=max(_LEAST_ANSWER, _VALUES * reply), text=reply, candidates=candidates)


async def _oracle(node: SymbolicSolver, inputs: Inputs, context: Context, score: Scorer) -> Message | None:
    """The solution of the task's own problem (`metadata["problem"]`)."""
    given = inputs.task.metadata.get("problem")
    if given is None or inputs.question != inputs.task.question:
        return None
    found = await _solve(given if isinstance(given, str) else json.dumps(given), node.seconds, context)
    return said(found.answer, context, checked=True) if found.status is Status.OK else None


def _open(node: SymbolicSolver) -> AbstractContextManager[SymbolicWorker]:
    return SymbolicWorker()


KIND = Kind(
    config=SymbolicSolver,
    run=_run,
    worst_case=_worst_case,
    open=_open,
    writes=_writes,
    oracle=_oracle,
    draws=lambda node: draws_of(node, numbers=node.repair_rounds + 1),
    models=lambda node: (node.model,),
    verified=True,
)
