"""Drawing several samples of a node and choosing among them, the same for every kind that may ask several times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Generic, TypeVar

from ..records.message import CANDIDATES, Candidate, Message
from ..records.output import JsonOutput
from ..records.rows import ABSTAINED
from ..records.status import Status
from .answer_node import AnswerNode, output_of
from .base import Context
from .draws import Draws
from .knob import Adaptive
from .outputs import candidate_of, form_of, led_by_fields
from .readings import Reading, most_informed
from .red_flags import Sample, flagged
from .repeated_node import RepeatedNode, flags_of, redraws_of, times_of, vote_of
from .stopping import STOP_RULES, enough
from .votes import VoteRule, ballots, heard, same_form

__all__ = ["Drawn", "Repetition", "answers_of", "draws_of", "first_alone", "message_of", "repeat"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Drawn(Generic[T]):
    """What came of one draw."""

    value: T
    """What the kind makes of it."""
    candidate: Candidate | None
    """Its vote, equal for equal draws by `same_form`; None where it has none."""
    readings: tuple[Reading[Any], ...]
    """Of its calls in order, at least one; the last says how it ended."""
    failure: tuple[Status, str] = (Status.OK, "")
    """Why it has no vote, where the readings do not say it."""

    @property
    def outcome(self) -> tuple[Status, str]:
        """Its status and the reason."""
        last = self.readings[-1]
        return self.failure if self.failure[0].failed else (last.status, last.reason)

    @property
    def told(self) -> tuple[str | None, float | None]:
        """Its answer and how sure it is, as vote curves read them: who abstains is outvoted by any answer."""
        if self.candidate is None or self.candidate.abstained:
            return None, self.readings[-1].confidence
        return self.candidate.answer, self.candidate.confidence

    def as_sample(self, question: str) -> Sample | None:
        """As red flags see it; None where the model did not reply."""
        replies = [reading.reply for reading in self.readings if reading.reply is not None]
        if self.readings[-1].reply is None:
            return None
        used = [reply.usage for reply in replies if reply.usage is not None and not reply.usage.estimated]
        return Sample(
            question=question,
            text=self.readings[-1].text,
            answer=None if self.candidate is None else self.candidate.answer,
            abstained=self.candidate is not None and self.candidate.abstained,
            capped=any(reply.finish_reason == "length" for reply in replies),
            tokens=max((usage.output_tokens for usage in used), default=None),
        )


@dataclass(frozen=True, slots=True)
class Repetition(Generic[T]):
    """All draws of a node in one run of it."""

    drawn: tuple[Drawn[T], ...]
    """By the order of their numbers."""
    flags: Mapping[int, str] = field(default_factory=dict)
    """By the place of those that tripped a red flag: which, and what it says."""

    @property
    def clean(self) -> tuple[Drawn[T], ...]:
        """Those that tripped no red flag."""
        return tuple(draw for place, draw in enumerate(self.drawn) if place not in self.flags)

    @property
    def counted(self) -> tuple[Drawn[T], ...]:
        """Those that decide: the ones without a red flag, or all where none of these has a vote."""
        clean = self.clean
        return clean if any(draw.candidate is not None for draw in clean) else self.drawn

    @property
    def votes(self) -> list[Candidate]:
        """Of those that decide."""
        return [draw.candidate for draw in self.counted if draw.candidate is not None]

    @property
    def failure(self) -> tuple[Status, str]:
        """Of those that failed, what says most."""
        return most_informed(draw.outcome for draw in self.counted)

    def winner(self, vote: VoteRule) -> Drawn[T] | None:
        """The draw that speaks for the chosen answer; None where none has a vote."""
        ranked = ballots(self.votes, vote)
        return next((draw for draw in self.counted if ranked and draw.candidate is ranked[0].candidate), None)

    def record(self, context: Context, vote: VoteRule, **more: object) -> None:
        """Notes the draws for the trace, where there is more to tell of them than the message does."""
        if len(self.drawn) == 1 and not self.flags:
            return
        said = {"flagged": [[place, why] for place, why in self.flags.items()]} if self.flags else {}
        context.record(
            "vote",
            drawn=len(self.drawn),
            votes=[ballot.count for ballot in ballots(self.votes, vote)],
            failed=[draw.outcome[0].value for draw in self.drawn if draw.outcome[0].failed],
            draws=[list(draw.told) for draw in self.drawn],
            **said,
            **more,
        )


async def repeat(
    node: RepeatedNode,
    question: str,
    context: Context,
    draw: Callable[[Sequence[int]], Awaitable[Sequence[Drawn[T]]]],
) -> Repetition[T]:
    """Draws as often as a node says, until its stop rule is content, and anew what trips a red flag.

    Which numbers are drawn depends on the draws before alone, so a larger fixed number contains every smaller one.

    Args:
        node: pinned.
        question: what it is asked, for red flags.
        context: of the node.
        draw: makes the draws of these numbers, counted from 0, at the same time.

    Raises:
        BudgetBreach: the model cannot be relied on, so the run must end.
        CallFailed: a red flag of the user's own failed.
    """
    times, spare = times_of(node), redraws_of(node)
    goal, high = (times.low, times.high) if isinstance(times, Adaptive) else (times, times)
    found: Repetition[T] = Repetition(())
    while True:
        begun, clean = len(found.drawn), len(found.clean)
        wanted = min(goal - clean, goal + spare - begun)
        if wanted <= 0:
            if goal == high or _content(node, found, high - clean):
                return found
            goal += 1
            continue
        new = await draw(range(begun, begun + wanted))
        said = [await _flagged(node, question, each) for each in new]
        flags = {**found.flags, **{place: why for place, why in enumerate(said, begun) if why}}
        found = Repetition((*found.drawn, *new), flags)
        if any(reading.status is Status.BUDGET for each in new for reading in each.readings):
            return found


async def first_alone(
    draw: Callable[[Sequence[int]], Awaitable[list[Drawn[T]]]], samples: Sequence[int], context: Context
) -> list[Drawn[T]]:
    """Draws of which, under a cap, the first has the room to itself before the others begin.

    It is for draws of several calls, and for nodes that repeat several things: shared out among all, what is left might
    not do for a single answer.

    Args:
        draw: makes the draws of these numbers at the same time.
        samples: see `repeat`.
        context: of the node.
    """
    if context.allowance is None or 0 not in samples or len(samples) == 1:
        return await draw(samples)
    return [*await draw(samples[:1]), *await draw(samples[1:])]


async def _flagged(node: RepeatedNode, question: str, draw: Drawn[Any]) -> str:
    sample = draw.as_sample(question)
    return "" if sample is None else await flagged(flags_of(node), sample)


def _content(node: RepeatedNode, found: Repetition[Any], remaining: int) -> bool:
    votes = heard(draw.candidate for draw in found.clean if draw.candidate is not None)
    counts = Counter(map(same_form, votes))
    if node.vote == "first" and counts:
        return True
    # A single answer outweighs all abstentions, so that these settle nothing for the draws that are left.
    counted = node.vote == "majority" and not any(vote.abstained for vote in votes)
    return enough(node.stop, list(counts.values()), remaining if counted else None)


def answers_of(node: AnswerNode, readings: Sequence[Reading[str]], source: str) -> list[Drawn[None]]:
    """Readings as draws, each with the answer that was read as its vote."""
    return [
        Drawn(None, None if it.value is None else candidate_of(node.output, it.value, it, source), (it,))
        for it in readings
    ]


def message_of(node: RepeatedNode, found: Repetition[Any], context: Context) -> Message:
    """The chosen answer, with all that were drawn as candidates, each with its share of the draws as its confidence.

    Where no draw has a vote, the failure that says most. JSON whose fields are voted on one by one is led by what that
    makes of it.
    """
    votes, counted = found.votes, ballots(found.votes, vote_of(node))
    found.record(context, vote_of(node))
    for draw in found.drawn:
        reply = draw.readings[-1].reply
        if draw.candidate is not None and draw.candidate.abstained and reply is not None:
            context.read_as(reply, Status.OK, ABSTAINED)
    candidates = tuple(
        replace(ballot.candidate, confidence=_confidence(ballot.weight, ballot.count, votes, len(found.counted)))
        for ballot in counted[:CANDIDATES]
    )
    if not candidates:
        status, reason = found.failure
        return Message(status=status, reason=reason, text=found.drawn[0].readings[-1].text)
    output = _of_fields(node)
    if output is not None:
        candidates = led_by_fields(output, candidates, votes)
    best = candidates[0]
    return Message(answer=best.answer, data=best.data, text=best.text, candidates=candidates, abstained=best.abstained)


def _confidence(weight: float, count: int, votes: list[Candidate], drawn: int) -> float | None:
    """The share of all draws that gave the answer, times their mean token probability where the model gives it.

    One draw without log-probabilities says nothing of how sure it is.
    """
    if any(vote.confidence is not None for vote in votes):
        return weight / drawn
    return count / drawn if drawn > 1 else None


def draws_of(node: RepeatedNode, *, answers: bool = True, numbers: int = 1) -> Draws:
    """What a kind says of the draws of a pinned node, see `Kind.draws`.

    Args:
        node: pinned.
        answers: whether each draw is an answer to the question.
        numbers: see `Draws.numbers`.
    """
    return Draws(
        "samples",
        times_of(node),
        vote_of(node),
        tuple(dict.fromkeys((*STOP_RULES, node.stop))),
        partial(form_of, output_of(node)),
        # What is made of fields is the answer of no draw, and what a red flag discards is drawn anew.
        curves=answers and _of_fields(node) is None and not flags_of(node),
        numbers=numbers,
        redraws=redraws_of(node),
    )


def _of_fields(node: RepeatedNode) -> JsonOutput | None:
    """The output of a node whose samples vote on every field by itself."""
    output = output_of(node)
    return output if isinstance(output, JsonOutput) and output.vote == "fields" and node.vote != "first" else None
