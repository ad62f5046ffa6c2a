"""What a node would say if it made no mistake, where the task tells."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ...errors import ProblemError
from ...nodes.base import Context, Inputs
from ...nodes.decomposer import Decomposer
from ...nodes.parts import complaint, part_bytes
from ...nodes.symbolic.node import SymbolicSolver
from ...nodes.symbolic.schema import parse_problem
from ...nodes.symbolic.solve import SolveStatus, SymbolicWorker
from ...nodes.verifier import Verifier
from ...nodes.votes import pooled
from ...records.message import Candidate, Message, Part
from ...records.task import Task
from ...tasks.families.chains import Chain

__all__ = ["Gold", "golds_for"]

Gold = Callable[[Any, Inputs, Context], Awaitable[Message | None]]
"""From a pinned node, what it is given and its context to what it should say; None where the task does not tell."""
Scorer = Callable[[Task, str], float]

_CHAIN = re.compile(r"[0-9]{2}(?:[-+*][0-9]{2})*")
_OPERATION = re.compile(r"([-+*])([0-9]{2})")
_GROUP = re.compile(r"\(([^()]*)\)([-+]?)")
_COMPOSITE = re.compile(r"(?:\([^()]*\)[-+])*\([^()]*\)=")
_COUNT = re.compile(r"Count ([a-z]) in ([a-z]+)")
_RIGHT = 0.5
"""The score from which a perfect judge accepts."""


def golds_for(scorer: Scorer) -> Mapping[str, Gold]:
    """By node kind: what tasks of the package's families tell of a perfect node.

    - solver, merger: the gold answer; of a part of a question its value, where the part is a chain or a count;
    - search: the task's facts (`metadata["facts"]`) as evidence, with the gold answer;
    - symbolic_solver: the solution of the task's own problem (`metadata["problem"]`);
    - decomposer: the brackets of a composite, and how they combine;
    - verifier: of the candidates that it looks at, the one that the metric scores highest, accepted if it is right.

    Args:
        scorer: the metric.
    """

    async def verifier(node: Verifier, inputs: Inputs, context: Context) -> Message | None:
        return _chosen(node, inputs, scorer)

    return {
        "solver": _answer,
        "merger": _answer,
        "search": _facts,
        "symbolic_solver": _solution,
        "decomposer": _brackets,
        "verifier": verifier,
    }


async def _answer(node: Any, inputs: Inputs, context: Context) -> Message | None:
    whole = inputs.question == inputs.task.question
    gold = inputs.task.gold if whole else _value(inputs.question)
    return _said(gold, context) if gold else None


async def _facts(node: Any, inputs: Inputs, context: Context) -> Message | None:
    facts = inputs.task.metadata.get("facts")
    if inputs.question != inputs.task.question or not inputs.task.gold or not isinstance(facts, list | tuple):
        return None
    return _said(inputs.task.gold, context, evidence=tuple(map(str, facts)))


async def _solution(node: SymbolicSolver, inputs: Inputs, context: Context) -> Message | None:
    given = inputs.task.metadata.get("problem")
    if given is None or inputs.question != inputs.task.question:
        return None
    try:
        problem = parse_problem(given if isinstance(given, str) else json.dumps(given))
    except ProblemError:
        return None
    worker: SymbolicWorker = context.resource
    outcome = await worker.solve(problem, node.seconds)
    return _said(outcome.answer, context, checked=True) if outcome.status is SolveStatus.SAT else None


async def _brackets(node: Decomposer, inputs: Inputs, context: Context) -> Message | None:
    question = inputs.question
    if not _COMPOSITE.fullmatch(question):
        return None
    groups = _GROUP.findall(question)
    parts = tuple(Part(f"p{number}", f"{chain}=") for number, (chain, _) in enumerate(groups, start=1))
    combine = "".join(f"{{p{number}}}{operator}" for number, (_, operator) in enumerate(groups, start=1)) + "="
    known = all(_CHAIN.fullmatch(chain) for chain, _ in groups)
    if not known or complaint(parts, combine, node.max_parts, part_bytes(question)):
        return None
    return Message(parts=parts, combine=combine)


def _chosen(node: Verifier, inputs: Inputs, scorer: Scorer) -> Message | None:
    panels = [message.candidates or (Candidate(message.answer),) for message in inputs.messages.values()]
    candidates = pooled(panels)[: node.max_candidates]
    if not candidates or not (inputs.task.gold or inputs.task.metadata):
        return None
    scores = [scorer(inputs.task, candidate.answer) for candidate in candidates]
    best = candidates[scores.index(max(scores))]
    right = max(scores) >= _RIGHT
    reason = "" if right else "none of the candidates is right"
    return Message(answer=best.answer, text=best.text, candidates=(best,), accepted=right, reason=reason)


def _said(answer: str, context: Context, *, checked: bool = False, evidence: tuple[str, ...] = ()) -> Message:
    candidate = Candidate(answer, 1.0, checked=checked, source=context.node)
    return Message(answer=answer, candidates=(candidate,), evidence=evidence)


def _value(question: str) -> str:
    """The value of a chain or a count as two digits; empty for any other question."""
    count = _COUNT.fullmatch(question.strip())
    if count is not None:
        return f"{count[2].count(count[1]) % 100:02d}"
    chain = question.strip().removesuffix("=")
    if not _CHAIN.fullmatch(chain):
        return ""
    operations = tuple((operator, int(operand)) for operator, operand in _OPERATION.findall(chain[2:]))
    return f"{Chain(int(chain[:2]), operations).value:02d}"
