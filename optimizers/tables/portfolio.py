"""The few arms among which a policy chooses: together they are worth the most over all questions and prices."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Sequence

import numpy as np

from ...errors import UsageError
from ...tasks.dealing import dealt
from ..arrays import Floats, Ints
from ..frontier import hull
from .table import Question, Table

__all__ = ["choose_portfolio", "held_out", "portfolio_prices"]

_FOLDS = 5
_LENGTHS = 3
"""Into how many groups of equal size the questions of a family are sorted by their length."""
_PRIORS = (1.0, 4.0, 16.0, 64.0, 256.0)
"""How many questions the mean of an arm weighs against the mean of a cell; which, is decided on held-out questions."""
_LEAST_GAIN = 1e-9


def choose_portfolio(
    table: Table,
    *,
    size: int = 16,
    prices: Sequence[float],
    always: Sequence[int] = (),
    scores: Floats | None = None,
    costs: Floats | None = None,
) -> Ints:
    """Chooses arms so that the best of them for each question is worth as much as possible.

    What a set of arms is worth is the sum, over questions and prices, of its largest score - price x cost. That is
    monotone and submodular, so adding the arm that gains most, again and again, comes within 1 - 1/e of the best set
    (Nemhauser et al. 1978); gains that cannot be the largest are not computed anew (Minoux 1978). Scores and costs
    are those that the other questions predict, because the best of many noisy measurements is mostly luck.

    Always chosen, where there is room, in this order: the arms of `always`, the cheapest arm, the best arm for all
    questions, the best arm in which one node alone calls a model, and the best arm that is `verified`, one in which one
    node alone calls a model before one that has several. "Best" is at the middle price.

    Args:
        table: scores and costs of all candidates.
        size: the most arms.
        prices: of a unit of cost, in score; several, so that the portfolio serves tight caps and loose ones.
        always: numbers of arms that are to be chosen in any case.
        scores: (questions, arms), predicted without the question itself; made from families and lengths where left
            out.
        costs: likewise.

    Returns:
        Numbers of arms, in the order in which they were chosen; fewer than `size` where no other adds anything.

    Raises:
        UsageError: there is no price, question or arm, or `always` names more arms than `size`.
    """
    _check(table, size, prices, always)
    if scores is None or costs is None:
        predicted = held_out(table)
        scores, costs = predicted[0] if scores is None else scores, predicted[1] if costs is None else costs
    chosen = _always(table, size, sorted(prices), always)
    # (prices, questions, arms) would not fit into memory for large tables, so each gain is computed when it is needed.
    value = np.stack([(scores[:, chosen] - price * costs[:, chosen]).max(axis=1) for price in prices])

    def gain(arm: int) -> float:
        utility = np.stack([scores[:, arm] - price * costs[:, arm] for price in prices])
        return float(np.maximum(utility - value, 0.0).sum())

    cheap = table.mean_costs.mean(axis=0)
    waiting = [(-gain(arm), cheap[arm], arm) for arm in range(len(table.arms)) if arm not in chosen]
    heapq.heapify(waiting)
    least = _LEAST_GAIN * len(table.questions)
    while waiting and len(chosen) < size:
        _, cost, arm = heapq.heappop(waiting)
        now = gain(arm)
        if now <= least:
            continue
        if waiting and (-now, cost, arm) > waiting[0]:
            heapq.heappush(waiting, (-now, cost, arm))
            continue
        chosen.append(arm)
        value = np.maximum(value, np.stack([scores[:, arm] - price * costs[:, arm] for price in prices]))
    return np.array(chosen, np.intp)


def portfolio_prices(table: Table, count: int = 5) -> tuple[float, ...]:
    """Prices that span the table's frontier: from the flattest to the steepest step of its hull, in equal ratios.

    Where all arms cost alike, or none that costs more scores more, there is no such step; the one price is then 0.
    """
    costs, scores = table.mean_costs.mean(axis=0), table.mean_scores.mean(axis=0)
    corners = hull(costs, scores)
    slopes = np.diff(scores[corners]) / np.diff(costs[corners])
    if not len(slopes):
        return (0.0,)
    # A little beyond both ends, so that the dearest and the cheapest arm are best at some price.
    return tuple(float(price) for price in np.geomspace(min(slopes) / 2, max(slopes) * 2, count))


def held_out(table: Table) -> tuple[Floats, Floats]:
    """Scores and costs, each (questions, arms), that the other questions of a table predict for each question."""
    cells, folds = _cells(table.questions), _folds(table.questions)
    return _held_out(table.mean_scores, cells, folds), _held_out(table.mean_costs, cells, folds)


def _check(table: Table, size: int, prices: Sequence[float], always: Sequence[int]) -> None:
    if not prices or not table.arms or not table.questions:
        raise UsageError("a portfolio needs at least one price, one arm and one question")
    if not len(set(always)) <= size or size < 1:
        raise UsageError(f"a portfolio of {size} arms cannot hold the {len(set(always))} that are always to be in it")
    for arm in always:
        if not 0 <= arm < len(table.arms):
            raise UsageError(f"there is no arm {arm} in a table of {len(table.arms)} arms")


def _always(table: Table, size: int, prices: Sequence[float], always: Sequence[int]) -> list[int]:
    """The arms that are in any portfolio, those of the caller first."""
    score, cost = table.mean_scores.mean(axis=0), table.mean_costs.mean(axis=0)
    worth = score - prices[len(prices) // 2] * cost

    def best(arms: Sequence[int]) -> list[int]:
        return [max(arms, key=lambda arm: (worth[arm], -cost[arm], -arm))] if arms else []

    everyone = range(len(table.arms))
    single = [arm for arm in everyone if table.arms[arm].single]
    verified = [arm for arm in everyone if table.arms[arm].verified]
    alone = [arm for arm in verified if arm in single]
    cheapest = min(everyone, key=lambda arm: (cost[arm], -score[arm], arm))
    wanted = [*always, cheapest, *best(everyone), *best(single), *best(alone or verified)]
    return list(dict.fromkeys(wanted))[:size]


def _held_out(values: Floats, cells: Ints, folds: Ints) -> Floats:
    """What the questions of other folds say of each question: the mean of its cell, pulled towards the arm's mean.

    Args:
        values: (questions, arms).
        cells: (questions,): groups of like questions.
        folds: (questions,).

    Returns:
        (questions, arms).
    """
    candidates = [_shrunk(values, cells, folds, prior) for prior in _PRIORS]
    errors = [float(np.square(values - each).mean()) for each in candidates]
    return candidates[int(np.argmin(errors))]


def _shrunk(values: Floats, cells: Ints, folds: Ints, prior: float) -> Floats:
    found = np.empty_like(values)
    groups = int(cells.max()) + 1
    for fold in range(int(folds.max()) + 1):
        kept = folds != fold
        if not kept.any():  # A table of one question has nothing else to learn from.
            return np.array(values)
        counts = np.bincount(cells[kept], minlength=groups)[:, None]
        sums = np.zeros((groups, values.shape[1]))
        np.add.at(sums, cells[kept], values[kept])
        means = (sums + prior * values[kept].mean(axis=0)) / (counts + prior)
        found[~kept] = means[cells[~kept]]
    return found


def _cells(questions: Sequence[Question]) -> Ints:
    """Groups of like questions: by family, and within a family by length."""
    families: dict[str, list[int]] = {}
    for number, question in enumerate(questions):
        families.setdefault(question.family, []).append(number)
    cells = np.zeros(len(questions), np.intp)
    for position, members in enumerate(families.values()):
        lengths = np.array([len(questions[number].text) for number in members])
        edges = np.quantile(lengths, [part / _LENGTHS for part in range(1, _LENGTHS)])
        cells[members] = position * _LENGTHS + np.searchsorted(edges, lengths)
    return cells


def _folds(questions: Sequence[Question]) -> Ints:
    """A fold for each question by the hash of its name, so that the order of a table makes no difference."""
    keys = [hashlib.sha256(question.name.encode()).hexdigest() for question in questions]
    return np.array(dealt(keys, range(min(_FOLDS, len(questions)))), np.intp)
