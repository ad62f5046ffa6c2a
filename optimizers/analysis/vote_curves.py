"""Response surfaces of votes: what any number of samples and any stop rule would have scored and cost.

One run with n samples holds all that is needed for every smaller number and every stop rule, without a further call:
the samples are exchangeable, so what fewer of them would have done is the mean over all orders in which they could
have been drawn. It is computed exactly, over all sets of samples, with the rules of `nodes.votes` and
`nodes.stopping`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ...budgets.cap import in_unit
from ...errors import UsageError
from ...graphs.result import Metric
from ...nodes.stopping import STOP_RULES, StopRule, enough
from ...nodes.votes import VoteRule, normal_form
from ...records.protocols import StudyStore
from ...records.rows import RunRow, Unit
from ...records.task import Task
from ...records.usage import ZERO, Amount
from ..arrays import Bools, Floats, Ints
from ..bootstrap import mean_interval
from ..finding import Finding

__all__ = ["MOST_DRAWS", "Draw", "VotePoint", "recorded_draws", "vote_curves"]

MOST_DRAWS = 16
"""All sets of so many samples are looked at, 65,536."""
_SAME = 1e-9
"""Confidences that differ by less are equal: how sums are rounded depends on their order."""


@dataclass(frozen=True, slots=True)
class Draw:
    """One sample of a node on one task."""

    answer: str | None
    """As it was read; None where it could not be."""
    score: float
    """Of this answer alone; 0 where there is none."""
    cost: float
    """Charged for it."""
    confidence: float | None = None
    """Mean probability of its tokens, where the model gives it."""


class VotePoint(Finding):
    """A way of drawing samples, on average over the orders in which they could have been drawn."""

    least: int
    """Samples drawn at once."""
    most: int
    """The most samples; equal to `least` where the number is fixed."""
    stop: str | None
    """When further samples are not drawn; None where the number is fixed."""
    score: float
    """Of the answer with most votes, mean over the tasks."""
    low: float
    """Lower end of the 95 % bootstrap interval of the mean."""
    high: float
    cost: float
    """Of the samples, charged per task."""


def recorded_draws(
    store: StudyStore,
    runs: Iterable[RunRow],
    tasks: Iterable[Task],
    node: str,
    scorer: Metric,
    unit: Unit = "tokens",
    *,
    leave_out: bool = False,
    numbers: int = 1,
) -> dict[str, tuple[Draw, ...]]:
    """The samples that a node drew, by the task, as it recorded them (see `Draws`).

    Args:
        store: where the runs are kept.
        runs: of plans under which the node draws several samples; the first run of a task counts.
        tasks: those that were run. They are not read from the store, where a file of others could name metrics.
        node: is asked the whole question.
        scorer: the metric.
        unit: of the costs.
        leave_out: whether runs without samples of this node are left out, such as those that failed before it.
        numbers: see `Draws.numbers`.

    Raises:
        UsageError: a run has no samples of this node, or the node worked on parts of the question.
    """
    found: dict[str, tuple[Draw, ...]] = {}
    asked = {task.task_id: task for task in tasks}
    for run in runs:
        if run.task_id in found or run.task_id not in asked:
            continue
        drawn = _drawn(store, run, node)
        if drawn is not None:
            found[run.task_id] = _draws(store, run, *drawn, scorer, asked[run.task_id], unit, numbers)
        elif not leave_out:
            raise UsageError(
                f"run {run.run_id} has no samples of node {node!r} on the whole question; "
                "measure a plan under which it draws more than one"
            )
    return found


def vote_curves(
    draws: Sequence[Sequence[Draw]],
    *,
    vote: VoteRule = "majority",
    stops: Sequence[StopRule] = STOP_RULES,
    form: Callable[[str], str] = normal_form,
    seed: int = 0,
) -> tuple[VotePoint, ...]:
    """Every fixed number of samples, rising, then every stop rule with every largest number; from the same draws.

    Args:
        draws: of each task, at most `MOST_DRAWS`.
        vote: how the answer is chosen.
        stops: the rules.
        form: what draws that count as the same answer have in common.
        seed: of the intervals.

    Raises:
        UsageError: there are no draws, or more than `MOST_DRAWS` of a task.
    """
    longest = min((len(task) for task in draws), default=0)
    if not longest:
        raise UsageError("vote curves need at least one task, and a draw of every task")
    if max(len(task) for task in draws) > MOST_DRAWS:
        raise UsageError(f"a task has {max(len(task) for task in draws)} draws; at most {MOST_DRAWS} can be looked at")
    tables = [_VoteTable(task, vote, form) for task in draws]
    ways: list[tuple[int, StopRule | None]] = [(most, None) for most in range(1, longest + 1)]
    ways += [(most, rule) for rule in stops for most in range(2, longest + 1)]
    return tuple(_point(tables, most, rule, seed) for most, rule in ways)


def _point(tables: Sequence[_VoteTable], most: int, stop: StopRule | None, seed: int) -> VotePoint:
    scores, costs = np.array([table.expected(most, stop) for table in tables]).T
    score = mean_interval(scores, seed=seed)
    return VotePoint(
        least=most if stop is None else 1,
        most=most,
        stop=stop,
        score=score.mean,
        low=score.low,
        high=score.high,
        cost=float(costs.mean()),
    )


def _drawn(store: StudyStore, run: RunRow, node: str) -> tuple[str, Sequence[tuple[str | None, float | None]]] | None:
    """The span in which the node drew samples of the whole question, with (answer, confidence) of each."""
    spans = [span for span in store.spans(run.run_id) if span.node == node and span.round == 0]
    events = [event for span in spans for event in json.loads(span.events) if event.get("draws")]
    return (spans[0].span_id, events[0]["draws"]) if len(spans) == len(events) == 1 else None


def _draws(
    store: StudyStore,
    run: RunRow,
    span: str,
    found: Sequence[tuple[str | None, float | None]],
    scorer: Metric,
    task: Task,
    unit: Unit,
    numbers: int,
) -> tuple[Draw, ...]:
    charged: dict[int, Amount] = {}
    for call in store.calls(run.run_id):
        if call.span_id == span:
            draw = call.sample_index // numbers
            charged[draw] = charged.get(draw, ZERO) + call.charged
    events = next(json.loads(each.events) for each in store.spans(run.run_id) if each.span_id == span)
    for event in events:
        if event["event"] == "tool" and "usd" in event:  # paid beside the calls
            draw = event.get("sample", 0)
            charged[draw] = charged.get(draw, ZERO) + Amount(usd=round(event["usd"] * 1e9))
    drawn = []
    for number, (answer, confidence) in enumerate(found):
        score = scorer(task, answer) if answer is not None else 0.0
        drawn.append(Draw(answer, score, in_unit(charged.get(number, ZERO), unit), confidence))
    return tuple(drawn)


class _VoteTable:
    """The votes of every set of one task's draws. A set is a number whose bits say which draws are in it."""

    def __init__(self, draws: Sequence[Draw], vote: VoteRule, form: Callable[[str], str]) -> None:
        self._count = len(draws)
        self._vote = vote
        self._members = _members(self._count)
        self._costs = self._members @ np.array([draw.cost for draw in draws], np.float64)
        forms = [None if draw.answer is None else form(draw.answer) for draw in draws]
        answers = list(dict.fromkeys(found for found in forms if found))
        voted = np.array([[found == answer for answer in answers] for found in forms], np.float64)
        self._counts = self._members @ voted.reshape(self._count, len(answers))
        self._values = self._scored(draws, voted.reshape(self._count, len(answers)))
        leaders = np.sort(np.pad(self._counts, ((0, 0), (2, 0))), axis=1)[:, -2:].astype(np.intp)
        self._first, self._second = leaders[:, 1], leaders[:, 0]

    def expected(self, most: int, stop: StopRule | None) -> tuple[float, float]:
        """Mean score and mean cost over all orders of the draws; all are drawn at once without a stop rule."""
        if stop is None:
            sets = _layers(self._count)[most]
            return float(self._values[sets].mean()), float(self._costs[sets].mean())
        ends = np.zeros(len(self._values))
        reached = np.zeros(len(self._values))
        reached[_layers(self._count)[1]] = 1.0 / self._count
        for size in range(1, most + 1):
            sets = _layers(self._count)[size]
            sets = sets[reached[sets] > 0]
            stopped = self._stopped(sets, size, most, stop)
            ends[sets[stopped]] = reached[sets[stopped]]
            going = sets[~stopped]
            share = reached[going] / max(1, self._count - size)
            for draw in range(self._count):
                without = going & (1 << draw) == 0
                reached[going[without] | (1 << draw)] += share[without]
        return float(ends @ self._values), float(ends @ self._costs)

    def _stopped(self, sets: Ints, size: int, high: int, stop: StopRule) -> Bools:
        """Whether sampling ends with each of these sets, all of one size."""
        if size == high:
            return np.ones(len(sets), np.bool_)
        remaining = high - size if self._vote == "majority" else None
        rule = _stop_table(stop, size, remaining)
        stopped = rule[self._first[sets], self._second[sets]]
        if self._vote == "first":
            stopped |= self._first[sets] > 0
        return np.asarray(stopped, np.bool_)

    def _scored(self, draws: Sequence[Draw], voted: Floats) -> Floats:
        """The expected score of the vote in each set; what is left to the order is shared out by number of votes."""
        counts = self._counts
        if not counts.size:
            return np.zeros(len(self._members))
        present = counts > 0
        scores = self._members @ (voted * np.array([[draw.score] for draw in draws]))
        weights = self._weights(draws, voted)
        if self._vote == "majority":
            # Most votes, then the highest mean confidence.
            lead = counts == counts.max(axis=1, keepdims=True)
            rank = np.where(lead & present, weights / np.maximum(counts, 1), -np.inf)
        elif self._vote == "confidence":
            rank = np.where(present, weights, -np.inf)
        else:
            rank = np.where(present, 0.0, -np.inf)
        best = rank.max(axis=1, keepdims=True)
        tied = np.where(present & (rank >= best - _SAME), counts, 0.0)
        means = scores / np.maximum(counts, 1)
        return np.asarray((tied * means).sum(axis=1) / np.maximum(tied.sum(axis=1), 1))

    def _weights(self, draws: Sequence[Draw], voted: Floats) -> Floats:
        """The confidences added up by answer; who gives none has the mean of the set's others, or 1."""
        votes = voted.sum(axis=1)
        known = np.array([draw.confidence is not None for draw in draws]) * votes
        confidences = np.array([draw.confidence or 0.0 for draw in draws]) * known
        counted = self._members @ known
        usual = np.where(counted > 0, (self._members @ confidences) / np.maximum(counted, 1), 1.0)
        without = self._members @ (voted * (votes - known)[:, None])
        return np.asarray(self._members @ (voted * confidences[:, None]) + without * usual[:, None])


@lru_cache(maxsize=4)
def _members(count: int) -> Floats:
    """(2 ** count, count): 1 where a draw is in a set."""
    sets = np.arange(2**count)[:, None] >> np.arange(count)
    return (sets & 1).astype(np.float64)


@lru_cache(maxsize=4)
def _layers(count: int) -> tuple[Ints, ...]:
    """The sets of each size, from the empty one on."""
    sizes = _members(count).sum(axis=1)
    return tuple(np.flatnonzero(sizes == size) for size in range(count + 1))


@lru_cache(maxsize=1024)
def _stop_table(stop: StopRule, size: int, remaining: int | None) -> Bools:
    """(first, second): whether a rule is content with so many votes for the first two answers."""
    table = np.zeros((size + 1, size + 1), np.bool_)
    for first in range(size + 1):
        for second in range(min(first, size - first) + 1):
            table[first, second] = enough(stop, [first, second], remaining)
    return table
