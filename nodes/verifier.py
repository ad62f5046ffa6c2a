"""The verifier: chooses among candidates, and says whether the chosen one may pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from annotated_types import Interval
from pydantic import PositiveInt

from ..records.message import CANDIDATES, Candidate, Message, MessageSize
from ..records.text import longest_bytes
from .asks import FILLER, ask_of, bound_of, request_of
from .base import CallBound, Context, Incoming, Inputs, Kind, Scorer, Speakers
from .knob import ADDED, ANY_MODEL, Knob, ModelKnob, Times
from .prompts.base import Ask, Messages, ReasoningStep, Style
from .readings import Reading, all_of, most_informed, read_all
from .repeated_node import OF_REPEATED_CALLS, RepeatedNode, most_draws
from .repetition import Drawn, Repetition, draws_of, first_alone, repeat
from .votes import VoteRule, normal_form, pooled, same_form

__all__ = ["KIND", "Verifier"]

T = TypeVar("T")

_SILENT = ("vote", "last")
"""The methods that make no call."""
_UNREAD = 0.5
"""The score of a candidate of which nothing could be found out."""
_NOT_READ = "the check of it gave no verdict"
_RIGHT = 0.5
"""The score from which a perfect judge accepts."""
_STEP_BYTES = 64
"""A longer step is left out; it bounds what solving all steps anew can cost."""


class Verifier(RepeatedNode):
    """Scores the candidates that come in, passes the best one on, and accepts it or not.

    - `last`: no call. The last node before it that has an answer, in the order of the graph, decides: the end of a
      chain of gates, where each node runs only if the one before was unsure.
    - `vote`: no call. Every node before it has one vote, spread over its candidates by their confidence.
    - `score`: the model is asked of each distinct candidate how likely it is to be right.
    - `steps`: each step of a candidate's reasoning is solved anew by direct answers; the score is the share of steps
      that come out the same. A candidate without steps has its own vote for a score.

    A candidate that something other than a model's word supports, such as a constraint check, has the score 1 and is
    not asked about. In the message, a candidate's confidence is its score; `accepted` says whether the best score
    reaches `threshold`, and `reason` what speaks against it. In a later round of a loop, the choice of the round before
    stays where nothing better came.

    With several samples each candidate is judged as often, or each step solved as often and its answer put to the
    vote; `stop` looks at the verdicts on one candidate, or at the answers to one step. Under a cap all are judged once
    before any is judged again.
    """

    kind: ClassVar[str] = "verifier"

    method: Knob[Literal["vote", "score", "steps", "last"]] = "vote"
    model: ModelKnob = ANY_MODEL
    """Not used by `vote` and `last`."""
    threshold: Knob[Annotated[float, Interval(ge=0.0, le=1.0)] | None] = None
    """The score from which the choice is accepted. None: 0.5, and 1 for `steps`, where one wrong step spoils all."""
    max_candidates: Knob[Annotated[int, Interval(ge=1, le=CANDIDATES)]] = 4
    """How many distinct candidates are looked at, those with most votes first."""
    max_steps: Knob[Times] = 16
    """How many steps of a candidate are solved anew, from the first."""
    max_output_tokens: Knob[PositiveInt] = 256
    """Of each call."""
    vote: Annotated[Knob[VoteRule], ADDED] = "confidence"
    """What several samples come to. Of scores: confidence: their mean; majority: the share of those that reach
    `threshold`, and what most say is the verdict; first: the first that could be read. Of steps see `Solver.vote`."""

    def idle_knobs(self) -> frozenset[str]:
        """See `Node.idle_knobs`; a vote makes no calls; only `steps` has steps, which have no prompt."""
        if self.method in _SILENT:
            return OF_REPEATED_CALLS | {"max_steps"}
        return super().idle_knobs() | ({"prompt"} if self.method == "steps" else {"max_steps"})

    def open_knobs(self, models: tuple[str, ...]) -> dict[str, tuple[Any, ...]]:
        """See `Node.open_knobs`; a vote has no knobs of calls."""
        found = super().open_knobs(models)
        if self.method not in _SILENT:
            return found
        return {name: values for name, values in found.items() if name in ("threshold", "max_candidates")}


@dataclass(frozen=True, slots=True)
class _Judged:
    candidate: Candidate
    score: float
    objection: str = ""
    accepted: bool | None = None
    """The verdict, where the score alone does not say it."""


async def _run(node: Verifier, inputs: Inputs, context: Context) -> Message:
    candidates = _candidates(node, inputs)
    if not candidates:
        status, reason = most_informed((message.status, message.reason) for message in inputs.messages.values())
        return Message(status=status, reason=reason, accepted=False)
    if node.method == "last":
        return _message(node, [_told(candidate) for candidate in candidates])
    judged = [_Judged(candidate, 1.0) for candidate in candidates if candidate.checked]
    unchecked = [candidate for candidate in candidates if not candidate.checked]
    if node.method == "score":
        judged += await _judge(node, inputs, context, unchecked)
    elif node.method == "steps":
        judged += await _solve_again(node, inputs, context, unchecked)
    else:
        judged += [_voted(candidate) for candidate in unchecked]
    ranked = sorted(judged, key=lambda one: (one.candidate.checked, one.score), reverse=True)
    message = _message(node, ranked)
    context.record("verified", method=node.method, scores=[round(one.score, 4) for one in ranked])
    return _better(message, inputs.previous)


def _message(node: Verifier, ranked: Sequence[_Judged]) -> Message:
    best = ranked[0]
    threshold = _threshold(node)
    passes = best.score >= threshold if best.accepted is None else best.accepted
    accepted = best.candidate.checked or (passes and best.objection != _NOT_READ)
    return Message(
        answer=best.candidate.answer,
        data=best.candidate.data,
        text=best.candidate.text,
        candidates=tuple(replace(one.candidate, confidence=one.score) for one in ranked),
        accepted=accepted,
        abstained=best.candidate.abstained,
        reason="" if accepted else best.objection or f"scored {best.score:.2f}, {threshold:.2f} is needed",
    )


def _threshold(node: Verifier) -> float:
    return node.threshold if node.threshold is not None else 1.0 if node.method == "steps" else 0.5


def _better(message: Message, previous: Message | None) -> Message:
    """The message, led by the choice of the round before where that has the higher score."""
    if previous is None or not previous.candidates or message.accepted:
        return message
    earlier, best = previous.candidates[0], message.candidates[0]
    if (earlier.confidence or 0.0) <= (best.confidence or 0.0) or earlier.answer != previous.answer:
        return message
    others = [c for c in message.candidates if same_form(c) != same_form(earlier)]
    return Message(
        answer=earlier.answer,
        data=earlier.data,
        text=earlier.text,
        candidates=(earlier, *others)[: len(message.candidates)],
        accepted=previous.accepted,
        abstained=earlier.abstained,
        reason=previous.reason,
    )


def _candidates(node: Verifier, inputs: Inputs) -> tuple[Candidate, ...]:
    """What the node looks at."""
    panels = [_panel(name, message) for name, message in inputs.messages.items()]
    if node.method == "last":
        answered = [panel for panel in panels if any(candidate.answer.strip() for candidate in panel)]
        return tuple(answered[-1][: node.max_candidates]) if answered else ()
    return pooled(panels)[: node.max_candidates]


def _panel(name: str, message: Message) -> tuple[Candidate, ...]:
    """A node's candidates; an answer alone is one."""
    if message.candidates or not message.answer.strip():
        return message.candidates
    form = message.answer if message.data is not None else ""
    return (Candidate(message.answer, text=message.text, source=name, form=form, data=message.data),)


