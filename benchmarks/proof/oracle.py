"""What could be had at most: every arm's expected score on every question known, not its luck."""

from __future__ import annotations

import numpy as np

from apportion import UsageError
from apportion.optimizers.arrays import Floats
from apportion.optimizers.tables.knapsack import allocate
from apportion.optimizers.tables.portfolio import held_out
from apportion.optimizers.tables.table import Table

__all__ = ["oracle"]


def oracle(table: Table, budget: float) -> tuple[Floats, Floats]:
    """The knapsack on expected scores, cross-fitted over replicates: each is scored by a choice that did not see it.

    An oracle that chooses and is scored on the same draws takes luck for skill, and over many noisy arms it comes close
    to 1 whatever the arms are worth. What this one knows of an arm on a question is the mean of the other replicates,
    drawn towards what like questions say as far as the noise of that mean demands (empirical Bayes, Morris 1983). It
    comes out a little low, the less so the more replicates there are.

    Args:
        table: at least three replicates.
        budget: per question.

    Returns:
        (questions,) twice: scores and costs, means over replicates.
    """
    count, replicates = len(table.questions), table.scores.shape[2]
    if replicates < 3:
        raise UsageError("the oracle on expected scores needs at least three replicates")
    everyone = np.arange(count)
    scores, costs = np.zeros(count), np.zeros(count)
    for held in range(replicates):
        known = table.replicates([replicate for replicate in range(replicates) if replicate != held])
        arms = allocate(_expected(known), known.mean_costs, budget * count)
        scores += table.scores[everyone, arms, held] / replicates
        costs += table.costs[everyone, arms, held] / replicates
    return scores, costs


def _expected(known: Table) -> Floats:
    """(questions, arms): means of replicates, drawn towards what like questions say."""
    means, like = known.mean_scores, held_out(known)[0]
    noise = known.scores.var(axis=2, ddof=1).mean(axis=0) / known.scores.shape[2]
    # The spread around what like questions say is that of the truth and that of the noise together.
    truth = np.maximum(np.square(means - like).mean(axis=0) - noise, 0.0)
    weight = np.divide(truth, truth + noise, out=np.ones_like(truth), where=truth + noise > 0)
    return np.asarray(weight * means + (1 - weight) * like)