def _told(candidate: Candidate) -> _Judged:
    """A candidate with its writer's own word; what says nothing of how sure it is stands."""
    sure = 1.0 if candidate.checked or candidate.confidence is None else candidate.confidence
    return _Judged(candidate, sure, f"{candidate.answer!r} is as sure as {sure:.2f}")


def _voted(candidate: Candidate) -> _Judged:
    score = candidate.confidence or 0.0
    return _Judged(candidate, score, f"{candidate.answer!r} has {score:.0%} of the votes")


async def _judge(node: Verifier, inputs: Inputs, context: Context, candidates: Sequence[Candidate]) -> list[_Judged]:
    dialect = context.dialect(node.model)
    ask = replace(ask_of(inputs, node), notes=())

    def verdict(reading: Reading[float]) -> Candidate | None:
        score = reading.value
        return None if score is None else Candidate("right" if score >= _threshold(node) else "wrong", score)

    async def judged(candidate: Candidate) -> _Judged:
        prompt = dialect.verify(ask, candidate.answer, candidate.text)
        found = await _asked(node, inputs, context, prompt, dialect.read_verdict, verdict)
        found.record(context, node.vote, judged=candidate.answer)
        return _ruled(node, candidate, found)

    return await all_of([judged(candidate) for candidate in candidates])


def _ruled(node: Verifier, candidate: Candidate, found: Repetition[float | None]) -> _Judged:
    """What the judgements of a candidate come to."""
    scores = [draw.value for draw in found.counted if draw.value is not None]
    if not scores:
        return _Judged(candidate, _UNREAD, _NOT_READ)
    if node.vote == "majority" and len(scores) > 1:
        share = sum(score >= _threshold(node) for score in scores) / len(scores)
        said = f"{share:.0%} of {len(scores)} judgements hold {candidate.answer!r} for right"
        return _Judged(candidate, share, said, accepted=share > 1 / 2)
    score = scores[0] if node.vote == "first" else sum(scores) / len(scores)
    return _Judged(candidate, score, f"{candidate.answer!r} is judged right with probability {score:.2f}")


async def _solve_again(
    node: Verifier, inputs: Inputs, context: Context, candidates: Sequence[Candidate]
) -> list[_Judged]:
    dialect = context.dialect(node.model)
    steps = [
        [
            step
            for step in dialect.steps(candidate.text)[: node.max_steps]
            if longest_bytes(step.question) <= _STEP_BYTES
        ]
        for candidate in candidates
    ]
    questions = list(dict.fromkeys(step.question for found in steps for step in found))
    reader = partial(dialect.read_answer, style=Style.DIRECT)

    def answer(reading: Reading[str]) -> Candidate | None:
        return None if reading.value is None else Candidate(reading.value, reading.confidence)

    async def solved_anew(question: str) -> str | None:
        prompt = dialect.solve(Ask(question, inputs.task.instructions), Style.DIRECT)
        found = await _asked(node, inputs, context, prompt, reader, answer)
        found.record(context, node.vote, solved=question)
        winner = found.winner(node.vote)
        return None if winner is None else winner.value

    answers = await all_of([solved_anew(question) for question in questions])
    solved = dict(zip(questions, answers, strict=True))
    return [_compared(candidate, found, solved) for candidate, found in zip(candidates, steps, strict=True)]


def _compared(candidate: Candidate, steps: Sequence[ReasoningStep], solved: dict[str, str | None]) -> _Judged:
    told = [step for step in steps if solved[step.question] is not None]
    if not told:
        return _Judged(candidate, candidate.confidence or 0.0, "" if not steps else _NOT_READ)
    wrong = [step for step in told if normal_form(solved[step.question] or "") != normal_form(step.claimed)]
    objection = ""
    if wrong:
        objection = f"{wrong[0].question!r} gives {solved[wrong[0].question]!r}, not {wrong[0].claimed!r}"
    return _Judged(candidate, 1 - len(wrong) / len(told), objection)


async def _asked(
    node: Verifier,
    inputs: Inputs,
    context: Context,
    prompt: Messages,
    reader: Callable[..., T | None],
    vote: Callable[[Reading[T]], Candidate | None],
) -> Repetition[T | None]:
    """One prompt, asked as often as the node says."""
    cap, heat, before = node.max_output_tokens, node.temperature, inputs.round * most_draws(node)
    first = request_of(context, node.model, prompt, max_output_tokens=cap, temperature=heat, node=node, sample=before)

    async def draw(samples: Sequence[int]) -> list[Drawn[T | None]]:
        requests = [first.with_sample(before + number) for number in samples]
        readings = await read_all(requests, context, reader, cut=partial(reader, cut=True))
        return [Drawn(reading.value, vote(reading), (reading,)) for reading in readings]

    return await repeat(node, inputs.question, context, partial(first_alone, draw, context=context))


async def _oracle(node: Verifier, inputs: Inputs, context: Context, score: Scorer) -> Message | None:
    """Of the candidates that it looks at, the one that scores highest, accepted if it is right."""
    candidates = _candidates(node, inputs)
    if not candidates or not (inputs.task.gold or inputs.task.metadata):
        return None
    scores = [score(inputs.task, candidate.answer) for candidate in candidates]
    best = candidates[scores.index(max(scores))]
    right = max(scores) >= _RIGHT
    reason = "" if right else "none of the candidates is right"
    return Message(
        answer=best.answer, data=best.data, text=best.text, candidates=(best,), accepted=right, reason=reason
    )


def _models(node: Verifier) -> tuple[str, ...]:
    return () if node.method in _SILENT else (node.model,)


def _worst_case(node: Verifier, ask: Ask, incoming: Incoming, speakers: Speakers) -> tuple[CallBound, ...]:
    if node.method in _SILENT:
        return ()
    speaker, cap = speakers(node.model), node.max_output_tokens
    if node.method == "steps":
        render = partial(speaker.solve, style=Style.DIRECT)
        step = Ask(FILLER * _STEP_BYTES, ask.instructions)
        times = node.max_candidates * node.max_steps * most_draws(node)
        plain = node.model_copy(update={"prompt": None})
        return (bound_of(node.model, render, step, 0, cap, node=plain, times=times, speakers=speakers),)

    def render_verdict(filled: Ask) -> Messages:
        return speaker.verify(filled, "x", "x")

    extra, times = incoming.candidate, min(node.max_candidates, incoming.candidates) * most_draws(node)
    bound = bound_of(
        node.model,
        render_verdict,
        ask,
        incoming.evidence,
        cap,
        node=node,
        upstream=incoming,
        extra_bytes=extra,
        times=times,
        speakers=speakers,
    )
    return (bound,)


def _writes(node: Verifier, ask: Ask, incoming: Incoming, speakers: Speakers) -> MessageSize:
    return MessageSize(
        answer=max((size.answer for size in incoming.sizes), default=0),
        text=max((size.text for size in incoming.sizes), default=0),
        candidates=min(node.max_candidates, incoming.candidates),
    )


KIND = Kind(
    config=Verifier,
    run=_run,
    worst_case=_worst_case,
    writes=_writes,
    oracle=_oracle,
    draws=lambda node: draws_of(node, answers=False) if _models(node) else None,
    models=_models,
    asks_per_source=True,
    passes_on=True,
)
